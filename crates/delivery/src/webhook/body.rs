//! What is sent: `type`, `timestamp` and `data`, as Standard Webhooks has it.

use jiff::Timestamp;
use serde::Serialize;
use tocsin_protocol::Message;

use crate::Unfit;

/// A message that was published.
pub(super) const PUBLISHED: &str = "message.published";
/// Nothing happened: somebody looks whether it works.
pub(super) const TEST: &str = "test";

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    /// When it happened, which is not when it is sent.
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    message: &'a Message,
    /// Addresses at this channel of the people it is for.
    mentions: &'a [String],
}

pub(super) fn body(kind: &'static str, message: &Message, mentions: &[String]) -> Result<String, Unfit> {
    let timestamp = Timestamp::from_millisecond(message.created_at)
        .map_err(|_| Unfit("created_at: not a time".into()))?
        .to_string();
    let event = Event { kind, timestamp, data: Data { message, mentions } };
    serde_json::to_string(&event).map_err(|error| Unfit(error.to_string()))
}

//! What a webhook is told of a message's receipt.

use jiff::Timestamp;
use tocsin_protocol::{
    Counts, Message, Millis,
    escalation::Milestone,
    receipt::{ReportBody, ReportData},
};

/// The number a milestone has in rows, from 1.
pub(crate) fn number(milestone: Milestone) -> i64 {
    let place = Milestone::ALL.iter().position(|known| *known == milestone);
    place.map_or(0, |place| i64::try_from(place).unwrap_or(0) + 1)
}

/// Back from [`number`].
pub(crate) fn milestone(number: i64) -> Option<Milestone> {
    let place = usize::try_from(number).ok()?.checked_sub(1)?;
    Milestone::ALL.get(place).copied()
}

/// How far a message is, for a report.
pub(crate) struct Said {
    pub(crate) counts: Counts,
    pub(crate) missing: Vec<String>,
    pub(crate) unacknowledged: Vec<String>,
}

/// The body, byte for byte as every try sends it.
pub(crate) fn body(
    message: &Message,
    milestone: Milestone,
    reached: bool,
    said: &Said,
    now: Millis,
) -> String {
    let kind = if reached { milestone.name() } else { "missed" };
    // What expired did so at its time, whenever it is noticed.
    let at = message.expires_at.filter(|_| !reached).map_or(now, |over| over.min(now));
    let timestamp = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    let body = ReportBody {
        kind: format!("receipt.{kind}"),
        timestamp: timestamp.to_string(),
        data: ReportData {
            id: message.id,
            topic: message.topic.clone(),
            title: message.title.clone(),
            milestone,
            reached,
            counts: said.counts,
            missing: said.missing.clone(),
            unacknowledged: said.unacknowledged.clone(),
        },
    };
    // Strings and numbers: nothing of it can fail to be written.
    serde_json::to_string(&body).unwrap_or_default()
}

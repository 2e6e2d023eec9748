//! Ways to reach a person outside live connections, and what became of each try.
//!
//! A [`Delivery`] is one message for one person (or one group) over one channel. Its state only says more, never less:
//! `accepted` becomes `confirmed` or `failed`, `unknown` may still become `accepted`; only a person's *resend* takes a
//! finished one back to `queued`, and then `round` counts up.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{MessageId, Millis, Priority, escalation::Milestone};

/// What stands behind a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// An official account (服务号): one person by their openid.
    Wechat,
    /// An app of a WeCom company (企业微信应用): one person by their userid.
    Wecom,
    /// A robot in a WeCom group (群机器人): the group as a whole.
    WecomRobot,
    /// A signed HTTP request to an address.
    Webhook,
}

impl ChannelKind {
    /// Whether it reaches one place for all, rather than each person at an address of their own.
    pub fn is_group(self) -> bool {
        matches!(self, Self::WecomRobot | Self::Webhook)
    }
}

/// One credential at a platform. Its secret is in the keyring, never here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Channel {
    /// Unique, `[A-Za-z0-9._-]`.
    pub name: String,
    /// What stands behind it.
    pub kind: ChannelKind,
    /// The name people know it by.
    pub display_name: String,
    /// Whether anything is sent over it.
    pub enabled: bool,
    /// Settings that are no secret (ids, template, base URL, proxy).
    #[ts(type = "Record<string, unknown>")]
    #[schema(value_type = Object)]
    pub config: serde_json::Value,
    /// Since when.
    pub created_at: Millis,
}

/// `PUT /v1/channels/{name}`: makes or changes it. The kind of one that exists stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ChannelSettings {
    /// What stands behind it.
    pub kind: ChannelKind,
    /// Default: the name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Default: yes.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// Settings that are no secret; an object.
    #[serde(default)]
    #[ts(type = "Record<string, unknown>")]
    #[schema(value_type = Object)]
    pub config: serde_json::Value,
}

/// Whether a channel is sent over now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// Yes.
    Open,
    /// The next delivery goes out alone, to see whether it works again.
    Probing,
    /// Not until `until`.
    Parked,
}

/// How a channel does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct ChannelHealth {
    /// The channel.
    pub channel: String,
    /// Whether it is sent over now.
    pub flow: Flow,
    /// Until when it is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
    /// The platform's code that parked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The platform's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Deliveries that wait.
    pub queued: u64,
    /// Deliveries that failed and were not sent again.
    pub failed: u64,
    /// Deliveries of which nobody knows whether they arrived.
    pub unknown: u64,
}

/// A person's address at a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Binding {
    /// The channel.
    pub channel: String,
    /// The person.
    pub user: String,
    /// Their openid or userid; at a robot the userid that a mention names.
    pub address: String,
    /// Since when.
    pub bound_at: Millis,
    /// Why the platform refuses it; nothing is sent to it until it is bound again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// Why the platform did not reach the person last time. What comes is sent nevertheless; the next message that it
    /// takes ends this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flagged: Option<String>,
}

/// From which priority a channel carries messages. Of several rules for one channel and person the most particular one
/// counts: topic and person, then person, then topic, then neither.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Route {
    /// The channel.
    pub channel: String,
    /// Only messages of this topic. A group channel needs one: what names people is not told to a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Only this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// From this priority on; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_priority: Option<Priority>,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waits for its time.
    Queued,
    /// A request is on its way, or its program died with it.
    Sending,
    /// Part of a digest that waits or is on its way.
    Merged,
    /// The platform took it. Not every platform says more.
    Accepted,
    /// The platform said that it arrived.
    Confirmed,
    /// It was refused for good, or tried for too long.
    Failed,
    /// It was handed over and no answer came: sending it again could show it twice.
    Unknown,
    /// The message expired before it was sent.
    Expired,
    /// A newer version came, the person left, or somebody stopped it.
    Cancelled,
}

impl DeliveryState {
    /// Whether nothing happens any more by itself, except that the platform may still say more.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending | Self::Merged)
    }
}

/// One message for one person (or one group) over one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Delivery {
    /// For other calls.
    pub id: u64,
    /// The message; absent: it is a digest of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub message: Option<MessageId>,
    /// Its title.
    pub title: String,
    /// Its topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Not the message: a report that so many are so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Milestone>,
    /// The person; absent: a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The channel.
    pub channel: String,
    /// How far it is.
    pub state: DeliveryState,
    /// Since when.
    pub since: Millis,
    /// When it is tried next, at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Millis>,
    /// Until when it is tried by itself; absent: it is not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_up_at: Option<Millis>,
    /// Tries so far, those of its digest not counted.
    pub attempts: u32,
    /// How often a person had it sent again.
    pub round: u32,
    /// The digest that carries or carried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<u64>,
    /// The platform's code for how it ended, or one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The platform's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The platform's name for it. Text: it exceeds 2^53.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msgid: Option<String>,
    /// When it was queued first.
    pub created_at: Millis,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptResult {
    /// It is on its way.
    Running,
    /// The platform took it.
    Accepted,
    /// The platform refused it.
    Refused,
    /// It was handed over and no answer came.
    Unknown,
    /// It never left this computer.
    NotSent,
    /// The program ended meanwhile.
    Lost,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Attempt {
    /// Where it went: openid, userid; empty for a group.
    pub address: String,
    /// When it began.
    pub started_at: Millis,
    /// When its end was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// How it ended.
    pub result: AttemptResult,
    /// The platform's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The platform's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The platform's name for it. Text: it exceeds 2^53.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msgid: Option<String>,
}

/// `GET /v1/deliveries/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct DeliveryDetail {
    /// The delivery.
    pub delivery: Delivery,
    /// Its tries, and those of the digest that carried it, oldest first.
    pub attempts: Vec<Attempt>,
    /// What a digest carries or carried.
    pub carries: Vec<Delivery>,
}

/// `POST /v1/deliveries/resend`. Repeating the same request sends nothing twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, tag = "what", rename_all = "snake_case")]
pub enum Resend {
    /// One delivery.
    One {
        /// Which.
        id: u64,
        /// Its `round` as the person saw it: a second click finds another one and does nothing.
        round: u32,
    },
    /// All that failed, are unknown or expired.
    Failed {
        /// Only what ended no later than this: the time at which the person saw the list.
        until: Millis,
        /// Only of this channel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        channel: Option<String>,
        /// Only of this message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        #[schema(value_type = Option<String>)]
        message: Option<MessageId>,
        /// Unknown ones too, which may then be seen twice.
        #[serde(default)]
        unknown: bool,
    },
}

/// What a resend did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Resent {
    /// How many are queued again.
    pub queued: u64,
}

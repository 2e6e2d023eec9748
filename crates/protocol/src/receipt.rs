//! What is known about who has a message.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{Cursor, MessageId, Millis, Seq, channel::Way};

/// How far a message came with one person: the furthest state over all their devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Owed; no device of theirs has it. The only state that counts as missing.
    Missing,
    /// They were removed before it arrived.
    Withdrawn,
    /// It expired before it arrived.
    Expired,
    /// A newer version exists and this one never arrived.
    Superseded,
    /// Its body was pruned before it arrived.
    LostToRetention,
    /// Handed to a client that cannot acknowledge.
    Sent,
    /// A device stored it.
    Received,
    /// The person opened or dismissed it.
    Read,
    /// The person pressed Acknowledge.
    Acknowledged,
}

/// Whether a device put it before the person's eyes. Stored is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Stored, not yet shown.
    Pending,
    /// The notification daemon took it.
    Shown,
    /// Not shown on purpose: quiet hours, pause, mute, priority 1, part of a summary.
    Suppressed,
    /// Could not be shown: no daemon, or it refused.
    Failed,
}

/// One person of the audience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct PersonReceipt {
    /// User name.
    pub user: String,
    /// The name people know them by.
    pub display_name: String,
    /// The furthest state.
    pub state: State,
    /// When it was handed to a client that cannot acknowledge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Millis>,
    /// When the first device had it (to the minute below priority 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Millis>,
    /// The device that had it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The best that any device reported about showing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
    /// When it was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_at: Option<Millis>,
    /// When it was opened or dismissed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Millis>,
    /// When Acknowledge was pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Millis>,
    /// How it fares over channels to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Way>>")]
    pub ways: Vec<Way>,
}

/// How many people are in each state or a further one. A person who acknowledged also counts as received and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Counts {
    /// The audience.
    pub owed: u64,
    /// Handed to a client that cannot acknowledge, and not more.
    pub sent: u64,
    /// Stored by a device.
    pub received: u64,
    /// Reported as shown.
    pub shown: u64,
    /// Opened or dismissed.
    pub read: u64,
    /// Acknowledged.
    pub acknowledged: u64,
    /// Owed and not received (a `sent` is neither received nor missing).
    pub missing: u64,
    /// Removed before it arrived.
    pub withdrawn: u64,
}

/// `GET /v1/messages/{id}/receipt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Receipt {
    /// The message.
    pub id: MessageId,
    /// Its position.
    pub seq: Seq,
    /// Its topic, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Its title.
    pub title: String,
    /// When it was stored.
    pub created_at: Millis,
    /// When nobody needs it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// The newer version, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<MessageId>,
    /// How many are how far.
    pub counts: Counts,
    /// Names of those who are owed it and have not received it; at most 100, `counts.missing` has the number.
    pub missing: Vec<String>,
    /// One row per person, by name. A member who neither sent it nor is an admin sees only their own row.
    pub people: Vec<PersonReceipt>,
    /// How it fares over channels to groups; only for its sender and admins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Way>>")]
    pub groups: Vec<Way>,
    /// The log position that this answer reflects.
    pub as_of: Cursor,
}

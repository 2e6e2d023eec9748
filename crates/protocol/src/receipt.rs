//! What is known about who has a message.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{
    Cursor, MessageId, Millis, Priority, Seq,
    channel::Way,
    escalation::{Escalation, EscalationState, Milestone},
};

/// Names in `missing`, `unread` and `unacknowledged`: a window shows no more, the counts have the rest.
pub const NAMES_MOST: usize = 100;
/// People of one page of a receipt: every team this is made for is on one page.
pub const PEOPLE_PAGE: usize = 200;
/// The longest wait for a milestone, seconds.
pub const WAIT_MOST_S: u64 = 300;

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
    /// Handed to a client that cannot acknowledge, or accepted by a platform that has not said more.
    Sent,
    /// A device stored it, or a platform says that it arrived.
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
    /// Which of all that ever had the name, for the server itself: names of people who were removed are used again.
    #[serde(skip)]
    #[ts(skip)]
    pub whose: i64,
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
    /// The channel that it came over, if that was the first to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Why somebody is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Brought in by an escalation: the message that they got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalated: Option<MessageId>,
    /// When it was last shown to them again by an escalation or a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<Millis>,
    /// Their devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Presence>>")]
    pub devices: Vec<Presence>,
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

/// Why somebody has not got a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// They have no device that takes it, and no address at a channel that carries it.
    NoWay,
    /// None of their devices is connected.
    Offline,
    /// A channel could not deliver it, and no device has it.
    DeliveryFailed,
    /// A channel still tries.
    Underway,
    /// A device is connected and has not confirmed yet.
    Unconfirmed,
}

/// Whether a device is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Presence {
    /// Its name.
    pub device: String,
    /// It is connected now.
    pub online: bool,
    /// The last sign of life, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Millis>,
}

/// Where what became of a message is sent: one signed request for each milestone, when it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Name of a webhook channel.
    pub channel: String,
    /// What is told, each once. At the latest when the message expires or its escalation ends, the rest is told as
    /// `missed`.
    pub on: Vec<Milestone>,
}

/// Body of a report to a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct ReportBody {
    /// `receipt.acknowledged_by_any`, or `receipt.missed` when the message expired before.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, RFC 3339.
    pub timestamp: String,
    /// What is known.
    pub data: ReportData,
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct ReportData {
    /// The message.
    pub id: MessageId,
    /// Its topic, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Its title.
    pub title: String,
    /// What was waited for.
    pub milestone: Milestone,
    /// Whether it was reached.
    pub reached: bool,
    /// How many are how far.
    pub counts: Counts,
    /// Names of those who have not received it, also of those it came too late for; at most 100.
    pub missing: Vec<String>,
    /// Names of those who have not acknowledged it, also of those it came too late for; at most 100.
    pub unacknowledged: Vec<String>,
}

/// How many people are in each state or a further one. A person who acknowledged also counts as received and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(default)]
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
    /// It expired, was replaced or pruned before it arrived: they will not get it any more.
    pub given_up: u64,
    /// It is owed to them still, and they have not opened or dismissed it.
    pub unread: u64,
    /// It is owed to them still, and they have not acknowledged it.
    pub unacknowledged: u64,
}

impl Counts {
    /// Whether it is reached. Of nobody nothing can be said.
    pub fn reached(&self, milestone: Milestone) -> bool {
        use Milestone as M;
        match milestone {
            M::ReceivedByAny => self.received > 0,
            M::ReadByAny => self.read > 0,
            M::AcknowledgedByAny => self.acknowledged > 0,
            // Whoever it came too late for did not get it.
            _ if self.given_up > 0 => false,
            M::ReceivedByAll => self.received > 0 && self.missing == 0 && self.sent == 0,
            M::ReadByAll => self.read > 0 && self.unread == 0,
            M::AcknowledgedByAll => self.acknowledged > 0 && self.unacknowledged == 0,
        }
    }
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
    /// Whether it is of everybody. A member who neither sent it nor is an admin sees their own row alone.
    pub whole: bool,
    /// How many are how far.
    pub counts: Counts,
    /// Names of those who are owed it and have not received it; at most 100, `counts.missing` has the number.
    pub missing: Vec<String>,
    /// Names of those who have not opened or dismissed it; at most 100.
    pub unread: Vec<String>,
    /// Names of those who have not acknowledged it; at most 100.
    pub unacknowledged: Vec<String>,
    /// One row per person, by name.
    pub people: Vec<PersonReceipt>,
    /// Pass as `after` to get the next page of people; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What its escalation did; only for its sender and admins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Escalation>,
    /// What was waited for, and whether it was reached in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Waited>,
    /// How it fares over channels to groups; only for its sender and admins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Way>>")]
    pub groups: Vec<Way>,
    /// The log position that this answer reflects.
    pub as_of: Cursor,
    /// The time that this answer reflects, by the server's clock: what a resend names as `until`.
    pub as_of_ms: Millis,
}

/// What `?wait=` waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Waited {
    /// This.
    #[serde(rename = "for")]
    pub milestone: Milestone,
    /// Whether it was reached.
    pub reached: bool,
}

/// Which receipts `GET /v1/receipts` lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptFilter {
    /// All.
    #[default]
    All,
    /// Somebody is owed it and has not received it.
    Undelivered,
    /// Somebody who is owed it has not acknowledged it, though it asks for it (an acknowledge action, priority 4 or 5).
    Unacknowledged,
    /// A delivery over a channel failed and was not sent again.
    Failed,
    /// Of a delivery over a channel nobody knows whether it arrived.
    Unknown,
    /// It expired before everybody had it.
    Expired,
}

/// A receipt without its people: a row of `GET /v1/receipts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct ReceiptSummary {
    /// The message.
    pub id: MessageId,
    /// Its position.
    pub seq: Seq,
    /// Its topic, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Who sent it.
    pub sender: String,
    /// Its title.
    pub title: String,
    /// 1 to 5.
    pub priority: Priority,
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
    /// Names of those who have not received it; at most 100.
    pub missing: Vec<String>,
    /// Deliveries over channels that failed and were not sent again.
    pub failed: u64,
    /// Deliveries over channels of which nobody knows whether they arrived.
    pub unknown: u64,
    /// How far its escalation is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<EscalationState>,
}

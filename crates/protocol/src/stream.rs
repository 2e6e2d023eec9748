//! What the three transports carry. The same [`Message`] and the same [`Cursor`] in all of them:
//!
//! - WebSocket (`tocsin.v1`): one [`ServerFrame`] or [`ClientFrame`] as JSON per text frame.
//! - SSE: a message is `id: <cursor>` + `data: <Message>` without an `event:` line; a [`StateChange`] has
//!   `event: state`, a [`Reset`] `event: reset`; a position is an `id:` line alone, which the browser
//!   stores without dispatching anything.
//! - Poll: one [`Poll`] per answer.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{Cursor, Message, MessageId, Millis, Shown, escalation::Settled};

/// From server to client over WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(optional_fields)]
pub enum ServerFrame {
    /// First frame.
    Hello {
        /// The stream starts after this position.
        cursor: Cursor,
        /// Whose inbox this is.
        user: String,
        /// The device that acknowledgements are booked on.
        device: String,
        /// A frame comes at least this often; silence for twice as long means a dead connection.
        heartbeat_s: u32,
    },
    /// A message owed to this person.
    Message(Message),
    /// Somebody (often another device of the same person) read or acknowledged a message of theirs.
    State(StateChange),
    /// Nothing owed up to here; store it and resume from it. Also the heartbeat.
    Position {
        /// The position.
        cursor: Cursor,
    },
    /// The position asked for can not be continued; see [`Reset`].
    Reset(Reset),
}

/// From client to server over WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(optional_fields)]
pub enum ClientFrame {
    /// Continue after this position. Only as the first frame, and only without `?cursor=`.
    Resume {
        /// The last position stored; absent on a device that never had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<Cursor>,
    },
    /// Everything of this stream up to here is durably stored.
    Ack {
        /// The position.
        cursor: Cursor,
        /// What became of showing some of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[ts(as = "Option<Vec<ShownReport>>")]
        shown: Vec<ShownReport>,
    },
    /// Sign of life of a client that cannot send pings (a browser).
    Heartbeat,
}

/// What became of showing one message on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShownReport {
    /// The message.
    pub id: MessageId,
    /// What became of it.
    pub shown: Shown,
    /// When, by the device's clock.
    pub at: Millis,
}

/// A person read or acknowledged a message, or is to be told of it again: sent to their own streams, so that all their
/// devices agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct StateChange {
    /// Its position in the log.
    pub cursor: Cursor,
    /// The message.
    pub id: MessageId,
    /// Since when it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Millis>,
    /// Since when it is acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Millis>,
    /// Show it again: an escalation or a person asked for it at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_at: Option<Millis>,
    /// Somebody took care of it for all: its popup goes away, and nothing repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// The client's position can not be continued. It carries a new one; list what can be read and go on from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Reset {
    /// Go on from here.
    pub cursor: Cursor,
    /// Why.
    pub reason: ResetReason,
    /// How many messages owed to this person were pruned before they came; 0 when the epoch changed.
    pub lost: u64,
    /// When the oldest of them was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_since: Option<Millis>,
}

/// Why a position can not be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// The database was restored or reset: positions of before mean nothing now.
    Epoch,
    /// Messages owed to this person were pruned before they were fetched.
    Retention,
}

/// Answer of `GET /poll`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Poll {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Changes by this person's other devices, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<StateChange>>")]
    pub states: Vec<StateChange>,
    /// Ask with this next time: it acknowledges what this answer carried.
    pub cursor: Cursor,
    /// There is more: ask again at once.
    pub more: bool,
    /// The position asked with could not be continued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
}

/// `POST /v1/ack`: what SSE clients and browsers send in place of an `ack` frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Ack {
    /// Where the stream that is acknowledged started or resumed (the `id` of its first event).
    pub from: Cursor,
    /// Everything of that stream up to here is durably stored.
    pub cursor: Cursor,
    /// What became of showing some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<ShownReport>>")]
    pub shown: Vec<ShownReport>,
}

/// `POST /v1/messages/{id}/read` and `/acknowledge`; an empty body means now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct Pressed {
    /// When the person pressed it, for one that was queued offline. A time in the future counts as now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
}

/// WebSocket close codes. Below 4100 a client reconnects; from 4100 on it must not by itself.
pub mod close {
    /// The connection's queue was full: resume from the cursor.
    pub const LAGGING: u16 = 4000;
    /// The server is going away: reconnect after a random delay.
    pub const GOING_AWAY: u16 = 4001;
    /// Temporarily refused (too many connections, store not writable).
    pub const BUSY: u16 = 4002;
    /// No sign of life from the client within the pong wait.
    pub const SILENT: u16 = 4003;
    /// The token is unknown, expired or revoked: ask for a new one.
    pub const UNAUTHORISED: u16 = 4100;
    /// Another connection with the same `instance` took over.
    pub const REPLACED: u16 = 4101;
    /// The client sent something that is not of the protocol.
    pub const BAD_FRAME: u16 = 4102;
}

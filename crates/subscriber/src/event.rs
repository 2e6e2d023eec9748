//! What a subscriber tells its host.

use tocsin_protocol::{Message, Millis, Published, Reset, StateChange};

use crate::{Connection, Error, Slept};

/// What happened. Everything named here is already committed to the inbox, so an event that is lost to a crash is
/// found again in [`crate::Inbox::pending`].
#[derive(Debug)]
pub enum Event {
    /// The connection changed.
    Connection(Connection),
    /// A message was stored, or is to be shown again ([`Stored::reminded_at`]); the host decides whether to show it and
    /// says so with [`crate::Inbox::set_shown`].
    Stored(Box<Stored>),
    /// A message was read or acknowledged, here or on another device of this person, or settled by anybody: its popup
    /// goes away.
    State(StateChange),
    /// The position could not be continued. The messages listed in its stead follow as [`Arrival::Restored`].
    Reset(Reset),
    /// All that was waiting has arrived: so many came as [`Arrival::Missed`] or [`Arrival::Restored`] since the
    /// connection was made. Always sent once a connection, also with 0.
    CaughtUp {
        /// How many.
        count: u64,
    },
    /// The computer slept. Meanwhile nothing arrived; the connection is being made sure of.
    Slept(Slept),
    /// A spooled publish was taken by the server, or refused for good.
    Sent {
        /// Its idempotency key.
        key: String,
        /// What became of it.
        result: Box<Result<Published, Error>>,
    },
}

/// A message that was stored now or is told of again, with what decides whether and how to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The message.
    pub message: Message,
    /// How it came.
    pub arrival: Arrival,
    /// Why it needs no popup of its own; such a message is stored as suppressed.
    pub silent: Option<Silent>,
    /// When it counts as acknowledged: carried over from the version it superseded, or pressed on another device.
    pub acknowledged_at: Option<Millis>,
    /// It was stored before and is to be shown again, even if it was read: an escalation or a person asked for that at
    /// this time.
    pub reminded_at: Option<Millis>,
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Just sent.
    Live,
    /// Sent while this device was away (a reminder: well before it was back): one summary for all until
    /// [`Event::CaughtUp`].
    Missed,
    /// Listed after a reset: one summary for all.
    Restored,
}

/// Why a message needs no popup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silent {
    /// A newer version exists.
    Superseded,
    /// It expired before it arrived.
    Expired,
    /// It was read, acknowledged or settled elsewhere (an acknowledgement that carries over included).
    Handled,
}

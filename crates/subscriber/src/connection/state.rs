//! What the rest of the program sees of the connection.

use tocsin_protocol::{Millis, control::Transport};

use super::Reason;

/// State of the stream to the server; [`tocsin_protocol::control::Connection`] before it is put into words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The first attempt is under way.
    Connecting,
    /// Messages arrive.
    Online {
        /// How.
        transport: Transport,
        /// Since when.
        since: Millis,
    },
    /// Messages do not arrive. Without `retry_at` no attempt is planned (another one took over, or it was stopped).
    Offline {
        /// Since when messages do not arrive: kept over all attempts that failed since.
        since: Millis,
        /// Why, as of the last attempt.
        reason: Reason,
        /// When the next attempt is made.
        retry_at: Option<Millis>,
    },
    /// The server does not take this device's token; nothing is tried any more.
    Refused {
        /// Since when.
        since: Millis,
        /// Why.
        reason: Reason,
    },
}

impl Connection {
    /// Whether messages arrive.
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online { .. })
    }
}

//! What an attempt or a stream failed of, and whose fault that is.

use std::time::Duration;

use super::Reason;

/// Why a stream is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub kind: Kind,
    pub reason: Reason,
    /// How long the server asked to wait.
    pub asked: Option<Duration>,
}

/// Whose fault it is: decides where and when the next attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server was not reached at all: no transport would do better.
    Network,
    /// A connection was made and broke before it worked: perhaps the transport.
    Broken,
    /// An answer came that this transport cannot have from a Tocsin server, or nothing came through: the transport.
    Blocked,
    /// It worked and ended.
    Ended,
    /// The server said so itself.
    Server,
    /// The token is not taken: a person is needed.
    Refused,
    /// Must not be tried again by itself.
    Halted,
}

impl Failure {
    pub fn new(kind: Kind, reason: Reason) -> Self {
        Self { kind, reason, asked: None }
    }

    pub fn after(mut self, asked: Option<Duration>) -> Self {
        self.asked = asked;
        self
    }

    /// A connection that broke off before it worked.
    pub fn broken() -> Self {
        Self::new(Kind::Broken, Reason::Broken)
    }

    /// Nothing came through in time.
    pub fn nothing_came() -> Self {
        Self::new(Kind::Blocked, Reason::Blocked(None))
    }

    /// Something else than the protocol came.
    pub fn garbage(what: &(impl ToString + ?Sized)) -> Self {
        Self::new(Kind::Blocked, Reason::Garbage(what.to_string()))
    }

    /// An HTTP status in place of a stream.
    pub fn status(status: u16, asked: Option<Duration>) -> Self {
        match status {
            401 => Self::new(Kind::Refused, Reason::Unauthorised),
            429 | 503 => Self::new(Kind::Server, Reason::Busy).after(asked),
            // A gateway without a server behind it; some answer so to an Upgrade that they do not know.
            500 | 502 | 504 => Self::new(Kind::Broken, Reason::Blocked(Some(status))).after(asked),
            _ => Self::new(Kind::Blocked, Reason::Blocked(Some(status))),
        }
    }
}

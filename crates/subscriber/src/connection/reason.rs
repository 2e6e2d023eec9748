//! Why messages do not arrive. `Display` is for logs and `--json`; the resident says it in the person's language,
//! from [`Reason::code`] and [`Reason::detail`].

use std::fmt;

/// Why messages do not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No route, nobody listens, no such name. Holds what the system said.
    Unreachable(String),
    /// The server's certificate is not the one expected, or TLS failed.
    Certificate(String),
    /// The connection was made, but no answer came, or it broke off early.
    Broken,
    /// Something on the way does not let this transport through. Holds the HTTP status, if one came.
    Blocked(Option<u16>),
    /// Nothing was heard for twice the heartbeat.
    Silent,
    /// The stream ended.
    Ended,
    /// The server asked to come back later, or is not ready.
    Busy,
    /// The server is going away.
    GoingAway,
    /// This device was too slow and was cut off; it goes on from where it was.
    Lagging,
    /// Something that is not of the protocol came. Holds what.
    Garbage(String),
    /// The computer slept.
    Slept,
    /// The network changed, or somebody asked for a new attempt.
    Asked,
    /// The inbox cannot be written, so nothing may be acknowledged. Holds what the system said.
    InboxUnwritable(String),
    /// The server no longer takes the token.
    Unauthorised,
    /// The token belongs to somebody else than the inbox. Holds their name.
    OtherUser(String),
    /// Another connection of this very subscriber took over.
    Replaced,
    /// The server did not understand this program.
    NotUnderstood(u16),
    /// The endpoint itself is not usable. Holds why.
    Endpoint(String),
    /// Stopped on purpose.
    Stopped,
}

impl Reason {
    /// Stable name: the key of its sentence in the locale files.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Certificate(_) => "certificate",
            Self::Broken => "broken",
            Self::Blocked(_) => "blocked",
            Self::Silent => "silent",
            Self::Ended => "ended",
            Self::Busy => "busy",
            Self::GoingAway => "going_away",
            Self::Lagging => "lagging",
            Self::Garbage(_) => "garbage",
            Self::Slept => "slept",
            Self::Asked => "asked",
            Self::InboxUnwritable(_) => "inbox_unwritable",
            Self::Unauthorised => "unauthorised",
            Self::OtherUser(_) => "other_user",
            Self::Replaced => "replaced",
            Self::NotUnderstood(_) => "not_understood",
            Self::Endpoint(_) => "endpoint",
            Self::Stopped => "stopped",
        }
    }

    /// What the system or the other side said, untranslated.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Unreachable(text)
            | Self::Certificate(text)
            | Self::Garbage(text)
            | Self::InboxUnwritable(text)
            | Self::OtherUser(text)
            | Self::Endpoint(text) => Some(text.clone()),
            Self::Blocked(status) => status.map(|s| s.to_string()),
            Self::NotUnderstood(code) => Some(code.to_string()),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable(_) => "the server cannot be reached",
            Self::Certificate(_) => "the server's certificate is not the one expected",
            Self::Broken => "the connection broke off before an answer came",
            Self::Blocked(_) => "something on the way does not let this kind of connection through",
            Self::Silent => "nothing was heard from the server for too long",
            Self::Ended => "the connection ended",
            Self::Busy => "the server asked to come back later",
            Self::GoingAway => "the server is restarting or shutting down",
            Self::Lagging => "this device was too slow and was cut off; it goes on from where it was",
            Self::Garbage(_) => "something else than a Tocsin server answers",
            Self::Slept => "the computer slept",
            Self::Asked => "a new connection was asked for",
            Self::InboxUnwritable(_) => {
                "the local inbox cannot be written, so nothing is taken from the server"
            }
            Self::Unauthorised => "the server no longer takes this device's token; ask for a new invite",
            Self::OtherUser(_) => "the token belongs to another person than this inbox; ask for a new invite",
            Self::Replaced => "another connection of this device took over",
            Self::NotUnderstood(_) => "the server did not understand this version of the program",
            Self::Endpoint(_) => "the server's address cannot be used",
            Self::Stopped => "stopped",
        })?;
        self.detail().map_or(Ok(()), |detail| write!(f, " ({detail})"))
    }
}

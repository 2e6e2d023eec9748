//! What can go wrong when the library is asked for something. What goes wrong with the stream is a
//! [`Reason`](crate::Reason): it is waited out, not returned.

use std::path::PathBuf;

use tocsin_protocol::{ApiError, Code, MessageId};

/// Result of most calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an origin.
    #[error("{0:?} is not the address of a server: expected https://host:port, without a path")]
    Origin(String),
    /// Plain http beyond loopback.
    #[error(
        "{0} is not encrypted: plain http is taken only to this computer; use the https address of the invite"
    )]
    PlainHttp(String),
    /// Not a path of the API.
    #[error("{0:?} is not a path: expected one that begins with a single slash")]
    Path(String),
    /// Not a CA fingerprint.
    #[error("the CA fingerprint is not 43 characters of base64url; copy the invite again, whole")]
    Fingerprint,
    /// The TLS configuration could not be built.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The server cannot be reached.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The server's certificate was refused.
    #[error("the server's certificate is not the one expected: {0}")]
    Certificate(String),
    /// The server refused the request.
    #[error("{error} ({status})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What the server said.
        error: ApiError,
    },
    /// The answer is not of the protocol: something else answers at this address.
    #[error("the answer is not one of a Tocsin server ({status}): {detail}")]
    Answer {
        /// HTTP status.
        status: u16,
        /// What was wrong with it.
        detail: String,
    },
    /// The text is not an invite.
    #[error(transparent)]
    Invite(#[from] tocsin_protocol::invite::BadInvite),
    /// No such message in the local inbox.
    #[error("no message {0} in this device's inbox")]
    UnknownMessage(MessageId),
    /// The inbox file is of a newer version of the program.
    #[error("{} was written by a newer Tocsin (schema {found}, this one knows {known}): install the newer version again", path.display())]
    InboxNewer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this version knows.
        known: i64,
    },
    /// The inbox could not be read or written.
    #[error("the inbox {} cannot be used: {source}", path.display())]
    Inbox {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The inbox's directory or files could not be made or moved.
    #[error("{} cannot be used: {source}", path.display())]
    Files {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Too many publishes wait already.
    #[error(
        "{0} messages wait to be sent already; this one was not taken: check the connection to the server"
    )]
    SpoolFull(usize),
    /// The inbox has been closed.
    #[error("the inbox is closed")]
    Closed,
}

impl Error {
    /// The same as the API would say it: for answers on the control socket and exit codes.
    pub fn code(&self) -> Code {
        match self {
            Self::Origin(_) | Self::PlainHttp(_) | Self::Fingerprint | Self::Invite(_) | Self::Path(_) => {
                Code::InvalidField
            }
            Self::Tls(_) => Code::Internal,
            Self::Unreachable(_) | Self::Certificate(_) | Self::Answer { .. } => Code::Offline,
            Self::Refused { error, .. } => error.code,
            Self::UnknownMessage(_) => Code::NotFound,
            Self::InboxNewer { .. }
            | Self::Inbox { .. }
            | Self::Files { .. }
            | Self::SpoolFull(_)
            | Self::Closed => Code::StoreUnavailable,
        }
    }

    /// Whether the same request may succeed later without anybody doing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { status, .. } | Self::Answer { status, .. } => {
                matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
            }
            _ => false,
        }
    }
}

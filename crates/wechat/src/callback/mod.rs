//! What the platforms push: is it theirs, is it for us, is it new, and what does it say?
//!
//! ```text
//! query + body ──► Callback::open: time, signature, decrypt, parse ──► Opened ──► Guard::admit ──► act ──► reply
//! ```
//!
//! Everything here is pure: bytes and the time come in, an event or a refusal goes out. The caller answers within the
//! platform's five seconds whatever its store does, and works afterwards.
//!
//! Invariants: nothing is decrypted before its signature has been verified in constant time; a signed time more than five
//! minutes off is refused, so that a recorded request is worthless afterwards; within them the [`Guard`] answers it as the
//! first was answered, without effect; nothing from outside makes a parser panic, recurse deeply or allocate without bound.

mod event;
mod guard;
mod open;
mod query;
mod reply;
mod tree;

pub use event::{Event, TemplateStatus};
pub use guard::{Admission, Fingerprint, Guard};
pub use open::{Callback, Dialect, Opened};
pub use query::Query;
pub use reply::{Answer, Reply};

use crate::{clock::Millis, crypto::CryptoError};

/// Reads a body and what it says, as [`Callback::open`] does behind the signature.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_tree(body: &str) {
    if let Ok((tree, _)) = tree::Tree::parse(body) {
        let _ = (Event::of(&tree), Event::identity(&tree));
    }
}

/// How far a signed time may be off: the platforms' clocks are right, this computer's may be a little wrong.
pub const FRESH: Millis = 300_000;
/// Longest body: a text message has a few kilobytes, compatible mode three times as much.
pub const BODY_BYTES: usize = 256 * 1024;

/// Format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// XML.
    Xml,
    /// JSON.
    Json,
}

/// Why a request was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// The body is too long.
    #[error("the body is longer than {BODY_BYTES} bytes")]
    TooLong,
    /// Signed too long ago, or in the future.
    #[error("signed {0} s away from this computer's time: a repetition, or a wrong clock")]
    Time(i64),
    /// Not signed with the token.
    #[error("the signature is not made with this token")]
    Signature,
    /// Not encrypted although it has to be.
    #[error("the message is not encrypted; choose secure mode in the platform's console")]
    Plain,
    /// It cannot be decrypted, or is for another account.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// It cannot be read.
    #[error("the message cannot be read: {0}")]
    Unreadable(&'static str),
}

impl Rejected {
    /// The HTTP status to answer with.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Crypto(CryptoError::Receiver) | Self::Plain => 403,
            Self::Missing(_) | Self::Unreadable(_) | Self::Crypto(_) => 400,
            Self::TooLong => 413,
            Self::Time(_) | Self::Signature => 401,
        }
    }
}

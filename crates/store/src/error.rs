//! What a store can answer instead of a result.

/// Every way in which a store operation fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such topic; nothing was stored.
    #[error("no topic named {0:?}")]
    UnknownTopic(String),
    /// No such person; nothing was stored.
    #[error("no user named {0:?}")]
    UnknownUser(String),
    /// No such message, device, token.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The sender or viewer has no right to it.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyConflict,
    /// The name is taken, or the last admin would go.
    #[error("{0}")]
    Conflict(String),
    /// It cannot be: what is wrong with it.
    #[error("{0}")]
    Invalid(String),
    /// The person has as many devices as one may have; nothing was made.
    #[error("{0} has {most} devices, and no more are made", most = tocsin_protocol::limits::DEVICES)]
    TooManyDevices(String),
    /// The code was used, or its time is over.
    #[error("the code was used already, or its time is over")]
    Gone,
    /// The disk is full, or the directory is not writable. Works again when there is room.
    #[error("nothing can be stored now: {0}")]
    Unavailable(String),
    /// A flush to disk failed: what the kernel still holds is unknown, so nothing more is accepted until a restart.
    #[error("a flush to disk failed; restart after checking the disk: {0}")]
    Poisoned(String),
    /// The file was written by a newer version.
    #[error(
        "the database is of version {found}, this program knows up to {known}: install the newer version again, or restore a backup"
    )]
    Newer {
        /// Version in the file.
        found: u32,
        /// Newest version this program knows.
        known: u32,
    },
    /// Another process has the store open.
    #[error("the data directory is in use by another process: {0}")]
    InUse(String),
    /// The file is damaged, or not a database.
    #[error("the database is damaged: {0}; restore a backup with `tocsin restore`")]
    Damaged(String),
}

//! What can go wrong between a client and the resident.

use std::{io, path::PathBuf};

use tocsin_protocol::ApiError;

/// Every way in which speaking to the resident fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing listens on the socket.
    #[error("Tocsin is not running (nothing answers on {0})")]
    NotRunning(PathBuf),
    /// The runtime directory belongs to somebody else or others can enter it.
    #[error("{path} is not safe to use: {why}; remove it, or set XDG_RUNTIME_DIR to a directory of your own")]
    UnsafeDirectory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: Unsafe,
    },
    /// The kernel takes no longer socket path.
    #[error(
        "the socket path {path} is {length} bytes long, at most {limit} are possible: choose a shorter data directory or XDG_RUNTIME_DIR"
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        length: usize,
        /// The most.
        limit: usize,
    },
    /// No home directory, so no place for data.
    #[error("no home directory: set HOME, or name a data directory with --data-dir or TOCSIN_DATA_DIR")]
    NoHome,
    /// A program that belongs to Tocsin is not installed beside this one.
    #[error(
        "{name} was not found beside this program nor in PATH: install it, or set {variable} to its path"
    )]
    NoProgram {
        /// Its name.
        name: String,
        /// The variable that names it.
        variable: String,
    },
    /// The resident did not answer in time.
    #[error("Tocsin did not answer within {0} s")]
    Timeout(u64),
    /// The resident refused, in the words of the API.
    #[error("{error}")]
    Api {
        /// HTTP status.
        status: u16,
        /// What it said.
        error: ApiError,
    },
    /// The answer was not what the protocol says.
    #[error("unexpected answer from Tocsin: {0}")]
    Protocol(String),
    /// The answer was larger than this client takes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// This platform has no control socket yet.
    #[error("the control socket is not supported on this platform yet")]
    Unsupported,
}

/// Why a directory is not safe to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// Something else stands there; a link too, which could lead anywhere.
    #[error("it is not a directory")]
    NotADirectory,
    /// They could replace the socket.
    #[error("it belongs to user {owner} and not to {own}")]
    OtherOwner {
        /// Whose it is.
        owner: u32,
        /// Who this is.
        own: u32,
    },
    /// They could connect.
    #[error("others may enter it (mode {mode:o})")]
    Open {
        /// Its mode.
        mode: u32,
    },
}

impl Error {
    /// An I/O error with what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Whether simply nothing runs.
    pub fn is_not_running(&self) -> bool {
        matches!(self, Self::NotRunning(_))
    }
}

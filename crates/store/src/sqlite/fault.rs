//! What goes wrong inside a verb, and what a caller is told.
//!
//! Two kinds must not be mixed up: a *refusal* (unknown topic) concerns one operation and leaves its batch alone; a
//! *broken* statement (disk full, failed flush) concerns the whole transaction and everybody in it.

use rusqlite::ffi;

use crate::Error;

/// Why a verb did not do its work.
#[derive(Debug)]
pub(super) enum Fault {
    /// This operation only.
    Refused(Error),
    /// The engine: the transaction is lost.
    Broken(rusqlite::Error),
}

/// Result inside this implementation.
pub(super) type Outcome<T> = Result<T, Fault>;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => error,
            Fault::Broken(error) => Trouble::of(&error).error(),
        }
    }
}

/// A broken transaction, told to everybody who was in it.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// Works again by itself: no space, not writable, busy.
    Passing(String),
    /// A flush failed: after that the kernel may have dropped dirty pages, and a later success would mean nothing.
    Poison(String),
    /// Not a database, or inconsistent.
    Damage(String),
}

impl Trouble {
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        let text = error.to_string();
        let Some(code) = error.sqlite_error().map(|e| e.extended_code) else {
            // A value of a wrong type or missing: the file does not hold what this program wrote.
            return match error {
                rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
                    Self::Damage(text)
                }
                _ => Self::Passing(text),
            };
        };
        match code {
            ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => Self::Poison(text),
            _ if matches!(code & 0xff, ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB) => Self::Damage(text),
            _ => Self::Passing(text),
        }
    }

    pub(super) fn error(&self) -> Error {
        match self {
            Self::Passing(text) => Error::Unavailable(text.clone()),
            Self::Poison(text) => Error::Poisoned(text.clone()),
            Self::Damage(text) => Error::Damaged(text.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn each_failure_is_told_apart() {
        for passing in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_BUSY,
        ] {
            assert!(matches!(Trouble::of(&sqlite(passing)).error(), Error::Unavailable(_)), "{passing}");
        }
        for poison in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC] {
            assert!(matches!(Trouble::of(&sqlite(poison)).error(), Error::Poisoned(_)), "{poison}");
        }
        for damage in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_CORRUPT_INDEX] {
            assert!(matches!(Trouble::of(&sqlite(damage)).error(), Error::Damaged(_)), "{damage}");
        }
    }
}

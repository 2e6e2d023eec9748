//! Copies of a whole database, made while it is in use.

use std::{
    fs::{self, File},
    path::Path,
};

use rusqlite::{Connection, OpenFlags};

use super::{
    fault::{Fault, Outcome},
    open::{self, DATABASE},
};
use crate::{Error, Result};

/// Writes a consistent, compact copy to a new file: readable by its owner alone, flushed with its directory entry.
pub(super) fn vacuum_into(conn: &Connection, to: &Path) -> Outcome<()> {
    let text = to.to_str().ok_or_else(|| Error::Unavailable(format!("{}: not UTF-8", to.display())))?;
    // Made first, so that it never is readable by others, not even while it is written; SQLite takes an empty file.
    open::private_file(to, true).map_err(|error| broken_file(to, &error))?;
    conn.execute("VACUUM INTO ?1", [text])?;
    sync(to).map_err(|error| broken_file(to, &error).into())
}

pub(super) fn broken_file(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Conflict(format!("{} exists already", path.display())),
        _ => Error::Unavailable(format!("{}: {error}", path.display())),
    }
}

/// Flushes a file and its directory entry.
pub(super) fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()?;
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => Ok(()),
    }
}

/// Copies the database in `file`, which may be in use, to the new file `to`. The copy carries no boot id, so that a
/// start from it begins a new epoch even where the file beside it is gone.
pub(super) fn backup(file: &Path, to: &Path) -> Outcome<()> {
    let source = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    source.busy_timeout(open::BUSY)?;
    let made = vacuum_into(&source, to).and_then(|()| forget_boot(to));
    if made.is_err() && !matches!(made, Err(Fault::Refused(Error::Conflict(_)))) {
        // Half a copy must not be taken for a backup.
        let _ = fs::remove_file(to);
    }
    made
}

/// Copies the database in `dir`, which another process may be using, to the new file `to`.
pub fn backup_from(dir: &Path, to: &Path) -> Result<()> {
    let file = dir.join(DATABASE);
    if !file.exists() {
        return Err(Error::Unavailable(format!("there is no database in {}", dir.display())));
    }
    Ok(backup(&file, to)?)
}

fn forget_boot(copy: &Path) -> Outcome<()> {
    let conn = Connection::open_with_flags(
        copy,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.pragma_update(None, "journal_mode", "DELETE")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.execute("UPDATE meta SET boot = '', boot_before = ''", [])?;
    drop(conn);
    sync(copy).map_err(|error| broken_file(copy, &error).into())
}

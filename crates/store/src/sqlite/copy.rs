//! Copies of a whole database: online backup, restore, reset.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};
use tocsin_protocol::Millis;

use super::{
    fault::{Fault, Outcome},
    migrate,
    open::{self, BOOT_FILE, DATABASE},
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

fn broken_file(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Conflict(format!("{} exists already", path.display())),
        _ => Error::Unavailable(format!("{}: {error}", path.display())),
    }
}

fn sync(path: &Path) -> std::io::Result<()> {
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

/// Puts the backup `from` in the place of the database in `dir`, which nobody may have open. The old file is kept
/// beside it; the path it has now is returned. The next start begins a new epoch.
pub fn restore(from: &Path, dir: &Path, now: Millis) -> Result<Option<PathBuf>> {
    let _lock = open::lock(dir)?;
    check(from)?;
    let new = dir.join("tocsin.db.restoring");
    for leftover in [new.clone(), with(&new, "-journal"), with(&new, "-wal")] {
        remove(&leftover)?;
    }
    backup(from, &new)?;
    let database = dir.join(DATABASE);
    let aside = dir.join(format!("{DATABASE}.before-{now}"));
    let kept = database.exists();
    // The write-ahead log belongs to its database: it goes with it under the same name.
    for suffix in ["", "-wal", "-shm"] {
        let file = with(&database, suffix);
        if file.exists() {
            fs::rename(&file, with(&aside, suffix)).map_err(|error| broken_file(&file, &error))?;
        }
    }
    fs::rename(&new, &database).map_err(|error| broken_file(&database, &error))?;
    sync(&database).map_err(|error| broken_file(&database, &error))?;
    Ok(kept.then_some(aside))
}

/// Whether `from` is a whole database that this program can read.
fn check(from: &Path) -> Result<()> {
    let whole = || -> Outcome<()> {
        let conn = Connection::open_with_flags(
            from,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        let found = migrate::version(&conn)?;
        let known = u32::try_from(migrate::STEPS.len()).unwrap_or(u32::MAX);
        if found > known {
            return Err(Error::Newer { found, known }.into());
        }
        if found == 0 {
            return Err(Error::Damaged("it is empty".into()).into());
        }
        let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if verdict == "ok" { Ok(()) } else { Err(Error::Damaged(verdict).into()) }
    };
    Ok(whole()?)
}

/// Removes the database in `dir`, which nobody may have open, and all its copies of earlier versions and restores.
pub fn reset(dir: &Path) -> Result<()> {
    let _lock = open::lock(dir)?;
    let entries = fs::read_dir(dir).map_err(|error| broken_file(dir, &error))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(DATABASE) || name == BOOT_FILE);
        if ours {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(broken_file(path, &error)),
        _ => Ok(()),
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

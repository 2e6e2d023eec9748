//! A backup in the place of the database.
//!
//! A kill between any two steps leaves a database under the name that a start opens: the old one, whole, or the new one.
//! - The old one's write-ahead log is moved into it first, so that the file alone is all of it.
//! - It gets a second name (a hard link, or a copy where the file system has none), so that its first is never free.
//! - What SQLite keeps beside a database goes before the new one comes: an old log would be played into it.
//! - One rename puts the new file in its place.
//!
//! Only a file that SQLite cannot read keeps its log as it is: both go aside, and the log is no part of anything whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};
use tocsin_protocol::Millis;

use super::{
    copy::{backup, broken_file, sync},
    fault::Outcome,
    migrate,
    open::{self, DATABASE},
    reset::{SIDE_FILES, remove},
};
use crate::{Error, Result};

/// After the database's name: the new file until it is whole.
pub(super) const RESTORING: &str = ".restoring";
/// After the database's name, before the time: the old file.
pub(super) const ASIDE: &str = ".before-";

/// Puts the backup `from` in the place of the database in `dir`, which nobody may have open. The old file is kept
/// beside it; the path it has now is returned. The next start begins a new epoch.
pub fn restore(from: &Path, dir: &Path, now: Millis) -> Result<Option<PathBuf>> {
    restore_by_steps(from, dir, now, &mut || Ok(()))
}

/// `between` is called after each step; what it returns ends the restore there, as a kill would.
fn restore_by_steps(
    from: &Path,
    dir: &Path,
    now: Millis,
    between: &mut dyn FnMut() -> Result<()>,
) -> Result<Option<PathBuf>> {
    let _lock = open::lock(dir)?;
    check(from)?;
    let database = dir.join(DATABASE);
    let new = with(&database, RESTORING);
    remove(&new)?;
    for suffix in SIDE_FILES {
        remove(&with(&new, suffix))?;
    }
    backup(from, &new)?;
    between()?;
    let aside = with(&database, &format!("{ASIDE}{now}"));
    let kept = database.exists();
    let whole = kept && settle(&database)?;
    between()?;
    if kept {
        forget_names(dir, &database);
        second_name(&database, &aside)?;
        between()?;
    }
    for suffix in SIDE_FILES {
        let beside = with(&database, suffix);
        if beside.exists() {
            if !whole {
                second_name(&beside, &with(&aside, suffix))?;
                between()?;
            }
            remove(&beside)?;
            between()?;
        }
    }
    // What goes must be gone on the disk, not only in memory, before the new file is there.
    sync(&new).map_err(|error| broken_file(&new, &error))?;
    between()?;
    fs::rename(&new, &database).map_err(|error| broken_file(&database, &error))?;
    between()?;
    sync(&database).map_err(|error| broken_file(&database, &error))?;
    Ok(kept.then_some(aside))
}

/// Moves the write-ahead log into the database. `false` if this is no database that could be read.
fn settle(database: &Path) -> Result<bool> {
    let open = |mode: OpenFlags| -> Outcome<Connection> {
        let conn = Connection::open_with_flags(database, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        conn.busy_timeout(open::BUSY)?;
        // Reads the log, or what a rollback left.
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(conn)
    };
    let moved = || -> Outcome<bool> {
        // One that may write would throw away the log of what it cannot read.
        drop(open(OpenFlags::SQLITE_OPEN_READ_ONLY)?);
        let conn = open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        let busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        conn.close().map_err(|(_, error)| error)?;
        Ok(!busy)
    };
    match moved() {
        Ok(true) => Ok(true),
        Ok(false) => Err(Error::InUse(database.parent().unwrap_or(database).display().to_string())),
        Err(fault) => match Error::from(fault) {
            Error::Damaged(_) => Ok(false),
            error => Err(error),
        },
    }
}

/// Gives a file a second name, flushed.
fn second_name(file: &Path, name: &Path) -> Result<()> {
    let linked = fs::hard_link(file, name).or_else(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::copy(file, name).map(drop),
    });
    linked.and_then(|()| sync(name)).map_err(|error| broken_file(name, &error))
}

/// Takes from the database the second names of restores that were stopped: SQLite must not meet a file under two names,
/// for each has a log of its own.
fn forget_names(dir: &Path, database: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let Ok(live) = fs::metadata(database) else { return };
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_aside = name
                .to_str()
                .and_then(|name| name.strip_prefix(DATABASE))
                .is_some_and(|rest| rest.starts_with(ASIDE));
            let same =
                entry.metadata().is_ok_and(|found| (found.dev(), found.ino()) == (live.dev(), live.ino()));
            if is_aside && same {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
    #[cfg(not(unix))]
    let _ = (dir, database);
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

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::{NewUser, Role};

    use super::*;
    use crate::{
        Store,
        sqlite::{Options, SqliteStore},
    };

    async fn add(store: &SqliteStore, name: &str) {
        store.add_user(NewUser { name: name.into(), display_name: None, role: Role::Admin }).await.unwrap();
    }

    async fn people(dir: &Path) -> Vec<String> {
        let store = SqliteStore::open(Options::new(dir)).unwrap();
        let mut names: Vec<_> = store.users().await.unwrap().into_iter().map(|user| user.name).collect();
        store.close().await;
        names.sort_unstable();
        names
    }

    fn copied(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }

    /// A backup with Ann, and the directory of a killed server whose log alone knows Bob.
    async fn scene(dir: &Path) -> (PathBuf, PathBuf) {
        let (live, killed, copy) = (dir.join("live"), dir.join("killed"), dir.join("backup"));
        let store = SqliteStore::open(Options::new(&live)).unwrap();
        add(&store, "ann").await;
        store.backup(&copy).await.unwrap();
        add(&store, "bob").await;
        copied(&live, &killed);
        store.close().await;
        assert!(fs::metadata(killed.join("tocsin.db-wal")).unwrap().len() > 0, "Bob is in the log");
        (copy, killed)
    }

    #[tokio::test]
    async fn a_kill_between_any_two_steps_leaves_the_old_or_the_new() {
        let dir = tempfile::tempdir().unwrap();
        let (backup, killed) = scene(dir.path()).await;
        let (old, new) = (vec!["ann".to_owned(), "bob".to_owned()], vec!["ann".to_owned()]);
        let mut seen = Vec::new();
        for last in 1.. {
            let data = dir.path().join(format!("stopped-{last}"));
            copied(&killed, &data);
            let mut steps = 0;
            let done = restore_by_steps(&backup, &data, 7, &mut || {
                steps += 1;
                if steps == last { Err(Error::Unavailable("killed".into())) } else { Ok(()) }
            });
            let left = people(&data).await;
            assert!(left == old || left == new, "after step {last}: {left:?}");
            if let Ok(aside) = done {
                assert_eq!(left, new);
                let kept = dir.path().join("kept");
                fs::create_dir_all(&kept).unwrap();
                fs::copy(aside.expect("there was a database"), kept.join(DATABASE)).unwrap();
                assert_eq!(people(&kept).await, old, "what was there is whole in one file");
                break;
            }
            // Whatever was left, the next restore takes it.
            restore(&backup, &data, 8).unwrap();
            assert_eq!(people(&data).await, new, "after step {last}");
            seen.push(left);
        }
        assert!(seen.contains(&old) && seen.contains(&new) && seen.len() >= 5, "{seen:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_kept_with_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let (backup, killed) = scene(dir.path()).await;
        let log = fs::read(killed.join("tocsin.db-wal")).unwrap();
        fs::write(killed.join(DATABASE), vec![7; 8192]).unwrap();
        // Its head alone: with the pages that it holds, SQLite could read the file.
        fs::write(killed.join("tocsin.db-wal"), &log[..32]).unwrap();
        let aside = restore(&backup, &killed, 7).unwrap().expect("there was a file");
        assert_eq!(people(&killed).await, ["ann"]);
        assert_eq!(fs::read(&aside).unwrap(), vec![7; 8192]);
        assert_eq!(fs::read(with(&aside, "-wal")).unwrap(), log[..32]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_stopped_restore_leaves_no_second_name_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let (backup, killed) = scene(dir.path()).await;
        let mut steps = 0;
        let mut stop = || {
            steps += 1;
            if steps == 3 { Err(Error::Unavailable("killed".into())) } else { Ok(()) }
        };
        assert!(restore_by_steps(&backup, &killed, 7, &mut stop).is_err());
        assert!(killed.join("tocsin.db.before-7").exists());
        let aside = restore(&backup, &killed, 8).unwrap().expect("there was a database");
        assert!(!killed.join("tocsin.db.before-7").exists() && aside.exists());
    }
}

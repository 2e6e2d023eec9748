//! Opening the file: whose it is, whether it is sound, whether it is of a version that can be read.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};
use tocsin_protocol::Millis;

use super::{Owner, schema};
use crate::{Error, Result};

const NAME: &str = "inbox.db";
/// What SQLite keeps beside the file; all of them move together, or committed rows in the log are lost.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];
/// How long a resident that is just ending may hold the file.
const BUSY: Duration = Duration::from_secs(3);

pub(super) struct Opened {
    pub connection: Connection,
    pub path: PathBuf,
    /// Where a damaged file was put.
    pub damaged: Option<PathBuf>,
}

pub(super) fn open(dir: &Path, owner: &Owner, now: Millis) -> Result<Opened> {
    make_dir(dir).map_err(|source| Error::Files { path: dir.into(), source })?;
    let path = dir.join(NAME);
    match connect(&path) {
        Ok(connection) => match owner_of(&connection).map_err(|source| inbox_error(&path, source))? {
            Some(found) if found != *owner => {
                connection.close().map_err(|(_, source)| inbox_error(&path, source))?;
                swap(dir, &found, owner)?;
                let connection = connect(&path)?;
                begin(&connection, owner).map_err(|source| inbox_error(&path, source))?;
                Ok(Opened { connection, path, damaged: None })
            }
            _ => {
                begin(&connection, owner).map_err(|source| inbox_error(&path, source))?;
                Ok(Opened { connection, path, damaged: None })
            }
        },
        Err(Error::Inbox { source, .. }) if is_damage(&source) => {
            let aside = dir.join(format!("inbox-damaged-{now}.db"));
            tracing::error!(file = %path.display(), aside = %aside.display(), %source, "the inbox is damaged and was set aside");
            rename_set(&path, &aside)?;
            let connection = connect(&path)?;
            begin(&connection, owner).map_err(|source| inbox_error(&path, source))?;
            Ok(Opened { connection, path, damaged: Some(aside) })
        }
        Err(error) => Err(error),
    }
}

fn inbox_error(path: &Path, source: rusqlite::Error) -> Error {
    Error::Inbox { path: path.into(), source }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Connects, checks and migrates. FULL: what is acknowledged must outlive a power cut. Exclusive: no shared memory
/// file, and a second process is told that the inbox is in use instead of interleaving with this one.
fn connect(path: &Path) -> Result<Connection> {
    let inner = || -> rusqlite::Result<std::result::Result<Connection, i64>> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 1048576;
             PRAGMA foreign_keys = OFF;",
        )?;
        let found = schema::found(&connection)?;
        if found > schema::known() {
            return Ok(Err(found));
        }
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(code, Some(verdict)));
        }
        schema::migrate(&mut connection)?;
        connection.set_prepared_statement_cache_capacity(24);
        Ok(Ok(connection))
    };
    match inner() {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(found)) => Err(Error::InboxNewer { path: path.into(), found, known: schema::known() }),
        Err(source) => Err(inbox_error(path, source)),
    }
}

fn owner_of(connection: &Connection) -> rusqlite::Result<Option<Owner>> {
    let value = |key: &str| {
        connection
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get::<_, String>(0))
            .optional()
    };
    Ok(value("server")?.zip(value("user")?).map(|(server, user)| Owner { server, user }))
}

fn begin(connection: &Connection, owner: &Owner) -> rusqlite::Result<()> {
    for (key, value) in [("server", &owner.server), ("user", &owner.user)] {
        connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES (?1, ?2)", params![key, value])?;
    }
    Ok(())
}

/// Puts the inbox of `found` aside and brings back that of `owner`, if it was here before.
fn swap(dir: &Path, found: &Owner, owner: &Owner) -> Result<()> {
    let path = dir.join(NAME);
    rename_set(&path, &dir.join(aside_name(found)))?;
    rename_set(&dir.join(aside_name(owner)), &path)
}

fn aside_name(owner: &Owner) -> String {
    let digest = Sha256::digest(format!("{}\n{}", owner.server, owner.user));
    format!("inbox-of-{}.db", URL_SAFE_NO_PAD.encode(&digest[..12]))
}

fn rename_set(from: &Path, to: &Path) -> Result<()> {
    let with = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    // The file itself last: a crash before leaves it without its log but still in place, and a sound file whose
    // last connection was closed has none.
    for suffix in SUFFIXES.iter().rev() {
        match fs::rename(with(from, suffix), with(to, suffix)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Files { path: with(from, suffix), source }),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn make_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn make_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

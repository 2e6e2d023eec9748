//! Opening the data directory: the lock, the connections, the boot id.
//!
//! **Boot id.** Each start, and each clean end, writes a fresh random boot id first into the database (committed,
//! together with the one before it), then into the file `boot-id` beside it (flushed). At the next start:
//! - the file has the database's boot id: all is well;
//! - the file has the one *before*: the machine stopped between the two writes; nothing had been served since, so
//!   nothing is lost, and all is well;
//! - anything else: the database is not the one that ran here last. An old copy was put back: a new epoch begins.
//!
//! The end writes one too so that a copy made while running, put back after a clean stop, is noticed as well.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    path::Path,
    time::Duration,
};

use rand::{Rng as _, distr::Alphanumeric};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tocsin_protocol::{Epoch, Seq};

use super::{fault::Outcome, migrate};
use crate::{Error, Result};

/// The data file.
pub(super) const DATABASE: &str = "tocsin.db";
/// Beside it: SQLite's write-ahead log.
pub(super) const WAL: &str = "tocsin.db-wal";
/// Beside it: the boot id that ran last.
pub(super) const BOOT_FILE: &str = "boot-id";
/// Beside it: the next boot id until it is whole.
pub(super) const BOOT_DRAFT: &str = "boot-id.new";
/// Beside it: locked while the store is open. Its content says nothing.
const LOCK_FILE: &str = "lock";
/// How long a connection waits for another one's lock: only a backup or checkpoint ever holds one, for milliseconds.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Page cache of the writer: the hot ends of its tables and indexes fit.
const WRITER_CACHE_KIB: i64 = 1024;
/// Page cache of each reader; they are few and their hot set is the same pages, which the kernel caches too.
const READER_CACHE_KIB: i64 = 512;
/// Prepared statements kept per connection: more than there are in this crate.
const STATEMENTS: usize = 128;
/// What the write-ahead log shrinks to after a checkpoint, bytes: twice the size at which one is made.
const WAL_KEPT: i64 = 8 * 1024 * 1024;

/// What the database says of itself.
pub(super) struct Identity {
    pub(super) instance: String,
    pub(super) epoch: Epoch,
    pub(super) head: Seq,
    /// Something is pruned up to here.
    pub(super) pruned: Seq,
}

fn unavailable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable(format!("{}: {error}", path.display()))
}

/// Makes the directory for its owner alone, and takes the lock that keeps a second process out.
pub(super) fn lock(dir: &Path) -> Result<File> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| unavailable(dir, &error))?;
    let path = dir.join(LOCK_FILE);
    let file = private_file(&path, false).map_err(|error| unavailable(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(dir.display().to_string())),
        Err(TryLockError::Error(error)) => Err(unavailable(&path, &error)),
    }
}

/// Opens a file that only its owner may read.
pub(super) fn private_file(path: &Path, new: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).read(true);
    if new {
        options.create_new(true);
    } else {
        options.create(true).truncate(false);
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The writer's connection, migrated.
pub(super) fn writer(dir: &Path) -> Outcome<Connection> {
    let path = dir.join(DATABASE);
    // SQLite would make it readable by others, and its side files take its mode.
    private_file(&path, false).map_err(|error| unavailable(&path, &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(&path, flags)?;
    conn.busy_timeout(BUSY)?;
    keep_statements(&conn)?;
    // A newer or foreign file must be refused before anything, even its journal mode, is changed.
    let found = migrate::version(&conn)?;
    let known = u32::try_from(migrate::STEPS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(Error::Newer { found, known }.into());
    }
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    // The writer makes checkpoints itself, after it has answered: inside a commit a publisher would wait for it.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    migrate::migrate(&mut conn, &path, migrate::STEPS)?;
    Ok(conn)
}

/// Statements are compiled once. Without the guarantee of one plan, SQLite compiles a statement anew whenever a value
/// is bound that its statistics or a partial index might care about: that was 40 % of the writer's time.
fn keep_statements(conn: &Connection) -> Outcome<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// A connection that makes checkpoints. It never writes a row, so it needs no cache.
pub(super) fn mover(dir: &Path) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(dir.join(DATABASE), flags)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(conn)
}

/// A connection that cannot write.
pub(super) fn reader(dir: &Path) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(dir.join(DATABASE), flags)?;
    conn.busy_timeout(BUSY)?;
    keep_statements(&conn)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

fn random_name(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

/// Reads who the database is, notices an old copy, and writes the boot id of this start.
pub(super) fn start(conn: &Connection, dir: &Path) -> Outcome<Identity> {
    conn.execute(
        "INSERT OR IGNORE INTO meta (one, instance, epoch, boot, boot_before) VALUES (1, ?1, ?2, '', '')",
        (random_name(16).to_lowercase(), Epoch::random(&mut rand::rng()).as_str()),
    )?;
    let (boot, before): (String, String) =
        conn.query_row("SELECT boot, boot_before FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let beside = fs::read_to_string(dir.join(BOOT_FILE)).unwrap_or_default();
    let known = [boot, before].iter().any(|id| !id.is_empty() && *id == beside);
    if !known {
        // Harmless on a new database: nobody knows its first epoch yet.
        conn.execute("UPDATE meta SET epoch = ?1", [Epoch::random(&mut rand::rng()).as_str()])?;
    }
    mark_boot(conn, dir)?;
    identity(conn)
}

/// Writes a fresh boot id into the database, then beside it.
pub(super) fn mark_boot(conn: &Connection, dir: &Path) -> Outcome<()> {
    let boot = random_name(24);
    conn.execute("UPDATE meta SET boot_before = boot, boot = ?1", [&boot])?;
    let path = dir.join(BOOT_FILE);
    let write = || -> std::io::Result<()> {
        let new = dir.join(BOOT_DRAFT);
        let mut file = private_file(&new, false)?;
        file.set_len(0)?;
        file.write_all(boot.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|error| unavailable(&path, &error).into())
}

fn identity(conn: &Connection) -> Outcome<Identity> {
    let sql =
        "SELECT instance, epoch, max(direct_pruned, (SELECT ifnull(max(pruned), 0) FROM topic)) FROM meta";
    let (instance, epoch, pruned): (String, String, Seq) =
        conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let epoch = epoch.parse().map_err(|_| Error::Damaged("its epoch is not one".into()))?;
    Ok(Identity { instance, epoch, head: super::log::head(conn)?, pruned })
}

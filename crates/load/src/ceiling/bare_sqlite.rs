//! The ceiling of durable storage: the very rows that the measured publishes wrote, put into the very tables and
//! indexes again by one thread, without a server around it.

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use rusqlite::{Connection, OpenFlags, types::Value};

use crate::process::thread_cpu;

/// The database file inside a data directory.
const FILE: &str = "tocsin.db";

/// Pages of the log at which SQLite makes a checkpoint by default.
const LOG_PAGES: u32 = 1000;

/// The state before the publishes, and afterwards the rows they added.
pub struct Rows {
    before: tempfile::TempDir,
    marks: Vec<(String, i64)>,
}

/// What putting them in again cost.
pub struct Cost {
    /// CPU of one message's rows.
    pub cpu: Duration,
    /// Wall time of each commit, microseconds.
    pub commits_us: Vec<u64>,
}

impl Rows {
    /// Remembers the state of the database in `data`, which a server may have open.
    pub fn mark(data: &Path) -> Result<Self> {
        let before = tempfile::Builder::new().prefix("tocsin-bare").tempdir()?;
        let source = open_read_only(data)?;
        source.execute("VACUUM INTO ?1", [before.path().join(FILE).to_string_lossy()])?;
        let mut marks = Vec::new();
        for table in tables(&source)? {
            let sql = format!("SELECT coalesce(max(rowid), 0) FROM \"{table}\"");
            // A table without rowids takes no rows from a publish: `again` would miss them and says so.
            if let Ok(mark) = source.query_row(&sql, [], |row| row.get(0)) {
                marks.push((table, mark));
            }
        }
        Ok(Self { before, marks })
    }

    /// Puts the rows that `messages` publishes added since the mark into a copy of the marked state, `batch` messages
    /// to a commit.
    pub fn again(&self, data: &Path, messages: usize, batch: usize) -> Result<Cost> {
        let added = self.added(data)?;
        ensure!(
            added.iter().any(|(_, rows)| rows.len() >= messages),
            "the publishes left no rows with a rowid"
        );
        let copy = tempfile::Builder::new().prefix("tocsin-bare").tempdir()?;
        let file = copy.path().join(FILE);
        std::fs::copy(self.before.path().join(FILE), &file)?;
        let mut target = Connection::open(&file)?;
        target.pragma_update(None, "journal_mode", "WAL")?;
        lengthen_log(&target)?;
        target.pragma_update(None, "synchronous", "FULL")?;
        // Texts of statements are made before the clock runs: making them is no part of storing a row.
        let added: Vec<_> = added
            .into_iter()
            .map(|(table, rows)| {
                let places = vec!["?"; rows.first().map_or(0, Vec::len)].join(",");
                (format!("INSERT INTO \"{table}\" VALUES ({places})"), rows)
            })
            .collect();
        let start = thread_cpu();
        let mut commits_us = Vec::with_capacity(messages / batch + 1);
        for first in (0..messages).step_by(batch) {
            let clock = std::time::Instant::now();
            let transaction = target.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let last = (first + batch).min(messages);
            for (sql, rows) in &added {
                // A table may get several rows a message, or one in several messages.
                let share = |n: usize| n * rows.len() / messages;
                for row in &rows[share(first)..share(last)] {
                    transaction.prepare_cached(sql)?.execute(rusqlite::params_from_iter(row))?;
                }
            }
            transaction.commit()?;
            commits_us.push(u64::try_from(clock.elapsed().as_micros())?);
        }
        let cpu = thread_cpu().saturating_sub(start) / u32::try_from(messages)?;
        Ok(Cost { cpu, commits_us })
    }

    fn added(&self, data: &Path) -> Result<Vec<(String, Vec<Vec<Value>>)>> {
        let source = open_read_only(data)?;
        let mut added = Vec::new();
        for (table, mark) in &self.marks {
            let mut statement =
                source.prepare(&format!("SELECT * FROM \"{table}\" WHERE rowid > ?1 ORDER BY rowid"))?;
            let width = statement.column_count();
            let rows: Vec<Vec<Value>> = statement
                .query_map([mark], |row| (0..width).map(|column| row.get(column)).collect())?
                .collect::<Result<_, _>>()?;
            if !rows.is_empty() {
                added.push((table.clone(), rows));
            }
        }
        Ok(added)
    }
}

/// Gives the write-ahead log the size it has in a server that runs for a while: a flush that lengthens a file costs more.
fn lengthen_log(target: &Connection) -> Result<()> {
    target.pragma_update(None, "synchronous", "OFF")?;
    for n in 0..LOG_PAGES {
        target.pragma_update(None, "user_version", n)?;
    }
    target.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?;
    Ok(())
}

fn open_read_only(data: &Path) -> Result<Connection> {
    Ok(Connection::open_with_flags(data.join(FILE), OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

fn tables(connection: &Connection) -> Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

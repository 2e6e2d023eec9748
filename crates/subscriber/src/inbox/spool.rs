//! Publishes that wait for the server.

use rusqlite::params;
use tocsin_protocol::{Millis, Publish};

use super::{rows, thread::File};
use crate::{Error, Result};

/// Publishes that may wait: a script that sends every ten seconds through a night without network.
pub(super) const SPOOL_MOST: usize = 4096;

/// A publish that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled {
    /// Its idempotency key.
    pub key: String,
    /// The message.
    pub publish: Publish,
    /// Since when it waits.
    pub queued_at: Millis,
}

impl File {
    pub fn spool(&mut self, key: &str, publish: &Publish) -> Result<()> {
        let now = self.clock.now();
        let taken = self.write(|connection| {
            let waiting: i64 = connection.query_row("SELECT count(*) FROM spool", [], |row| row.get(0))?;
            if usize::try_from(waiting).is_ok_and(|n| n >= SPOOL_MOST) {
                return Ok(false);
            }
            let json = serde_json::to_string(publish).map_err(|e| rows::bad(0, e))?;
            connection
                .prepare_cached("INSERT OR IGNORE INTO spool (key, publish, queued_at) VALUES (?1, ?2, ?3)")?
                .execute(params![key, json, now])?;
            Ok(true)
        })?;
        if taken { Ok(()) } else { Err(Error::SpoolFull(SPOOL_MOST)) }
    }

    pub fn spooled(&mut self, limit: usize) -> Result<Vec<Spooled>> {
        self.on_connection(|connection| {
            connection
                .prepare_cached("SELECT key, publish, queued_at FROM spool ORDER BY n LIMIT ?1")?
                .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                    let publish = row.get_ref(1)?.as_str().map_err(|e| rows::bad(1, e))?;
                    let publish = serde_json::from_str(publish).map_err(|e| rows::bad(1, e))?;
                    Ok(Spooled { key: row.get(0)?, publish, queued_at: row.get(2)? })
                })?
                .collect()
        })
    }

    pub fn settle_spooled(&mut self, key: &str) -> Result<()> {
        self.write(|connection| {
            connection.prepare_cached("DELETE FROM spool WHERE key = ?1")?.execute([key])?;
            Ok(())
        })
    }
}

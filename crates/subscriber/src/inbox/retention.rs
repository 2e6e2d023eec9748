//! How long a device keeps what it was sent. What still waits to be shown is never pruned.

use rusqlite::params;
use tocsin_protocol::Millis;

use super::thread::File;
use crate::Result;

/// As long as receipts are of use to a reader: a month.
pub(crate) const KEPT_MS: Millis = 30 * 24 * 3600 * 1000;
/// Rows kept; some 10 MB of ordinary alerts.
pub(crate) const KEPT_ROWS: usize = 10_000;
/// Pruned after so many new messages: often enough to hold the bound, too seldom to be felt.
const PRUNE_EVERY: usize = 500;

impl File {
    pub fn prune_when_due(&mut self) {
        if self.since_pruning >= PRUNE_EVERY {
            self.since_pruning = 0;
            self.prune();
        }
    }

    /// On a disk without room it fails, and is tried again with the next: nothing else waits for it.
    pub fn prune(&mut self) {
        if let Err(error) = self.remove_old() {
            tracing::warn!(%error, "old messages could not be removed from the inbox");
        }
    }

    fn remove_old(&mut self) -> Result<()> {
        let rows = i64::try_from(KEPT_ROWS).unwrap_or(i64::MAX);
        let oldest = self.clock.now().saturating_sub(KEPT_MS);
        let due: bool = self.on_connection(|connection| {
            connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM message WHERE shown > 0 AND stored_at < ?1)
                     OR (SELECT count(*) FROM message) > ?2",
                params![oldest, rows],
                |row| row.get(0),
            )
        })?;
        if !due {
            return Ok(());
        }
        self.write(|connection| {
            connection.execute(
                "DELETE FROM message WHERE shown > 0 AND (stored_at < ?1
                    OR n <= (SELECT n FROM message ORDER BY n DESC LIMIT 1 OFFSET ?2))",
                params![oldest, rows],
            )?;
            Ok(())
        })
    }
}

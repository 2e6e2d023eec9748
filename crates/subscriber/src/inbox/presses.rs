//! What the person did, and what was shown to them. Recorded here first; the server is told when it can be.

use rusqlite::{Connection, OptionalExtension as _, params};
use tocsin_protocol::{MessageId, Millis, Shown, StateChange, stream::ShownReport};

use super::{rows, thread::File};
use crate::{Error, Result};

/// A button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Press {
    Read,
    /// Implies reading.
    Acknowledge,
}

/// A press that the server has not been told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueuedPress {
    pub id: MessageId,
    pub press: Press,
    pub at: Millis,
}

impl File {
    pub fn press(&mut self, id: MessageId, press: Press) -> Result<StateChange> {
        let now = self.clock.now();
        let change =
            self.write(|connection| pressed(connection, id, press, now))?.ok_or(Error::UnknownMessage(id))?;
        self.count_unread()?;
        Ok(change)
    }

    pub fn read_all(&mut self) -> Result<Vec<StateChange>> {
        let now = self.clock.now();
        let changes = self.write(|connection| {
            let ids = connection
                .prepare_cached(
                    "SELECT id FROM message WHERE read_at IS NULL AND superseded_by IS NULL ORDER BY n",
                )?
                .query_map([], |row| rows::id(row, 0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            ids.into_iter().filter_map(|id| pressed(connection, id, Press::Read, now).transpose()).collect()
        })?;
        self.count_unread()?;
        Ok(changes)
    }

    /// Only forward: pending, failed, suppressed (failed, and in a summary later), shown.
    pub fn set_shown(&mut self, shown: &[(MessageId, Shown)]) -> Result<()> {
        let now = self.clock.now();
        let under_way = self.reports_under_way.clone();
        let advanced = self.write(|connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE message SET shown = ?2, shown_at = ?3, reported = 0
                 WHERE id = ?1 AND shown <> ?2 AND (shown = 0 OR ?2 = 3 OR (shown = 2 AND ?2 = 1))",
            )?;
            let mut advanced = Vec::new();
            for (id, shown) in shown {
                if statement.execute(params![id.as_str(), rows::shown_number(*shown), now])? > 0 {
                    advanced.push(*id);
                }
            }
            Ok(advanced)
        })?;
        // A report on its way says the state of before: the new one is sent, too.
        for id in advanced.iter().filter(|id| under_way.contains(id)) {
            self.reports_under_way.remove(id);
        }
        for id in &advanced {
            self.reports_arrived.remove(id);
        }
        Ok(())
    }

    pub fn take_reports(&mut self, limit: usize) -> Result<Vec<ShownReport>> {
        let skip = self.reports_under_way.len() + self.reports_arrived.len();
        let (under_way, arrived) = (self.reports_under_way.clone(), self.reports_arrived.clone());
        let reports: Vec<ShownReport> = self.on_connection(|connection| {
            let rows = connection
                .prepare_cached(
                    "SELECT id, shown, coalesce(shown_at, stored_at) FROM message
                     WHERE reported = 0 AND shown > 0 ORDER BY n LIMIT ?1",
                )?
                .query_map([i64::try_from(limit + skip).unwrap_or(i64::MAX)], |row| {
                    Ok(ShownReport {
                        id: rows::id(row, 0)?,
                        shown: rows::shown_of(row.get(1)?),
                        at: row.get(2)?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(rows
                .into_iter()
                .filter(|r| !under_way.contains(&r.id) && !arrived.contains(&r.id))
                .take(limit)
                .collect())
        })?;
        self.reports_under_way.extend(reports.iter().map(|r| r.id));
        Ok(reports)
    }

    pub fn settle_reports(&mut self, ids: &[MessageId], have_arrived: bool) {
        for id in ids {
            // Absent if it was shown meanwhile: then the newer report settles it.
            if self.reports_under_way.remove(id) && have_arrived {
                self.reports_arrived.insert(*id);
            }
        }
    }

    pub fn next_press(&mut self) -> Result<Option<QueuedPress>> {
        self.on_connection(|connection| {
            connection
                .prepare_cached("SELECT id, acknowledge, at FROM press ORDER BY n LIMIT 1")?
                .query_row([], |row| {
                    let press = if row.get(1)? { Press::Acknowledge } else { Press::Read };
                    Ok(QueuedPress { id: rows::id(row, 0)?, press, at: row.get(2)? })
                })
                .optional()
        })
    }

    pub fn settle_press(&mut self, press: &QueuedPress) -> Result<()> {
        self.write(|connection| {
            connection
                .prepare_cached("DELETE FROM press WHERE id = ?1 AND acknowledge = ?2")?
                .execute(params![press.id.as_str(), press.press == Press::Acknowledge])?;
            Ok(())
        })
    }
}

/// Records one press and queues it for the server; `None` if there is no such message.
fn pressed(
    connection: &Connection,
    id: MessageId,
    press: Press,
    now: Millis,
) -> rusqlite::Result<Option<StateChange>> {
    let acknowledged = (press == Press::Acknowledge).then_some(now);
    let updated = connection
        .prepare_cached(
            "UPDATE message SET read_at = coalesce(read_at, ?2), acknowledged_at = coalesce(acknowledged_at, ?3)
             WHERE id = ?1 AND (read_at IS NULL OR (acknowledged_at IS NULL AND ?3 IS NOT NULL))",
        )?
        .execute(params![id.as_str(), now, acknowledged])?;
    if updated > 0 {
        connection
            .prepare_cached("INSERT OR IGNORE INTO press (id, acknowledge, at) VALUES (?1, ?2, ?3)")?
            .execute(params![id.as_str(), acknowledged.is_some(), now])?;
    }
    // Whoever pressed has seen it, wherever: no popup any more, nor for a reminder of what was read before.
    connection
        .prepare_cached("UPDATE message SET shown = 1 WHERE id = ?1 AND shown = 0")?
        .execute([id.as_str()])?;
    connection
        .prepare_cached("SELECT json, read_at, acknowledged_at FROM message WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            let cursor = rows::message(row, 0)?.cursor;
            let (read_at, acknowledged_at) = (row.get(1)?, row.get(2)?);
            Ok(StateChange { cursor, id, read_at, acknowledged_at, remind_at: None, settled: None })
        })
        .optional()
}

//! What the devices of one person have: acknowledged and claimed stretches, read through each device's filter.
//!
//! A stretch covers a message only if the device's filter *at that position* took its topic. Messages that name people
//! pass every filter: a filter chooses among topics.

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{Millis, Seq};

use super::{fault::Outcome, log, owed::Item};
use crate::{DeviceId, UserId};

/// A device with its filters over time.
pub(super) struct Device {
    pub(super) id: DeviceId,
    /// From which position (exclusive) on which topics; nothing before the first: all.
    filters: Vec<(Seq, Option<Vec<i64>>)>,
}

impl Device {
    pub(super) fn load(conn: &Connection, id: DeviceId) -> Outcome<Self> {
        let mut sql =
            conn.prepare_cached("SELECT from_seq, topics FROM filter WHERE device = ?1 ORDER BY from_seq")?;
        let filters = sql.query_map([id.0], |row| {
            let topics: Option<String> = row.get(1)?;
            Ok((row.get(0)?, topics.map(|text| log::ids(&text))))
        })?;
        Ok(Self { id, filters: filters.collect::<Result<_, _>>()? })
    }

    /// Whether it never had a filter.
    pub(super) fn takes_all(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether it was to get this message.
    pub(super) fn takes(&self, item: Item) -> bool {
        let filter = self.filters.iter().rev().find(|(from, _)| *from < item.seq);
        match (filter, item.topic) {
            (Some((_, Some(topics))), Some(topic)) => topics.contains(&topic),
            _ => true,
        }
    }
}

/// All devices a person has or had.
pub(super) struct Ledger {
    user: UserId,
    devices: Vec<Device>,
}

impl Ledger {
    pub(super) fn load(conn: &Connection, user: UserId) -> Outcome<Self> {
        let mut sql = conn.prepare_cached("SELECT id FROM device WHERE user = ?1 ORDER BY id")?;
        let rows = sql.query_map([user.0], |row| Ok(DeviceId(row.get(0)?)))?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let devices = rows.into_iter().map(|id| Device::load(conn, id)).collect::<Outcome<_>>()?;
        Ok(Self { user, devices })
    }

    /// When the first of them stored it.
    pub(super) fn received(&self, conn: &Connection, item: Item) -> Outcome<Option<Millis>> {
        self.first(
            conn,
            item,
            "SELECT from_seq, at FROM ack WHERE device = ?1 AND to_seq >= ?2 ORDER BY to_seq LIMIT 1",
        )
    }

    /// When it was first handed to one of them without a cursor.
    pub(super) fn sent(&self, conn: &Connection, item: Item) -> Outcome<Option<Millis>> {
        self.first(
            conn,
            item,
            "SELECT from_seq, at FROM claim WHERE device = ?1 AND to_seq >= ?2 ORDER BY to_seq LIMIT 1",
        )
    }

    fn first(&self, conn: &Connection, item: Item, sql: &str) -> Outcome<Option<Millis>> {
        let mut sql = conn.prepare_cached(sql)?;
        let mut first: Option<Millis> = None;
        for device in self.devices.iter().filter(|device| device.takes(item)) {
            // Rows of one device do not overlap: the first that ends at or after it is the only one that can cover it.
            let row: Option<(Seq, Millis)> =
                sql.query_row((device.id.0, item.seq), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let at = row.filter(|(from, _)| *from < item.seq).map(|(_, at)| at);
            first = [first, at].into_iter().flatten().min();
        }
        Ok(first)
    }

    /// Whether the person has it: a device stored it, or they read it anywhere.
    pub(super) fn has(&self, conn: &Connection, item: Item) -> Outcome<bool> {
        let read = "SELECT 1 FROM press WHERE seq = ?1 AND user = ?2 AND read_at IS NOT NULL";
        Ok(self.received(conn, item)?.is_some()
            || conn.prepare_cached(read)?.exists((item.seq, self.user.0))?)
    }
}

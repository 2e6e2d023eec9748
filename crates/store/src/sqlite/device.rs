//! Devices: where their streams start and which topics they take.

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{
    Device, Millis, Seq,
    limits::{DEVICES, is_name},
};

use super::{
    fault::Outcome,
    ledger::Ledger,
    log,
    owed::{self, Owed, Walk},
    tx::{Tx, topic_id},
    user,
    view::View,
};
use crate::{DeviceId, DeviceRecord, Entry, Error, TopicId, UserId};

/// The device of this name, if there is one.
pub(super) fn find(view: &View<'_>, user: UserId, name: &str) -> Outcome<Option<DeviceRecord>> {
    let sql = "SELECT id FROM device WHERE user = ?1 AND name = ?2 AND removed_at IS NULL";
    let id: Option<i64> =
        view.conn.prepare_cached(sql)?.query_row((user.0, name), |row| row.get(0)).optional()?;
    id.map(|id| record(view, DeviceId(id))).transpose()
}

/// The same, for a reader: it sees only what is committed, so that where a search for a start ended may be kept.
pub(super) fn look_up(view: &View<'_>, user: UserId, name: &str) -> Outcome<Option<DeviceRecord>> {
    let found = find(view, user, name)?;
    if let Some(device) = found.as_ref().filter(|device| device.position.is_none()) {
        view.shared.starts().note(user, device.start, view.now);
    }
    Ok(found)
}

/// The device of this name, made if it is new.
pub(super) fn open(tx: &mut Tx<'_>, user: UserId, name: &str) -> Outcome<DeviceRecord> {
    if let Some(known) = find(&tx.view(), user, name)? {
        return Ok(known);
    }
    if !is_name(name) {
        return Err(
            Error::Conflict(format!("{name:?} cannot name a device: use letters, digits, . _ -")).into()
        );
    }
    let person = user::by_id(tx.conn, user)?;
    let sql = "SELECT count(*) FROM device WHERE user = ?1 AND removed_at IS NULL";
    let devices: usize = tx.conn.prepare_cached(sql)?.query_row([user.0], |row| row.get(0))?;
    if devices >= DEVICES {
        return Err(Error::TooManyDevices(person.name).into());
    }
    let start = first_start(&tx.view(), user)?;
    let sql = "INSERT INTO device (user, name, claimed, created_at) VALUES (?1, ?2, ?3, ?4)";
    let id = tx.conn.prepare_cached(sql)?.insert((user.0, name, start, tx.now))?;
    Ok(DeviceRecord { new: true, ..record(&tx.view(), DeviceId(id))? })
}

/// Ends a device. Its row stays, with what it stored.
pub(super) fn remove(tx: &mut Tx<'_>, user: UserId, name: &str) -> Outcome<DeviceId> {
    let sql = "SELECT id FROM device WHERE user = ?1 AND name = ?2 AND removed_at IS NULL";
    let id: Option<i64> =
        tx.conn.prepare_cached(sql)?.query_row((user.0, name), |row| row.get(0)).optional()?;
    let id = id.ok_or(Error::NotFound("device"))?;
    tx.names.forget();
    tx.conn.prepare_cached("UPDATE device SET removed_at = ?2 WHERE id = ?1")?.execute((id, tx.now))?;
    Ok(DeviceId(id))
}

/// A device by its id.
pub(super) fn record(view: &View<'_>, id: DeviceId) -> Outcome<DeviceRecord> {
    let Known { user, name, position } = known(view.conn, id)?;
    let start = match position {
        Some(position) => position,
        None => first_start(view, user)?,
    };
    Ok(DeviceRecord { id, user, name, filter: filter(view.conn, id)?, start, position, new: false })
}

/// What its row says of a device.
pub(super) struct Known {
    pub(super) user: UserId,
    pub(super) name: String,
    position: Option<Seq>,
}

/// A device by its id, without where its streams start: that may have to be looked for.
pub(super) fn known(conn: &Connection, id: DeviceId) -> Outcome<Known> {
    let sql = "SELECT user, name, position FROM device WHERE id = ?1 AND removed_at IS NULL";
    let row = conn
        .prepare_cached(sql)?
        .query_row([id.0], |row| {
            Ok(Known { user: UserId(row.get(0)?), name: row.get(1)?, position: row.get(2)? })
        })
        .optional()?;
    Ok(row.ok_or(Error::NotFound("device"))?)
}

/// The topics a device takes now.
pub(super) fn filter(conn: &Connection, id: DeviceId) -> Outcome<Option<Arc<[TopicId]>>> {
    let sql = "SELECT topics FROM filter WHERE device = ?1 ORDER BY from_seq DESC LIMIT 1";
    let topics: Option<Option<String>> =
        conn.prepare_cached(sql)?.query_row([id.0], |row| row.get(0)).optional()?;
    Ok(topics.flatten().map(|text| log::ids(&text).into_iter().map(TopicId).collect()))
}

/// Nothing up to here is waited for by a person, as last looked up since this store was opened.
///
/// It only moves forward. What was received, read, superseded, withdrawn or pruned stays so; a new message and a new
/// membership are of a later position; a claim, or taking one back, is not asked for. Only a clock that is put back
/// makes an expired message wait again: each is so from a time on.
#[derive(Default)]
pub(super) struct Starts(HashMap<UserId, (Seq, Millis)>);

impl Starts {
    fn note(&mut self, user: UserId, start: Seq, now: Millis) {
        let known = self.0.entry(user).or_insert((start, now));
        if start > known.0 || now < known.1 {
            *known = (start, now);
        }
    }

    fn of(&self, user: UserId, now: Millis) -> Seq {
        self.0.get(&user).filter(|(_, since)| *since <= now).map_or(0, |(start, _)| *start)
    }
}

/// Before the oldest message that the person still waits for, or the head: where a device without a position starts.
fn first_start(view: &View<'_>, user: UserId) -> Outcome<Seq> {
    let from = view.shared.starts().of(user, view.now);
    let ledger = Ledger::load(view.conn, user)?;
    let mut oldest = None;
    let waits =
        "SELECT 1 FROM message WHERE seq = ?1 AND superseded_by IS NULL AND ifnull(expires_at > ?2, 1)";
    Owed::kept(view.conn, user)?.walk(view.conn, (from, owed::END), |item| {
        let waits = view.conn.prepare_cached(waits)?.exists((item.seq, view.now))?
            && !owed::is_withdrawn(view.conn, user, item.seq)?
            && !ledger.has(view.conn, item)?;
        if waits {
            oldest = Some(item.seq - 1);
            return Ok(Walk::Stop);
        }
        Ok(Walk::On)
    })?;
    // What was noted may be of a later position than this reader's.
    oldest.map_or_else(|| log::head(view.conn), Ok).map(|start| start.max(from))
}

/// Takes effect after the position it gets.
pub(super) fn set_filter(tx: &mut Tx<'_>, id: DeviceId, topics: Option<&[String]>) -> Outcome<DeviceRecord> {
    known(tx.conn, id)?;
    let topics: Option<Arc<[TopicId]>> = match topics {
        Some(names) => Some(names.iter().map(|name| topic_id(tx.conn, name)).collect::<Outcome<_>>()?),
        None => None,
    };
    tx.names.forget();
    let seq = tx.append(Entry::Filter { device: id, topics: topics.clone() })?;
    let text = topics.map(|topics| log::ids_text(topics.iter().map(|id| id.0)));
    let sql = "INSERT INTO filter (device, from_seq, topics) VALUES (?1, ?2, ?3)";
    tx.conn.prepare_cached(sql)?.execute((id.0, seq, text))?;
    record(&tx.view(), id)
}

/// Id, name, person, last sign of life, position.
type Row = (i64, String, String, Option<Millis>, Option<Seq>);

/// Devices of one person, or all.
pub(super) fn list(view: &View<'_>, user: Option<UserId>) -> Outcome<Vec<Device>> {
    let sql = "SELECT d.id, d.name, u.name, d.last_seen_at, d.position FROM device d JOIN user u ON u.id = d.user \
               WHERE d.removed_at IS NULL AND (?1 IS NULL OR d.user = ?1) ORDER BY u.name, d.name";
    let mut sql = view.conn.prepare_cached(sql)?;
    let rows = sql.query_map([user.map(|user| user.0)], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
    })?;
    let mut devices = Vec::new();
    for row in rows {
        let (id, name, user, seen, position): Row = row?;
        let id = DeviceId(id);
        let filter = filter(view.conn, id)?.map(|topics| topic_names(view.conn, &topics)).transpose()?;
        let last_seen_at = view.shared.touched().device(id).max(seen);
        devices.push(Device { name, user, filter, online: false, last_seen_at, position });
    }
    Ok(devices)
}

/// Names of topics, without those that were removed.
pub(super) fn topic_names(conn: &Connection, topics: &[TopicId]) -> Outcome<Vec<String>> {
    let mut sql = conn.prepare_cached("SELECT name FROM topic WHERE id = ?1 AND removed_at IS NULL")?;
    let mut names = Vec::with_capacity(topics.len());
    for topic in topics {
        names.extend(sql.query_row([topic.0], |row| row.get::<_, String>(0)).optional()?);
    }
    Ok(names)
}

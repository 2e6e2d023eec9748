//! Booking what devices have stored.
//!
//! Rows of one device never overlap: what is booked already keeps its time, and only the rest of a range is new. To
//! keep history small a new stretch lengthens the device's last row when
//! - it is of the same minute,
//! - nothing owed to the device lies between the two (so that the row says nothing that was not acknowledged), and
//! - no message of priority 4 or 5 in it is owed: for those the exact time is kept.
//!
//! A stretch without anything owed is not booked at all, nor does it move the device's position: heartbeats of quiet
//! people cost no write. A message that was withdrawn when its person left stays so even if a device acknowledges it
//! afterwards: the server could not know any more.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{Millis, Priority, Seq};

use super::{
    fault::Outcome,
    ledger::Device,
    owed::{Item, Owed, Walk},
    tx::Tx,
};
use crate::{AckRange, DeviceId, UserId};

/// How exact times of arrival are below priority 4.
const MINUTE: Millis = 60_000;

/// A device that acknowledges, loaded once per batch.
struct Booker {
    device: Device,
    owed: Owed,
    position: Option<Seq>,
}

/// Books all of them. Ranges of devices that are gone are passed over.
pub(super) fn acknowledge(tx: &mut Tx<'_>, ranges: &[AckRange]) -> Outcome<()> {
    let mut bookers: HashMap<DeviceId, Option<Booker>> = HashMap::new();
    for range in ranges {
        let booker = match bookers.entry(range.device) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(load(tx.conn, range.device)?),
        };
        let to = range.to.min(tx.head);
        if let Some(booker) = booker
            && range.from < to
        {
            book(tx.conn, booker, (range.from, to), range.at)?;
        }
    }
    Ok(())
}

fn load(conn: &Connection, id: DeviceId) -> Outcome<Option<Booker>> {
    let sql = "SELECT user, position FROM device WHERE id = ?1 AND removed_at IS NULL";
    let row: Option<(i64, Option<Seq>)> =
        conn.prepare_cached(sql)?.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((user, position)) = row else { return Ok(None) };
    let device = Device::load(conn, id, String::new())?;
    Ok(Some(Booker { device, owed: Owed::all(conn, UserId(user))?, position }))
}

/// What of a stretch is owed to a device.
#[derive(Clone, Copy, Default)]
struct Contents {
    any: bool,
    high: bool,
}

fn contents(conn: &Connection, booker: &Booker, stretch: (Seq, Seq)) -> Outcome<Contents> {
    let mut contents = Contents::default();
    booker.owed.walk(conn, stretch, |item| {
        if booker.device.takes(item) {
            contents.any = true;
            contents.high = priority(conn, item)? >= Priority::HIGH.get();
        }
        Ok(if contents.high { Walk::Stop } else { Walk::On })
    })?;
    Ok(contents)
}

fn priority(conn: &Connection, item: Item) -> Outcome<u8> {
    let sql = "SELECT priority FROM message WHERE topic IS ?1 AND seq = ?2";
    let priority =
        conn.prepare_cached(sql)?.query_row((item.topic, item.seq), |row| row.get(0)).optional()?;
    Ok(priority.unwrap_or_default())
}

fn book(conn: &Connection, booker: &mut Booker, range: (Seq, Seq), at: Millis) -> Outcome<()> {
    let whole = contents(conn, booker, range)?;
    if !whole.any {
        return Ok(());
    }
    for stretch in unbooked(conn, booker.device.id, range)? {
        // The usual acknowledgement is all new.
        let contents = if stretch == range { whole } else { contents(conn, booker, stretch)? };
        if contents.any {
            insert(conn, booker, stretch, at, contents.high)?;
        }
    }
    if booker.position.is_none_or(|position| position < range.1) {
        let sql = "UPDATE device SET position = ?2 WHERE id = ?1";
        conn.prepare_cached(sql)?.execute((booker.device.id.0, range.1))?;
        booker.position = Some(range.1);
    }
    Ok(())
}

/// The parts of a range that no row of the device covers yet.
fn unbooked(conn: &Connection, device: DeviceId, (from, to): (Seq, Seq)) -> Outcome<Vec<(Seq, Seq)>> {
    let sql = "SELECT from_seq, to_seq FROM ack WHERE device = ?1 AND to_seq > ?2 ORDER BY to_seq";
    let mut sql = conn.prepare_cached(sql)?;
    let mut rows = sql.query((device.0, from))?;
    let mut stretches = Vec::new();
    let mut done = from;
    while let Some(row) = rows.next()? {
        let (booked_from, booked_to): (Seq, Seq) = (row.get(0)?, row.get(1)?);
        if booked_from >= to {
            break;
        }
        if booked_from > done {
            stretches.push((done, booked_from));
        }
        done = booked_to;
    }
    if done < to {
        stretches.push((done, to));
    }
    Ok(stretches)
}

fn insert(
    conn: &Connection,
    booker: &Booker,
    (from, to): (Seq, Seq),
    at: Millis,
    exact: bool,
) -> Outcome<()> {
    let id = booker.device.id.0;
    let sql = "SELECT to_seq, at FROM ack WHERE device = ?1 AND to_seq <= ?2 ORDER BY to_seq DESC LIMIT 1";
    let before: Option<(Seq, Millis)> =
        conn.prepare_cached(sql)?.query_row((id, from), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((end, started)) = before
        && !exact
        && started.div_euclid(MINUTE) == at.div_euclid(MINUTE)
        && !contents(conn, booker, (end, from))?.any
    {
        conn.prepare_cached("UPDATE ack SET to_seq = ?3 WHERE device = ?1 AND to_seq = ?2")?
            .execute((id, end, to))?;
        return Ok(());
    }
    let sql = "INSERT INTO ack (device, from_seq, to_seq, at) VALUES (?1, ?2, ?3, ?4)";
    conn.prepare_cached(sql)?.execute((id, from, to, at))?;
    Ok(())
}

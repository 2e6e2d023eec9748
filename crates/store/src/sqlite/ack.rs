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

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{Millis, Priority, Seq};

use super::{
    escalation,
    fault::Outcome,
    ledger::Device,
    owed::{Item, Owed, Walk},
    tx::Tx,
};
use crate::{AckRange, DeviceId, UserId};

/// Ranges booked in one go: about a millisecond, which is what a publish may have to wait for.
pub(super) const TURN: usize = 16;
/// The highest priority that is owed in a stretch: one statement for all topics, from indexes alone but for messages
/// that name the person.
const HIGHEST: &str = "SELECT max(p) FROM (SELECT max(m.priority) AS p FROM member i CROSS JOIN message m \
     ON m.topic = i.topic AND m.seq > max(i.from_seq, ?2) AND m.seq <= min(ifnull(i.to_seq, ?3), ?3) \
     WHERE i.user = ?1 AND i.from_seq < ?3 UNION ALL SELECT max(m.priority) FROM recipient r \
     CROSS JOIN message m ON m.seq = r.seq WHERE r.user = ?1 AND r.seq > ?2 AND r.seq <= ?3)";
/// Devices remembered: as many as connect to one node, at some hundred bytes each.
const BOOKERS: usize = 16_384;
/// How exact times of arrival are below priority 4.
const MINUTE: Millis = 60_000;

/// A device that acknowledges, as the writer remembers it between its acknowledgements. Forgotten with everything
/// else the writer remembers (see [`Names`](super::tx::Names)).
pub(super) struct Booker {
    device: Device,
    user: UserId,
    position: Option<Seq>,
    /// The end of the last row, and its time.
    last: Option<(Seq, Millis)>,
}

/// Books all of them. Ranges of devices that are gone are passed over.
pub(super) fn acknowledge(tx: &mut Tx<'_>, ranges: &[AckRange]) -> Outcome<()> {
    let mut stretches = Vec::with_capacity(ranges.len());
    for range in ranges {
        let to = range.to.min(tx.head);
        if range.from < to
            && let Some(mut booker) = take(tx, range.device)?
        {
            book(tx.conn, &mut booker, (range.from, to), range.at)?;
            stretches.push(range.from + 1..=to);
            if tx.names.bookers.len() < BOOKERS {
                tx.names.bookers.insert(range.device, booker);
            }
        }
    }
    escalation::stored(tx, &stretches)
}

fn take(tx: &mut Tx<'_>, id: DeviceId) -> Outcome<Option<Booker>> {
    if let Some(known) = tx.names.bookers.remove(&id) {
        return Ok(Some(known));
    }
    let sql = "SELECT user, position FROM device WHERE id = ?1 AND removed_at IS NULL";
    let row: Option<(i64, Option<Seq>)> =
        tx.conn.prepare_cached(sql)?.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((user, position)) = row else { return Ok(None) };
    let device = Device::load(tx.conn, id)?;
    let sql = "SELECT to_seq, at FROM ack WHERE device = ?1 ORDER BY to_seq DESC LIMIT 1";
    let last =
        tx.conn.prepare_cached(sql)?.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(Some(Booker { device, user: UserId(user), position, last }))
}

/// What of a stretch is owed to a device.
#[derive(Clone, Copy, Default)]
struct Contents {
    any: bool,
    high: bool,
}

fn contents(conn: &Connection, booker: &Booker, (from, to): (Seq, Seq)) -> Outcome<Contents> {
    let mut contents = Contents::default();
    if from >= to {
        return Ok(contents);
    }
    if booker.device.takes_all() {
        let highest: Option<u8> =
            conn.prepare_cached(HIGHEST)?.query_row((booker.user.0, from, to), |row| row.get(0))?;
        return Ok(Contents { any: highest.is_some(), high: highest >= Some(Priority::HIGH.get()) });
    }
    Owed::all(conn, booker.user)?.walk(conn, (from, to), |item| {
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
    // The usual acknowledgement goes on behind everything that is booked.
    let behind = booker.last.is_none_or(|(end, _)| end <= range.0);
    let stretches = if behind { vec![range] } else { unbooked(conn, booker.device.id, range)? };
    for stretch in stretches {
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
    booker: &mut Booker,
    (from, to): (Seq, Seq),
    at: Millis,
    exact: bool,
) -> Outcome<()> {
    let id = booker.device.id.0;
    let before = match booker.last {
        Some(last) if last.0 <= from => Some(last),
        None => None,
        Some(_) => {
            let sql =
                "SELECT to_seq, at FROM ack WHERE device = ?1 AND to_seq <= ?2 ORDER BY to_seq DESC LIMIT 1";
            conn.prepare_cached(sql)?
                .query_row((id, from), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?
        }
    };
    let mut started = at;
    if let Some((end, time)) = before
        && !exact
        && time.div_euclid(MINUTE) == at.div_euclid(MINUTE)
        && !contents(conn, booker, (end, from))?.any
    {
        started = time;
        conn.prepare_cached("UPDATE ack SET to_seq = ?3 WHERE device = ?1 AND to_seq = ?2")?
            .execute((id, end, to))?;
    } else {
        let sql = "INSERT INTO ack (device, from_seq, to_seq, at) VALUES (?1, ?2, ?3, ?4)";
        conn.prepare_cached(sql)?.execute((id, from, to, at))?;
    }
    if booker.last.is_none_or(|(end, _)| end <= to) {
        booker.last = Some((to, started));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::{super::open, *};

    #[test]
    fn the_statement_of_every_acknowledgement_is_compiled_once() {
        let dir = tempfile::tempdir().unwrap();
        let conn = open::writer(dir.path()).unwrap();
        let device = Device::load(&conn, DeviceId(1)).unwrap();
        let booker = Booker { device, user: UserId(1), position: None, last: None };
        for at in 0..3 {
            contents(&conn, &booker, (at, at + 1)).unwrap();
        }
        let compiled = conn.prepare_cached(HIGHEST).unwrap().get_status(StatementStatus::RePrepare);
        assert_eq!(compiled, 0, "times it was compiled anew");
    }
}

//! Retention: bodies first, receipts much later, and what has expired by itself.
//!
//! Within a topic (and among messages that name people) bodies go strictly oldest first, so that one position per
//! topic says what is pruned. The title stays with the receipt. Work per call is bounded: the writer serves others in
//! between.

use rusqlite::{Connection, OptionalExtension as _, params_from_iter, types::Value};
use tocsin_protocol::{Millis, Seq, State, limits::ALERTS_TOPIC};

use super::{DAY, escalation, fault::Outcome, message, outbox, receipt::standing, tx::Tx};
use crate::Pruned;

/// Rows per call and kind: some tens of milliseconds.
const ROWS: usize = 200;
/// (message, person) pairs looked at per call: a pruned message of a large topic costs as much as many small ones.
const PAIRS: usize = 5000;

/// One stretch of messages that is pruned in order: a topic, or (nothing) those that name people.
struct Shelf {
    topic: Option<i64>,
    pruned: Seq,
    keep: Millis,
}

pub(super) fn prune(tx: &mut Tx<'_>) -> Outcome<Pruned> {
    let mut pruned = Pruned::default();
    tx.names.forget();
    let mut shelves = shelves(tx)?;
    let mut room = Room { rows: ROWS, pairs: PAIRS };
    for shelf in &mut shelves {
        let oldest_kept = tx.now.saturating_sub(shelf.keep);
        while let Some((seq, _)) = next(tx.conn, shelf)?.filter(|(_, at)| *at <= oldest_kept) {
            if !room.is_left() {
                pruned.more = true;
                return Ok(pruned);
            }
            prune_one(tx, shelf, seq, &mut room, &mut pruned)?;
        }
    }
    over_size(tx, &mut shelves, &mut room, &mut pruned)?;
    let forgotten = forget_receipts(tx, &shelves)?;
    let expired = forget_expired(tx)?;
    pruned.more |= forgotten || expired;
    Ok(pruned)
}

/// What may still be done in this call.
struct Room {
    rows: usize,
    pairs: usize,
}

impl Room {
    fn is_left(&self) -> bool {
        self.rows > 0 && self.pairs > 0
    }
}

fn shelves(tx: &Tx<'_>) -> Outcome<Vec<Shelf>> {
    let keep = tx.shared.options.keep_bodies;
    let direct = tx.conn.prepare_cached("SELECT direct_pruned FROM meta")?.query_row([], |row| row.get(0))?;
    let mut shelves = vec![Shelf { topic: None, pruned: direct, keep }];
    let mut sql = tx.conn.prepare_cached("SELECT id, pruned, retention_days FROM topic ORDER BY id")?;
    let rows = sql.query_map([], |row| {
        let days: Option<Millis> = row.get(2)?;
        let keep = days.map_or(keep, |days| days.saturating_mul(DAY));
        Ok(Shelf { topic: row.get(0)?, pruned: row.get(1)?, keep })
    })?;
    for shelf in rows {
        shelves.push(shelf?);
    }
    Ok(shelves)
}

/// The oldest message of a shelf that has its body, and when it was sent.
fn next(conn: &Connection, shelf: &Shelf) -> Outcome<Option<(Seq, Millis)>> {
    let sql = "SELECT seq FROM message WHERE topic IS ?1 AND seq > ?2 ORDER BY seq LIMIT 1";
    let seq: Option<Seq> =
        conn.prepare_cached(sql)?.query_row((shelf.topic, shelf.pruned), |row| row.get(0)).optional()?;
    let Some(seq) = seq else { return Ok(None) };
    let at =
        conn.prepare_cached("SELECT at FROM message WHERE seq = ?1")?.query_row([seq], |row| row.get(0))?;
    Ok(Some((seq, at)))
}

fn prune_one(
    tx: &mut Tx<'_>,
    shelf: &mut Shelf,
    seq: Seq,
    room: &mut Room,
    pruned: &mut Pruned,
) -> Outcome<()> {
    take_body(tx.conn, seq, tx.now)?;
    shelf.pruned = seq;
    match shelf.topic {
        Some(topic) => {
            tx.conn.prepare_cached("UPDATE topic SET pruned = ?2 WHERE id = ?1")?.execute((topic, seq))?;
        }
        None => {
            tx.conn.prepare_cached("UPDATE meta SET direct_pruned = ?1")?.execute([seq])?;
        }
    }
    tx.shared.pruned.fetch_max(seq, std::sync::atomic::Ordering::Relaxed);
    tx.stale = true;
    pruned.messages += 1;
    room.rows = room.rows.saturating_sub(1);
    let Some(found) = message::at(&tx.view(), seq)? else { return Ok(()) };
    escalation::pruned(tx, seq)?;
    for person in standing::audience(&tx.view(), &found)? {
        room.pairs = room.pairs.saturating_sub(1);
        if person.state == State::LostToRetention {
            let user = person.user;
            let sql = "INSERT INTO lost (seq, user) VALUES (?1, ?2)";
            tx.conn.prepare_cached(sql)?.execute((seq, user.0))?;
            pruned.lost += 1;
            if found.stored.message.topic.as_deref() != Some(ALERTS_TOPIC) {
                let sql = "SELECT name FROM user WHERE id = ?1";
                let name = tx.conn.prepare_cached(sql)?.query_row([user.0], |row| row.get(0))?;
                *pruned.missed.entry(name).or_default() += 1;
            }
        }
    }
    Ok(())
}

/// Takes the body out of a row. Not by an update: SQLite leaves a page that an update emptied half empty for good,
/// while after a deletion it merges it with its neighbours, so that what is left of many messages meets in one page.
fn take_body(conn: &Connection, seq: Seq, now: Millis) -> Outcome<()> {
    let mut select = conn.prepare_cached("SELECT * FROM message WHERE seq = ?1")?;
    let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
    let row = select.query_row([seq], |row| {
        (0..columns.len()).map(|place| row.get(place)).collect::<Result<Vec<Value>, _>>()
    })?;
    let row = columns.iter().zip(row).map(|(column, value)| match column.as_str() {
        "body" => Value::Text(String::new()),
        "extras" => Value::Null,
        "pruned_at" => Value::Integer(now),
        _ => value,
    });
    conn.prepare_cached("DELETE FROM message WHERE seq = ?1")?.execute([seq])?;
    let places = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT INTO message ({}) VALUES ({places})", columns.join(", "));
    conn.prepare_cached(&insert)?.execute(params_from_iter(row))?;
    Ok(())
}

/// Prunes the oldest bodies of all while the file holds more than it may.
fn over_size(tx: &mut Tx<'_>, shelves: &mut [Shelf], room: &mut Room, pruned: &mut Pruned) -> Outcome<()> {
    while used(tx.conn)? > tx.shared.options.keep_bytes {
        let mut oldest: Option<(Seq, usize)> = None;
        for (index, shelf) in shelves.iter().enumerate() {
            if let Some((seq, _)) = next(tx.conn, shelf)?
                && oldest.is_none_or(|(known, _)| seq < known)
            {
                oldest = Some((seq, index));
            }
        }
        let Some((seq, index)) = oldest else { return Ok(()) };
        if !room.is_left() {
            pruned.more = true;
            return Ok(());
        }
        prune_one(tx, &mut shelves[index], seq, room, pruned)?;
    }
    Ok(())
}

/// Bytes of the file that hold something.
fn used(conn: &Connection) -> Outcome<u64> {
    let pragma = |name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

/// Removes what is known of messages that were pruned long ago. Whether there is more to do.
fn forget_receipts(tx: &Tx<'_>, shelves: &[Shelf]) -> Outcome<bool> {
    let before = tx.now.saturating_sub(tx.shared.options.keep_receipts);
    tx.conn.prepare_cached("UPDATE meta SET head = ?1 WHERE head < ?1")?.execute([tx.head])?;
    let mut rows = 0;
    for shelf in shelves {
        let sql = "SELECT m.seq FROM message m WHERE m.topic IS ?1 AND m.seq <= ?2 ORDER BY m.seq LIMIT ?3";
        let seqs = {
            let mut sql = tx.conn.prepare_cached(sql)?;
            let seqs = sql.query_map((shelf.topic, shelf.pruned, ROWS), |row| row.get::<_, Seq>(0))?;
            seqs.collect::<Result<Vec<_>, _>>()?
        };
        for seq in seqs {
            let young = "SELECT 1 FROM message WHERE seq = ?1 AND at > ?2";
            if rows >= ROWS || tx.conn.prepare_cached(young)?.exists((seq, before))? {
                break;
            }
            forget_message(tx, seq)?;
            rows += 1;
        }
    }
    // A stretch may cover messages that are kept longer than receipts: it must outlive them.
    let longest = shelves.iter().map(|shelf| shelf.keep).max().unwrap_or_default();
    let before = before.min(tx.now.saturating_sub(longest));
    let mut more = rows >= ROWS;
    for sql in [
        "DELETE FROM ack WHERE (device, to_seq) IN (SELECT device, to_seq FROM ack WHERE at <= ?1 LIMIT ?2)",
        "DELETE FROM claim WHERE (device, to_seq) IN (SELECT device, to_seq FROM claim WHERE at <= ?1 LIMIT ?2)",
        "DELETE FROM entry WHERE seq IN (SELECT seq FROM entry WHERE kind = 5 AND at <= ?1 ORDER BY seq LIMIT ?2)",
    ] {
        more |= tx.conn.prepare_cached(sql)?.execute((before, ROWS))? >= ROWS;
    }
    Ok(more)
}

fn forget_message(tx: &Tx<'_>, seq: Seq) -> Outcome<()> {
    let found = message::at(&tx.view(), seq)?;
    if let Some(crate::Address::People(people)) = found.map(|found| found.stored.address) {
        for person in people.iter() {
            let sql = "DELETE FROM recipient WHERE user = ?1 AND seq = ?2";
            tx.conn.prepare_cached(sql)?.execute((person.0, seq))?;
        }
    }
    outbox::forget(tx.conn, seq)?;
    for sql in [
        "DELETE FROM press WHERE seq = ?1",
        "DELETE FROM shown WHERE seq = ?1",
        "DELETE FROM withdrawn WHERE seq = ?1",
        "DELETE FROM lost WHERE seq = ?1",
        "DELETE FROM remind WHERE seq = ?1",
        "DELETE FROM report WHERE seq = ?1",
        "DELETE FROM step_run WHERE seq = ?1",
        "DELETE FROM escalation WHERE seq = ?1",
        "DELETE FROM message WHERE seq = ?1",
    ] {
        tx.conn.prepare_cached(sql)?.execute([seq])?;
    }
    Ok(())
}

/// Removes what ended by its own time. Whether there is more to do.
fn forget_expired(tx: &Tx<'_>) -> Outcome<bool> {
    let mut more = false;
    for sql in [
        "DELETE FROM idempotency WHERE (token, key) IN (SELECT token, key FROM idempotency WHERE expires_at <= ?1 LIMIT ?2)",
        "DELETE FROM session WHERE hash IN (SELECT hash FROM session WHERE expires_at <= ?1 LIMIT ?2)",
        "DELETE FROM invite WHERE hash IN (SELECT hash FROM invite WHERE expires_at <= ?1 LIMIT ?2)",
    ] {
        more |= tx.conn.prepare_cached(sql)?.execute((tx.now, ROWS))? >= ROWS;
    }
    Ok(more)
}

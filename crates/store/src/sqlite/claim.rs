//! Handing messages to clients that keep no cursor.
//!
//! A claim books the stretches it handed out, like an acknowledgement, so that receipts say `sent`. A stretch never
//! spans a message that was *not* handed out (claimed by another device of the person, withdrawn, pruned): taking a
//! claim back must not touch those.

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::Seq;

use super::{
    device,
    fault::Outcome,
    ledger::{Device, Ledger},
    log,
    owed::{Owed, Walk},
    replay,
    tx::Tx,
};
use crate::{Claim, DeviceId, UserId};

/// Hands out the next messages that no device of the person has claimed.
pub(super) fn claim(tx: &mut Tx<'_>, id: DeviceId, limit: usize) -> Outcome<Claim> {
    let view = tx.view();
    let record = device::known(tx.conn, id)?;
    let device = Device::load(tx.conn, id)?;
    let ledger = Ledger::load(tx.conn, record.user)?;
    let sql = "SELECT max(claimed, ifnull(position, 0)) FROM device WHERE id = ?1";
    let start: Seq = tx.conn.prepare_cached(sql)?.query_row([id.0], |row| row.get(0))?;
    let head = log::head(tx.conn)?;
    let mut claim = Claim { id: 0, messages: Vec::new(), upto: head, more: false };
    let mut stretches: Vec<(Seq, Seq)> = Vec::new();
    let mut broken = true;
    Owed::all(tx.conn, record.user)?.walk(tx.conn, (start, head), |item| {
        if !device.takes(item) {
            return Ok(Walk::On);
        }
        let free = ledger.sent(tx.conn, item)?.is_none();
        let message = if free { replay::deliverable(&view, record.user, &device, item)? } else { None };
        let Some(message) = message else {
            broken = true;
            return Ok(Walk::On);
        };
        if claim.messages.len() >= limit {
            claim.more = true;
            return Ok(Walk::Stop);
        }
        claim.messages.push(message);
        match stretches.last_mut() {
            Some(last) if !broken => last.1 = item.seq,
            _ => stretches.push((item.seq - 1, item.seq)),
        }
        broken = false;
        Ok(Walk::On)
    })?;
    let Some(&(_, last)) = stretches.last() else { return Ok(claim) };
    if claim.more {
        claim.upto = last;
    }
    claim.id = next_id(tx.conn)?;
    for (from, to) in stretches {
        let sql = "INSERT INTO claim (device, from_seq, to_seq, id, at) VALUES (?1, ?2, ?3, ?4, ?5)";
        tx.conn.prepare_cached(sql)?.execute((id.0, from, to, claim.id, tx.now))?;
    }
    tx.conn.prepare_cached("UPDATE device SET claimed = ?2 WHERE id = ?1")?.execute((id.0, last))?;
    Ok(claim)
}

fn next_id(conn: &Connection) -> Outcome<u64> {
    let sql = "UPDATE meta SET claims = claims + 1 RETURNING claims";
    Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Takes a claim back: its messages are free for any device of the person again.
pub(super) fn undo(tx: &mut Tx<'_>, claim: u64) -> Outcome<()> {
    let sql = "SELECT d.user, min(c.from_seq) FROM claim c JOIN device d ON d.id = c.device WHERE c.id = ?1 GROUP BY d.user";
    let row: Option<(i64, Seq)> =
        tx.conn.prepare_cached(sql)?.query_row([claim], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((user, from)) = row else { return Ok(()) };
    tx.conn.prepare_cached("DELETE FROM claim WHERE id = ?1")?.execute([claim])?;
    rewind(tx.conn, UserId(user), from)
}

/// Another device of the person may have passed these messages by because they were claimed.
fn rewind(conn: &Connection, user: UserId, to: Seq) -> Outcome<()> {
    let sql = "UPDATE device SET claimed = ?2 WHERE user = ?1 AND claimed > ?2";
    conn.prepare_cached(sql)?.execute((user.0, to))?;
    Ok(())
}

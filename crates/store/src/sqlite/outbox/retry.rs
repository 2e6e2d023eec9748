//! Another try: a delivery goes back to where it waits, if it is still wanted.
//!
//! What a newer version replaces, a person stops or a lost address strands is ended where it waits. What was on its way at
//! that time is asked about here, when it comes back.

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{DeliveryState, Millis};

use super::{
    super::{fault::Outcome, tx::Tx},
    row::{self, ChannelRow, DeliveryRow, End},
};
use crate::outbox::{Again, LaneId, NOWHERE, Settlement, codes, health::Omen, not_wanted, or_unknown};

/// Queues it for that time, unless it is over.
pub(super) fn retry(
    tx: &mut Tx<'_>,
    row: &DeliveryRow,
    said: &Settlement,
    (at, why): (Millis, Again),
    started_at: Option<Millis>,
) -> Outcome<()> {
    let unsure_at = row.history.unsure_at.or(started_at.filter(|_| why == Again::Unsure));
    let sql = "UPDATE delivery SET unsure_at = ?2 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((row.id.0, unsure_at))?;
    if let Some(code) = over(tx, row)? {
        let state = or_unknown(DeliveryState::Cancelled, unsure_at);
        return row::end(tx, row.id, &End { state, code: Some(code), reason: None, msgid: None }, tx.now);
    }
    let at = due_at(tx, row, said, at, why)?;
    queue(tx, row, said, at, why)?;
    if row.user == 0 { Ok(()) } else { follow(tx, row, at, unsure_at) }
}

/// Why it is not wanted any more.
fn over(tx: &Tx<'_>, row: &DeliveryRow) -> Outcome<Option<&'static str>> {
    let sql = "SELECT 1 FROM channel WHERE id = ?1 AND removed_at IS NOT NULL";
    if tx.conn.prepare_cached(sql)?.exists([row.channel.0])? {
        return Ok(Some(codes::REMOVED));
    }
    // A report tells of the version that it is about, whatever came after.
    let sql = "SELECT 1 FROM message WHERE seq = ?1 AND superseded_by IS NOT NULL";
    if row.what == 0 && tx.conn.prepare_cached(sql)?.exists([row.seq])? {
        return Ok(Some(codes::SUPERSEDED));
    }
    Ok(not_wanted(row.code.as_deref()))
}

/// When it is due. A pause is the channel's: it holds back everything alike, until somebody reopens it.
fn due_at(tx: &Tx<'_>, row: &DeliveryRow, said: &Settlement, at: Millis, why: Again) -> Outcome<Millis> {
    if why == Again::Paused && matches!(said.omen, Omen::Pause(_)) {
        return Ok(tx.now);
    }
    if why == Again::Paused || said.attempt.is_none() {
        return Ok(at);
    }
    let mut channel = ChannelRow::of(tx.conn, row.channel)?;
    let at = channel.health.retry_at(at, tx.now, said.roll);
    channel.save_health(tx.conn)?;
    Ok(at)
}

fn queue(tx: &Tx<'_>, row: &DeliveryRow, said: &Settlement, at: Millis, why: Again) -> Outcome<()> {
    let sql = "UPDATE delivery SET state = 0, due_at = ?2, busy = busy + ?3, duplicates = duplicates + ?4, code = ?5, \
               reason = ?6, since = ?7 WHERE id = ?1";
    let (busy, duplicate) = (why == Again::Busy, why == Again::Duplicate);
    tx.conn.prepare_cached(sql)?.execute((
        row.id.0,
        at,
        busy,
        duplicate,
        &said.code,
        &said.reason,
        tx.now,
    ))?;
    // A digest that is found waiting again takes back what a late answer took for lost.
    let sql = "UPDATE delivery SET state = 2, since = ?2 WHERE digest = ?1 AND state = 6";
    tx.conn.prepare_cached(sql)?.execute((row.id.0, tx.now))?;
    Ok(())
}

/// It goes where its person is now. What may have arrived stays: at another address nothing recognises a repetition.
fn follow(tx: &Tx<'_>, row: &DeliveryRow, at: Millis, unsure_at: Option<Millis>) -> Outcome<()> {
    if row.lane == NOWHERE {
        return strand(tx, row, row.reason.as_deref());
    }
    let sql = "SELECT lane, broken FROM binding WHERE channel = ?1 AND user = ?2 AND lane IS NOT NULL";
    let read = |row: &rusqlite::Row<'_>| Ok((LaneId(row.get(0)?), row.get::<_, Option<String>>(1)?));
    match tx.conn.prepare_cached(sql)?.query_row((row.channel.0, row.user), read).optional()? {
        None => strand(tx, row, None),
        Some((_, Some(broken))) => strand(tx, row, Some(&broken)),
        Some((lane, None)) if lane != row.lane && unsure_at.is_none() => {
            let sql = "UPDATE delivery SET lane = ?2, body = NULL WHERE id = ?1";
            tx.conn.prepare_cached(sql)?.execute((row.id.0, lane.0))?;
            row::wake(tx.conn, lane, at)
        }
        Some(_) => Ok(()),
    }
}

/// The next claim ends it, and tells of it.
fn strand(tx: &Tx<'_>, row: &DeliveryRow, why: Option<&str>) -> Outcome<()> {
    let sql = "UPDATE delivery SET lane = ?2, give_up_at = 0, reason = ?3, body = NULL WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((row.id.0, NOWHERE.0, why))?;
    Ok(())
}

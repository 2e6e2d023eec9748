//! A person has something sent again, or not at all.
//!
//! A second click finds the row queued, or in another round, and does nothing. What failed keeps its key: should it have
//! arrived after all, a platform that recognises repetitions shows it once.

use rusqlite::{OptionalExtension as _, types::Value};
use tocsin_protocol::{DeliveryState, MessageId, Millis, Seq, delivery::Resend};

use super::{
    super::{fault::Outcome, message, tx::Tx},
    enqueue,
    row::{self, ChannelRow, DeliveryRow},
};
use crate::{
    Error,
    outbox::{DeliveryId, GIVE_UP_AFTER, LaneId, RESEND_MOST, codes},
};

/// Its message and its channel are still there, and its person has an address.
const SENDABLE: &str = "EXISTS (SELECT 1 FROM message m WHERE m.seq = d.seq AND m.pruned_at IS NULL) \
     AND EXISTS (SELECT 1 FROM channel c WHERE c.id = d.channel AND c.removed_at IS NULL) \
     AND (d.user = 0 OR EXISTS (SELECT 1 FROM binding b WHERE b.channel = d.channel AND b.user = d.user \
     AND b.broken IS NULL AND b.lane IS NOT NULL))";

pub(super) fn resend(tx: &mut Tx<'_>, what: &Resend) -> Outcome<u64> {
    match what {
        Resend::One { id, round } => one(tx, DeliveryId(i64::try_from(*id).unwrap_or(i64::MAX)), *round),
        Resend::Failed { until, channel, message, unknown } => {
            let states = if *unknown { "(5, 6, 7)" } else { "(5, 7)" };
            let channel = match channel {
                Some(name) => Value::Integer(ChannelRow::named(tx.conn, name)?.id.0),
                None => Value::Null,
            };
            let seq = match message {
                Some(id) => Value::Integer(message_seq(tx, *id)?),
                None => Value::Null,
            };
            // What cannot be sent again must not take the place of what can: it would fill every call.
            let sql = format!(
                "SELECT d.id FROM delivery d WHERE d.state IN {states} AND d.since <= ?1 AND d.seq > 0 \
                 AND (?2 IS NULL OR d.channel = ?2) AND (?3 IS NULL OR d.seq = ?3) AND {SENDABLE} ORDER BY d.id LIMIT ?4"
            );
            let ids: Vec<i64> = {
                let mut sql = tx.conn.prepare_cached(&sql)?;
                let rows = sql.query_map((until, channel, seq, RESEND_MOST), |row| row.get(0))?;
                rows.collect::<Result<_, _>>()?
            };
            let mut queued = 0;
            for id in ids {
                let row = DeliveryRow::of(tx.conn, DeliveryId(id))?;
                queued += u64::from(again(tx, &row, 0, forever(tx.now))?);
            }
            Ok(queued)
        }
    }
}

fn message_seq(tx: &Tx<'_>, id: MessageId) -> Outcome<i64> {
    let seq: Seq = message::by_id(&tx.view(), id)?.seq;
    Ok(i64::try_from(seq).unwrap_or(i64::MAX))
}

fn one(tx: &mut Tx<'_>, id: DeliveryId, round: u32) -> Outcome<u64> {
    let row = DeliveryRow::of(tx.conn, id)?;
    if row.seq == 0 {
        return Err(Error::Conflict("a digest is sent again message by message".into()).into());
    }
    if row.round != round {
        return Ok(0);
    }
    let intent = match row.state {
        DeliveryState::Failed | DeliveryState::Unknown | DeliveryState::Expired => 0,
        // It is there; somebody wants it to ring again.
        DeliveryState::Accepted | DeliveryState::Confirmed => 1,
        DeliveryState::Cancelled => {
            return Err(Error::Conflict("what was cancelled is not sent".into()).into());
        }
        DeliveryState::Queued | DeliveryState::Sending | DeliveryState::Merged => return Ok(0),
    };
    if !again(tx, &row, intent, forever(tx.now))? {
        return Err(Error::Conflict("its message or its address is no more".into()).into());
    }
    Ok(1)
}

/// A person who sends something again wants it to arrive, whatever its message said of the time.
fn forever(now: Millis) -> (Millis, bool) {
    (now.saturating_add(GIVE_UP_AFTER), false)
}

/// Queues it again, at the address the person has now. Not without a message or an address.
pub(super) fn again(
    tx: &mut Tx<'_>,
    row: &DeliveryRow,
    intent: i64,
    (give_up, expires): (Millis, bool),
) -> Outcome<bool> {
    let sql = "SELECT 1 FROM message WHERE seq = ?1 AND pruned_at IS NULL";
    if !tx.conn.prepare_cached(sql)?.exists([row.seq])? {
        return Ok(false);
    }
    let sql = "SELECT 1 FROM channel WHERE id = ?1 AND removed_at IS NULL";
    if !tx.conn.prepare_cached(sql)?.exists([row.channel.0])? {
        return Ok(false);
    }
    let lane = if row.user == 0 {
        Some(row.lane)
    } else {
        let sql = "SELECT lane FROM binding WHERE channel = ?1 AND user = ?2 AND broken IS NULL AND lane IS NOT NULL";
        let place = (row.channel.0, row.user);
        tx.conn.prepare_cached(sql)?.query_row(place, |row| Ok(LaneId(row.get(0)?))).optional()?
    };
    let Some(lane) = lane else { return Ok(false) };
    let sql = "UPDATE delivery SET state = 0, lane = ?2, due_at = ?3, give_up_at = ?4, expires = ?6, since = ?3, busy = 0, \
               duplicates = 0, round = round + 1, intent = intent + ?5, msgid = NULL, code = NULL, reason = NULL, \
               unsure_at = NULL, also = CASE WHEN ?5 = 0 THEN also END, body = CASE WHEN what > 0 THEN body END WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((row.id.0, lane.0, tx.now, give_up, intent, expires))?;
    row::wake(tx.conn, lane, tx.now)?;
    tx.due = true;
    Ok(true)
}

pub(super) fn cancel(tx: &mut Tx<'_>, id: MessageId) -> Outcome<u64> {
    let seq = message::by_id(&tx.view(), id)?.seq;
    enqueue::cancel(tx.conn, seq, codes::STOPPED, tx.now)
}

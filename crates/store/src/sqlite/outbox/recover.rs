//! Leases that are over: whoever had the lane is gone.
//!
//! Of every channel, also of one that is locked away, disabled or removed: nobody else would look at its lanes, and what was
//! on its way there would be so for ever.

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{DeliveryState, Millis, delivery::AttemptResult};

use super::{
    super::{fault::Outcome, tx::Tx},
    fall,
    row::{self, ChannelRow, DeliveryRow, End},
};
use crate::outbox::{ChannelId, ClaimOrder, LaneId, Noticed, codes, not_wanted};

// The index holds what is leased alone.
pub(super) const BACK: &str = "SELECT id, channel FROM lane INDEXED BY lane_leased WHERE leased = 1 AND due_at <= ?1 ORDER BY channel, id";
pub(super) const NEXT_BACK: &str = "SELECT min(due_at) FROM lane INDEXED BY lane_leased WHERE leased = 1";
pub(super) const SENDING: &str = "SELECT * FROM delivery WHERE lane = ?1 AND state = 1";

/// When the next lease is over: for workers that never give a lane back.
pub(super) fn next_back(tx: &Tx<'_>) -> Outcome<Option<Millis>> {
    Ok(tx.conn.prepare_cached(NEXT_BACK)?.query_row([], |row| row.get(0))?)
}

/// Takes back what nobody gave back.
pub(super) fn recover(tx: &mut Tx<'_>, order: &ClaimOrder, noticed: &mut Noticed) -> Outcome<()> {
    let lanes: Vec<(LaneId, ChannelId)> = {
        let mut sql = tx.conn.prepare_cached(BACK)?;
        let rows = sql.query_map([tx.now], |row| Ok((LaneId(row.get(0)?), ChannelId(row.get(1)?))))?;
        rows.collect::<Result<_, _>>()?
    };
    for (lane, channel) in lanes {
        let mut channel = ChannelRow::of(tx.conn, channel)?;
        let sending = tx.conn.prepare_cached(SENDING)?.query_row([lane.0], DeliveryRow::read).optional()?;
        if let Some(row) = sending {
            lost(tx, &channel, &row, order, noticed)?;
        }
        if channel.health.probe_until > 0 {
            channel.health.probe_until = 0;
            channel.save_health(tx.conn)?;
        }
        row::release(tx.conn, lane)?;
    }
    Ok(())
}

/// A try that had begun may have arrived. It is made again while the platform recognises that; of a channel that is not
/// served nobody knows for how long it does, so its delivery waits, and is looked at when the channel is back.
fn lost(
    tx: &mut Tx<'_>,
    channel: &ChannelRow,
    row: &DeliveryRow,
    order: &ClaimOrder,
    noticed: &mut Noticed,
) -> Outcome<()> {
    let sql = "UPDATE attempt SET ended_at = ?2, result = ?3 WHERE id = ?1 RETURNING started_at";
    let result = row::result_number(AttemptResult::Lost);
    let place = (row.last_attempt, tx.now, result);
    let started: Option<Millis> =
        tx.conn.prepare_cached(sql)?.query_row(place, |row| row.get(0)).optional()?;
    let unsure_at = row.history.unsure_at.or(started).unwrap_or(tx.now);
    let sql = "UPDATE delivery SET unsure_at = ?2 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((row.id.0, unsure_at))?;
    let limits = order.channels.iter().find(|(name, _)| *name == channel.name).map(|(_, limits)| limits);
    let safe = limits.is_none_or(|limits| tx.now < unsure_at.saturating_add(limits.repeat_safe_ms));
    if safe && !row.history.resent && not_wanted(row.code.as_deref()).is_none() {
        let sql = "UPDATE delivery SET state = 0, due_at = ?2, since = ?2 WHERE id = ?1";
        tx.conn.prepare_cached(sql)?.execute((row.id.0, tx.now))?;
        noticed.repeated += 1;
        return Ok(());
    }
    let end = End { state: DeliveryState::Unknown, code: Some(codes::LOST), reason: None, msgid: None };
    row::end(tx, row.id, &end, tx.now)?;
    noticed.unknown += 1;
    noticed.alerts += u64::from(fall::tell(tx, row, &end, order.herald.as_ref())?);
    Ok(())
}

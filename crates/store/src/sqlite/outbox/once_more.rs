//! A message that the platform took and lost is queued once more.
//!
//! As a new one: under the old key the platform would take it for a repetition and show nothing. What was tried under the
//! old key counts as refused, so that neither its late answer nor a repeated word of the platform is taken for the new one.

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{Millis, delivery::AttemptResult};

use super::{
    super::{fault::Outcome, tx::Tx},
    row::{self, DeliveryRow},
};
use crate::outbox::codes;

/// Queues it for `at`, unless that was done before in this round, its time would be over, a newer version came, or its
/// address is none any more. Whether it did.
pub(super) fn once_more(tx: &mut Tx<'_>, row: &DeliveryRow, why: &str, at: Millis) -> Outcome<bool> {
    if row.seq == 0 || row.user == 0 || was_before(tx, row)? || !still_wanted(tx, row, at)? {
        return Ok(false);
    }
    let refused = row::result_number(AttemptResult::Refused);
    let sql = "UPDATE attempt SET result = ?3, code = ?4, reason = ?5 WHERE delivery = ?1 AND round = ?2";
    tx.conn.prepare_cached(sql)?.execute((row.id.0, row.round, refused, codes::NOT_DELIVERED, why))?;
    let sql = "UPDATE delivery SET state = 0, due_at = ?2, since = ?3, intent = intent + 1, body = NULL, msgid = NULL, \
               busy = 0, duplicates = 0, unsure_at = NULL, code = ?4, reason = ?5 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((row.id.0, at, tx.now, codes::NOT_DELIVERED, why))?;
    row::wake(tx.conn, row.lane, at)?;
    tx.due = true;
    Ok(true)
}

fn was_before(tx: &Tx<'_>, row: &DeliveryRow) -> Outcome<bool> {
    let sql = "SELECT 1 FROM attempt WHERE delivery = ?1 AND round = ?2 AND code = ?3";
    Ok(tx.conn.prepare_cached(sql)?.exists((row.id.0, row.round, codes::NOT_DELIVERED))?)
}

fn still_wanted(tx: &Tx<'_>, row: &DeliveryRow, at: Millis) -> Outcome<bool> {
    let sql = "SELECT 1 FROM delivery d JOIN message m ON m.seq = d.seq JOIN binding b ON b.channel = d.channel \
               AND b.user = d.user AND b.lane = d.lane WHERE d.id = ?1 AND d.give_up_at > ?2 AND m.pruned_at IS NULL \
               AND m.superseded_by IS NULL AND b.broken IS NULL";
    let found: Option<i64> =
        tx.conn.prepare_cached(sql)?.query_row((row.id.0, at), |row| row.get(0)).optional()?;
    Ok(found.is_some())
}

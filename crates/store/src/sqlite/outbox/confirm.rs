//! The platform says later what became of a message. That may come before the answer to the request itself, and it may
//! name the message or not.

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{DeliveryState, Millis};

use super::{
    super::{escalation, fault::Outcome, tx::Tx},
    address, fall,
    once_more::once_more,
    row::{self, ChannelRow, DeliveryRow, End},
};
use crate::outbox::{CONFIRM_WITHIN, Confirmation, DeliveryId, EARLY_KEEP, Herald, Settlement, codes, cut};

pub(super) fn confirm(tx: &mut Tx<'_>, said: &Confirmation, herald: Option<&Herald>) -> Outcome<bool> {
    let channel = ChannelRow::named(tx.conn, &said.channel)?;
    let msgid = said.msgid.as_deref().filter(|msgid| !msgid.is_empty() && *msgid != "0");
    let found = match msgid {
        Some(msgid) => named(tx, &channel, msgid)?,
        None => only(tx, &channel, &said.address)?,
    };
    match (found, msgid) {
        (Some(id), _) => {
            let word = Word { failed: said.failed.clone(), again: said.again };
            book(tx, id, &word, msgid, herald)?;
            Ok(true)
        }
        (None, Some(msgid)) => {
            let sql = "DELETE FROM early WHERE at <= ?1";
            tx.conn.prepare_cached(sql)?.execute([tx.now.saturating_sub(EARLY_KEEP)])?;
            let sql = "INSERT OR REPLACE INTO early (channel, msgid, at, failed, again) VALUES (?1, ?2, ?3, ?4, ?5)";
            let failed = said.failed.clone().map(cut);
            tx.conn.prepare_cached(sql)?.execute((channel.id.0, msgid, tx.now, failed, said.again))?;
            Ok(false)
        }
        (None, None) => Ok(false),
    }
}

/// What the platform says of a message.
struct Word {
    /// Why it did not arrive.
    failed: Option<String>,
    /// Worth one more try, not before then.
    again: Option<Millis>,
}

/// Not one that counts as refused: its message was lost, and another one has taken its place.
fn named(tx: &Tx<'_>, channel: &ChannelRow, msgid: &str) -> Outcome<Option<DeliveryId>> {
    let sql = "SELECT d.id FROM attempt a JOIN delivery d ON d.id = a.delivery WHERE a.msgid = ?1 AND d.channel = ?2 \
               AND a.result <> 2 ORDER BY d.id DESC LIMIT 1";
    let found = tx.conn.prepare_cached(sql)?.query_row((msgid, channel.id.0), |row| row.get(0)).optional()?;
    Ok(found.map(DeliveryId))
}

/// The one delivery to this address that waits for a confirmation. With two of them nobody knows which is meant.
fn only(tx: &Tx<'_>, channel: &ChannelRow, address: &str) -> Outcome<Option<DeliveryId>> {
    let sql = format!(
        "SELECT DISTINCT d.id FROM lane l JOIN attempt a ON a.lane = l.id AND a.ended_at > ?3 JOIN delivery d ON d.id = a.delivery \
         WHERE l.channel = ?1 AND l.address = ?2 {} AND d.state IN (3, 6) LIMIT 2",
        address::spelling(channel.kind)
    );
    let mut sql = tx.conn.prepare_cached(&sql)?;
    let since = tx.now.saturating_sub(CONFIRM_WITHIN);
    let rows = sql.query_map((channel.id.0, address, since), |row| row.get(0))?;
    let found = rows.collect::<Result<Vec<i64>, _>>()?;
    Ok(<[i64; 1]>::try_from(found).ok().map(|[id]| DeliveryId(id)))
}

/// Only what is not decided yet changes: a repeated confirmation changes nothing. Whether an alert was published.
fn book(
    tx: &mut Tx<'_>,
    id: DeliveryId,
    word: &Word,
    msgid: Option<&str>,
    herald: Option<&Herald>,
) -> Outcome<bool> {
    let row = DeliveryRow::of(tx.conn, id)?;
    if !matches!(row.state, DeliveryState::Accepted | DeliveryState::Unknown) {
        return Ok(false);
    }
    let sql = "SELECT msgid FROM delivery WHERE id = ?1";
    let known: Option<String> = tx.conn.prepare_cached(sql)?.query_row([id.0], |row| row.get(0))?;
    let reason = word.failed.clone().map(cut);
    if let (Some(why), Some(at)) = (&reason, word.again)
        && once_more(tx, &row, why, at)?
    {
        return Ok(false);
    }
    let state = if reason.is_some() { DeliveryState::Failed } else { DeliveryState::Confirmed };
    let end = End {
        state,
        code: reason.as_ref().map(|_| codes::NOT_DELIVERED),
        reason: reason.as_deref(),
        msgid: msgid.or(known.as_deref()),
    };
    row::end(tx, id, &end, tx.now)?;
    if state == DeliveryState::Confirmed {
        escalation::arrived(tx, id)?;
    }
    fall::tell(tx, &row, &end, herald)
}

/// What the platform said of a message before it answered the request. Whether an alert was published.
pub(super) fn early(tx: &mut Tx<'_>, row: &DeliveryRow, said: &Settlement) -> Outcome<bool> {
    let Some(msgid) = &said.msgid else { return Ok(false) };
    let sql = "DELETE FROM early WHERE channel = ?1 AND msgid = ?2 RETURNING failed, again";
    let read = |row: &rusqlite::Row<'_>| Ok(Word { failed: row.get(0)?, again: row.get(1)? });
    let found = tx.conn.prepare_cached(sql)?.query_row((row.channel.0, msgid), read).optional()?;
    match found {
        Some(word) => book(tx, row.id, &word, Some(msgid), said.herald.as_ref()),
        None => Ok(false),
    }
}

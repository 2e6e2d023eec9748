//! What became of showing a message on a device. Only forward: pending → failed → suppressed → shown. A message that
//! could not be shown and was part of a summary later is suppressed: the person was told that there is something.

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{Millis, Seq, Shown};

use super::{fault::Outcome, message, owed, tx::Tx};
use crate::{Error, ShownRow, UserId};

/// How a state is stored. How far it is, is another order: [`step`].
fn number(shown: Shown) -> i64 {
    match shown {
        Shown::Pending => 0,
        Shown::Suppressed => 1,
        Shown::Failed => 2,
        Shown::Shown => 3,
    }
}

/// Back from how it is stored.
pub(super) fn state(number: i64) -> Shown {
    match number {
        0 => Shown::Pending,
        1 => Shown::Suppressed,
        2 => Shown::Failed,
        _ => Shown::Shown,
    }
}

/// Order of the states: failed before suppressed.
fn step(number: i64) -> i64 {
    match number {
        1 => 2,
        2 => 1,
        other => other,
    }
}

/// Books all of them. Reports of devices or messages that are gone, or that were never theirs, are passed over.
pub(super) fn report(tx: &mut Tx<'_>, rows: &[ShownRow]) -> Outcome<()> {
    for row in rows {
        let sql = "SELECT user FROM device WHERE id = ?1 AND removed_at IS NULL";
        let user: Option<i64> =
            tx.conn.prepare_cached(sql)?.query_row([row.device.0], |row| row.get(0)).optional()?;
        let found = match message::by_id(&tx.view(), row.message) {
            Err(super::fault::Fault::Refused(Error::NotFound(_))) => continue,
            found => found?,
        };
        let Some(user) = user.map(UserId) else { continue };
        if owed::is_owed(tx.conn, user, found.seq, &found.stored.address)? {
            let at = row.at.min(tx.now).max(found.stored.message.created_at);
            book(tx.conn, row, found.seq, at)?;
        }
    }
    Ok(())
}

fn book(conn: &Connection, row: &ShownRow, seq: Seq, at: Millis) -> Outcome<()> {
    let sql = "SELECT shown FROM shown WHERE seq = ?1 AND device = ?2";
    let known: Option<i64> =
        conn.prepare_cached(sql)?.query_row((seq, row.device.0), |row| row.get(0)).optional()?;
    let new = number(row.shown);
    if known.is_none_or(|known| step(known) < step(new)) {
        let sql = "INSERT OR REPLACE INTO shown (seq, device, shown, at) VALUES (?1, ?2, ?3, ?4)";
        conn.prepare_cached(sql)?.execute((seq, row.device.0, new, at))?;
    }
    Ok(())
}

/// The better of two reports, the earlier of two that are equal.
pub(super) fn better(known: Option<(Shown, Millis)>, new: (Shown, Millis)) -> (Shown, Millis) {
    let rank = |(shown, at): (Shown, Millis)| (std::cmp::Reverse(step(number(shown))), at);
    known.filter(|known| rank(*known) <= rank(new)).unwrap_or(new)
}

//! What a person is still owed when they leave is withdrawn, in the transaction in which they leave.
//!
//! One row per message that no device of theirs has stored, that no channel says has arrived and that they have not
//! read, so that the answer never
//! depends on what happens later: joining again does not bring it back, and an acknowledgement still on its way does
//! not undo it.

use tocsin_protocol::Seq;

use super::{
    fault::Outcome,
    ledger::Ledger,
    outbox,
    owed::{self, Owed, Walk},
    tx::Tx,
};
use crate::{TopicId, UserId};

/// Withdraws what was published to this topic, or everything. `by` is the entry that causes it.
pub(super) fn withdraw(tx: &mut Tx<'_>, user: UserId, topic: Option<TopicId>, by: Seq) -> Outcome<()> {
    outbox::withdraw(tx, user, topic)?;
    let ledger = Ledger::load(tx.conn, user)?;
    let mut owed = Owed::kept(tx.conn, user)?;
    if let Some(topic) = topic {
        owed.only(topic);
    }
    owed.walk(tx.conn, (0, owed::END), |item| {
        if !ledger.has(tx.conn, item)? && !outbox::arrived(tx.conn, user, item.seq, false)? {
            let sql = "INSERT OR IGNORE INTO withdrawn (seq, user, by_seq, at) VALUES (?1, ?2, ?3, ?4)";
            tx.conn.prepare_cached(sql)?.execute((item.seq, user.0, by, tx.now))?;
        }
        Ok(Walk::On)
    })
}

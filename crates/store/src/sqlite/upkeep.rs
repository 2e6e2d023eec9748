//! Numbers about the store, a proof that it can be written, and a new epoch.

use std::sync::atomic::Ordering;

use tocsin_protocol::Epoch;

use super::{Shared, fault::Outcome, open, tx::Tx, view::View};
use crate::{EpochReason, Stats};

/// Writes something, so that its commit is a proof.
pub(super) fn probe(tx: &Tx<'_>) -> Outcome<()> {
    tx.conn.prepare_cached("UPDATE meta SET probed_at = ?1")?.execute([tx.now])?;
    Ok(())
}

/// Begins a new life of the log.
pub(super) fn new_epoch(tx: &mut Tx<'_>, why: EpochReason) -> Outcome<Epoch> {
    let epoch = Epoch::random(&mut rand::rng());
    tx.conn.prepare_cached("UPDATE meta SET epoch = ?1")?.execute([epoch.as_str()])?;
    tracing::warn!(?why, %epoch, "the log begins a new epoch: clients list their inbox anew");
    tx.epoch = epoch.clone();
    // What is kept carries cursors of the old epoch.
    tx.stale = true;
    Ok(epoch)
}

pub(super) fn stats(view: &View<'_>, shared: &Shared) -> Outcome<Stats> {
    // From the index alone: per topic, what lies behind the position up to which it is pruned.
    let messages = "SELECT ifnull(sum((SELECT count(*) FROM message m WHERE m.topic = t.id AND m.seq > t.pruned)), 0) + \
                    (SELECT count(*) FROM message m, meta WHERE m.topic IS NULL AND m.seq > direct_pruned) FROM topic t";
    let count = |sql: &str| view.conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, u64>(0));
    let size = |name: &str| std::fs::metadata(shared.options.dir.join(name)).map_or(0, |file| file.len());
    Ok(Stats {
        messages: count(messages)?,
        bytes: size(open::DATABASE) + size(open::WAL),
        commits: shared.commits.load(Ordering::Relaxed),
        operations: shared.operations.load(Ordering::Relaxed),
        waiting: shared.waiting.load(Ordering::Relaxed),
        users: count("SELECT count(*) FROM user WHERE removed_at IS NULL")?,
        topics: count("SELECT count(*) FROM topic WHERE removed_at IS NULL")?,
    })
}

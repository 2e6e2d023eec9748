//! What of a receipt is told to a webhook, in the transaction that makes it true.

use std::{collections::BTreeSet, ops::RangeInclusive};

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{Seq, State, receipt::Report};

use super::super::{
    fault::Outcome,
    message::{self, Found},
    outbox,
    receipt::{by_name, counts_of, lacking, standing},
    tx::Tx,
};
use super::notify;
use crate::{
    StoredMessage, TopicId, UserId,
    escalation::report::{self, Said},
    outbox::{ChannelId, DeliveryId},
    rules,
};

pub(super) const DUE: &str = "SELECT DISTINCT seq FROM report INDEXED BY report_due WHERE done = 0 AND due_at IS NOT NULL \
     AND due_at <= ?1 ORDER BY due_at LIMIT ?2";
pub(super) const NEXT: &str = "SELECT due_at FROM report INDEXED BY report_due WHERE done = 0 AND due_at IS NOT NULL \
     ORDER BY due_at LIMIT 1";

/// A new message has something to tell.
pub(super) fn watch(
    tx: &mut Tx<'_>,
    stored: &StoredMessage,
    channel: ChannelId,
    wanted: &Report,
) -> Outcome<()> {
    let seq = stored.message.cursor.seq;
    let sql = "INSERT OR IGNORE INTO report (seq, milestone, channel, due_at) VALUES (?1, ?2, ?3, ?4)";
    for milestone in &wanted.on {
        let row = (seq, report::number(*milestone), channel.0, stored.message.expires_at);
        tx.conn.prepare_cached(sql)?.execute(row)?;
    }
    if wanted.on.is_empty() {
        return Ok(());
    }
    tx.names.escalating(tx.conn)?.watched.insert(seq, seq);
    for copy in standing::copies(&tx.view(), seq)? {
        notify::watch(tx, seq, copy.seq)?;
    }
    tx.stirred |= stored.message.expires_at.is_some();
    // What carried over may be enough.
    check(tx, seq)
}

/// Devices stored a stretch.
pub(in crate::sqlite) fn stored(tx: &mut Tx<'_>, stretches: &[RangeInclusive<Seq>]) -> Outcome<()> {
    let watched = &tx.names.escalating(tx.conn)?.watched;
    if watched.is_empty() {
        return Ok(());
    }
    let hit = stretches.iter().flat_map(|stretch| watched.range(stretch.clone()).map(|(_, root)| *root));
    let mut roots: Vec<Seq> = hit.collect();
    roots.sort_unstable();
    roots.dedup();
    roots.into_iter().try_for_each(|root| check(tx, root))
}

/// A platform says that something arrived: a message, or all that a digest carried.
pub(in crate::sqlite) fn arrived(tx: &mut Tx<'_>, delivery: DeliveryId) -> Outcome<()> {
    if tx.names.escalating(tx.conn)?.watched.is_empty() {
        return Ok(());
    }
    let sql =
        "SELECT seq FROM delivery WHERE id = ?1 AND seq > 0 UNION SELECT seq FROM delivery WHERE digest = ?1";
    let seqs: Vec<Seq> = {
        let mut sql = tx.conn.prepare_cached(sql)?;
        let rows = sql.query_map([delivery.0], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    seqs.into_iter().try_for_each(|seq| {
        let root = tx.names.escalating(tx.conn)?.watched.get(&seq).copied();
        root.map_or(Ok(()), |root| check(tx, root))
    })
}

/// Somebody left a topic, or (without one) everything that names them: those who stay may be all who are asked.
pub(super) fn left(tx: &mut Tx<'_>, user: UserId, topic: Option<TopicId>) -> Outcome<()> {
    let watched = &tx.names.escalating(tx.conn)?.watched;
    let pairs: Vec<(Seq, Seq)> = watched.iter().map(|(seq, root)| (*seq, *root)).collect();
    let mut roots = BTreeSet::new();
    for (seq, root) in pairs {
        let theirs = if let Some(topic) = topic {
            let sql = "SELECT 1 FROM message WHERE seq = ?1 AND topic = ?2";
            tx.conn.prepare_cached(sql)?.exists((seq, topic.0))?
        } else {
            let sql = "SELECT 1 FROM recipient WHERE user = ?1 AND seq = ?2";
            tx.conn.prepare_cached(sql)?.exists((user.0, seq))?
        };
        if theirs {
            roots.insert(root);
        }
    }
    roots.into_iter().try_for_each(|root| check(tx, root))
}

/// Tells what is reached and was not told yet.
pub(super) fn check(tx: &mut Tx<'_>, root: Seq) -> Outcome<()> {
    if !tx.names.escalating(tx.conn)?.watched.contains_key(&root) {
        return Ok(());
    }
    let Some(found) = message::at(&tx.view(), root)? else { return Ok(()) };
    let over = found.stored.message.expires_at.is_some_and(|at| at <= tx.now);
    if over || found.newer.is_some() || found.pruned {
        return missed(tx, root);
    }
    tell(tx, &found, false)
}

/// It is over: tells of what is open whether it is reached.
pub(super) fn missed(tx: &mut Tx<'_>, root: Seq) -> Outcome<()> {
    if !tx.names.escalating(tx.conn)?.watched.contains_key(&root) {
        return Ok(());
    }
    match message::at(&tx.view(), root)? {
        Some(found) => tell(tx, &found, true),
        None => Ok(()),
    }
}

/// The body of a message is gone: nobody gets it any more.
pub(in crate::sqlite) fn pruned(tx: &mut Tx<'_>, seq: Seq) -> Outcome<()> {
    missed(tx, seq)
}

fn tell(tx: &mut Tx<'_>, found: &Found, give_up: bool) -> Outcome<()> {
    let open: Vec<(i64, i64)> = {
        let sql = "SELECT milestone, channel FROM report WHERE seq = ?1 AND done = 0 ORDER BY milestone";
        let mut sql = tx.conn.prepare_cached(sql)?;
        let rows = sql.query_map([found.seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    let people = standing::all(&tx.view(), found)?;
    let counts = counts_of(people.iter());
    let mut said = None;
    let mut left = open.len();
    for (number, channel) in open {
        let Some(milestone) = report::milestone(number) else { continue };
        let is_reached = counts.reached(milestone);
        if !give_up && !is_reached {
            continue;
        }
        if said.is_none() {
            let named = by_name(tx.conn, standing::all(&tx.view(), found)?)?;
            let missing = lacking(&named, |state| state == State::Missing || rules::is_too_late(state));
            let unacknowledged = lacking(&named, |state| {
                rules::lacks(state, State::Acknowledged) || rules::is_too_late(state)
            });
            said = Some(Said { counts, missing, unacknowledged });
        }
        let Some(said) = &said else { continue };
        let body = report::body(&found.stored.message, milestone, is_reached, said, tx.now);
        outbox::queue_report(tx, found.seq, ChannelId(channel), number, &body)?;
        let sql = "UPDATE report SET done = 1 WHERE seq = ?1 AND milestone = ?2";
        tx.conn.prepare_cached(sql)?.execute((found.seq, number))?;
        left -= 1;
    }
    if left == 0 {
        tx.names.escalating(tx.conn)?.watched.retain(|_, root| *root != found.seq);
    }
    Ok(())
}

/// Messages that expired with something open. How many.
pub(super) fn expire(tx: &mut Tx<'_>, most: usize, room: &mut usize) -> Outcome<u64> {
    let due: Vec<Seq> = {
        let mut sql = tx.conn.prepare_cached(DUE)?;
        let rows = sql.query_map((tx.now, most), |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    let mut told = 0;
    for seq in &due {
        if *room == 0 {
            break;
        }
        *room = room.saturating_sub(audience(tx, *seq)?.max(1));
        missed(tx, *seq)?;
        // Whatever could not be told is not looked at again.
        let sql = "UPDATE report SET done = 1 WHERE seq = ?1 AND done = 0";
        tx.conn.prepare_cached(sql)?.execute([seq])?;
        told += 1;
    }
    Ok(told)
}

/// How many people a message is or was for, at most.
fn audience(tx: &Tx<'_>, seq: Seq) -> Outcome<usize> {
    let sql = "SELECT CASE WHEN m.topic IS NULL THEN json_array_length(m.people) \
               ELSE (SELECT count(*) FROM member WHERE topic = m.topic) END FROM message m WHERE m.seq = ?1";
    let count: Option<Option<usize>> =
        tx.conn.prepare_cached(sql)?.query_row([seq], |row| row.get(0)).optional()?;
    Ok(count.flatten().unwrap_or_default())
}

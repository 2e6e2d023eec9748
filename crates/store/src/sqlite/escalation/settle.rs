//! An acknowledgement ends an escalation, in the same transaction: no step runs behind it.

use rusqlite::Connection;
use tocsin_protocol::{
    Cursor, EscalationState, MessageId, Millis, Seq, State, StateChange,
    escalation::{Cancelled, Settled},
};

use super::{
    super::{
        fault::Outcome,
        message::{self, Found},
        outbox,
        receipt::{
            counts_of, sees_whole,
            standing::{self, Standing},
        },
        tx::Tx,
        view::View,
    },
    report,
    row::Row,
};
use crate::{Entry, Error, TopicId, UserId, Viewer, escalation::plan::settles, outbox::codes};

/// Somebody read or acknowledged a message, or a copy.
pub(in crate::sqlite) fn pressed(
    tx: &mut Tx<'_>,
    found: &Found,
    user: UserId,
    acknowledged: Option<Millis>,
) -> Outcome<()> {
    let root = found.root();
    if let Some(at) = acknowledged
        && tx.names.escalating(tx.conn)?.used
    {
        settle(tx, root, user, at)?;
    }
    report::check(tx, root)
}

fn settle(tx: &mut Tx<'_>, root: Seq, user: UserId, at: Millis) -> Outcome<()> {
    let Some(row) = Row::of(tx.conn, root)?.filter(Row::is_open) else { return Ok(()) };
    let Some(found) = message::at(&tx.view(), root)? else { return Ok(()) };
    let people = standing::all(&tx.view(), &found)?;
    if !settles(&row.config, &counts_of(people.iter())) {
        return Ok(());
    }
    end(tx, &row, (at, Some(user)))?;
    let sql = "SELECT name FROM user WHERE id = ?1";
    let by: String = tx.conn.prepare_cached(sql)?.query_row([user.0], |row| row.get(0))?;
    say(tx, &found, people, &Settled { by, at })
}

/// It is taken care of: nothing more of it is asked or told.
pub(super) fn end(tx: &mut Tx<'_>, row: &Row, (at, by): (Millis, Option<UserId>)) -> Outcome<()> {
    row.end(tx.conn, EscalationState::Acknowledged, at, by)?;
    stop(tx, row.seq, true)?;
    report::missed(tx, row.seq)
}

/// Somebody left a topic, or (without one) everything that names them: those who stay may all have acknowledged.
pub(in crate::sqlite) fn left(tx: &mut Tx<'_>, user: UserId, topic: Option<TopicId>) -> Outcome<()> {
    if tx.names.escalating(tx.conn)?.used {
        for seq in asks_all(tx, user, topic)? {
            let (Some(row), Some(found)) = (Row::of(tx.conn, seq)?, message::at(&tx.view(), seq)?) else {
                continue;
            };
            let people = standing::all(&tx.view(), &found)?;
            if settles(&row.config, &counts_of(people.iter())) {
                end(tx, &row, (tx.now, None))?;
            }
        }
    }
    report::left(tx, user, topic)
}

// In this order: the planner would read every message that names the person, for each escalation.
const ASKS_ALL: &str = "SELECT e.seq FROM escalation e INDEXED BY escalation_due \
     CROSS JOIN message m ON m.seq = e.seq WHERE e.due_at IS NOT NULL AND instr(e.config, 'acknowledged_by_all') \
     AND (m.topic = ?2 OR ?2 IS NULL AND (EXISTS (SELECT 1 FROM recipient r WHERE r.user = ?1 AND r.seq = e.seq) \
     OR EXISTS (SELECT 1 FROM message c CROSS JOIN recipient r ON r.user = ?1 AND r.seq = c.seq WHERE c.escalates = e.seq)))";

/// What runs, asks for everybody, and was for them.
fn asks_all(tx: &Tx<'_>, user: UserId, topic: Option<TopicId>) -> Outcome<Vec<Seq>> {
    let mut sql = tx.conn.prepare_cached(ASKS_ALL)?;
    let rows = sql.query_map((user.0, topic.map(|topic| topic.0)), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Tells everybody who did not acknowledge it themselves.
pub(super) fn say(
    tx: &mut Tx<'_>,
    found: &Found,
    mut people: Vec<Standing>,
    settled: &Settled,
) -> Outcome<()> {
    people.sort_by_key(|person| person.user);
    for person in people {
        if person.state == State::Withdrawn || person.acknowledged_at.is_some() {
            continue;
        }
        let id = person.copy.map_or(found.stored.message.id, |(copy, _)| copy);
        let settled = Some(settled.clone());
        let cursor = Cursor::new(tx.epoch.clone(), tx.head + 1);
        let change =
            StateChange { cursor, id, read_at: None, acknowledged_at: None, remind_at: None, settled };
        tx.append(Entry::State { user: person.user, change })?;
    }
    Ok(())
}

/// Cancels what waits of a message and its copies: only what steps asked for, or all. How many of all.
fn stop(tx: &mut Tx<'_>, root: Seq, steps: bool) -> Outcome<u64> {
    let mut seqs = vec![root];
    seqs.extend(standing::copies(&tx.view(), root)?.iter().map(|copy| copy.seq));
    let mut cancelled = 0;
    for seq in seqs {
        if steps {
            outbox::cancel_steps(tx, seq)?;
        } else {
            cancelled += outbox::cancel(tx.conn, seq, codes::STOPPED, tx.now)?;
        }
    }
    Ok(cancelled)
}

/// Who took care of it for all, for somebody who did not acknowledge it themselves.
pub(in crate::sqlite) fn settled(view: &View<'_>, found: &Found) -> Outcome<Option<Settled>> {
    let sql = "SELECT u.name, e.ended_at FROM escalation e JOIN user u ON u.id = e.ended_by WHERE e.seq = ?1 AND e.state = 1";
    let mut sql = view.conn.prepare_cached(sql)?;
    let found = sql.query_map([found.root()], |row| Ok(Settled { by: row.get(0)?, at: row.get(1)? }))?.next();
    Ok(found.transpose()?)
}

/// Somebody stops it. Repeating it changes nothing.
pub(super) fn cancel(tx: &mut Tx<'_>, viewer: Viewer, id: MessageId) -> Outcome<Cancelled> {
    let found = owned(&tx.view(), viewer, id)?;
    let root = found.root();
    let row = Row::of(tx.conn, root)?.filter(|row| row.state == EscalationState::Running);
    if let Some(row) = &row {
        let by = match viewer {
            Viewer::Admin(user) => user,
            Viewer::Member(user) => Some(user),
            Viewer::Sender(_) => None,
        };
        row.end(tx.conn, EscalationState::Cancelled, tx.now, by)?;
        report::missed(tx, root)?;
    }
    Ok(Cancelled { escalation: row.is_some(), deliveries: stop(tx, root, false)? })
}

/// A message whose sender, or an admin, asks.
pub(super) fn owned(view: &View<'_>, viewer: Viewer, id: MessageId) -> Outcome<Found> {
    let found = message::by_id(view, id)?;
    if !sees_whole(viewer, &found) {
        return Err(Error::Forbidden("only its sender and admins may do this").into());
    }
    Ok(found)
}

/// How far the escalation of a message is.
pub(in crate::sqlite) fn state(conn: &Connection, seq: Seq) -> Outcome<Option<EscalationState>> {
    Ok(Row::of(conn, seq)?.map(|row| row.state))
}

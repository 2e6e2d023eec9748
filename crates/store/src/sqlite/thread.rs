//! Threads: which older version a new one supersedes, and what stays acknowledged.
//!
//! A `key` matches the newest stored message of the same topic (or, without a topic, of the same people) and key that
//! is not superseded yet, by the same sender, or by any when the sender is an admin, or by any
//! sender token when these are twins. `replaces` names the message and
//! wins over the key.
//!
//! An acknowledgement that carries over is copied into a row of the new version, with the time it was pressed, and
//! appended to the log as a state change, so that every device learns of it; its person need not have read the new
//! version, so it says nothing of reading. One that arrives late, for a version that is superseded already, is carried
//! forward along the thread in the same way (see `press.rs`).

use rusqlite::{OptionalExtension as _, types::Value};
use tocsin_protocol::{Cursor, MessageId, Millis, Priority, Seq, StateChange};

use super::{fault::Outcome, log, message, outbox, owed, tx::Tx, view::View};
use crate::{Address, Authority, Entry, Error, NewMessage, Sender, StoredMessage, TokenId, UserId};

/// The version that is superseded.
pub(super) struct Older {
    pub(super) seq: Seq,
    pub(super) id: MessageId,
    pub(super) thread: MessageId,
    pub(super) priority: Priority,
    pub(super) resolved: bool,
    pub(super) address: Address,
}

/// Finds it, if there is one.
pub(super) fn older(view: &View<'_>, new: &NewMessage, address: &Address) -> Outcome<Option<Older>> {
    if let Some(id) = new.replaces {
        return replaced(view, new, id).map(Some);
    }
    let Some(key) = &new.key else { return Ok(None) };
    let (topic, people) = match address {
        Address::Topic(topic) => (Value::Integer(topic.0), Value::Null),
        Address::People(people) => (Value::Null, Value::Text(log::ids_text(people.iter().map(|id| id.0)))),
    };
    let any_sender = matches!(new.sender.authority, Authority::All);
    let sql = "SELECT seq FROM message WHERE key = ?1 AND topic IS ?2 AND people IS ?3 AND pruned_at IS NULL \
               AND superseded_by IS NULL AND (?4 OR (?5 IS NOT NULL AND user = ?5) OR \
               (?5 IS NULL AND user IS NULL AND (?7 OR token = ?6))) ORDER BY seq DESC LIMIT 1";
    let user = new.sender.user.map(|user| user.0);
    let mut sql = view.conn.prepare_cached(sql)?;
    let seq: Option<Seq> = sql
        .query_row((key, topic, people, any_sender, user, new.sender.token.0, new.is_any_programs()), |row| {
            row.get(0)
        })
        .optional()?;
    let found = seq.map(|seq| message::at(view, seq)).transpose()?.flatten();
    Ok(found.as_ref().map(Older::of))
}

fn replaced(view: &View<'_>, new: &NewMessage, id: MessageId) -> Outcome<Older> {
    let found = message::by_id(view, id)?;
    let admin = matches!(new.sender.authority, Authority::All);
    if !admin && !same_sender(&new.sender, found.user, found.token) {
        return Err(Error::Forbidden("only its sender or an admin may replace a message").into());
    }
    if found.pruned {
        return Err(Error::NotFound("message").into());
    }
    if let Some((newer, _)) = found.newer {
        return Err(Error::Conflict(format!(
            "the message was replaced already: {newer} is the newer version"
        ))
        .into());
    }
    Ok(Older::of(&found))
}

fn same_sender(sender: &Sender, user: Option<UserId>, token: TokenId) -> bool {
    match sender.user {
        Some(me) => user == Some(me),
        None => user.is_none() && token == sender.token,
    }
}

impl Older {
    pub(super) fn of(found: &message::Found) -> Self {
        let message = &found.stored.message;
        Self {
            seq: found.seq,
            id: message.id,
            thread: message.thread,
            priority: message.priority,
            resolved: message.resolved,
            address: found.stored.address.clone(),
        }
    }
}

/// Marks the older version and carries its acknowledgements over to the newer one.
pub(super) fn supersede(tx: &mut Tx<'_>, older: &Older, newer: &StoredMessage) -> Outcome<()> {
    let seq = newer.message.cursor.seq;
    tx.conn
        .prepare_cached("UPDATE message SET superseded_by = ?1 WHERE seq = ?2")?
        .execute((seq, older.seq))?;
    outbox::supersede(tx, older.seq)?;
    if !newer.message.keeps_acknowledgement((older.priority, older.resolved)) {
        return Ok(());
    }
    let acknowledged = {
        let sql = "SELECT user, acknowledged_at FROM press WHERE seq = ?1 AND acknowledged_at IS NOT NULL ORDER BY user";
        let mut sql = tx.conn.prepare_cached(sql)?;
        let rows = sql.query_map([older.seq], |row| Ok((UserId(row.get(0)?), row.get::<_, Millis>(1)?)))?;
        rows.collect::<Result<Vec<_>, _>>()?
    };
    for (user, at) in acknowledged {
        if owed::is_owed(tx.conn, user, seq, &newer.address)? {
            carry(tx, user, seq, newer.message.id, at)?;
        }
    }
    Ok(())
}

/// Books an acknowledgement that was pressed on an older version, unless there is one already.
pub(super) fn carry(tx: &mut Tx<'_>, user: UserId, seq: Seq, id: MessageId, at: Millis) -> Outcome<()> {
    let sql = "INSERT INTO press (seq, user, acknowledged_at) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE \
               SET acknowledged_at = excluded.acknowledged_at WHERE acknowledged_at IS NULL RETURNING read_at";
    let booked: Option<Option<Millis>> =
        tx.conn.prepare_cached(sql)?.query_row((seq, user.0, at), |row| row.get(0)).optional()?;
    let Some(read_at) = booked else { return Ok(()) };
    let cursor = Cursor::new(tx.epoch.clone(), tx.head + 1);
    let change =
        StateChange { cursor, id, read_at, acknowledged_at: Some(at), remind_at: None, settled: None };
    tx.append(Entry::State { user, change })?;
    Ok(())
}

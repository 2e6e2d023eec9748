//! Publishing: one row for the message, whatever the size of its topic.
//!
//! Everything that can be refused is refused before the first row is written, so that no savepoint is needed. What is
//! refused keeps no idempotency row either.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, ffi};
use tocsin_protocol::{Cursor, Message, MessageId, Millis, Published, Seq};

use super::{escalation, fault::Outcome, log, message, outbox, thread, tx::Tx};
use crate::{
    Address, Authority, Entry, Error, LogEntry, NewMessage, Publication, StoredMessage, TopicId, UserId,
};

/// Told to the sender when nobody is addressed: not an error, members may still be added.
const NOBODY: &str = "the topic has no members, so nobody gets this message";

pub(super) fn publish(tx: &mut Tx<'_>, new: &NewMessage) -> Outcome<Publication> {
    if new.twins {
        // The answer may be to another's request: only for who may publish here.
        address(tx, new)?;
    }
    if let Some(published) = repeated(tx, new)? {
        return Ok(Publication { published, repeated: true });
    }
    let (address, audience) = address(tx, new)?;
    let topic = new.topic.as_ref().map(|name| tx.names.topic(tx.conn, name)).transpose()?;
    let sets = escalation::sets(tx, new, topic.as_ref())?;
    let older = thread::older(&tx.view(), new, &address)?;
    let stored = store(tx, new, address, older.as_ref(), None)?;
    escalation::published(tx, (new, sets), &stored, older.as_ref(), topic.as_ref())?;
    let message = &stored.message;
    let published = Published {
        id: message.id,
        seq: message.cursor.seq,
        audience,
        superseded: older.map(|older| older.id),
        warning: (audience == 0).then(|| NOBODY.to_owned()),
    };
    remember(tx, new, &published)?;
    Ok(Publication { published, repeated: false })
}

/// Publishes a copy of a message for somebody whom its escalation brings in. It sets nothing going. Its position.
pub(super) fn copy(tx: &mut Tx<'_>, new: &NewMessage, original: &Message) -> Outcome<Seq> {
    let (address, _) = address(tx, new)?;
    let older = thread::older(&tx.view(), new, &address)?;
    let stored = store(tx, new, address, older.as_ref(), Some(original))?;
    Ok(stored.message.cursor.seq)
}

/// Writes the message and what follows from it for people and channels.
fn store(
    tx: &mut Tx<'_>,
    new: &NewMessage,
    address: Address,
    older: Option<&thread::Older>,
    original: Option<&Message>,
) -> Outcome<Arc<StoredMessage>> {
    let seq = tx.head + 1;
    let mut message = message_of(tx, new, older, original)?;
    let original = original.map(|original| original.cursor.seq);
    while !insert(tx.conn, (seq, original), &message, &address, new)? {
        message.id = new_id(tx.now)?;
        message.thread = older.map_or(message.id, |older| older.thread);
    }
    tx.head = seq;
    let stored = Arc::new(StoredMessage { message, address });
    tx.appended.push(LogEntry { seq, at: tx.now, entry: Entry::Message(Some(Arc::clone(&stored))) });
    if let Some(older) = older {
        thread::supersede(tx, older, &stored)?;
    }
    outbox::enqueue(tx, &stored)?;
    Ok(stored)
}

fn message_of(
    tx: &Tx<'_>,
    new: &NewMessage,
    older: Option<&thread::Older>,
    original: Option<&Message>,
) -> Outcome<Message> {
    let id = new_id(tx.now)?;
    Ok(Message {
        id,
        cursor: Cursor::new(tx.epoch.clone(), tx.head + 1),
        topic: new.topic.clone(),
        sender: new.sender.name.clone(),
        title: new.title.clone(),
        body: new.body.clone(),
        format: new.format,
        priority: new.priority,
        tags: new.tags.clone(),
        click: new.click.clone(),
        actions: new.actions.clone(),
        key: new.key.clone(),
        thread: older.map_or(id, |older| older.thread),
        supersedes: older.map(|older| older.id),
        escalates: original.map(|original| original.id),
        resolved: new.resolved,
        created_at: tx.now,
        expires_at: new.expires_in_ms.map(|span| tx.now.saturating_add(span)),
        superseded_by: None,
        expired: false,
    })
}

/// What the same request was answered before.
fn repeated(tx: &Tx<'_>, new: &NewMessage) -> Outcome<Option<Published>> {
    let Some(idempotency) = &new.idempotency else { return Ok(None) };
    let sql = "SELECT request, published FROM idempotency WHERE token = ?1 AND key = ?2 AND expires_at > ?3";
    let row = tx
        .conn
        .prepare_cached(sql)?
        .query_row((new.repeats_of().0, &idempotency.key, tx.now), |row| {
            Ok((row.get::<_, crate::SecretHash>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    let Some((request, published)) = row else { return Ok(None) };
    if request != idempotency.request {
        return Err(Error::IdempotencyConflict.into());
    }
    let published = serde_json::from_str(&published).map_err(|error| Error::Damaged(error.to_string()))?;
    Ok(Some(published))
}

fn remember(tx: &Tx<'_>, new: &NewMessage, published: &Published) -> Outcome<()> {
    let Some(idempotency) = &new.idempotency else { return Ok(()) };
    let sql = "INSERT OR REPLACE INTO idempotency (token, key, request, published, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let text = serde_json::to_string(published).map_err(|error| Error::Unavailable(error.to_string()))?;
    let expires = tx.now.saturating_add(idempotency.keep_ms);
    let token = new.repeats_of().0;
    tx.conn.prepare_cached(sql)?.execute((token, &idempotency.key, idempotency.request, text, expires))?;
    Ok(())
}

/// Who it is for and how many they are, if the sender may.
fn address(tx: &mut Tx<'_>, new: &NewMessage) -> Outcome<(Address, u64)> {
    let authority = &new.sender.authority;
    if let Some(name) = &new.topic {
        let topic = tx.names.topic(tx.conn, name)?;
        let allowed = match authority {
            Authority::All => true,
            Authority::Member(user) => topic.members.contains(user),
            Authority::Topics(topics) => topics.contains(&topic.id),
        };
        if !allowed {
            return Err(Error::Forbidden("the sender may not publish to this topic").into());
        }
        return Ok((Address::Topic(topic.id), topic.members.len() as u64));
    }
    let mut people = Vec::with_capacity(new.to.len());
    for name in &new.to {
        people.push(tx.names.user(tx.conn, name)?);
    }
    if matches!(authority, Authority::Topics(_)) {
        return Err(Error::Forbidden("this token publishes to topics, not to people").into());
    }
    people.sort_unstable();
    people.dedup();
    let audience = people.len() as u64;
    Ok((Address::People(people.into()), audience))
}

/// Writes the message's rows; `false`, and nothing is written, if its id is taken.
fn insert(
    conn: &Connection,
    (seq, original): (Seq, Option<Seq>),
    message: &Message,
    address: &Address,
    new: &NewMessage,
) -> Outcome<bool> {
    let sql = "INSERT INTO message (seq, id, at, topic, people, token, user, sender, title, body, extras, priority, \
               key, thread, supersedes, resolved, expires_at, escalates) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
    let (topic, people): (Option<TopicId>, Option<&[UserId]>) = match address {
        Address::Topic(topic) => (Some(*topic), None),
        Address::People(people) => (None, Some(people)),
    };
    let thread = message.supersedes.is_some().then_some(message.thread);
    let inserted = conn.prepare_cached(sql)?.execute(rusqlite::params![
        seq,
        message.id.as_str(),
        message.created_at,
        topic.map(|topic| topic.0),
        people.map(|people| log::ids_text(people.iter().map(|id| id.0))),
        new.sender.token.0,
        new.sender.user.map(|user| user.0),
        message.sender,
        message.title,
        message.body,
        message::extras(new),
        message.priority.get(),
        message.key,
        thread.as_ref().map(MessageId::as_str),
        message.supersedes.as_ref().map(MessageId::as_str),
        message.resolved,
        message.expires_at,
        original,
    ]);
    match inserted {
        Ok(_) => {}
        // The statement alone is undone, and the id is the only thing but the position that is unique.
        Err(error) if is_taken(&error) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    for person in people.unwrap_or_default() {
        conn.prepare_cached("INSERT INTO recipient (user, seq) VALUES (?1, ?2)")?.execute((person.0, seq))?;
    }
    Ok(true)
}

fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|e| e.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE)
}

/// A new id. It begins with the second it was made in, so that ids of one batch meet in one page of their index
/// instead of one each; the seven random characters behind it (41 bits per second) keep it unguessable enough for a
/// name that opens nothing by itself. A clash is found by the insert.
fn new_id(now: Millis) -> Outcome<MessageId> {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = String::with_capacity(12);
    let second = u64::try_from(now / 1000).unwrap_or(0);
    for place in [4, 3, 2, 1, 0] {
        let digit = second / 62_u64.pow(place) % 62;
        id.push(char::from(DIGITS[usize::try_from(digit).unwrap_or(0)]));
    }
    id.push_str(&MessageId::random(&mut rand::rng()).as_str()[..7]);
    id.parse().map_err(|_| Error::Unavailable("no id could be made".into()).into())
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::Priority;

    use super::*;

    #[test]
    fn an_id_that_is_taken_is_told_and_writes_nothing() {
        let mut conn = Connection::open_in_memory().unwrap();
        super::super::migrate::migrate(&mut conn, std::path::Path::new(""), super::super::migrate::STEPS)
            .unwrap();
        let row = |seq: i64, id: &str| {
            conn.execute(
                "INSERT INTO message (seq, id, at, token, sender, title, body, priority, resolved) \
                 VALUES (?1, ?2, 0, 0, '', '', '', ?3, 0)",
                (seq, id, Priority::default().get()),
            )
        };
        row(1, "abcdefghijkl").unwrap();
        assert!(is_taken(&row(2, "abcdefghijkl").unwrap_err()));
        assert!(
            !is_taken(&row(1, "abcdefghijkm").unwrap_err()),
            "a position that is taken is another matter"
        );
        row(2, "abcdefghijkm").unwrap();
        let rows: i64 = conn.query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 2);
    }
}

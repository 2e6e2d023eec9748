//! The log: messages and everything else that decides who gets what, by position.

use std::sync::Arc;

use rusqlite::{Connection, Row};
use tocsin_protocol::{Cursor, Millis, Seq, StateChange, escalation::Settled};

use super::{fault::Outcome, message, view::View};
use crate::{DeviceId, Entry, LogEntry, Snapshot, TokenId, TopicId, UserId};

const JOINED: i64 = 1;
const LEFT: i64 = 2;
const FILTER: i64 = 3;
const REVOKED: i64 = 4;
/// Indexed by person: see the schema.
const STATE: i64 = 5;
const SESSION_ENDED: i64 = 6;
const USER_REMOVED: i64 = 7;
const ACCOUNTS_CHANGED: i64 = 8;

/// The last position.
pub(super) fn head(conn: &Connection) -> Outcome<Seq> {
    let sql = "SELECT max(head, (SELECT ifnull(max(seq), 0) FROM message), (SELECT ifnull(max(seq), 0) FROM entry)) FROM meta";
    Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Stores an entry that is not a message.
pub(super) fn insert(conn: &Connection, seq: Seq, at: Millis, entry: &Entry) -> Outcome<()> {
    let sql =
        "INSERT INTO entry (seq, at, kind, a, b, c, d, data, by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let mut sql = conn.prepare_cached(sql)?;
    let none = None::<i64>;
    match entry {
        Entry::Message(_) => 0,
        Entry::Joined { topic, user } => {
            sql.execute((seq, at, JOINED, topic.0, user.0, none, none, none, none))?
        }
        Entry::Left { topic, user } => {
            sql.execute((seq, at, LEFT, topic.0, user.0, none, none, none, none))?
        }
        Entry::Filter { device, topics } => {
            let topics = topics.as_ref().map(|topics| ids_text(topics.iter().map(|id| id.0)));
            sql.execute((seq, at, FILTER, device.0, none, none, none, topics, none))?
        }
        Entry::State { user, change } => {
            let (read, acknowledged) = (change.read_at, change.acknowledged_at);
            // Nobody is reminded of what somebody took care of: one column has the time of either.
            let (by, time) = match &change.settled {
                Some(settled) => (Some(settled.by.as_str()), Some(settled.at)),
                None => (None, change.remind_at),
            };
            sql.execute((seq, at, STATE, user.0, time, read, acknowledged, change.id.as_str(), by))?
        }
        Entry::Revoked { token } => sql.execute((seq, at, REVOKED, token.0, none, none, none, none, none))?,
        Entry::SessionEnded { session } => {
            sql.execute((seq, at, SESSION_ENDED, none, none, none, none, session.as_slice(), none))?
        }
        Entry::UserRemoved { user } => {
            sql.execute((seq, at, USER_REMOVED, user.0, none, none, none, none, none))?
        }
        Entry::AccountsChanged => {
            sql.execute((seq, at, ACCOUNTS_CHANGED, none, none, none, none, none, none))?
        }
    };
    Ok(())
}

/// Ids as JSON, the compact form of a short list.
pub(super) fn ids_text(ids: impl Iterator<Item = i64>) -> String {
    let list: Vec<String> = ids.map(|id| id.to_string()).collect();
    format!("[{}]", list.join(","))
}

/// Back from [`ids_text`].
pub(super) fn ids(text: &str) -> Vec<i64> {
    text.trim_matches(['[', ']']).split(',').filter_map(|id| id.parse().ok()).collect()
}

/// Reads a state change from its columns b, c, d, data and by.
pub(super) fn state(row: &Row<'_>, seq: Seq, view: &View<'_>) -> rusqlite::Result<StateChange> {
    let (by, time): (Option<String>, Option<Millis>) = (row.get("by")?, row.get("b")?);
    Ok(StateChange {
        remind_at: time.filter(|_| by.is_none()),
        settled: by.zip(time).map(|(by, at)| Settled { by, at }),
        cursor: Cursor::new(view.epoch.clone(), seq),
        id: message::id_at(row, "data")?,
        read_at: row.get("c")?,
        acknowledged_at: row.get("d")?,
    })
}

fn entry(row: &Row<'_>, view: &View<'_>) -> rusqlite::Result<LogEntry> {
    let seq = row.get("seq")?;
    let a = || row.get::<_, Option<i64>>("a").map(Option::unwrap_or_default);
    let b = || row.get::<_, Option<i64>>("b").map(Option::unwrap_or_default);
    let entry = match row.get::<_, i64>("kind")? {
        JOINED => Entry::Joined { topic: TopicId(a()?), user: UserId(b()?) },
        LEFT => Entry::Left { topic: TopicId(a()?), user: UserId(b()?) },
        FILTER => {
            let topics: Option<String> = row.get("data")?;
            Entry::Filter {
                device: DeviceId(a()?),
                topics: topics.map(|text| ids(&text).into_iter().map(TopicId).collect()),
            }
        }
        STATE => Entry::State { user: UserId(a()?), change: state(row, seq, view)? },
        REVOKED => Entry::Revoked { token: TokenId(a()?) },
        SESSION_ENDED => Entry::SessionEnded { session: row.get("data")? },
        USER_REMOVED => Entry::UserRemoved { user: UserId(a()?) },
        _ => Entry::AccountsChanged,
    };
    Ok(LogEntry { seq, at: row.get("at")?, entry })
}

/// Entries after `after`, without a gap. Positions whose rows are gone were messages, or states of pruned ones.
pub(super) fn read(view: &View<'_>, after: Seq, limit: usize) -> Outcome<Vec<LogEntry>> {
    let last = head(view.conn)?.min(after.saturating_add(limit as u64));
    if after >= last {
        return Ok(Vec::new());
    }
    let sql = format!("{} WHERE m.seq > ?1 AND m.seq <= ?2 ORDER BY m.seq", message::SELECT);
    let mut messages = view.conn.prepare_cached(&sql)?;
    let messages = messages.query_map((after, last), |row| {
        let found = message::read(row, view)?;
        let at = found.stored.message.created_at;
        let entry = Entry::Message((!found.pruned).then(|| Arc::new(found.stored)));
        Ok(LogEntry { seq: found.seq, at, entry })
    })?;
    let mut found = messages.collect::<Result<Vec<_>, _>>()?;
    let mut others =
        view.conn.prepare_cached("SELECT * FROM entry WHERE seq > ?1 AND seq <= ?2 ORDER BY seq")?;
    for other in others.query_map((after, last), |row| entry(row, view))? {
        found.push(other?);
    }
    found.sort_unstable_by_key(|entry| entry.seq);
    Ok(without_gaps(found, after, last))
}

fn without_gaps(found: Vec<LogEntry>, after: Seq, last: Seq) -> Vec<LogEntry> {
    let mut complete = Vec::with_capacity(found.len());
    let mut found = found.into_iter().peekable();
    for seq in after + 1..=last {
        let next = found.next_if(|entry| entry.seq == seq);
        complete.push(next.unwrap_or(LogEntry { seq, at: 0, entry: Entry::Message(None) }));
    }
    complete
}

/// Who is a member of what now.
pub(super) fn snapshot(view: &View<'_>) -> Outcome<Snapshot> {
    let mut members = view.conn.prepare_cached("SELECT topic, user FROM member WHERE to_seq IS NULL")?;
    let members = members.query_map([], |row| Ok((TopicId(row.get(0)?), UserId(row.get(1)?))))?;
    Ok(Snapshot { seq: head(view.conn)?, members: members.collect::<Result<_, _>>()? })
}

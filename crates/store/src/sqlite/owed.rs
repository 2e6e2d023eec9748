//! What a person is owed: the messages of their topics while they were a member, and those that name them.

use rusqlite::Connection;
use tocsin_protocol::Seq;

use super::fault::Outcome;
use crate::{Address, TopicId, UserId};

/// The largest position that fits the file.
pub(super) const END: Seq = i64::MAX as Seq;

/// A stretch of membership: `from < seq ≤ to`.
struct Interval {
    topic: i64,
    from: Seq,
    to: Seq,
}

/// One owed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) seq: Seq,
    /// Nothing when people are named.
    pub(super) topic: Option<i64>,
}

/// Which end of the stretch a page begins at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

/// Everything that a person is or was a member of, and what names them.
pub(super) struct Owed {
    user: UserId,
    intervals: Vec<Interval>,
    /// Messages that name them are left out up to here.
    direct_from: Seq,
}

impl Owed {
    /// All of it, pruned messages too.
    pub(super) fn all(conn: &Connection, user: UserId) -> Outcome<Self> {
        Self::load(conn, user, "SELECT topic, from_seq, to_seq FROM member WHERE user = ?1", 0)
    }

    /// What still has its body.
    pub(super) fn kept(conn: &Connection, user: UserId) -> Outcome<Self> {
        let direct: Seq =
            conn.prepare_cached("SELECT direct_pruned FROM meta")?.query_row([], |row| row.get(0))?;
        let sql = "SELECT m.topic, max(m.from_seq, t.pruned), m.to_seq FROM member m JOIN topic t ON t.id = m.topic \
                   WHERE m.user = ?1";
        Self::load(conn, user, sql, direct)
    }

    fn load(conn: &Connection, user: UserId, sql: &str, direct_from: Seq) -> Outcome<Self> {
        let mut sql = conn.prepare_cached(sql)?;
        let rows = sql.query_map([user.0], |row| {
            Ok(Interval {
                topic: row.get(0)?,
                from: row.get(1)?,
                to: row.get::<_, Option<Seq>>(2)?.unwrap_or(END),
            })
        })?;
        Ok(Self { user, intervals: rows.collect::<Result<_, _>>()?, direct_from })
    }

    /// Only what was published to this topic.
    pub(super) fn only(&mut self, topic: TopicId) {
        self.intervals.retain(|interval| interval.topic == topic.0);
        self.direct_from = END;
    }

    /// Messages with `after < seq ≤ upto`, withdrawn ones included, at most `limit`. Reads only indexes, and of each
    /// topic no more than `limit` rows.
    pub(super) fn page(
        &self,
        conn: &Connection,
        (after, upto): (Seq, Seq),
        limit: usize,
        order: Order,
    ) -> Outcome<Vec<Item>> {
        let (of_topic, of_person) = match order {
            Order::OldestFirst => (
                "SELECT seq FROM message WHERE topic = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4",
                "SELECT seq FROM recipient WHERE user = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4",
            ),
            Order::NewestFirst => (
                "SELECT seq FROM message WHERE topic = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq DESC LIMIT ?4",
                "SELECT seq FROM recipient WHERE user = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq DESC LIMIT ?4",
            ),
        };
        let mut items = Vec::new();
        let mut of_topic = conn.prepare_cached(of_topic)?;
        for interval in &self.intervals {
            let (from, to) = (interval.from.max(after), interval.to.min(upto));
            if from < to {
                for seq in of_topic.query_map((interval.topic, from, to, limit), |row| row.get(0))? {
                    items.push(Item { seq: seq?, topic: Some(interval.topic) });
                }
            }
        }
        let (from, to) = (self.direct_from.max(after), upto.min(END));
        if from < to {
            let mut of_person = conn.prepare_cached(of_person)?;
            for seq in of_person.query_map((self.user.0, from, to, limit), |row| row.get(0))? {
                items.push(Item { seq: seq?, topic: None });
            }
        }
        match order {
            Order::OldestFirst => items.sort_unstable_by_key(|item| item.seq),
            Order::NewestFirst => items.sort_unstable_by_key(|item| std::cmp::Reverse(item.seq)),
        }
        items.truncate(limit);
        Ok(items)
    }

    /// Calls `each` for every message of the stretch, oldest first, until it says to stop.
    pub(super) fn walk(
        &self,
        conn: &Connection,
        (mut after, upto): (Seq, Seq),
        mut each: impl FnMut(Item) -> Outcome<Walk>,
    ) -> Outcome<()> {
        loop {
            let page = self.page(conn, (after, upto), CHUNK, Order::OldestFirst)?;
            for item in &page {
                if matches!(each(*item)?, Walk::Stop) {
                    return Ok(());
                }
            }
            match page.last() {
                Some(last) if page.len() == CHUNK => after = last.seq,
                _ => return Ok(()),
            }
        }
    }
}

/// Whether to go on.
pub(super) enum Walk {
    On,
    Stop,
}

/// Positions read at once: a few index pages.
const CHUNK: usize = 256;

/// Whether a person belongs to the audience of a message, withdrawn or not.
pub(super) fn is_owed(conn: &Connection, user: UserId, seq: Seq, address: &Address) -> Outcome<bool> {
    match address {
        Address::People(people) => Ok(people.contains(&user)),
        Address::Topic(topic) => {
            let sql = "SELECT 1 FROM member WHERE user = ?1 AND topic = ?2 AND from_seq < ?3 AND ifnull(to_seq, ?4) >= ?3";
            Ok(conn.prepare_cached(sql)?.exists((user.0, topic.0, seq, END))?)
        }
    }
}

/// Everybody in the audience of a message, withdrawn or not.
pub(super) fn audience(conn: &Connection, seq: Seq, address: &Address) -> Outcome<Vec<UserId>> {
    match address {
        Address::People(people) => Ok(people.to_vec()),
        Address::Topic(topic) => {
            let sql = "SELECT DISTINCT user FROM member WHERE topic = ?1 AND from_seq < ?2 AND ifnull(to_seq, ?3) >= ?2";
            let mut sql = conn.prepare_cached(sql)?;
            let rows = sql.query_map((topic.0, seq, END), |row| Ok(UserId(row.get(0)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        }
    }
}

/// Whether it was taken from a person when they left.
pub(super) fn is_withdrawn(conn: &Connection, user: UserId, seq: Seq) -> Outcome<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM withdrawn WHERE seq = ?1 AND user = ?2")?.exists((seq, user.0))?)
}

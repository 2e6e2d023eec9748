//! What a verb that writes has at hand: the connection inside a transaction, and the position it gives out.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{Epoch, Millis, Seq};

use super::{
    Shared,
    ack::Booker,
    escalation::{Escalating, KnownPolicy},
    fault::Outcome,
    log,
    outbox::Outgoing,
    view::View,
};
use crate::{DeviceId, Entry, Error, LogEntry, TopicId, UserId};

/// One operation inside the writer's transaction.
pub(super) struct Tx<'a> {
    pub(super) conn: &'a Connection,
    pub(super) names: &'a mut Names,
    pub(super) shared: &'a Shared,
    pub(super) now: Millis,
    pub(super) epoch: Epoch,
    /// The last position given out.
    pub(super) head: Seq,
    /// What was appended in this transaction.
    pub(super) appended: Vec<LogEntry>,
    /// The end of the log that is kept in memory holds something that is no longer so.
    pub(super) stale: bool,
    /// Something of the outbox may be due.
    pub(super) due: bool,
    /// An escalation may be due earlier than was said.
    pub(super) stirred: bool,
    /// The clock was set back and what was planned moved with it: what is still to come was planned by this time.
    pub(super) set_back: Option<Millis>,
}

impl Tx<'_> {
    /// The same, for verbs that only look.
    pub(super) fn view(&self) -> View<'_> {
        View { conn: self.conn, epoch: self.epoch.clone(), now: self.now, shared: self.shared }
    }

    /// Takes the next position for something that is not a message.
    pub(super) fn append(&mut self, entry: Entry) -> Outcome<Seq> {
        self.head += 1;
        log::insert(self.conn, self.head, self.now, &entry)?;
        self.appended.push(LogEntry { seq: self.head, at: self.now, entry });
        Ok(self.head)
    }
}

/// A topic as publishing needs it.
#[derive(Clone)]
pub(super) struct KnownTopic {
    pub(super) id: TopicId,
    pub(super) members: Arc<HashSet<UserId>>,
    /// The escalation policy of its messages.
    pub(super) policy: Option<Arc<KnownPolicy>>,
    /// It is expected to speak this often, milliseconds.
    pub(super) expect_ms: Option<Millis>,
    /// It was found silent.
    pub(super) silent: bool,
}

/// What the writer has looked up. It alone changes those things, so it knows when to forget: on every change of people,
/// topics, members or filters, when rows are pruned, and when a transaction is undone.
#[derive(Default)]
pub(super) struct Names {
    /// Devices that acknowledge.
    pub(super) bookers: HashMap<DeviceId, Booker>,
    topics: HashMap<String, KnownTopic>,
    users: HashMap<String, UserId>,
    outgoing: Option<Outgoing>,
    escalating: Option<Escalating>,
}

impl Names {
    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        self.bookers.clear();
        self.topics.clear();
        self.users.clear();
        self.outgoing = None;
        self.escalating = None;
    }

    pub(super) fn topic(&mut self, conn: &Connection, name: &str) -> Outcome<KnownTopic> {
        if let Some(known) = self.topics.get(name) {
            return Ok(known.clone());
        }
        let id = topic_id(conn, name)?;
        let mut members =
            conn.prepare_cached("SELECT user FROM member WHERE topic = ?1 AND to_seq IS NULL")?;
        let members =
            members.query_map([id.0], |row| Ok(UserId(row.get(0)?)))?.collect::<Result<HashSet<_>, _>>()?;
        let sql = "SELECT policy, expect_every_ms, silent_since IS NOT NULL FROM topic WHERE id = ?1";
        let (policy, expect_ms, silent): (Option<i64>, _, _) =
            conn.prepare_cached(sql)?.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let policy = policy.map(|id| KnownPolicy::of(conn, id)).transpose()?.flatten();
        let known = KnownTopic { id, members: Arc::new(members), policy, expect_ms, silent };
        self.topics.insert(name.to_owned(), known.clone());
        Ok(known)
    }

    /// Where messages go over channels.
    pub(super) fn outgoing(&mut self, conn: &Connection) -> Outcome<&mut Outgoing> {
        let known = match self.outgoing.take() {
            Some(known) => known,
            None => Outgoing::load(conn)?,
        };
        Ok(self.outgoing.insert(known))
    }

    /// What escalates, and what is watched for reports.
    pub(super) fn escalating(&mut self, conn: &Connection) -> Outcome<&mut Escalating> {
        let known = match self.escalating.take() {
            Some(known) => known,
            None => Escalating::load(conn)?,
        };
        Ok(self.escalating.insert(known))
    }

    /// What is known of one topic is no longer so.
    pub(super) fn forget_topic(&mut self, name: &str) {
        self.topics.remove(name);
    }

    pub(super) fn user(&mut self, conn: &Connection, name: &str) -> Outcome<UserId> {
        if let Some(known) = self.users.get(name) {
            return Ok(*known);
        }
        let id = user_id(conn, name)?;
        self.users.insert(name.to_owned(), id);
        Ok(id)
    }
}

/// The topic of this name, unless it was removed.
pub(super) fn topic_id(conn: &Connection, name: &str) -> Outcome<TopicId> {
    let mut sql = conn.prepare_cached("SELECT id FROM topic WHERE name = ?1 AND removed_at IS NULL")?;
    let id = sql.query_row([name], |row| Ok(TopicId(row.get(0)?))).optional()?;
    id.ok_or_else(|| Error::UnknownTopic(name.to_owned()).into())
}

/// The person of this name, in whatever case, unless they were removed.
pub(super) fn user_id(conn: &Connection, name: &str) -> Outcome<UserId> {
    let mut sql = conn.prepare_cached("SELECT id FROM user WHERE name = ?1 AND removed_at IS NULL")?;
    let id = sql.query_row([name], |row| Ok(UserId(row.get(0)?))).optional()?;
    id.ok_or_else(|| Error::UnknownUser(name.to_owned()).into())
}

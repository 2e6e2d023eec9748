//! What other verbs of the store do to the outbox: publishing writes rows, a newer version and leaving cancel them.
//!
//! While no channel has a route, a publish costs no statement here: the rules are looked up once and kept with the
//! other names.

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{Millis, Seq};

use super::{
    super::{fault::Outcome, tx::Tx},
    row::{self, kind},
};
use crate::{
    Address, StoredMessage, TopicId, UserId,
    outbox::{
        ChannelId, LaneId, NOWHERE, codes, content, give_up_at,
        routing::{Bound, Carrier, Routing, Target},
    },
};

/// What the writer knows of the outbox.
#[derive(Clone)]
pub(in crate::sqlite) struct Outgoing {
    routing: Arc<Routing>,
    /// There is or was a delivery.
    used: bool,
}

impl Outgoing {
    pub(in crate::sqlite) fn load(conn: &Connection) -> Outcome<Self> {
        let used = conn.prepare_cached("SELECT 1 FROM delivery LIMIT 1")?.exists([])?;
        Ok(Self { routing: Arc::new(routing(conn)?), used })
    }
}

fn routing(conn: &Connection) -> Outcome<Routing> {
    let mut rules = HashMap::new();
    let mut sql = conn.prepare_cached("SELECT channel, topic, user, from_priority FROM route")?;
    let rows = sql.query_map([], |row| {
        Ok(((ChannelId(row.get(0)?), row.get::<_, i64>(1)?, row.get::<_, i64>(2)?), row.get(3)?))
    })?;
    for rule in rows {
        let (place, from): (_, Option<u8>) = rule?;
        rules.insert(place, from);
    }
    let mut channels = Vec::new();
    let sql = "SELECT id, kind FROM channel WHERE removed_at IS NULL AND enabled ORDER BY id";
    let mut sql = conn.prepare_cached(sql)?;
    for found in sql.query_map([], |row| Ok((ChannelId(row.get(0)?), kind(row.get(1)?)?)))? {
        let (id, kind) = found?;
        if !rules.iter().any(|((channel, ..), from)| *channel == id && from.is_some()) {
            continue;
        }
        let group = if kind.is_group() { Some(lane_of(conn, id, "")?) } else { None };
        let people = if group.is_some() { Vec::new() } else { bound(conn, id)? };
        channels.push(Carrier { id, group: group.flatten(), people });
    }
    Ok(Routing { channels, rules })
}

/// Whether a route leads from a topic, or from what names people, to a channel.
pub(in crate::sqlite) fn carries(
    tx: &mut Tx<'_>,
    channel: ChannelId,
    topic: Option<i64>,
    group: bool,
) -> Outcome<bool> {
    Ok(tx.names.outgoing(tx.conn)?.routing.carries(channel, topic.unwrap_or_default(), group))
}

pub(super) fn lane_of(conn: &Connection, channel: ChannelId, address: &str) -> Outcome<Option<LaneId>> {
    let sql = "SELECT id FROM lane WHERE channel = ?1 AND address = ?2";
    Ok(conn.prepare_cached(sql)?.query_row((channel.0, address), |row| Ok(LaneId(row.get(0)?))).optional()?)
}

fn bound(conn: &Connection, channel: ChannelId) -> Outcome<Vec<Bound>> {
    let sql = "SELECT user, lane, broken FROM binding WHERE channel = ?1 AND lane IS NOT NULL ORDER BY user";
    let mut sql = conn.prepare_cached(sql)?;
    let rows = sql.query_map([channel.0], |row| {
        Ok(Bound { user: UserId(row.get(0)?), lane: LaneId(row.get(1)?), broken: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes the deliveries of a message that was just stored.
pub(in crate::sqlite) fn enqueue(tx: &mut Tx<'_>, stored: &StoredMessage) -> Outcome<()> {
    let outgoing = tx.names.outgoing(tx.conn)?;
    let routing = Arc::clone(&outgoing.routing);
    if routing.is_empty() {
        return Ok(());
    }
    let message = &stored.message;
    let targets = match &stored.address {
        Address::People(people) => routing.targets(None, message.priority, |user| people.contains(&user)),
        Address::Topic(topic) => {
            let name = message.topic.as_deref().unwrap_or_default();
            let members = tx.names.topic(tx.conn, name)?.members;
            routing.targets(Some(*topic), message.priority, |user| members.contains(&user))
        }
    };
    if targets.is_empty() {
        return Ok(());
    }
    let fingerprint = content(&message.title, &message.body);
    for target in &targets {
        insert(tx, stored, target, fingerprint)?;
    }
    sends(tx)
}

fn insert(tx: &Tx<'_>, stored: &StoredMessage, target: &Target, fingerprint: i64) -> Outcome<()> {
    let message = &stored.message;
    let (give_up, expires) = give_up_at(tx.now, message.expires_at);
    let (lane, give_up) = if target.broken.is_some() { (NOWHERE, 0) } else { (target.lane, give_up) };
    let new = New {
        seq: message.cursor.seq,
        user: target.user.map_or(0, |user| user.0),
        channel: target.channel,
        lane,
        give_up: (give_up, expires),
        content: fingerprint,
        reason: target.broken.as_deref(),
        ..New::default()
    };
    new.insert(tx)
}

/// A row to be written.
pub(super) struct New<'a> {
    pub(super) seq: Seq,
    /// 0: a group.
    pub(super) user: i64,
    pub(super) channel: ChannelId,
    pub(super) lane: LaneId,
    /// When it is given up, and whether that means that its message expired.
    pub(super) give_up: (Millis, bool),
    pub(super) content: i64,
    /// Why it can not be sent; its lane is [`NOWHERE`].
    pub(super) reason: Option<&'a str>,
    /// 0: the message; above: a report.
    pub(super) what: i64,
    /// An escalation or a person asked for it.
    pub(super) by_step: bool,
    /// Of a group only these people, as JSON.
    pub(super) mentions: Option<String>,
    /// Rendered already.
    pub(super) body: Option<&'a str>,
}

impl Default for New<'_> {
    fn default() -> Self {
        Self {
            seq: 0,
            user: 0,
            channel: ChannelId(0),
            lane: LaneId(0),
            give_up: (0, false),
            content: 0,
            reason: None,
            what: 0,
            by_step: false,
            mentions: None,
            body: None,
        }
    }
}

impl New<'_> {
    pub(super) fn insert(&self, tx: &Tx<'_>) -> Outcome<()> {
        let sql = "INSERT INTO delivery (seq, user, channel, lane, state, due_at, give_up_at, expires, content, reason, \
                   created_at, since, what, by_step, mentions, body) \
                   VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, ?9, ?5, ?5, ?10, ?11, ?12, ?13)";
        tx.conn.prepare_cached(sql)?.execute(rusqlite::params![
            self.seq,
            self.user,
            self.channel.0,
            self.lane.0,
            tx.now,
            self.give_up.0,
            self.give_up.1,
            self.content,
            self.reason,
            self.what,
            self.by_step,
            self.mentions,
            self.body,
        ])?;
        row::wake(tx.conn, self.lane, tx.now)
    }
}

/// Queues a report, made already, to a group channel. Not where that is gone.
pub(in crate::sqlite) fn queue_report(
    tx: &mut Tx<'_>,
    seq: Seq,
    channel: ChannelId,
    what: i64,
    body: &str,
) -> Outcome<()> {
    let sql = "SELECT 1 FROM channel WHERE id = ?1 AND removed_at IS NULL";
    if !tx.conn.prepare_cached(sql)?.exists([channel.0])? {
        return Ok(());
    }
    let Some(lane) = lane_of(tx.conn, channel, "")? else { return Ok(()) };
    let new = New {
        seq,
        channel,
        lane,
        give_up: give_up_at(tx.now, None),
        content: content("", body),
        what,
        body: Some(body),
        ..New::default()
    };
    new.insert(tx)?;
    sends(tx)
}

/// There is a delivery now, and it may be due.
pub(super) fn sends(tx: &mut Tx<'_>) -> Outcome<()> {
    tx.names.outgoing(tx.conn)?.used = true;
    tx.due = true;
    Ok(())
}

/// Whoever was asked for while it was on its way is not mentioned any more.
const NOBODY_ELSE: &str =
    "UPDATE delivery SET also = NULL WHERE seq = ?1 AND seq > 0 AND what = 0 AND also IS NOT NULL";

/// Somebody took care of it: what an escalation asked for and still waits is not sent any more.
pub(in crate::sqlite) fn cancel_steps(tx: &mut Tx<'_>, seq: Seq) -> Outcome<()> {
    if tx.names.outgoing(tx.conn)?.used {
        let sql = "UPDATE delivery SET state = 8, code = ?2, reason = NULL, body = NULL, since = ?3 \
                   WHERE seq = ?1 AND seq > 0 AND state = 0 AND what = 0 AND by_step = 1";
        tx.conn.prepare_cached(sql)?.execute((seq, codes::STOPPED, tx.now))?;
        tx.conn.prepare_cached(NOBODY_ELSE)?.execute([seq])?;
    }
    Ok(())
}

/// A newer version came: what waits of the older one is not sent any more.
pub(in crate::sqlite) fn supersede(tx: &mut Tx<'_>, older: Seq) -> Outcome<()> {
    if tx.names.outgoing(tx.conn)?.used {
        cancel(tx.conn, older, codes::SUPERSEDED, tx.now)?;
    }
    Ok(())
}

/// Cancels what of a message waits, reports about it left out; how many. What is on its way cannot be called back: it is
/// marked, and not tried again.
pub(in crate::sqlite) fn cancel(conn: &Connection, seq: Seq, code: &str, now: i64) -> Outcome<u64> {
    let sql =
        "UPDATE delivery SET code = ?2, reason = NULL WHERE seq = ?1 AND seq > 0 AND state = 1 AND what = 0";
    conn.prepare_cached(sql)?.execute((seq, code))?;
    conn.prepare_cached(NOBODY_ELSE)?.execute([seq])?;
    let sql = "UPDATE delivery SET state = 8, code = ?2, reason = NULL, body = NULL, since = ?3 WHERE seq = ?1 AND seq > 0 AND state = 0 AND what = 0";
    Ok(conn.prepare_cached(sql)?.execute((seq, code, now))? as u64)
}

/// A person leaves a topic, or everything: what waits for them is not sent any more.
pub(in crate::sqlite) fn withdraw(tx: &mut Tx<'_>, user: UserId, topic: Option<TopicId>) -> Outcome<()> {
    if tx.names.outgoing(tx.conn)?.used {
        let sql = "UPDATE delivery INDEXED BY delivery_waits_for SET state = 8, code = ?3, reason = NULL, body = NULL, since = ?4 WHERE user = ?1 AND state = 0 \
                   AND (?2 IS NULL OR seq IN (SELECT m.seq FROM message m WHERE m.seq = delivery.seq AND m.topic = ?2))";
        let topic = topic.map(|topic| topic.0);
        tx.conn.prepare_cached(sql)?.execute((user.0, topic, codes::WITHDRAWN, tx.now))?;
        // On its way: not tried again.
        let sql = "UPDATE delivery INDEXED BY delivery_state SET code = ?3, reason = NULL WHERE state = 1 AND user = ?1 \
                   AND (?2 IS NULL OR seq IN (SELECT m.seq FROM message m WHERE m.seq = delivery.seq AND m.topic = ?2))";
        tx.conn.prepare_cached(sql)?.execute((user.0, topic, codes::WITHDRAWN))?;
    }
    if topic.is_none() {
        tx.names.forget();
        tx.conn.prepare_cached("DELETE FROM binding WHERE user = ?1")?.execute([user.0])?;
        tx.conn.prepare_cached("DELETE FROM route WHERE user = ?1")?.execute([user.0])?;
    }
    Ok(())
}

/// Removes what is known of the deliveries of a message whose receipt is forgotten, and of digests that carried nothing
/// else.
pub(in crate::sqlite) fn forget(conn: &Connection, seq: Seq) -> Outcome<()> {
    let sql = "SELECT id, digest FROM delivery WHERE seq = ?1 AND seq > 0";
    let rows: Vec<(i64, Option<i64>)> = {
        let mut sql = conn.prepare_cached(sql)?;
        let rows = sql.query_map([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (id, digest) in rows {
        forget_one(conn, id)?;
        if let Some(digest) = digest
            && !conn.prepare_cached("SELECT 1 FROM delivery WHERE digest = ?1")?.exists([digest])?
        {
            forget_one(conn, digest)?;
        }
    }
    Ok(())
}

fn forget_one(conn: &Connection, id: i64) -> Outcome<()> {
    conn.prepare_cached("DELETE FROM attempt WHERE delivery = ?1")?.execute([id])?;
    conn.prepare_cached("DELETE FROM delivery WHERE id = ?1")?.execute([id])?;
    Ok(())
}

//! Topics.

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{
    NewTopic, Topic,
    account::TopicChange,
    limits::{ALERTS_TOPIC, is_name},
};

use super::{
    escalation,
    fault::Outcome,
    member,
    tx::{Tx, topic_id, user_id},
    view::View,
};
use crate::{Entry, Error, TopicId, UserId, rules};

const SELECT: &str = "SELECT t.name, t.description, t.retention_days, t.created_at, t.expect_every_ms / 1000 AS expect_every_s, \
     t.silent_since, (SELECT p.name FROM policy p WHERE p.id = t.policy AND p.removed_at IS NULL) AS policy, \
     (SELECT count(*) FROM member m WHERE m.topic = t.id AND m.to_seq IS NULL) AS members, \
     EXISTS (SELECT 1 FROM member m WHERE m.user = ?1 AND m.topic = t.id AND m.to_seq IS NULL) AS member \
     FROM topic t WHERE t.removed_at IS NULL";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Topic> {
    Ok(Topic {
        name: row.get("name")?,
        description: row.get("description")?,
        members: row.get("members")?,
        member: row.get("member")?,
        retention_days: row.get("retention_days")?,
        policy: row.get("policy")?,
        expect_every_s: row.get("expect_every_s")?,
        silent_since: row.get("silent_since")?,
        created_at: row.get("created_at")?,
    })
}

pub(super) fn list(view: &View<'_>, asking: Option<UserId>) -> Outcome<Vec<Topic>> {
    let mut sql = view.conn.prepare_cached(&format!("{SELECT} ORDER BY t.name"))?;
    let rows = sql.query_map([asking.map(|user| user.0)], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn by_name(conn: &Connection, name: &str, asking: Option<UserId>) -> Outcome<(TopicId, Topic)> {
    let id = topic_id(conn, name)?;
    let mut sql = conn.prepare_cached(&format!("{SELECT} AND t.id = ?2"))?;
    let topic = sql.query_row((asking.map(|user| user.0), id.0), read).optional()?;
    Ok((id, topic.ok_or(Error::NotFound("topic"))?))
}

pub(super) fn add(tx: &mut Tx<'_>, topic: &NewTopic) -> Outcome<(TopicId, Topic)> {
    if !is_name(&topic.name) && topic.name != ALERTS_TOPIC {
        let why = format!("{:?} cannot name a topic: use letters, digits, . _ -", topic.name);
        return Err(Error::Conflict(why).into());
    }
    if topic_id(tx.conn, &topic.name).is_ok() {
        return Err(Error::Conflict(format!("there is a topic named {:?} already", topic.name)).into());
    }
    tx.names.forget();
    let sql = "INSERT INTO topic (name, description, retention_days, created_at) VALUES (?1, ?2, ?3, ?4)";
    let description = topic.description.as_deref().unwrap_or_default();
    let retention = topic.retention_days.filter(|days| *days > 0);
    let id = TopicId(tx.conn.prepare_cached(sql)?.insert((&topic.name, description, retention, tx.now))?);
    for name in &topic.members {
        let user = user_id(tx.conn, name)?;
        member::begin(tx, id, user)?;
    }
    by_name(tx.conn, &topic.name, None)
}

pub(super) fn change(tx: &mut Tx<'_>, name: &str, change: &TopicChange) -> Outcome<Topic> {
    let (id, topic) = by_name(tx.conn, name, None)?;
    let description = change.description.as_ref().unwrap_or(&topic.description);
    let retention = match change.retention_days {
        Some(0) => None,
        Some(days) => Some(days),
        None => topic.retention_days,
    };
    let sql = "UPDATE topic SET description = ?2, retention_days = ?3 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((id.0, description, retention))?;
    if let Some(policy) = &change.policy {
        attach(tx, id, policy)?;
    }
    if let Some(every_s) =
        change.expect_every_s.filter(|every_s| topic.expect_every_s.unwrap_or(0) != *every_s)
    {
        expect(tx, (id, &topic.name), every_s)?;
    }
    tx.append(Entry::AccountsChanged)?;
    Ok(by_name(tx.conn, name, None)?.1)
}

/// Sets the escalation policy of its messages; no name: none.
fn attach(tx: &mut Tx<'_>, id: TopicId, policy: &str) -> Outcome<()> {
    let policy = if policy.is_empty() { None } else { Some(escalation::policy_id(tx.conn, policy)?) };
    tx.names.forget();
    tx.conn.prepare_cached("UPDATE topic SET policy = ?2 WHERE id = ?1")?.execute((id.0, policy))?;
    Ok(())
}

/// Sets how often it is expected to speak, from now on; 0: not any more, and a silence that was told of is over with it.
/// Otherwise that stays until a message comes: nothing spoke.
fn expect(tx: &mut Tx<'_>, (id, name): (TopicId, &str), every_s: u64) -> Outcome<()> {
    let every = rules::expectation(name, every_s)?;
    tx.names.forget();
    let sql = "UPDATE topic SET expect_every_ms = ?2, expected_by = CASE WHEN silent_since IS NULL THEN ?3 END, \
               silent_since = CASE WHEN ?2 IS NOT NULL THEN silent_since END WHERE id = ?1";
    let by = every.map(|every| tx.now.saturating_add(every));
    tx.conn.prepare_cached(sql)?.execute((id.0, every, by))?;
    tx.stirred = true;
    Ok(())
}

pub(super) fn remove(tx: &mut Tx<'_>, name: &str) -> Outcome<()> {
    let id = topic_id(tx.conn, name)?;
    for user in member::of_topic(tx, id)? {
        member::end(tx, id, user)?;
    }
    tx.names.forget();
    let sql = "UPDATE topic SET removed_at = ?2, expected_by = NULL, silent_since = NULL, silence = NULL WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute((id.0, tx.now))?;
    tx.append(Entry::AccountsChanged)?;
    Ok(())
}

//! Membership over time.

use super::{
    escalation,
    fault::Outcome,
    tx::{Tx, topic_id, user_id},
    user,
    view::View,
    withdraw,
};
use crate::{Entry, TopicId, UserId};

/// Members of a topic, by name.
pub(super) fn list(view: &View<'_>, topic: &str) -> Outcome<Vec<tocsin_protocol::User>> {
    let topic = topic_id(view.conn, topic)?;
    let sql = "SELECT u.* FROM user u JOIN member m ON m.user = u.id WHERE m.topic = ?1 AND m.to_seq IS NULL ORDER BY u.name";
    let mut sql = view.conn.prepare_cached(sql)?;
    let rows = sql.query_map([topic.0], user::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether a person is a member now.
fn is_member(tx: &Tx<'_>, topic: TopicId, user: UserId) -> Outcome<bool> {
    let sql = "SELECT 1 FROM member WHERE user = ?1 AND topic = ?2 AND to_seq IS NULL";
    Ok(tx.conn.prepare_cached(sql)?.exists((user.0, topic.0))?)
}

pub(super) fn join(tx: &mut Tx<'_>, topic: &str, user: &str) -> Outcome<()> {
    let (topic, user) = (topic_id(tx.conn, topic)?, user_id(tx.conn, user)?);
    begin(tx, topic, user)
}

/// Makes a person a member from the next position on, unless they are one.
pub(super) fn begin(tx: &mut Tx<'_>, topic: TopicId, user: UserId) -> Outcome<()> {
    if is_member(tx, topic, user)? {
        return Ok(());
    }
    tx.names.forget();
    let seq = tx.append(Entry::Joined { topic, user })?;
    let sql = "INSERT INTO member (user, topic, from_seq) VALUES (?1, ?2, ?3)";
    tx.conn.prepare_cached(sql)?.execute((user.0, topic.0, seq))?;
    Ok(())
}

pub(super) fn leave(tx: &mut Tx<'_>, topic: &str, user: &str) -> Outcome<()> {
    let (topic, user) = (topic_id(tx.conn, topic)?, user_id(tx.conn, user)?);
    end(tx, topic, user)
}

/// Ends a membership, if there is one, and withdraws what is still owed.
pub(super) fn end(tx: &mut Tx<'_>, topic: TopicId, user: UserId) -> Outcome<()> {
    if !is_member(tx, topic, user)? {
        return Ok(());
    }
    tx.names.forget();
    let seq = tx.append(Entry::Left { topic, user })?;
    let sql = "UPDATE member SET to_seq = ?3 WHERE user = ?1 AND topic = ?2 AND to_seq IS NULL";
    tx.conn.prepare_cached(sql)?.execute((user.0, topic.0, seq))?;
    withdraw::withdraw(tx, user, Some(topic), seq)?;
    escalation::left(tx, user, Some(topic))
}

/// Everybody who is a member of a topic now.
pub(super) fn of_topic(tx: &Tx<'_>, topic: TopicId) -> Outcome<Vec<UserId>> {
    let mut sql = tx
        .conn
        .prepare_cached("SELECT user FROM member WHERE topic = ?1 AND to_seq IS NULL ORDER BY user")?;
    let rows = sql.query_map([topic.0], |row| Ok(UserId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Everything a person is a member of now.
pub(super) fn of_user(tx: &Tx<'_>, user: UserId) -> Outcome<Vec<TopicId>> {
    let mut sql = tx
        .conn
        .prepare_cached("SELECT topic FROM member WHERE user = ?1 AND to_seq IS NULL ORDER BY topic")?;
    let rows = sql.query_map([user.0], |row| Ok(TopicId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

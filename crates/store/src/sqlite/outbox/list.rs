//! Deliveries as people see them.

use rusqlite::{Connection, Row, types::Value};
use tocsin_protocol::{
    Delivery, DeliveryState, MessageId,
    delivery::{Attempt, DeliveryDetail},
};

use super::{
    super::{fault::Outcome, log},
    row,
};
use crate::{
    Error, UserId,
    escalation::report,
    outbox::{DeliveryId, DeliveryQuery},
};

const SELECT: &str = "SELECT d.*, m.id AS message, ifnull(m.title, '') AS title, t.name AS topic, u.name AS person, \
     c.name AS channel_name FROM delivery d JOIN channel c ON c.id = d.channel LEFT JOIN message m ON m.seq = d.seq \
     LEFT JOIN topic t ON t.id = m.topic LEFT JOIN user u ON u.id = d.user";

fn read(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let message: Option<String> = row.get("message")?;
    let state = row::state(row.get("state")?)?;
    let (due_at, gives_up_at): (i64, i64) = (row.get("due_at")?, row.get("give_up_at")?);
    Ok(Delivery {
        id: row.get("id")?,
        message: message.and_then(|id| id.parse::<MessageId>().ok()),
        title: row.get("title")?,
        topic: row.get("topic")?,
        report: report::milestone(row.get("what")?),
        user: row.get("person")?,
        channel: row.get("channel_name")?,
        state,
        since: row.get("since")?,
        due_at: (state == DeliveryState::Queued).then_some(due_at),
        gives_up_at: (!state.is_final()).then_some(gives_up_at),
        attempts: row.get("attempts")?,
        round: row.get("round")?,
        digest: row.get("digest")?,
        code: row.get("code")?,
        reason: row.get("reason")?,
        msgid: row.get("msgid")?,
        created_at: row.get("created_at")?,
    })
}

pub(super) fn list(conn: &Connection, query: &DeliveryQuery) -> Outcome<Vec<Delivery>> {
    let mut clauses = vec!["1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut given = |clause: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            clauses.push(clause.replace('?', &format!("?{}", values.len())));
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    given("d.id < ?", query.before.map(|id| Value::Integer(id.0)));
    given("c.name = ?", text(&query.channel));
    given("u.name = ?", text(&query.user));
    given("t.name = ?", text(&query.topic));
    // Through the index of deliveries by message.
    given(
        "d.seq > 0 AND d.seq = (SELECT seq FROM message WHERE id = ?)",
        query.message.map(|id| Value::Text(id.to_string())),
    );
    given("d.created_at >= ?", query.since.map(Value::Integer));
    given("d.created_at < ?", query.until.map(Value::Integer));
    if !query.states.is_empty() {
        let numbers: Vec<String> =
            query.states.iter().map(|state| row::state_number(*state).to_string()).collect();
        clauses.push(format!("d.state IN ({})", numbers.join(", ")));
    }
    values.push(Value::Integer(i64::try_from(query.limit).unwrap_or(i64::MAX)));
    let sql = format!("{SELECT} WHERE {} ORDER BY d.id DESC LIMIT ?{}", clauses.join(" AND "), values.len());
    let mut sql = conn.prepare_cached(&sql)?;
    let rows = sql.query_map(rusqlite::params_from_iter(values), read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn ways(
    conn: &Connection,
    messages: &[MessageId],
    people: &[UserId],
) -> Outcome<Vec<(Option<UserId>, Delivery)>> {
    let sql = format!(
        "{SELECT} WHERE d.seq > 0 AND d.seq IN (SELECT seq FROM message WHERE id IN (SELECT value FROM json_each(?1))) \
         AND d.what = 0 AND (d.user = 0 OR d.user IN (SELECT value FROM json_each(?2))) ORDER BY d.id"
    );
    let messages = serde_json::to_string(messages).unwrap_or_default();
    let people = log::ids_text(people.iter().map(|user| user.0));
    let mut sql = conn.prepare_cached(&sql)?;
    let rows = sql.query_map((messages, people), |row| {
        let user: i64 = row.get("user")?;
        Ok(((user != 0).then_some(UserId(user)), read(row)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn detail(conn: &Connection, id: DeliveryId) -> Outcome<DeliveryDetail> {
    let mut sql = conn.prepare_cached(&format!("{SELECT} WHERE d.id = ?1"))?;
    let delivery = sql.query_map([id.0], read)?.next().transpose()?.ok_or(Error::NotFound("delivery"))?;
    let mut sql = conn.prepare_cached(
        "SELECT a.*, l.address FROM attempt a JOIN lane l ON l.id = a.lane WHERE a.delivery IN (?1, ?2) ORDER BY a.id",
    )?;
    let attempts = sql.query_map((id.0, delivery.digest), |row| {
        Ok(Attempt {
            address: row.get("address")?,
            started_at: row.get("started_at")?,
            ended_at: row.get("ended_at")?,
            result: row::result(row.get("result")?)?,
            code: row.get("code")?,
            reason: row.get("reason")?,
            msgid: row.get("msgid")?,
        })
    })?;
    let attempts = attempts.collect::<Result<_, _>>()?;
    let mut sql = conn.prepare_cached(&format!("{SELECT} WHERE d.digest = ?1 ORDER BY d.id"))?;
    let carries = sql.query_map([id.0], read)?.collect::<Result<_, _>>()?;
    Ok(DeliveryDetail { delivery, attempts, carries })
}

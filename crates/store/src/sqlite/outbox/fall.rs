//! A failure is told in the transaction that books it: no kill leaves one without its alert, or two.

use rusqlite::OptionalExtension as _;
use tocsin_protocol::DeliveryState;

use super::{
    super::{
        fault::Outcome,
        member, publish,
        tx::{Tx, topic_id},
    },
    row::{ChannelRow, DeliveryRow, End},
};
use crate::{
    Authority, Entry, NewMessage, Sender, TokenId, TopicId, UserId,
    outbox::{ALERT_EVERY, ALERTS, Fall, Herald},
};

/// Publishes an alert about a delivery, unless it is no failure, is itself about an alert, or the same was told a short
/// time ago. Whether it did.
pub(super) fn tell(
    tx: &mut Tx<'_>,
    row: &DeliveryRow,
    end: &End<'_>,
    herald: Option<&Herald>,
) -> Outcome<bool> {
    let Some(herald) = herald else { return Ok(false) };
    let told = matches!(end.state, DeliveryState::Failed | DeliveryState::Unknown | DeliveryState::Queued);
    if !told || about_alerts(tx, row)? {
        return Ok(false);
    }
    let code = end.code.unwrap_or_default();
    if !first(tx, row, code)? {
        return Ok(false);
    }
    let channel = ChannelRow::of(tx.conn, row.channel)?;
    let sql = "SELECT title FROM message WHERE seq = ?1";
    let title = tx.conn.prepare_cached(sql)?.query_row([row.seq], |row| row.get(0)).optional()?;
    let sql = "SELECT name FROM user WHERE id = ?1";
    let user = tx.conn.prepare_cached(sql)?.query_row([row.user], |row| row.get(0)).optional()?;
    let message = herald(&Fall {
        channel: channel.name,
        display_name: channel.display_name,
        kind: channel.kind,
        code: code.to_owned(),
        reason: end.reason.unwrap_or_default().to_owned(),
        state: end.state,
        user,
        title: title.unwrap_or_default(),
    });
    topic(tx)?;
    publish::publish(tx, &addressed(message))?;
    Ok(true)
}

/// To the alerts' topic, from the server itself.
fn addressed(message: NewMessage) -> NewMessage {
    let sender =
        Sender { token: TokenId(0), user: None, name: message.sender.name, authority: Authority::All };
    NewMessage { sender, topic: Some(ALERTS.into()), to: Vec::new(), idempotency: None, ..message }
}

/// A failing alert would make another, without end. So would a failing copy of one: it counts as its original.
fn about_alerts(tx: &Tx<'_>, row: &DeliveryRow) -> Outcome<bool> {
    let sql = "SELECT 1 FROM message m JOIN message o ON o.seq = ifnull(m.escalates, m.seq) \
               JOIN topic t ON t.id = o.topic WHERE m.seq = ?1 AND t.name = ?2";
    if row.seq != 0 {
        return Ok(tx.conn.prepare_cached(sql)?.exists((row.seq, ALERTS))?);
    }
    let sql = "SELECT 1 FROM delivery d JOIN message m ON m.seq = d.seq \
               LEFT JOIN message o ON o.seq = ifnull(m.escalates, m.seq) LEFT JOIN topic t ON t.id = o.topic \
               WHERE d.digest = ?1 AND t.name IS NOT ?2";
    Ok(!tx.conn.prepare_cached(sql)?.exists((row.id.0, ALERTS))?)
}

/// Whether this cause was not told of this credential lately.
fn first(tx: &Tx<'_>, row: &DeliveryRow, code: &str) -> Outcome<bool> {
    let sql = "UPDATE alert SET held = held + 1 WHERE channel = ?1 AND cause = ?2 AND at > ?3 AND at <= ?4";
    let since = tx.now.saturating_sub(ALERT_EVERY);
    if tx.conn.prepare_cached(sql)?.execute((row.channel.0, code, since, tx.now))? > 0 {
        return Ok(false);
    }
    let sql = "INSERT OR REPLACE INTO alert (channel, cause, at, held) VALUES (?1, ?2, ?3, 0)";
    tx.conn.prepare_cached(sql)?.execute((row.channel.0, code, tx.now))?;
    Ok(true)
}

/// The alerts' topic, with all admins and nobody else in it.
fn topic(tx: &mut Tx<'_>) -> Outcome<()> {
    let topic = match topic_id(tx.conn, ALERTS) {
        Ok(topic) => topic,
        Err(super::super::fault::Fault::Refused(_)) => {
            tx.names.forget();
            let sql = "INSERT INTO topic (name, description, created_at) VALUES (?1, '', ?2)";
            let topic = TopicId(tx.conn.prepare_cached(sql)?.insert((ALERTS, tx.now))?);
            tx.append(Entry::AccountsChanged)?;
            topic
        }
        Err(fault) => return Err(fault),
    };
    let admins: Vec<UserId> = {
        let sql = "SELECT id FROM user WHERE admin AND removed_at IS NULL ORDER BY id";
        let mut sql = tx.conn.prepare_cached(sql)?;
        let rows = sql.query_map([], |row| Ok(UserId(row.get(0)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for member in member::of_topic(tx, topic)? {
        if !admins.contains(&member) {
            member::end(tx, topic, member)?;
        }
    }
    for admin in admins {
        member::begin(tx, topic, admin)?;
    }
    Ok(())
}

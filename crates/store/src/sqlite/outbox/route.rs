//! Which channels carry what: see [`Routing`](crate::outbox::routing).

use tocsin_protocol::{Priority, delivery::Route};

use super::{
    super::{
        fault::Outcome,
        tx::{Tx, topic_id, user_id},
        view::View,
    },
    row::ChannelRow,
};
use crate::Error;

pub(super) fn list(view: &View<'_>) -> Outcome<Vec<Route>> {
    let sql = "SELECT c.name, t.name, u.name, r.from_priority FROM route r JOIN channel c ON c.id = r.channel \
               LEFT JOIN topic t ON t.id = r.topic LEFT JOIN user u ON u.id = r.user \
               WHERE t.removed_at IS NULL ORDER BY c.name, t.name, u.name";
    let mut sql = view.conn.prepare_cached(sql)?;
    let rows = sql.query_map([], |row| {
        let from: Option<u8> = row.get(3)?;
        Ok(Route {
            channel: row.get(0)?,
            topic: row.get(1)?,
            user: row.get(2)?,
            from_priority: from.and_then(|from| Priority::try_from(from).ok()),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn put(tx: &mut Tx<'_>, route: &Route) -> Outcome<()> {
    let (channel, topic, user) = place(tx, &route.channel, route.topic.as_deref(), route.user.as_deref())?;
    if channel.kind.is_group() && (topic == 0 || user != 0) {
        let why = "a group channel takes a topic, and all of it: it cannot be told to one person, and what names people is nothing for a group";
        return Err(Error::Conflict(why.into()).into());
    }
    tx.names.forget();
    let sql = "INSERT OR REPLACE INTO route (channel, topic, user, from_priority) VALUES (?1, ?2, ?3, ?4)";
    let from = route.from_priority.map(Priority::get);
    tx.conn.prepare_cached(sql)?.execute((channel.id.0, topic, user, from))?;
    Ok(())
}

pub(super) fn remove(tx: &mut Tx<'_>, channel: &str, topic: Option<&str>, user: Option<&str>) -> Outcome<()> {
    let (channel, topic, user) = place(tx, channel, topic, user)?;
    tx.names.forget();
    let sql = "DELETE FROM route WHERE channel = ?1 AND topic = ?2 AND user = ?3";
    if tx.conn.prepare_cached(sql)?.execute((channel.id.0, topic, user))? == 0 {
        return Err(Error::NotFound("route").into());
    }
    Ok(())
}

fn place(
    tx: &Tx<'_>,
    channel: &str,
    topic: Option<&str>,
    user: Option<&str>,
) -> Outcome<(ChannelRow, i64, i64)> {
    let channel = ChannelRow::named(tx.conn, channel)?;
    let topic = match topic {
        Some(name) => topic_id(tx.conn, name)?.0,
        None => 0,
    };
    let user = match user {
        Some(name) => user_id(tx.conn, name)?.0,
        None => 0,
    };
    Ok((channel, topic, user))
}

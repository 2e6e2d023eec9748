//! Who is whom at a channel.

use rusqlite::{Connection, OptionalExtension as _, Row};
use tocsin_protocol::delivery::{Binding, ChannelKind};

use super::{
    super::{
        fault::Outcome,
        tx::{Tx, user_id},
        view::View,
    },
    row::{self, ChannelRow},
};
use crate::{
    Error,
    outbox::{Bound, ChannelId, LaneId, NOWHERE, folds_case},
};

const SELECT: &str = "SELECT c.name AS channel, u.name AS user, b.address, b.bound_at, b.broken, b.flagged, b.lane, b.user AS id \
     FROM binding b JOIN channel c ON c.id = b.channel JOIN user u ON u.id = b.user";

fn read(row: &Row<'_>) -> rusqlite::Result<Binding> {
    Ok(Binding {
        channel: row.get("channel")?,
        user: row.get("user")?,
        address: row.get("address")?,
        bound_at: row.get("bound_at")?,
        broken: row.get("broken")?,
        flagged: row.get("flagged")?,
    })
}

pub(super) fn list(view: &View<'_>, channel: &str) -> Outcome<Vec<Binding>> {
    let channel = ChannelRow::named(view.conn, channel)?;
    let mut sql = view.conn.prepare_cached(&format!("{SELECT} WHERE b.channel = ?1 ORDER BY u.name"))?;
    let rows = sql.query_map([channel.id.0], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What an address is compared with, so that every spelling of a userid finds the same.
pub(super) fn spelling(kind: ChannelKind) -> &'static str {
    if folds_case(kind) { "COLLATE NOCASE" } else { "COLLATE BINARY" }
}

fn holder(conn: &Connection, channel: &ChannelRow, address: &str) -> Outcome<Option<i64>> {
    let spelling = spelling(channel.kind);
    let sql = format!("SELECT user FROM binding WHERE channel = ?1 AND address = ?2 {spelling}");
    Ok(conn.prepare_cached(&sql)?.query_row((channel.id.0, address), |row| row.get(0)).optional()?)
}

pub(super) fn bind(tx: &mut Tx<'_>, channel: &str, user: &str, address: &str) -> Outcome<Binding> {
    let channel = ChannelRow::named(tx.conn, channel)?;
    let user = user_id(tx.conn, user)?;
    if address.is_empty() {
        return Err(Error::Conflict("an address is needed".into()).into());
    }
    if holder(tx.conn, &channel, address)?.is_some_and(|holder| holder != user.0) {
        return Err(Error::Conflict("this address belongs to somebody else".into()).into());
    }
    let lane = if channel.kind.is_group() { None } else { Some(lane(tx.conn, &channel, address)?) };
    tx.names.forget();
    let sql =
        "INSERT OR REPLACE INTO binding (channel, user, address, lane, bound_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.conn.prepare_cached(sql)?.execute((channel.id.0, user.0, address, lane.map(|lane| lane.0), tx.now))?;
    if let Some(lane) = lane {
        // What may have arrived at the old address stays there: at the new one nothing recognises a repetition.
        let sql = "UPDATE delivery INDEXED BY delivery_waits_for SET lane = ?3, body = NULL WHERE user = ?2 AND state = 0 AND channel = ?1 \
                   AND unsure_at IS NULL AND lane <> ?4";
        tx.conn.prepare_cached(sql)?.execute((channel.id.0, user.0, lane.0, NOWHERE.0))?;
        row::wake(tx.conn, lane, tx.now)?;
        tx.due = true;
    }
    let mut sql = tx.conn.prepare_cached(&format!("{SELECT} WHERE b.channel = ?1 AND b.user = ?2"))?;
    Ok(sql.query_row((channel.id.0, user.0), read)?)
}

/// The one lane of this address, under the spelling that came first.
fn lane(conn: &Connection, channel: &ChannelRow, address: &str) -> Outcome<LaneId> {
    let spelling = spelling(channel.kind);
    let sql =
        format!("SELECT id FROM lane WHERE channel = ?1 AND address = ?2 {spelling} ORDER BY id LIMIT 1");
    let place = (channel.id.0, address);
    let known = conn.prepare_cached(&sql)?.query_row(place, |row| Ok(LaneId(row.get(0)?))).optional()?;
    if let Some(lane) = known {
        return Ok(lane);
    }
    let sql = "INSERT INTO lane (channel, address) VALUES (?1, ?2)";
    Ok(LaneId(conn.prepare_cached(sql)?.insert(place)?))
}

pub(super) fn unbind(tx: &mut Tx<'_>, channel: &str, who: &Bound) -> Outcome<Option<Binding>> {
    let channel = ChannelRow::named(tx.conn, channel)?;
    let user = match who {
        Bound::User(name) => Some(user_id(tx.conn, name)?.0),
        Bound::Address(address) => holder(tx.conn, &channel, address)?,
    };
    let Some(user) = user else { return Ok(None) };
    let found = {
        let mut sql = tx.conn.prepare_cached(&format!("{SELECT} WHERE b.channel = ?1 AND b.user = ?2"))?;
        sql.query_row((channel.id.0, user), read).optional()?
    };
    let Some(found) = found else { return Ok(None) };
    tx.names.forget();
    tx.conn
        .prepare_cached("DELETE FROM binding WHERE channel = ?1 AND user = ?2")?
        .execute((channel.id.0, user))?;
    strand(tx, channel.id, user, None)?;
    Ok(Some(found))
}

/// What waits for a person at a channel that cannot reach them any more: the next claim ends it, and tells of it.
pub(super) fn strand(tx: &mut Tx<'_>, channel: ChannelId, user: i64, why: Option<&str>) -> Outcome<()> {
    let sql = "UPDATE delivery INDEXED BY delivery_waits_for SET lane = ?3, give_up_at = 0, reason = ?4, body = NULL, since = ?5 \
               WHERE user = ?2 AND state = 0 AND channel = ?1";
    let stranded = tx.conn.prepare_cached(sql)?.execute((channel.0, user, NOWHERE.0, why, tx.now))?;
    tx.due |= stranded > 0;
    Ok(())
}

//! Channels.

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{
    DeliveryState,
    delivery::{Channel, ChannelHealth, ChannelKind, ChannelSettings},
    escalation::VIA_DESKTOP,
    limits::is_name,
};

use super::{
    super::{
        fault::{Fault, Outcome},
        tx::Tx,
        view::View,
    },
    row::{self, ChannelRow, End, kind_number},
};
use crate::{
    Error,
    outbox::{
        ChannelId, DeliveryId, NOWHERE, codes,
        health::{BUDGET, Health},
    },
};

fn listed(row: ChannelRow) -> Channel {
    Channel {
        name: row.name,
        kind: row.kind,
        display_name: row.display_name,
        enabled: row.enabled,
        config: serde_json::from_str(&row.config).unwrap_or_default(),
        created_at: row.created_at,
    }
}

/// The channel of this name.
pub(in crate::sqlite) fn id_of(conn: &Connection, name: &str) -> Outcome<ChannelId> {
    Ok(ChannelRow::named(conn, name)?.id)
}

/// The channel of this name, and what stands behind it.
pub(in crate::sqlite) fn kind_of(conn: &Connection, name: &str) -> Outcome<(ChannelId, ChannelKind)> {
    let row = ChannelRow::named(conn, name)?;
    Ok((row.id, row.kind))
}

/// Its name, also where it was removed.
pub(in crate::sqlite) fn name_of(conn: &Connection, id: ChannelId) -> Outcome<Option<String>> {
    let sql = "SELECT name FROM channel WHERE id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([id.0], |row| row.get(0)).optional()?)
}

fn all(conn: &Connection) -> Outcome<Vec<ChannelRow>> {
    let mut sql = conn.prepare_cached("SELECT * FROM channel WHERE removed_at IS NULL ORDER BY name")?;
    let rows = sql.query_map([], ChannelRow::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(in crate::sqlite) fn list(view: &View<'_>) -> Outcome<Vec<Channel>> {
    Ok(all(view.conn)?.into_iter().map(listed).collect())
}

pub(super) fn health(view: &View<'_>) -> Outcome<Vec<ChannelHealth>> {
    let count = |channel: ChannelId, state: i64| -> Outcome<u64> {
        let sql = "SELECT count(*) FROM delivery INDEXED BY delivery_state WHERE state = ?2 AND channel = ?1";
        Ok(view.conn.prepare_cached(sql)?.query_row((channel.0, state), |row| row.get(0))?)
    };
    let mut list = Vec::new();
    for row in all(view.conn)? {
        let (flow, until) = row.health.flow(view.now);
        let (code, reason) = row.health.why.clone().unzip();
        list.push(ChannelHealth {
            channel: row.name,
            flow,
            until,
            code,
            reason,
            queued: count(row.id, 0)?,
            failed: count(row.id, 5)?,
            unknown: count(row.id, 6)?,
        });
    }
    Ok(list)
}

pub(super) fn put(tx: &mut Tx<'_>, name: &str, settings: &ChannelSettings) -> Outcome<Channel> {
    if !is_name(name) || name == VIA_DESKTOP {
        let why = format!("{name:?} cannot name a channel: use letters, digits, . _ -");
        return Err(Error::Conflict(why).into());
    }
    let config = settings.config.to_string();
    tx.names.forget();
    match ChannelRow::named(tx.conn, name) {
        Ok(known) if known.kind != settings.kind => {
            return Err(Error::Conflict(format!("there is a channel named {name:?} of another kind")).into());
        }
        Ok(known) => {
            let display = settings.display_name.as_ref().unwrap_or(&known.display_name);
            let enabled = settings.enabled.unwrap_or(known.enabled);
            let sql = "UPDATE channel SET display_name = ?2, enabled = ?3, config = ?4 WHERE id = ?1";
            tx.conn.prepare_cached(sql)?.execute((known.id.0, display, enabled, config))?;
        }
        Err(Fault::Refused(Error::NotFound(_))) => {
            let display = settings.display_name.as_deref().unwrap_or(name);
            let enabled = settings.enabled.unwrap_or(true);
            let sql = "INSERT INTO channel (name, kind, display_name, config, enabled, created_at, budget, budget_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6)";
            let kind = kind_number(settings.kind);
            let id = tx
                .conn
                .prepare_cached(sql)?
                .insert((name, kind, display, config, enabled, tx.now, BUDGET))?;
            if settings.kind.is_group() {
                let sql = "INSERT INTO lane (channel, address) VALUES (?1, '')";
                tx.conn.prepare_cached(sql)?.execute([id])?;
            }
        }
        Err(fault) => return Err(fault),
    }
    tx.due = true;
    Ok(listed(ChannelRow::named(tx.conn, name)?))
}

pub(super) fn remove(tx: &mut Tx<'_>, name: &str) -> Outcome<()> {
    let channel = ChannelRow::named(tx.conn, name)?;
    tx.names.forget();
    let lanes: Vec<i64> = {
        let mut sql = tx.conn.prepare_cached("SELECT id FROM lane WHERE channel = ?1")?;
        let rows = sql.query_map([channel.id.0], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    for lane in lanes.into_iter().chain([NOWHERE.0]) {
        // What a retried digest would have carried ends with it.
        let sql = "UPDATE delivery SET state = 8, code = ?2, reason = NULL, body = NULL, since = ?3 WHERE state = 2 AND digest IN \
                   (SELECT d.id FROM delivery d WHERE d.lane = ?1 AND d.state = 0 AND d.seq = 0)";
        tx.conn.prepare_cached(sql)?.execute((lane, codes::REMOVED, tx.now))?;
        let sql = "UPDATE delivery SET state = 8, code = ?2, reason = NULL, body = NULL, since = ?3 WHERE lane = ?1 AND state = 0 \
                   AND channel = ?4";
        tx.conn.prepare_cached(sql)?.execute((lane, codes::REMOVED, tx.now, channel.id.0))?;
    }
    for sql in ["DELETE FROM binding WHERE channel = ?1", "DELETE FROM route WHERE channel = ?1"] {
        tx.conn.prepare_cached(sql)?.execute([channel.id.0])?;
    }
    tx.conn
        .prepare_cached("UPDATE channel SET removed_at = ?2 WHERE id = ?1")?
        .execute((channel.id.0, tx.now))?;
    on_its_way(tx, channel.id)
}

/// Nobody will look for its answer any more: it may have arrived. One that comes nevertheless is believed.
fn on_its_way(tx: &mut Tx<'_>, channel: ChannelId) -> Outcome<()> {
    let sql = "SELECT id FROM delivery INDEXED BY delivery_state WHERE state = 1 AND channel = ?1";
    let sending: Vec<i64> = {
        let mut sql = tx.conn.prepare_cached(sql)?;
        let rows = sql.query_map([channel.0], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    for id in sending {
        let end =
            End { state: DeliveryState::Unknown, code: Some(codes::REMOVED), reason: None, msgid: None };
        row::end(tx, DeliveryId(id), &end, tx.now)?;
    }
    Ok(())
}

pub(super) fn reopen(tx: &mut Tx<'_>, name: &str) -> Outcome<()> {
    let mut channel = ChannelRow::named(tx.conn, name)?;
    channel.health = Health::new(tx.now);
    tx.due = true;
    channel.save_health(tx.conn)
}

//! Which lanes' time has come.
//!
//! Everything here reads an index from its due end: a claim costs what is due, not what waits. A lease is the lane's
//! next time: a worker that dies needs nobody to notice it.

use rusqlite::{Connection, OptionalExtension as _};
use tocsin_protocol::{DeliveryState, Millis};

use super::{
    super::{fault::Outcome, log, message, tx::Tx},
    fall,
    recover::{next_back, recover},
    row::{self, ChannelRow, DeliveryRow, End},
};
use crate::outbox::{
    ClaimOrder, Claimed, DIGEST_OFFER, GIVE_UP_AFTER, GIVE_UP_MOST, Item, Job, LaneId, Lease, Limits,
    NOWHERE, Noticed, Work, codes, health::Gate, key, or_unknown, too_late,
};

// The index is named: without statistics the planner takes that of the states, and sorts all that waits.
const NEXT_GIVE_UP: &str =
    "SELECT give_up_at FROM delivery INDEXED BY delivery_give_up WHERE state = 0 ORDER BY give_up_at LIMIT 1";
const GIVE_UP: &str = "SELECT * FROM delivery INDEXED BY delivery_give_up WHERE state = 0 AND give_up_at <= ?1 ORDER BY give_up_at LIMIT ?2";
const BUSY: &str =
    "SELECT count(*) FROM lane INDEXED BY lane_leased WHERE channel = ?1 AND leased = 1 AND due_at > ?2";
const FIRST_DUE: &str =
    "SELECT due_at FROM lane WHERE channel = ?1 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1";
const DUE_LANE: &str =
    "SELECT id, address FROM lane WHERE channel = ?1 AND due_at <= ?2 ORDER BY due_at, id LIMIT 1";
const WAITING: &str = "SELECT * FROM delivery WHERE lane = ?1 AND state = 0 ORDER BY due_at, id LIMIT ?2";
const COUNT_DUE: &str =
    "SELECT count(*) FROM (SELECT 1 FROM delivery WHERE lane = ?1 AND state = 0 AND due_at <= ?2 LIMIT ?3)";
const NTH_LAST: &str = "SELECT ended_at FROM attempt WHERE lane = ?1 AND ended_at > ?2 AND result <> 4 \
     ORDER BY ended_at DESC LIMIT 1 OFFSET ?3";
const SAME_CONTENT: &str = "SELECT max(ended_at) FROM attempt WHERE lane = ?1 AND ended_at > ?2 AND result IN (1, 3, 5) \
     AND content = ?3 AND delivery <> ?4";

pub(super) fn claim(tx: &mut Tx<'_>, order: &ClaimOrder) -> Outcome<Claimed> {
    let mut claimed = Claimed::default();
    recover(tx, order, &mut claimed.noticed)?;
    give_up(tx, order, &mut claimed.noticed)?;
    claimed.next = tx.conn.prepare_cached(NEXT_GIVE_UP)?.query_row([], |row| row.get(0)).optional()?;
    for (name, limits) in &order.channels {
        let sql = "SELECT * FROM channel WHERE name = ?1 AND removed_at IS NULL AND enabled";
        let found = tx.conn.prepare_cached(sql)?.query_row([name], ChannelRow::read).optional()?;
        let Some(channel) = found else { continue };
        let next = of_channel(tx, channel, limits, order, &mut claimed)?;
        claimed.next = [claimed.next, next].into_iter().flatten().min();
    }
    claimed.next = [claimed.next, next_back(tx)?].into_iter().flatten().min();
    Ok(claimed)
}

/// Leases lanes of one channel; when there may be more to do.
fn of_channel(
    tx: &mut Tx<'_>,
    mut channel: ChannelRow,
    limits: &Limits,
    order: &ClaimOrder,
    claimed: &mut Claimed,
) -> Outcome<Option<Millis>> {
    let gate = channel.health.gate(tx.now);
    if let Gate::Closed(until) = gate {
        return Ok(first_due(tx.conn, &channel)?.map(|due| due.max(until)));
    }
    let busy: usize = tx.conn.prepare_cached(BUSY)?.query_row((channel.id.0, tx.now), |row| row.get(0))?;
    let mut room = limits.at_once.saturating_sub(busy);
    if gate == Gate::Probe {
        room = room.min(1);
    }
    while room > 0 && claimed.jobs.len() < order.most {
        let Some(lane) = due_lane(tx, &channel)? else { break };
        if let Some(free_at) = rate_limited(tx.conn, lane.id, limits, tx.now)? {
            let sql = "UPDATE lane SET due_at = ?2, free_at = ?2 WHERE id = ?1";
            tx.conn.prepare_cached(sql)?.execute((lane.id.0, free_at))?;
            continue;
        }
        let Some(work) = pick(tx, &channel, &lane, limits, order, &mut claimed.noticed)? else { continue };
        let sql =
            "UPDATE lane SET leased = 1, leases = leases + 1, due_at = ?2 WHERE id = ?1 RETURNING leases";
        let until = tx.now.saturating_add(order.lease_ms);
        let token = tx.conn.prepare_cached(sql)?.query_row((lane.id.0, until), |row| row.get(0))?;
        let lease = Lease { lane: lane.id, token };
        claimed.jobs.push(Job { lease, channel: channel.name.clone(), address: lane.address, work });
        room -= 1;
        if gate == Gate::Probe {
            channel.health.probe_until = until;
            channel.save_health(tx.conn)?;
            return Ok(Some(until));
        }
    }
    if room == 0 {
        // Whoever gives a lane back says so.
        return Ok(None);
    }
    first_due(tx.conn, &channel)
}

fn first_due(conn: &Connection, channel: &ChannelRow) -> Outcome<Option<Millis>> {
    Ok(conn.prepare_cached(FIRST_DUE)?.query_row([channel.id.0], |row| row.get(0)).optional()?)
}

struct DueLane {
    id: LaneId,
    address: String,
}

fn due_lane(tx: &Tx<'_>, channel: &ChannelRow) -> Outcome<Option<DueLane>> {
    let read = |row: &rusqlite::Row<'_>| Ok(DueLane { id: LaneId(row.get(0)?), address: row.get(1)? });
    Ok(tx.conn.prepare_cached(DUE_LANE)?.query_row((channel.id.0, tx.now), read).optional()?)
}

/// Until when nothing may be sent to a lane; nothing: it may now. A window is counted from the end of each try: by then
/// the platform has counted it.
fn rate_limited(conn: &Connection, lane: LaneId, limits: &Limits, now: Millis) -> Outcome<Option<Millis>> {
    let mut sql = conn.prepare_cached(NTH_LAST)?;
    let mut free_at = None;
    for (most, window) in &limits.windows {
        let place = (lane.0, now.saturating_sub(*window), most.saturating_sub(1));
        let oldest: Option<Millis> = sql.query_row(place, |row| row.get(0)).optional()?;
        // Clocks are set back: what seems to be in the future is not waited for longer than a window.
        let free = oldest.map(|at| at.min(now).saturating_add(*window));
        free_at = free_at.max(free);
    }
    Ok(free_at.filter(|at| *at > now))
}

/// What to send to this lane. Nothing: its time was put off, or something of it ended; look again.
fn pick(
    tx: &mut Tx<'_>,
    channel: &ChannelRow,
    lane: &DueLane,
    limits: &Limits,
    order: &ClaimOrder,
    noticed: &mut Noticed,
) -> Outcome<Option<Work>> {
    let waiting = waiting(tx.conn, lane.id, 1)?;
    let Some(head) = waiting.into_iter().next().filter(|head| head.due_at <= tx.now) else {
        row::release(tx.conn, lane.id)?;
        // A rate limit that is over must not put off what is due.
        tx.conn.prepare_cached("UPDATE lane SET free_at = 0 WHERE id = ?1")?.execute([lane.id.0])?;
        return Ok(None);
    };
    if let Some(at) = head.history.unsure_at
        && tx.now >= at.saturating_add(limits.repeat_safe_ms)
    {
        // It was put off until the platform would not recognise it any more.
        let end =
            End { state: DeliveryState::Unknown, code: Some(codes::UNKNOWN), reason: None, msgid: None };
        row::end(tx, head.id, &end, tx.now)?;
        noticed.unknown += 1;
        noticed.alerts += u64::from(fall::tell(tx, &head, &end, order.herald.as_ref())?);
        return Ok(None);
    }
    if head.seq == 0 {
        let body = head.body.clone().unwrap_or_default();
        return Ok(Some(Work::Again { id: head.id, body, history: head.history }));
    }
    if let Some(over) = limits.digest_over {
        let looked = (lane.id.0, tx.now, over + 1);
        let due: usize = tx.conn.prepare_cached(COUNT_DUE)?.query_row(looked, |row| row.get(0))?;
        if due > over {
            return digest(tx, channel, lane, order, noticed);
        }
    }
    if let Some(at) = seen_lately(tx.conn, lane.id, &head, limits, tx.now)? {
        let sql = "UPDATE delivery SET due_at = ?2 WHERE id = ?1";
        tx.conn.prepare_cached(sql)?.execute((head.id.0, at))?;
        return Ok(None);
    }
    Ok(item(tx, channel, head, order, noticed)?.map(|item| Work::One(Box::new(item))))
}

fn waiting(conn: &Connection, lane: LaneId, most: usize) -> Outcome<Vec<DeliveryRow>> {
    let mut sql = conn.prepare_cached(WAITING)?;
    let rows = sql.query_map((lane.0, most), DeliveryRow::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn digest(
    tx: &mut Tx<'_>,
    channel: &ChannelRow,
    lane: &DueLane,
    order: &ClaimOrder,
    noticed: &mut Noticed,
) -> Outcome<Option<Work>> {
    let mut items = Vec::new();
    for row in waiting(tx.conn, lane.id, DIGEST_OFFER)? {
        if row.due_at <= tx.now && row.seq != 0 {
            items.extend(item(tx, channel, row, order, noticed)?);
        }
    }
    Ok((!items.is_empty()).then_some(Work::Digest(items)))
}

/// When the same content may be sent to this lane again, if that is not now. A repetition of the same delivery is not
/// meant: it has the same key.
fn seen_lately(
    conn: &Connection,
    lane: LaneId,
    head: &DeliveryRow,
    limits: &Limits,
    now: Millis,
) -> Outcome<Option<Millis>> {
    if limits.same_content_ms == 0 {
        return Ok(None);
    }
    let since = now.saturating_sub(limits.same_content_ms);
    let place = (lane.0, since, head.content, head.id.0);
    let last: Option<Millis> = conn.prepare_cached(SAME_CONTENT)?.query_row(place, |row| row.get(0))?;
    Ok(last.map(|at| at.min(now).saturating_add(limits.same_content_ms)))
}

/// All that sending needs. Nothing: the message is gone, and so the delivery ended.
fn item(
    tx: &mut Tx<'_>,
    channel: &ChannelRow,
    row: DeliveryRow,
    order: &ClaimOrder,
    noticed: &mut Noticed,
) -> Outcome<Option<Item>> {
    // A report has its own body.
    let found = message::at(&tx.view(), row.seq)?.filter(|found| !found.pruned || row.what > 0);
    let Some(found) = found else {
        let state = or_unknown(DeliveryState::Failed, row.history.unsure_at);
        let end = End { state, code: Some(codes::PRUNED), reason: None, msgid: None };
        row::end(tx, row.id, &end, tx.now)?;
        noticed.ended(state, codes::PRUNED);
        noticed.alerts += u64::from(fall::tell(tx, &row, &end, order.herald.as_ref())?);
        return Ok(None);
    };
    let mentions = mentions(tx.conn, channel, &found, &row)?;
    let sql = "SELECT name FROM user WHERE id = ?1";
    let user = tx.conn.prepare_cached(sql)?.query_row([row.user], |row| row.get(0)).optional()?;
    let message = found.marked(tx.now);
    Ok(Some(Item {
        id: row.id,
        key: key(message.id, (row.user, row.what), channel.id, row.intent),
        message,
        user,
        mentions,
        body: row.body,
        history: row.history,
    }))
}

/// Userids, at a group, of the people that a message is for, or that are meant this time. A report names nobody.
fn mentions(
    conn: &Connection,
    channel: &ChannelRow,
    found: &message::Found,
    row: &DeliveryRow,
) -> Outcome<Vec<String>> {
    if !channel.kind.is_group() || row.what > 0 {
        return Ok(Vec::new());
    }
    if let Some(people) = &row.mentions {
        let sql = "SELECT b.address FROM json_each(?2) p CROSS JOIN binding b ON b.channel = ?1 AND b.user = p.value \
                   ORDER BY b.address";
        let mut sql = conn.prepare_cached(sql)?;
        let people = log::ids_text(people.iter().copied());
        let rows = sql.query_map((channel.id.0, people), |row| row.get(0))?;
        return Ok(rows.collect::<Result<_, _>>()?);
    }
    let sql = "SELECT b.address FROM binding b JOIN member m ON m.user = b.user WHERE b.channel = ?1 AND m.topic = ?2 \
               AND m.from_seq < ?3 AND (m.to_seq IS NULL OR m.to_seq >= ?3) ORDER BY b.address";
    let mut sql = conn.prepare_cached(sql)?;
    let rows = sql.query_map((channel.id.0, found.topic(), found.seq), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The clock was set back.
pub(super) fn mend(tx: &mut Tx<'_>, lease_ms: Millis) -> Outcome<u64> {
    let sql = "UPDATE delivery SET due_at = min(due_at, ?1), since = ?1, \
               give_up_at = CASE WHEN expires THEN give_up_at ELSE min(give_up_at, ?2) END WHERE state = 0 AND since > ?1";
    let give_up = tx.now.saturating_add(GIVE_UP_AFTER);
    let mended = tx.conn.prepare_cached(sql)?.execute((tx.now, give_up))? as u64;
    let sql = "UPDATE lane SET due_at = ?1 WHERE leased = 1 AND due_at > ?1";
    let until = tx.now.saturating_add(lease_ms);
    let leased = tx.conn.prepare_cached(sql)?.execute([until])?;
    if mended > 0 || leased > 0 {
        let lanes: Vec<i64> = {
            let mut sql = tx.conn.prepare_cached("SELECT id FROM lane WHERE leased = 0 AND due_at > ?1")?;
            let rows = sql.query_map([tx.now], |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        for lane in lanes {
            // The rate limit is read off the tries again, and waits for no more than a window.
            tx.conn.prepare_cached("UPDATE lane SET free_at = 0 WHERE id = ?1")?.execute([lane])?;
            row::release(tx.conn, LaneId(lane))?;
        }
        tx.due = true;
    }
    Ok(mended + probe(tx, mended > 0 || leased > 0)?)
}

/// Channels that the later clock closed are tried now. At a start nothing may have been set back: then only a try that is
/// still to end tells of it.
fn probe(tx: &mut Tx<'_>, set_back: bool) -> Outcome<u64> {
    let channels: Vec<ChannelRow> = {
        let sql = "SELECT * FROM channel c WHERE max(c.open_until, c.probe_until) > ?1 AND (?2 OR EXISTS \
                   (SELECT 1 FROM lane l JOIN attempt a ON a.lane = l.id WHERE l.channel = c.id AND a.ended_at > ?1))";
        let mut sql = tx.conn.prepare_cached(sql)?;
        let rows = sql.query_map((tx.now, set_back), ChannelRow::read)?;
        rows.collect::<Result<_, _>>()?
    };
    let mut probing = 0;
    for mut channel in channels {
        if channel.health.set_back(tx.now) {
            channel.save_health(tx.conn)?;
            tx.due = true;
            probing += 1;
        }
    }
    Ok(probing)
}

/// Ends what waited for too long, and what has nowhere to go.
fn give_up(tx: &mut Tx<'_>, order: &ClaimOrder, noticed: &mut Noticed) -> Outcome<()> {
    let rows: Vec<DeliveryRow> = {
        let mut sql = tx.conn.prepare_cached(GIVE_UP)?;
        let rows = sql.query_map((tx.now, GIVE_UP_MOST), DeliveryRow::read)?;
        rows.collect::<Result<_, _>>()?
    };
    for row in rows {
        let (state, code) = too_late(row.lane, row.history.unsure_at, row.expires);
        let reason = row.reason.as_deref().filter(|_| row.lane == NOWHERE);
        let end = End { state, code: Some(code), reason, msgid: None };
        row::end(tx, row.id, &end, tx.now)?;
        noticed.ended(state, code);
        noticed.alerts += u64::from(fall::tell(tx, &row, &end, order.herald.as_ref())?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use rusqlite::types::Value;

    use super::{super::super::migrate, super::recover, *};

    /// As many timers as one desk will ever have, one of them due in a second, and as many tries.
    const TIMERS: i64 = 100_000;

    fn full() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate::migrate(&mut conn, std::path::Path::new(""), migrate::STEPS).unwrap();
        conn.execute_batch(&format!(
            "INSERT INTO channel (id, name, kind, display_name, config, enabled, created_at, budget, budget_at) \
             VALUES (1, 'app', 1, 'app', '{{}}', 1, 0, 1.0, 0);
             CREATE TEMP TABLE n AS WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {TIMERS}) \
             SELECT n FROM n;
             INSERT INTO lane (id, channel, address, due_at) SELECT n, 1, 'a' || n, 1000 + n FROM n;
             INSERT INTO delivery (seq, user, channel, lane, state, due_at, give_up_at, expires, content, created_at, since) \
             SELECT n, n, 1, CASE WHEN n % 2 THEN 1 ELSE n END, 0, 1000 + n, 90000 + n, 0, n, 0, 0 FROM n;
             INSERT INTO delivery (seq, user, channel, lane, state, due_at, give_up_at, expires, content, created_at, since) \
             SELECT n + {TIMERS}, n, 1, n, 3, n, n, 0, n, 0, 0 FROM n;
             INSERT INTO attempt (delivery, lane, round, content, started_at, ended_at, result) \
             SELECT n, CASE WHEN n % 2 THEN 1 ELSE n END, 0, n, n, n, 1 FROM n;"
        ))
        .unwrap();
        conn
    }

    /// What SQLite does for a statement, in steps of its machine: the same whatever the computer.
    fn steps(conn: &mut Connection, sql: &str, values: &[i64]) -> u64 {
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        conn.progress_handler(
            1,
            Some(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                false
            }),
        )
        .unwrap();
        {
            let mut sql = conn.prepare(sql).unwrap();
            let values = values.iter().map(|value| Value::Integer(*value));
            let mut rows = sql.query(rusqlite::params_from_iter(values)).unwrap();
            while rows.next().unwrap().is_some() {}
        }
        conn.progress_handler(1, None::<fn() -> bool>).unwrap();
        count.load(Ordering::Relaxed)
    }

    #[test]
    fn finding_what_is_due_scans_nothing_that_is_not() {
        let mut conn = full();
        for (sql, values) in [
            (NEXT_GIVE_UP, &[][..]),
            (GIVE_UP, &[90_001, 200]),
            (BUSY, &[1, 0]),
            (recover::NEXT_BACK, &[]),
            (recover::BACK, &[1]),
            (FIRST_DUE, &[1]),
            (DUE_LANE, &[1, 1001]),
            (WAITING, &[1, 1]),
            (COUNT_DUE, &[1, 1_000_000, 21]),
            (recover::SENDING, &[1]),
            (row::RELEASE, &[1]),
            (row::WAKE, &[1, 5]),
            (NTH_LAST, &[1, 90_000, 19]),
            (SAME_CONTENT, &[1, 99_900, 7, 7]),
        ] {
            let plan: Vec<String> = {
                let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let values = values.iter().map(|value| Value::Integer(*value));
                let rows = explain.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap();
                rows.collect::<Result<_, _>>().unwrap()
            };
            let sorted = |line: &String| {
                line.contains("TEMP B-TREE") || !(line.contains("INDEX") || line.contains("PRIMARY KEY"))
            };
            let read = |line: &&String| line.contains("delivery") || line.contains("lane ");
            assert!(!plan.iter().filter(read).any(sorted), "{sql}: {plan:?}");
            let steps = steps(&mut conn, sql, values);
            assert!(steps < 1500, "{sql}: {steps} steps with {TIMERS} timers");
        }
    }
}

//! Rows of the outbox and the numbers in them.

use rusqlite::{Connection, OptionalExtension as _, Row};
use tocsin_protocol::{
    DeliveryState, Millis, Seq,
    delivery::{AttemptResult, ChannelKind},
};

use super::{
    super::{fault::Outcome, log, tx::Tx},
    step,
};
use crate::{
    Error, UserId,
    outbox::{ChannelId, DeliveryId, History, LaneId, health::Health},
};

/// Numbers of states. 0 and 1 have indexes of their own: see the schema.
pub(super) const STATES: [DeliveryState; 9] = [
    DeliveryState::Queued,
    DeliveryState::Sending,
    DeliveryState::Merged,
    DeliveryState::Accepted,
    DeliveryState::Confirmed,
    DeliveryState::Failed,
    DeliveryState::Unknown,
    DeliveryState::Expired,
    DeliveryState::Cancelled,
];
const RESULTS: [AttemptResult; 6] = [
    AttemptResult::Running,
    AttemptResult::Accepted,
    AttemptResult::Refused,
    AttemptResult::Unknown,
    AttemptResult::NotSent,
    AttemptResult::Lost,
];
const KINDS: [ChannelKind; 4] =
    [ChannelKind::Wechat, ChannelKind::Wecom, ChannelKind::WecomRobot, ChannelKind::Webhook];

fn place<T: PartialEq>(list: &[T], item: &T) -> i64 {
    list.iter().position(|known| known == item).map_or(-1, |place| i64::try_from(place).unwrap_or(-1))
}

fn at<T: Copy>(list: &[T], number: i64, column: &str) -> rusqlite::Result<T> {
    let found = usize::try_from(number).ok().and_then(|place| list.get(place)).copied();
    found.ok_or_else(|| rusqlite::Error::IntegralValueOutOfRange(0, number)).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            0,
            rusqlite::types::Type::Integer,
            format!("{column}: {error}").into(),
        )
    })
}

pub(super) fn state_number(state: DeliveryState) -> i64 {
    place(&STATES, &state)
}

pub(in crate::sqlite) fn state(number: i64) -> rusqlite::Result<DeliveryState> {
    at(&STATES, number, "state")
}

pub(super) fn result_number(result: AttemptResult) -> i64 {
    place(&RESULTS, &result)
}

pub(super) fn result(number: i64) -> rusqlite::Result<AttemptResult> {
    at(&RESULTS, number, "result")
}

pub(super) fn kind_number(kind: ChannelKind) -> i64 {
    place(&KINDS, &kind)
}

pub(super) fn kind(number: i64) -> rusqlite::Result<ChannelKind> {
    at(&KINDS, number, "kind")
}

/// A channel that was not removed.
pub(super) struct ChannelRow {
    pub(super) id: ChannelId,
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) kind: ChannelKind,
    pub(super) enabled: bool,
    pub(super) config: String,
    pub(super) created_at: Millis,
    pub(super) health: Health,
}

impl ChannelRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let code: Option<String> = row.get("code")?;
        let reason: Option<String> = row.get("reason")?;
        Ok(Self {
            id: ChannelId(row.get("id")?),
            name: row.get("name")?,
            display_name: row.get("display_name")?,
            kind: kind(row.get("kind")?)?,
            enabled: row.get("enabled")?,
            config: row.get("config")?,
            created_at: row.get("created_at")?,
            health: Health {
                fails: row.get("fails")?,
                opens: row.get("opens")?,
                open_until: row.get("open_until")?,
                probe_until: row.get("probe_until")?,
                why: code.zip(reason),
                budget: row.get("budget")?,
                budget_at: row.get("budget_at")?,
            },
        })
    }

    pub(super) fn named(conn: &Connection, name: &str) -> Outcome<Self> {
        let sql = "SELECT * FROM channel WHERE name = ?1 AND removed_at IS NULL";
        let found = conn.prepare_cached(sql)?.query_row([name], Self::read).optional()?;
        found.ok_or_else(|| Error::NotFound("channel").into())
    }

    /// By its id, removed or not.
    pub(super) fn of(conn: &Connection, id: ChannelId) -> Outcome<Self> {
        let sql = "SELECT * FROM channel WHERE id = ?1";
        Ok(conn.prepare_cached(sql)?.query_row([id.0], Self::read)?)
    }

    pub(super) fn save_health(&self, conn: &Connection) -> Outcome<()> {
        let sql = "UPDATE channel SET fails = ?2, opens = ?3, open_until = ?4, probe_until = ?5, code = ?6, reason = ?7, \
                   budget = ?8, budget_at = ?9 WHERE id = ?1";
        let health = &self.health;
        let (code, reason) = health.why.clone().unzip();
        conn.prepare_cached(sql)?.execute((
            self.id.0,
            health.fails,
            health.opens,
            health.open_until,
            health.probe_until,
            code,
            reason,
            health.budget,
            health.budget_at,
        ))?;
        Ok(())
    }
}

/// A delivery as the verbs that change it need it.
pub(super) struct DeliveryRow {
    pub(super) id: DeliveryId,
    /// 0: a digest.
    pub(super) seq: Seq,
    /// 0: a group.
    pub(super) user: i64,
    /// 0: the message; above: a report of a milestone.
    pub(super) what: i64,
    /// Of a group only these people, by their numbers.
    pub(super) mentions: Option<Vec<i64>>,
    /// Of a group these people when this round is over.
    pub(super) also: Vec<i64>,
    pub(super) channel: ChannelId,
    pub(super) lane: LaneId,
    pub(super) state: DeliveryState,
    pub(super) due_at: Millis,
    pub(super) expires: bool,
    pub(super) content: i64,
    pub(super) intent: i64,
    pub(super) round: u32,
    pub(super) last_attempt: Option<i64>,
    pub(super) body: Option<String>,
    pub(super) code: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) history: History,
}

impl DeliveryRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: DeliveryId(row.get("id")?),
            seq: row.get("seq")?,
            user: row.get("user")?,
            what: row.get("what")?,
            mentions: row.get::<_, Option<String>>("mentions")?.map(|text| log::ids(&text)),
            also: row.get::<_, Option<String>>("also")?.map(|text| log::ids(&text)).unwrap_or_default(),
            channel: ChannelId(row.get("channel")?),
            lane: LaneId(row.get("lane")?),
            state: state(row.get("state")?)?,
            due_at: row.get("due_at")?,
            expires: row.get("expires")?,
            content: row.get("content")?,
            intent: row.get("intent")?,
            round: row.get("round")?,
            last_attempt: row.get("last_attempt")?,
            body: row.get("body")?,
            code: row.get("code")?,
            reason: row.get("reason")?,
            history: History {
                attempts: row.get("attempts")?,
                busy: row.get("busy")?,
                duplicates: row.get("duplicates")?,
                unsure_at: row.get("unsure_at")?,
                resent: row.get::<_, u32>("round")? > 0,
            },
        })
    }

    pub(super) fn of(conn: &Connection, id: DeliveryId) -> Outcome<Self> {
        let sql = "SELECT * FROM delivery WHERE id = ?1";
        let found = conn.prepare_cached(sql)?.query_row([id.0], Self::read).optional()?;
        found.ok_or_else(|| Error::NotFound("delivery").into())
    }
}

/// How a delivery ends: its state and why.
pub(super) struct End<'a> {
    pub(super) state: DeliveryState,
    pub(super) code: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    pub(super) msgid: Option<&'a str>,
}

/// Whether a platform says that a message arrived at a person, or, if that is enough, that it took it.
pub(in crate::sqlite) fn arrived(conn: &Connection, user: UserId, seq: Seq, taken: bool) -> Outcome<bool> {
    let sql = "SELECT 1 FROM delivery WHERE seq = ?1 AND seq > 0 AND user = ?2 AND what = 0 AND (state = 4 OR (?3 AND state = 3))";
    Ok(conn.prepare_cached(sql)?.exists((seq, user.0, taken))?)
}

/// Ends a delivery and, when it is a digest, what it carries; whoever watches the outbox hears of it. The body of a
/// report is kept: it is made once. Whoever was asked for meanwhile comes next.
pub(super) fn end(tx: &mut Tx<'_>, id: DeliveryId, end: &End<'_>, now: Millis) -> Outcome<()> {
    tx.due = true;
    let conn = tx.conn;
    let state = state_number(end.state);
    let sql = "UPDATE delivery SET state = ?2, code = ?3, reason = ?4, msgid = ?5, since = ?6, \
               body = CASE WHEN what > 0 THEN body END WHERE id = ?1";
    conn.prepare_cached(sql)?.execute((id.0, state, end.code, end.reason, end.msgid, now))?;
    let sql = "UPDATE delivery SET state = ?2, code = ?3, reason = ?4, msgid = ?5, since = ?6, body = NULL \
               WHERE digest = ?1 AND state IN (2, 6)";
    conn.prepare_cached(sql)?.execute((id.0, state, end.code, end.reason, end.msgid, now))?;
    step::mention_others(tx, id)
}

pub(super) const RELEASE: &str = "UPDATE lane SET leased = 0, due_at = max(free_at, \
     (SELECT d.due_at FROM delivery d WHERE d.lane = lane.id AND d.state = 0 ORDER BY d.due_at, d.id LIMIT 1)) WHERE id = ?1";
pub(super) const WAKE: &str = "UPDATE lane SET due_at = max(?2, free_at) WHERE id = ?1 AND leased = 0 \
     AND (due_at IS NULL OR due_at > max(?2, free_at))";

/// Gives a lane back: it is due when its first waiting delivery is and the rate limit allows.
pub(super) fn release(conn: &Connection, lane: LaneId) -> Outcome<()> {
    conn.prepare_cached(RELEASE)?.execute([lane.0])?;
    Ok(())
}

/// Something of a lane is due at this time: unless it is leased (giving it back looks again), so is the lane.
pub(super) fn wake(conn: &Connection, lane: LaneId, at: Millis) -> Outcome<()> {
    conn.prepare_cached(WAKE)?.execute((lane.0, at))?;
    Ok(())
}

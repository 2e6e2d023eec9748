//! Rows of escalations and the numbers in them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow};
use tocsin_protocol::{
    EscalationState, Millis, Seq,
    escalation::{PolicySettings, StepOutcome},
};

use super::super::{fault::Outcome, message::Found};
use crate::{
    Error, UserId,
    escalation::plan::{Progress, Rules},
};

const STATES: [EscalationState; 6] = [
    EscalationState::Running,
    EscalationState::Acknowledged,
    EscalationState::Expired,
    EscalationState::Cancelled,
    EscalationState::Superseded,
    EscalationState::Exhausted,
];
const OUTCOMES: [StepOutcome; 3] = [StepOutcome::Notified, StepOutcome::Held, StepOutcome::Nobody];

fn place<T: PartialEq>(list: &[T], item: &T) -> i64 {
    list.iter().position(|known| known == item).map_or(-1, |place| i64::try_from(place).unwrap_or(-1))
}

fn at<T: Copy>(list: &[T], number: i64) -> rusqlite::Result<T> {
    let found = usize::try_from(number).ok().and_then(|place| list.get(place)).copied();
    found.ok_or(rusqlite::Error::IntegralValueOutOfRange(0, number))
}

pub(super) fn state(number: i64) -> rusqlite::Result<EscalationState> {
    at(&STATES, number)
}

pub(super) fn outcome(number: i64) -> rusqlite::Result<StepOutcome> {
    at(&OUTCOMES, number)
}

pub(super) fn outcome_number(outcome: StepOutcome) -> i64 {
    place(&OUTCOMES, &outcome)
}

/// What the writer knows of escalations. While there are none, and no reports, publishing and acknowledging cost nothing
/// here.
#[derive(Default)]
pub(in crate::sqlite) struct Escalating {
    /// There is or was one.
    pub(super) used: bool,
    /// Messages with a report to come, and their copies → the message that it is about.
    pub(super) watched: BTreeMap<Seq, Seq>,
}

impl Escalating {
    pub(in crate::sqlite) fn load(conn: &Connection) -> Outcome<Self> {
        let used = conn.prepare_cached("SELECT 1 FROM escalation LIMIT 1")?.exists([])?;
        let sql = "SELECT DISTINCT seq, seq FROM report INDEXED BY report_open WHERE done = 0 UNION ALL \
                   SELECT m.seq, m.escalates FROM message m INDEXED BY message_escalates WHERE m.escalates IN \
                   (SELECT seq FROM report INDEXED BY report_open WHERE done = 0)";
        let mut sql = conn.prepare_cached(sql)?;
        let rows = sql.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { used, watched: rows.collect::<Result<_, _>>()? })
    }
}

/// One escalation.
pub(super) struct Row {
    pub(super) seq: Seq,
    pub(super) policy: String,
    pub(super) config: PolicySettings,
    pub(super) progress: Progress,
    pub(super) state: EscalationState,
    pub(super) ended_at: Option<Millis>,
    pub(super) ended_by: Option<i64>,
}

impl Row {
    /// One that begins; of no message yet.
    pub(super) fn running(config: PolicySettings) -> Self {
        let progress = Progress { base: 0, step: 0, repeat: 0, told: Vec::new(), since: 0, due_at: None };
        let state = EscalationState::Running;
        Self { seq: 0, policy: String::new(), config, progress, state, ended_at: None, ended_by: None }
    }

    fn read(row: &SqlRow<'_>) -> rusqlite::Result<(Self, String)> {
        let progress = Progress {
            base: row.get("base")?,
            step: row.get("step")?,
            repeat: row.get("repeat")?,
            told: serde_json::from_str(&row.get::<_, String>("told")?).unwrap_or_default(),
            since: row.get("since")?,
            due_at: row.get("due_at")?,
        };
        let read = Self {
            seq: row.get("seq")?,
            policy: row.get("policy")?,
            config: PolicySettings::default(),
            progress,
            state: state(row.get("state")?)?,
            ended_at: row.get("ended_at")?,
            ended_by: row.get("ended_by")?,
        };
        Ok((read, row.get("config")?))
    }

    /// That of a message.
    pub(super) fn of(conn: &Connection, seq: Seq) -> Outcome<Option<Self>> {
        let sql = "SELECT * FROM escalation WHERE seq = ?1";
        let found = conn.prepare_cached(sql)?.query_row([seq], Self::read).optional()?;
        let Some((row, config)) = found else { return Ok(None) };
        let config = serde_json::from_str(&config).map_err(|error| Error::Damaged(error.to_string()))?;
        Ok(Some(Self { config, ..row }))
    }

    /// Its clockwork.
    pub(super) fn rules(&self, found: &Found) -> Rules<'_> {
        let message = &found.stored.message;
        Rules::new(&self.config, message.priority, message.expires_at)
    }

    /// Writes a new one.
    pub(super) fn insert(&self, conn: &Connection, config: &str) -> Outcome<()> {
        let sql = "INSERT INTO escalation (seq, policy, config, base, step, repeat, told, since, due_at, state, \
                   ended_at, ended_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        let progress = &self.progress;
        conn.prepare_cached(sql)?.execute((
            self.seq,
            &self.policy,
            config,
            progress.base,
            progress.step,
            progress.repeat,
            serde_json::to_string(&progress.told).unwrap_or_default(),
            progress.since,
            progress.due_at,
            place(&STATES, &self.state),
            self.ended_at,
            self.ended_by,
        ))?;
        Ok(())
    }

    /// Keeps where it is.
    pub(super) fn save(&self, conn: &Connection) -> Outcome<()> {
        let sql = "UPDATE escalation SET base = ?2, step = ?3, repeat = ?4, told = ?5, since = ?6, due_at = ?7 WHERE seq = ?1";
        let progress = &self.progress;
        conn.prepare_cached(sql)?.execute((
            self.seq,
            progress.base,
            progress.step,
            progress.repeat,
            serde_json::to_string(&progress.told).unwrap_or_default(),
            progress.since,
            progress.due_at,
        ))?;
        Ok(())
    }

    /// Ends it.
    pub(super) fn end(
        &self,
        conn: &Connection,
        state: EscalationState,
        at: Millis,
        by: Option<UserId>,
    ) -> Outcome<()> {
        let sql =
            "UPDATE escalation SET state = ?2, ended_at = ?3, ended_by = ?4, due_at = NULL WHERE seq = ?1";
        let by = by.map(|user| user.0);
        conn.prepare_cached(sql)?.execute((self.seq, place(&STATES, &state), at, by))?;
        Ok(())
    }

    /// Whether an acknowledgement still ends it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, EscalationState::Running | EscalationState::Exhausted)
    }
}

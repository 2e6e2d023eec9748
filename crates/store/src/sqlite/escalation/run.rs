//! Steps whose time has come.
//!
//! Each is evaluated, told and booked in the writer's transaction: whoever asks next finds it done.

use rusqlite::OptionalExtension as _;
use tocsin_protocol::{
    EscalationState, Millis, Seq, State,
    escalation::{Notify, Step, StepOutcome},
};

use super::{
    super::{
        fault::Outcome,
        log,
        message::{self, Found},
        receipt::{
            counts_of,
            standing::{self, Standing},
        },
        tx::{Tx, user_id},
    },
    notify::{self, Target, Told},
    report,
    row::{self, Row},
    settle, silence,
};
use crate::{
    escalation::{
        BACK_MS, Ran, RanStep, RunOrder,
        plan::{number, settles},
    },
    rules,
};

// The index is named: without statistics the planner may take another.
pub(super) const DUE: &str =
    "SELECT seq FROM escalation INDEXED BY escalation_due WHERE due_at <= ?1 ORDER BY due_at, seq LIMIT ?2";
pub(super) const NEXT: &str = "SELECT due_at FROM escalation INDEXED BY escalation_due WHERE due_at IS NOT NULL \
     ORDER BY due_at LIMIT 1";

/// People looked at in one transaction, the last escalation's in full: publishes wait no longer than for these.
const PEOPLE_MOST: usize = 5000;

pub(super) fn run_due(tx: &mut Tx<'_>, order: &RunOrder) -> Outcome<Ran> {
    set_back(tx)?;
    let mut ran = Ran::default();
    let due: Vec<Seq> = {
        let mut sql = tx.conn.prepare_cached(DUE)?;
        let rows = sql.query_map((tx.now, order.most), |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    let mut room = PEOPLE_MOST;
    for seq in due {
        // The rest is due still, and next.
        if room == 0 {
            break;
        }
        one(tx, seq, &mut room, &mut ran)?;
    }
    ran.missed = report::expire(tx, order.most, &mut room)?;
    if let Some(words) = &order.words {
        if order.woke {
            silence::wait(tx)?;
        }
        ran.silences = silence::look(tx, words, order.most)?;
    }
    ran.next = next(tx, order)?;
    Ok(ran)
}

fn next(tx: &Tx<'_>, order: &RunOrder) -> Outcome<Option<Millis>> {
    let conn = tx.conn;
    let mut next: Option<Millis> = None;
    if order.words.is_some() && conn.prepare_cached(silence::SPEAKS)?.exists([])? {
        next = Some(tx.now);
    }
    let silence = order.words.is_some().then_some(silence::NEXT);
    for sql in [Some(NEXT), Some(report::NEXT), silence].into_iter().flatten() {
        let at: Option<Millis> = conn.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
        next = [next, at].into_iter().flatten().min();
    }
    Ok(next)
}

/// The latest time by which something was planned that is still to come.
const PLANNED: &str = "SELECT max(at) FROM (SELECT ?1 AS at \
     UNION ALL SELECT max(since) FROM escalation INDEXED BY escalation_due WHERE due_at IS NOT NULL \
     UNION ALL SELECT max(expected_by - expect_every_ms) FROM topic WHERE expected_by IS NOT NULL)";

/// The clock was set back: what was planned by the later one moves. Reads all that runs, but only then.
fn set_back(tx: &mut Tx<'_>) -> Outcome<()> {
    if !tx.shared.went_back(tx.now, BACK_MS) {
        return Ok(());
    }
    let seqs: Vec<Seq> = {
        let sql =
            "SELECT seq FROM escalation INDEXED BY escalation_due WHERE due_at IS NOT NULL AND since > ?1";
        let mut sql = tx.conn.prepare_cached(sql)?;
        let rows = sql.query_map([tx.now], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    for seq in seqs {
        let (Some(mut row), Some(found)) = (Row::of(tx.conn, seq)?, message::at(&tx.view(), seq)?) else {
            continue;
        };
        let mut progress = row.progress.clone();
        if progress.set_back(&row.rules(&found), tx.now) {
            row.progress = progress;
            row.save(tx.conn)?;
        }
    }
    let sql =
        "UPDATE topic SET expected_by = ?1 + expect_every_ms WHERE expected_by > ?1 + expect_every_ms + ?2";
    tx.conn.prepare_cached(sql)?.execute((tx.now, BACK_MS))?;
    // What was planned a little later than now stayed: it moves if the clock goes back by a little more.
    tx.set_back = Some(tx.conn.prepare_cached(PLANNED)?.query_row([tx.now], |row| row.get(0))?);
    Ok(())
}

fn one(tx: &mut Tx<'_>, seq: Seq, room: &mut usize, ran: &mut Ran) -> Outcome<()> {
    let Some(mut row) = Row::of(tx.conn, seq)? else { return Ok(()) };
    let found = message::at(&tx.view(), seq)?.filter(|found| !found.pruned);
    let expires_at = found.as_ref().and_then(|found| found.stored.message.expires_at);
    let expired = expires_at.filter(|at| *at <= tx.now);
    let Some(found) = found.filter(|_| expired.is_none()) else {
        // A body that is gone can be sent to nobody.
        return end(tx, &row, EscalationState::Expired, expired, ran);
    };
    let people = standing::all(&tx.view(), &found)?;
    *room = room.saturating_sub(people.len().max(1));
    let counts = counts_of(people.iter());
    if settles(&row.config, &counts) {
        // Whoever had not acknowledged it is not owed it any more.
        return settle::end(tx, &row, (tx.now, None));
    }
    let place = row.progress.step;
    let Some(step) = row.config.steps.get(place).cloned() else {
        return end(tx, &row, EscalationState::Exhausted, None, ran);
    };
    let (planned, repeat) = (row.progress.planned(&row.rules(&found)), row.progress.repeat);
    let (outcome, told) = if counts.reached(step.unless) {
        (StepOutcome::Held, Told::default())
    } else {
        let told = row.progress.told_of(&row.config.steps);
        let targets = targets(tx, &found, &people, &step, told)?;
        let ways: Vec<_> = step.via.iter().map(|way| (way.as_str(), targets.clone())).collect();
        let told = notify::tell(tx, &found, &ways, false)?;
        let outcome = if told.people.is_empty() { StepOutcome::Nobody } else { StepOutcome::Notified };
        (outcome, told)
    };
    book(tx, (seq, number(place), repeat, planned), outcome, &told)?;
    let mut progress = row.progress.clone();
    progress.ran(&row.rules(&found), tx.now);
    row.progress = progress;
    row.save(tx.conn)?;
    ran.steps.push(RanStep {
        message: found.stored.message.id,
        step: number(place),
        repeat,
        outcome,
        late_ms: tx.now.saturating_sub(planned),
    });
    Ok(())
}

fn end(tx: &mut Tx<'_>, row: &Row, state: EscalationState, at: Option<Millis>, ran: &mut Ran) -> Outcome<()> {
    row.end(tx.conn, state, at.unwrap_or(tx.now), None)?;
    ran.ended += 1;
    report::missed(tx, row.seq)
}

fn book(
    tx: &Tx<'_>,
    (seq, step, repeat, planned): (Seq, u32, u32, Millis),
    outcome: StepOutcome,
    told: &Told,
) -> Outcome<()> {
    let sql = "INSERT INTO step_run (seq, step, repeat, due_at, at, outcome, people, via) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let people = log::ids_text(told.people.iter().map(|user| user.0));
    let via = serde_json::to_string(&told.via).unwrap_or_default();
    let outcome = row::outcome_number(outcome);
    tx.conn.prepare_cached(sql)?.execute((seq, step, repeat, planned, tx.now, outcome, people, via))?;
    Ok(())
}

/// Whom a step tells.
fn targets(
    tx: &mut Tx<'_>,
    found: &Found,
    people: &[Standing],
    step: &Step,
    told: &mut usize,
) -> Outcome<Vec<Target>> {
    let wanted = step.unless.state();
    match &step.notify {
        Notify::Missing => Ok(people
            .iter()
            .filter(|person| rules::lacks(person.state, wanted))
            .map(|person| target(person, found.seq))
            .collect()),
        Notify::Next { people: list } => next_of(tx, found, people, (list, wanted), told),
    }
}

fn target(person: &Standing, root: Seq) -> Target {
    Target { user: person.user, seq: person.copy.map_or(root, |(_, seq)| seq), is_new: false }
}

/// The next of a list: whoever is gone, or as far as the step asks, is passed over.
fn next_of(
    tx: &mut Tx<'_>,
    found: &Found,
    people: &[Standing],
    (list, wanted): (&[String], State),
    told: &mut usize,
) -> Outcome<Vec<Target>> {
    for _ in 0..list.len() {
        let name = &list[*told % list.len()];
        *told += 1;
        let Ok(user) = user_id(tx.conn, name) else { continue };
        match people.iter().find(|person| person.user == user && person.state != State::Withdrawn) {
            Some(person) if person.state >= wanted => {}
            Some(person) => return Ok(vec![target(person, found.seq)]),
            None => return Ok(vec![notify::bring_in(tx, found, user)?]),
        }
    }
    Ok(Vec::new())
}

//! An escalation as a receipt tells it.

use std::collections::HashMap;

use rusqlite::Connection;
use tocsin_protocol::{Escalation, Seq, escalation::StepRun, receipt::NAMES_MOST};

use super::{
    super::{fault::Outcome, log, message::Found, view::View},
    row::{self, Row},
};

/// That of a message, if it has or had one.
pub(in crate::sqlite) fn told(view: &View<'_>, found: &Found) -> Outcome<Option<Escalation>> {
    let Some(row) = Row::of(view.conn, found.seq)? else { return Ok(None) };
    let names = names(view.conn, row.ended_by.iter().copied())?;
    let next = row.progress.next(&row.rules(found));
    Ok(Some(Escalation {
        state: row.state,
        ended_at: row.ended_at,
        by: row.ended_by.and_then(|by| names.get(&by).cloned()),
        next,
        steps: runs(view.conn, found.seq)?,
        policy: row.policy,
    }))
}

fn runs(conn: &Connection, seq: Seq) -> Outcome<Vec<StepRun>> {
    let sql =
        "SELECT step, repeat, due_at, at, outcome, people, via FROM step_run WHERE seq = ?1 ORDER BY id";
    let mut sql = conn.prepare_cached(sql)?;
    let rows = sql.query_map([seq], |row| {
        let (people, via): (String, String) = (row.get(5)?, row.get(6)?);
        let run = StepRun {
            step: row.get(0)?,
            repeat: row.get(1)?,
            due_at: row.get(2)?,
            at: row.get(3)?,
            outcome: row::outcome(row.get(4)?)?,
            people: Vec::new(),
            told: 0,
            via: serde_json::from_str(&via).unwrap_or_default(),
        };
        Ok((run, log::ids(&people)))
    })?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let names = names(conn, rows.iter().flat_map(|(_, people)| people.iter().copied()))?;
    let whole = |(run, people): (StepRun, Vec<i64>)| {
        let mut people: Vec<String> = people.iter().filter_map(|id| names.get(id).cloned()).collect();
        people.sort();
        let told = people.len() as u64;
        people.truncate(NAMES_MOST);
        StepRun { people, told, ..run }
    };
    Ok(rows.into_iter().map(whole).collect())
}

fn names(conn: &Connection, ids: impl Iterator<Item = i64>) -> Outcome<HashMap<i64, String>> {
    let ids = log::ids_text(ids);
    let sql = "SELECT DISTINCT u.id, u.name FROM json_each(?1) p CROSS JOIN user u ON u.id = p.value";
    let mut sql = conn.prepare_cached(sql)?;
    let rows = sql.query_map([ids], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

//! Finding what is due reads only what is due.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rusqlite::{Connection, types::Value};

use super::{super::migrate, report, run, silence};

/// As many timers as one desk will ever have.
const TIMERS: i64 = 100_000;

fn full() -> Connection {
    let mut conn = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut conn, std::path::Path::new(""), migrate::STEPS).unwrap();
    conn.execute_batch(&format!(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {TIMERS}) \
         SELECT n FROM n;
         INSERT INTO escalation (seq, policy, config, base, step, repeat, told, since, due_at, state) \
         SELECT n, 'p', '{{}}', 0, 0, 0, 0, 0, 1000 + n, 0 FROM n;
         INSERT INTO escalation (seq, policy, config, base, step, repeat, told, since, due_at, state) \
         SELECT {TIMERS} + n, 'p', '{{}}', 0, 0, 0, 0, 0, NULL, 1 FROM n;
         INSERT INTO report (seq, milestone, channel, due_at, done) SELECT n, 1, 1, 1000 + n, 0 FROM n;
         INSERT INTO report (seq, milestone, channel, due_at, done) SELECT n, 2, 1, n, 1 FROM n;
         INSERT INTO topic (id, name, description, created_at, expect_every_ms, expected_by) \
         SELECT n, 't' || n, '', 0, 10000, 1000 + n FROM n;"
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
        (run::DUE, &[1010, 100][..]),
        (run::NEXT, &[]),
        (report::DUE, &[1010, 100]),
        (report::NEXT, &[]),
        (silence::SILENT, &[1010, 100]),
        (silence::SPOKE, &[1010, 100]),
        (silence::NEXT, &[]),
    ] {
        let steps = steps(&mut conn, sql, values);
        assert!(steps < 1000, "{sql}: {steps} steps with {TIMERS} timers");
    }
}

//! A store as if the computer had been off for a while.

use std::path::Path;

use rusqlite::Connection;
use tocsin_protocol::Millis;

/// Sets back what the outbox in this directory holds of times, for a program whose clock a test cannot set. Nobody may
/// have the store open.
pub fn age_outbox(dir: &Path, by: Millis) {
    let conn = Connection::open(dir.join("tocsin.db")).unwrap();
    for (table, columns) in [
        ("lane", &["due_at", "free_at"][..]),
        ("delivery", &["due_at", "since", "created_at", "unsure_at"]),
        ("attempt", &["started_at", "ended_at"]),
    ] {
        for column in columns {
            // Nothing stays nothing.
            let sql = format!("UPDATE {table} SET {column} = {column} - ?1");
            conn.execute(&sql, [by]).unwrap();
        }
    }
}

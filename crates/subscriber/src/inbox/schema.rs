//! The tables. Forward only: a file of a newer version is refused, an older one is brought up step by step.

use rusqlite::Connection;

/// One entry per version, in order; never changed once released.
const STEPS: &[&str] = &[
    "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- `n` is the order of arrival. It is what pages count in: positions of the log start anew with each epoch.
CREATE TABLE message (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    thread TEXT NOT NULL,
    topic TEXT,
    priority INTEGER NOT NULL,
    wants_acknowledgement INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    stored_at INTEGER NOT NULL,
    superseded_by TEXT,
    read_at INTEGER,
    acknowledged_at INTEGER,
    shown INTEGER NOT NULL,
    shown_at INTEGER,
    reported INTEGER NOT NULL DEFAULT 0,
    restored INTEGER NOT NULL DEFAULT 0,
    json TEXT NOT NULL
);
CREATE INDEX message_thread ON message (thread);
CREATE INDEX message_unread ON message (expires_at) WHERE read_at IS NULL AND superseded_by IS NULL;
CREATE INDEX message_pending ON message (n) WHERE shown = 0;
CREATE INDEX message_unreported ON message (n) WHERE reported = 0 AND shown > 0;

-- Presses that the server has not been told of, with the time they were pressed.
CREATE TABLE press (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    acknowledge INTEGER NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (id, acknowledge)
);

-- Publishes that the server has not taken.
CREATE TABLE spool (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    publish TEXT NOT NULL,
    queued_at INTEGER NOT NULL
);
",
    "
-- The newest reminder, by the server's clock: it tells one that comes again from a new one.
ALTER TABLE message ADD COLUMN reminded_at INTEGER;
ALTER TABLE message ADD COLUMN settled_by TEXT;
ALTER TABLE message ADD COLUMN settled_at INTEGER;
",
];

/// The newest schema that this version knows.
pub(super) fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The schema of a file; 0 for a new one.
pub(super) fn found(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings a file up to [`known`].
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let found = usize::try_from(found(connection)?).unwrap_or(0);
    for (n, step) in STEPS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", i64::try_from(n + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}

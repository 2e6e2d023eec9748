//! The write-ahead log is moved into the database once it has grown, not again with every commit after that: its file
//! keeps its size when the log begins anew, and a checkpoint flushes twice.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

use std::{fs, path::Path};

use tocsin_protocol::{NewTopic, NewUser, Role};
use tocsin_store::{
    NewMessage, Store,
    conformance::to_topic,
    sqlite::{Options, SqliteStore},
};

/// Bodies of this size fill the log soon.
const BODY: usize = 64 * 1024;
/// Far more of them than fill the log: a thread moves it while they are stored.
const LARGE_MOST: usize = 10_000;
/// Commits that together stay far below a checkpoint.
const SMALL: usize = 100;

/// How often the log began anew since the database was made: the "checkpoint sequence number" of the log's header.
fn began(dir: &Path) -> u32 {
    let header = fs::read(dir.join("tocsin.db-wal")).unwrap();
    u32::from_be_bytes(header[12..16].try_into().unwrap())
}

async fn publish(store: &SqliteStore, body: usize) {
    let message = NewMessage { body: "x".repeat(body), ..to_topic("ops") };
    store.publish(message).await.unwrap();
}

#[tokio::test]
async fn a_log_that_was_large_once_is_not_moved_with_every_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(Options::new(dir.path())).unwrap();
    let ann = NewUser { name: "ann".into(), display_name: None, role: Role::Admin };
    store.add_user(ann).await.unwrap();
    let members = vec!["ann".into()];
    let ops = NewTopic { name: "ops".into(), description: None, retention_days: None, members };
    store.add_topic(ops).await.unwrap();
    let before = began(dir.path());
    let mut published = 0;
    while began(dir.path()) == before {
        assert!(published < LARGE_MOST, "the log was never moved into the database");
        publish(&store, BODY).await;
        published += 1;
    }
    let grown = began(dir.path());
    for _ in 0..SMALL {
        publish(&store, 1).await;
    }
    assert!(began(dir.path()) <= grown + 1, "{} times", began(dir.path()) - grown);
}

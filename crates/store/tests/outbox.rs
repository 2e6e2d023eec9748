//! Both outboxes do what is asked of every one; the one on disk finds what is due without reading what is not.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

use tocsin_store::{
    conformance::{DAY, Hand},
    model::ModelStore,
    sqlite::{Options, SqliteStore},
};

fn model(hand: &Hand) -> (ModelStore, ()) {
    (ModelStore::new(hand.clock(), 7 * DAY, 90 * DAY), ())
}

fn sqlite(hand: &Hand) -> (SqliteStore, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(Options { clock: hand.clock(), ..Options::new(dir.path()) }).unwrap();
    (store, dir)
}

mod in_memory {
    use super::model;
    tocsin_store::outbox_cases!(model);
}

mod on_disk {
    use super::sqlite;
    tocsin_store::outbox_cases!(sqlite);
}

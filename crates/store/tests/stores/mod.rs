//! The implementations that a suite is run on, each empty and with a clock of the test's.

use tocsin_store::{
    conformance::{DAY, Hand},
    model::ModelStore,
    sqlite::{Options, SqliteStore},
};

pub fn model(hand: &Hand) -> (ModelStore, ()) {
    (ModelStore::new(hand.clock(), 7 * DAY, 90 * DAY), ())
}

pub fn sqlite(hand: &Hand) -> (SqliteStore, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(Options { clock: hand.clock(), ..Options::new(dir.path()) }).unwrap();
    (store, dir)
}

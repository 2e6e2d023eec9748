//! What a verb that only looks has at hand.

use rusqlite::Connection;
use tocsin_protocol::{Epoch, Millis, Seq};

use super::Shared;

/// One position of the log, and the time it is looked at.
pub(super) struct View<'a> {
    pub(super) conn: &'a Connection,
    pub(super) epoch: Epoch,
    pub(super) now: Millis,
    pub(super) shared: &'a Shared,
}

impl View<'_> {
    /// Nothing above this position was ever pruned.
    pub(super) fn pruned(&self) -> Seq {
        self.shared.pruned()
    }
}

//! The in-memory model: the same behaviour as [`sqlite`](crate::sqlite), simply.
//!
//! It keeps plain lists of what happened and answers every question by going through all of them: who was a member at
//! a position is read off the log itself, an acknowledgement is kept as it came. Nothing is indexed, coalesced or
//! pruned away, so that it can be checked by reading. Property tests compare the SQLite store with it. It is forgotten
//! when the process ends, and has no backup and no bound on its size.

mod accounts;
mod credentials;
mod escalation;
mod facts;
mod outbox;
mod publish;
mod receipt;
mod store;
mod stream;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tocsin_protocol::{Epoch, Millis, Seq};
use tokio::sync::watch;

use crate::{Clock, Error, Result};
use facts::Facts;

/// A store in memory.
pub struct ModelStore {
    clock: Clock,
    instance: String,
    head: watch::Sender<Seq>,
    outbox: watch::Sender<u64>,
    stirred: watch::Sender<u64>,
    facts: Mutex<Facts>,
}

impl ModelStore {
    /// An empty store. Bodies and receipts are kept this long, milliseconds.
    pub fn new(clock: Clock, keep_bodies: Millis, keep_receipts: Millis) -> Self {
        let facts = Facts::new(Epoch::random(&mut rand::rng()), keep_bodies, keep_receipts);
        let (head, outbox, stirred) = (watch::Sender::new(0), watch::Sender::new(0), watch::Sender::new(0));
        Self { clock, instance: "model".into(), head, outbox, stirred, facts: Mutex::new(facts) }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.now = (self.clock)();
        facts
    }

    fn look<T>(&self, work: impl FnOnce(&Facts) -> Result<T>) -> Result<T> {
        let facts = self.facts();
        if facts.closed {
            return Err(Error::Unavailable("the store is closed".into()));
        }
        work(&facts)
    }

    /// Works on a copy, so that what is refused leaves nothing behind.
    fn write<T>(&self, work: impl FnOnce(&mut Facts) -> Result<T>) -> Result<T> {
        let mut facts = self.facts();
        if facts.closed {
            return Err(Error::Unavailable("the store is closed".into()));
        }
        let mut next = facts.clone();
        let done = work(&mut next)?;
        *facts = next;
        let head = facts.head();
        self.head.send_if_modified(|known| std::mem::replace(known, head) != head);
        self.outbox.send_modify(|count| *count += 1);
        self.stirred.send_modify(|count| *count += 1);
        Ok(done)
    }
}

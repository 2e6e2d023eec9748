//! Moving what is committed from the write-ahead log into the database, beside the commits.
//!
//! A checkpoint copies megabytes and flushes them; made between two commits, every publisher waits for it. So a thread
//! with a connection of its own does the bulk while the writer goes on appending, and the writer then moves the rest,
//! the few pages that came meanwhile, which lets the log begin anew. SQLite allows both at the same time: a passive
//! checkpoint takes no lock that a commit needs.
//!
//! The thread starts with the first log that has grown, and sleeps without a timer.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use rusqlite::Connection;

use super::{Shared, fault::Trouble, open};

/// A checkpoint is made when the write-ahead log has grown by this many pages (4 MiB): SQLite's own default.
const PAGES: u64 = 1000;
/// Stack of the thread: one statement.
const STACK: usize = 256 * 1024;

/// When to make one, as the writer sees it.
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    /// Pages in the log when the last one was asked for.
    asked_at: u64,
    /// The bulk is moved, the rest is not.
    moved: Arc<AtomicBool>,
    mover: Option<Mover>,
}

struct Mover {
    ask: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Checkpoints {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, asked_at: 0, moved: Arc::default(), mover: None }
    }

    /// Looks after a commit that left `logged` pages in the log.
    pub(super) fn look(&mut self, conn: &Connection, logged: u64) {
        if self.shared.poison.get().is_some() {
            return;
        }
        if self.moved.swap(false, Ordering::AcqRel) {
            move_pages(&self.shared, conn);
            self.asked_at = logged;
        }
        if logged < self.asked_at {
            // It began anew: a reader may have kept it from that until now.
            self.asked_at = 0;
        }
        if logged - self.asked_at < PAGES {
            return;
        }
        self.asked_at = logged;
        if !self.ask() {
            // No thread: it is slower, and nothing else.
            move_pages(&self.shared, conn);
        }
    }

    /// Whether the thread will do it, or is doing it.
    fn ask(&mut self) -> bool {
        if self.mover.is_none() {
            self.mover = Mover::start(&self.shared, &self.moved);
        }
        // Full: it is asked already.
        self.mover.as_ref().is_some_and(|mover| mover.ask.try_send(()).is_ok() || !mover.thread.is_finished())
    }

    /// Ends the thread: a connection that is still open would keep the log.
    pub(super) fn end(&mut self) {
        if let Some(Mover { ask, thread }) = self.mover.take() {
            drop(ask);
            let _ = thread.join();
        }
    }
}

impl Mover {
    fn start(shared: &Arc<Shared>, moved: &Arc<AtomicBool>) -> Option<Self> {
        let (ask, asked) = sync_channel(1);
        let (shared, moved) = (Arc::clone(shared), Arc::clone(moved));
        let directory: PathBuf = shared.options.dir.clone();
        let work = move || {
            let Ok(conn) = open::mover(&directory) else { return };
            while asked.recv().is_ok() {
                if shared.poison.get().is_some() {
                    return;
                }
                move_pages(&shared, &conn);
                moved.store(true, Ordering::Release);
            }
        };
        let thread = std::thread::Builder::new().name("store-checkpoint".into()).stack_size(STACK);
        Some(Self { ask, thread: thread.spawn(work).ok()? })
    }
}

fn move_pages(shared: &Shared, conn: &Connection) {
    let moved = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    if let Err(error) = moved {
        // No room for it now; the log still holds everything. A failed flush is another matter.
        shared.note(&Trouble::of(&error));
    }
}

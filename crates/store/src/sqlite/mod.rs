//! The SQLite implementation.
//!
//! - **One writer thread** owns the only connection that writes. It takes all operations that wait (at most
//!   [`Options::batch_most`]), runs them in one `BEGIN IMMEDIATE` transaction, commits with `synchronous=FULL`, moves
//!   the head, and only then answers. No delay is added: a lone operation is a batch of one.
//! - **A few reader threads** with read-only connections, started when first needed; each read is one transaction and
//!   so sees one position of the log.
//! - **One thread moves the bulk of the log** into the database, started when the log has grown for the first time.
//! - **The recent end of the log** is kept in memory for the hub's tail, which then costs no statement at all.
//! - Nothing wakes while nothing happens: threads block on their queues, there are no timers.
//!
//! SQL stands beside the verb it serves: `publish.rs`, `ack.rs`, `receipt.rs` …

mod ack;
mod checkpoint;
mod claim;
mod copy;
mod device;
mod escalation;
mod fault;
mod inbox;
mod invite;
mod ledger;
mod log;
mod member;
mod message;
mod migrate;
mod open;
mod outbox;
mod owed;
mod press;
mod prune;
mod publish;
mod readers;
mod receipt;
mod recent;
mod replay;
mod reset;
mod restore;
mod session;
mod shown;
mod store;
mod thread;
mod token;
mod topic;
mod touch;
mod tx;
mod upkeep;
mod user;
mod view;
mod withdraw;
mod writer;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use tocsin_protocol::{Epoch, Millis, Seq};
use tokio::sync::watch;

pub use copy::backup_from;
pub use reset::{is_own_file, reset};
pub use restore::restore;

use crate::{Clock, Error, Result};
use fault::{Outcome, Trouble};

/// How many operations share one commit at most. Above this the fsync is already spread thin (1 % each), while the
/// first of a batch would wait for the statements of all others.
pub const BATCH_MOST: usize = 128;
/// Operations that wait for the writer; beyond it callers wait for room.
const QUEUE: usize = 1024;
/// How long bodies are kept: a long holiday week.
pub const KEEP_BODIES: Millis = 7 * DAY;
/// How large the data file may grow before the oldest bodies go, bytes.
pub const KEEP_BYTES: u64 = 1 << 30;
/// How long receipts are kept: a quarter.
pub const KEEP_RECEIPTS: Millis = 90 * DAY;
const DAY: Millis = 24 * 3600 * 1000;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// Data directory; made if it is missing.
    pub dir: PathBuf,
    /// Wall clock.
    pub clock: Clock,
    /// How long bodies are kept, milliseconds, unless the topic says otherwise.
    pub keep_bodies: Millis,
    /// How large the data file may grow before the oldest bodies go, bytes.
    pub keep_bytes: u64,
    /// How long receipts are kept, milliseconds.
    pub keep_receipts: Millis,
    /// How many operations share one commit at most.
    pub batch_most: usize,
}

impl Options {
    /// The defaults, in this directory, by the system's clock.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            clock: Arc::new(system_clock),
            keep_bodies: KEEP_BODIES,
            keep_bytes: KEEP_BYTES,
            keep_receipts: KEEP_RECEIPTS,
            batch_most: BATCH_MOST,
        }
    }
}

/// The system's wall clock.
pub fn system_clock() -> Millis {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX))
}

/// What writer, readers and callers share.
struct Shared {
    options: Options,
    instance: String,
    epoch: RwLock<Epoch>,
    head: watch::Sender<Seq>,
    /// Counts commits after which something of the outbox may be due.
    outbox: watch::Sender<u64>,
    /// Counts commits after which an escalation may be due earlier.
    stirred: watch::Sender<u64>,
    /// The latest time by which anything that is still to come may have been planned.
    latest: AtomicI64,
    /// Set once, by a failed flush; then everything answers with it.
    poison: OnceLock<String>,
    touched: Mutex<touch::Touched>,
    recent: Mutex<recent::Recent>,
    starts: Mutex<device::Starts>,
    /// Nothing above this position was ever pruned.
    pruned: AtomicU64,
    commits: AtomicU64,
    operations: AtomicU64,
    waiting: AtomicU64,
}

impl Shared {
    fn now(&self) -> Millis {
        (self.options.clock)()
    }

    fn epoch(&self) -> Epoch {
        self.epoch.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn touched(&self) -> std::sync::MutexGuard<'_, touch::Touched> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, recent::Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn starts(&self) -> std::sync::MutexGuard<'_, device::Starts> {
        self.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn healthy(&self) -> Result<()> {
        self.poison.get().map_or(Ok(()), |why| Err(Error::Poisoned(why.clone())))
    }

    /// Notes a failed flush, and gives the error that callers get.
    fn note(&self, trouble: &Trouble) -> Error {
        if let Trouble::Poison(why) = trouble
            && self.poison.set(why.clone()).is_ok()
        {
            tracing::error!(%why, "a flush to disk failed; nothing more is stored until a restart");
        }
        trouble.error()
    }

    /// The writer's time for its next verb.
    fn tick(&self) -> Millis {
        let now = self.now();
        self.latest.fetch_max(now, Ordering::Relaxed);
        now
    }

    /// Whether the clock is back by more than this behind what was seen; yes at the start, when nobody knows. So until
    /// [`set_back`](Self::set_back).
    fn went_back(&self, now: Millis, by: Millis) -> bool {
        self.latest.load(Ordering::Relaxed) > now.saturating_add(by)
    }

    /// What was planned by the later clock is moved, and committed: the rest was planned by `latest`.
    fn set_back(&self, latest: Millis) {
        self.latest.store(latest, Ordering::Relaxed);
    }

    fn pruned(&self) -> Seq {
        self.pruned.load(Ordering::Relaxed)
    }
}

/// The log in one SQLite file.
pub struct SqliteStore {
    shared: Arc<Shared>,
    writer: writer::Writer,
    readers: readers::Readers,
}

impl SqliteStore {
    /// Opens the store in `options.dir`, making or migrating it as needed. Blocks: call it before the runtime is busy.
    pub fn open(options: Options) -> Result<Self> {
        let lock = open::lock(&options.dir)?;
        let conn = open::writer(&options.dir)?;
        let identity = open::start(&conn, &options.dir)?;
        let shared = Arc::new(Shared {
            instance: identity.instance,
            epoch: RwLock::new(identity.epoch),
            head: watch::Sender::new(identity.head),
            outbox: watch::Sender::new(0),
            stirred: watch::Sender::new(0),
            latest: AtomicI64::new(Millis::MAX),
            poison: OnceLock::new(),
            touched: Mutex::default(),
            recent: Mutex::new(recent::Recent::after(identity.head)),
            starts: Mutex::default(),
            pruned: AtomicU64::new(identity.pruned),
            commits: AtomicU64::new(0),
            operations: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            options,
        });
        let writer = writer::Writer::start(Arc::clone(&shared), conn, lock)?;
        let readers = readers::Readers::new(Arc::clone(&shared));
        Ok(Self { shared, writer, readers })
    }

    /// Runs `work` on the writer thread, in a transaction that others may share. Where it refuses, what it wrote
    /// until then is undone.
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut tx::Tx<'_>) -> Outcome<T> + Send + 'static,
    {
        self.write_on(writer::Terms::GUARDED, work).await
    }

    /// As [`write`](Self::write), on terms that cost less.
    async fn write_on<T, F>(&self, terms: writer::Terms, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut tx::Tx<'_>) -> Outcome<T> + Send + 'static,
    {
        self.shared.healthy()?;
        self.writer.run(terms, work).await
    }

    /// Runs `work` on a reader thread, in one read transaction.
    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&view::View<'_>) -> Outcome<T> + Send + 'static,
    {
        self.shared.healthy()?;
        self.readers.run(work).await
    }
}

#[cfg(feature = "conformance")]
impl SqliteStore {
    /// Makes the disk full, as far as SQLite is concerned, at this many pages; `None` gives all of it back. For tests:
    /// the error that follows is the engine's own.
    pub async fn limit_pages(&self, most: Option<u32>) -> Result<()> {
        self.write(move |tx| {
            let most = most.unwrap_or(u32::MAX - 1);
            Ok(tx.conn.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?)
        })
        .await
    }
}

//! The reader threads. Started one by one when all that live are busy, and then kept.

use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{AtomicUsize, Ordering},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{
    Shared,
    fault::{Outcome, Trouble},
    open,
    view::View,
};
use crate::{Error, Result};

/// At most this many: reads are short, and each costs half a megabyte of cache.
const MOST: usize = 3;
/// Reads that wait; beyond it callers wait for room.
const QUEUE: usize = 256;
/// Stack of a thread, as for the writer.
const STACK: usize = 512 * 1024;

type Job = Box<dyn FnOnce(Result<&Connection>) + Send>;

/// The handle that callers have.
pub(super) struct Readers {
    shared: Arc<Shared>,
    sender: RwLock<Option<mpsc::Sender<Job>>>,
    pool: Arc<Pool>,
}

struct Pool {
    queue: Mutex<mpsc::Receiver<Job>>,
    idle: AtomicUsize,
    alive: AtomicUsize,
}

impl Readers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let pool = Pool { queue: Mutex::new(queue), idle: AtomicUsize::new(0), alive: AtomicUsize::new(0) };
        Self { shared, sender: RwLock::new(Some(sender)), pool: Arc::new(pool) }
    }

    /// Queues `work` and waits for its result.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&View<'_>) -> Outcome<T> + Send + 'static,
    {
        let closed = || Error::Unavailable("the store is closed".into());
        let sender = self.sender.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let job: Job = Box::new(move |conn| {
            let _ = reply.send(conn.and_then(|conn| look(&shared, conn, work)));
        });
        self.staff()?;
        sender.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Lets the threads finish what waits and end.
    pub(super) fn end(&self) {
        self.sender.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn staff(&self) -> Result<()> {
        if self.pool.idle.load(Ordering::Acquire) > 0 {
            return Ok(());
        }
        let room = self
            .pool
            .alive
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < MOST).then_some(n + 1));
        let Ok(others) = room else { return Ok(()) };
        let (pool, shared) = (Arc::clone(&self.pool), Arc::clone(&self.shared));
        let thread = std::thread::Builder::new().name("store-reader".into()).stack_size(STACK);
        match thread.spawn(move || live(&pool, &shared)) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.pool.alive.fetch_sub(1, Ordering::AcqRel);
                if others > 0 { Ok(()) } else { Err(Error::Unavailable(error.to_string())) }
            }
        }
    }
}

/// Counts the thread as gone whichever way it ends, a panic included.
struct Alive<'a>(&'a AtomicUsize);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn live(pool: &Pool, shared: &Shared) {
    let _alive = Alive(&pool.alive);
    let mut conn = None;
    loop {
        pool.idle.fetch_add(1, Ordering::AcqRel);
        // Whoever holds the lock waits for the queue, the others for the lock: one wakes per job.
        let job = pool.queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        pool.idle.fetch_sub(1, Ordering::AcqRel);
        let Some(job) = job else { return };
        if conn.is_none() {
            match open::reader(&shared.options.dir) {
                Ok(opened) => conn = Some(opened),
                Err(fault) => {
                    job(Err(fault.into()));
                    continue;
                }
            }
        }
        if let Some(conn) = &conn {
            job(Ok(conn));
        }
    }
}

fn look<T>(shared: &Shared, conn: &Connection, work: impl FnOnce(&View<'_>) -> Outcome<T>) -> Result<T> {
    let broken = |error: rusqlite::Error| shared.note(&Trouble::of(&error));
    // One transaction: all statements see the same position.
    let tx = conn.unchecked_transaction().map_err(broken)?;
    let view = View { conn: &tx, epoch: shared.epoch(), now: shared.now(), shared };
    work(&view).map_err(|fault| match fault {
        super::fault::Fault::Broken(error) => broken(error),
        super::fault::Fault::Refused(error) => error,
    })
}

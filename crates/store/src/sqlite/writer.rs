//! The writer thread: group commit.
//!
//! All that waits becomes one transaction. An operation that *refuses* (unknown topic) after it wrote something is
//! undone by its savepoint alone; most refuse before they write, and a savepoint is two statements, so one is only set
//! for operations that ask for it. When a *statement breaks* (disk full) the whole transaction is undone, and so that
//! nobody pays for another's data, each operation is then tried once more in a transaction of its own.
//! Answers go out after COMMIT and after the head moved, never before.

use std::{
    fs::File,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use rusqlite::{Connection, hooks::Wal};
use tokio::sync::{mpsc, oneshot};

use super::{
    QUEUE, Shared,
    checkpoint::Checkpoints,
    fault::{Fault, Outcome, Trouble},
    open, touch,
    tx::{Names, Tx},
};
use crate::{Error, Result};

/// Stack of the thread: SQLite's deepest statement here needs a tenth of it.
const STACK: usize = 512 * 1024;

/// The handle that callers have.
pub(super) struct Writer {
    shared: Arc<Shared>,
    queue: RwLock<Option<mpsc::Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread. It keeps `lock` until it ends.
    pub(super) fn start(shared: Arc<Shared>, conn: Connection, lock: File) -> Result<Self> {
        let (sender, queue) = mpsc::channel(QUEUE);
        let room = Room::new(Arc::clone(&shared), conn, queue, lock)?;
        let thread = std::thread::Builder::new().name("store-writer".into()).stack_size(STACK);
        let thread =
            thread.spawn(move || room.live()).map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self { shared, queue: RwLock::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Queues `work` and waits until it is committed.
    pub(super) async fn run<T, F>(&self, terms: Terms, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Outcome<T> + Send + 'static,
    {
        let closed = || Error::Unavailable("the store is closed".into());
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let job = Box::new(Work {
            verb: work,
            terms,
            result: None,
            reply: Some(reply),
            shared: Arc::clone(&self.shared),
        });
        queue.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Lets the thread finish what waits and takes its handle, for joining.
    pub(super) fn end(&self) -> Option<JoinHandle<()>> {
        self.queue.write().unwrap_or_else(PoisonError::into_inner).take();
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Joined so that the lock is free when the store is gone: whoever opens it next must not meet us.
        if let Some(thread) = self.end() {
            let _ = thread.join();
        }
    }
}

/// What an operation needs of its transaction.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// It may refuse after it wrote something.
    pub(super) guarded: bool,
    /// It is on the disk when it is answered. Otherwise it is there with the next operation that is: one log, one order.
    pub(super) flushed: bool,
}

impl Terms {
    /// May refuse at any point.
    pub(super) const GUARDED: Self = Self { guarded: true, flushed: true };
    /// Never refuses once it has written.
    pub(super) const CHECKED: Self = Self { guarded: false, flushed: true };
    /// As [`CHECKED`](Self::CHECKED), and somebody's later operation takes it to the disk.
    pub(super) const LATER: Self = Self { guarded: false, flushed: false };
}

/// How one run of an operation ended.
enum Ran {
    Done,
    /// Nothing of it may stay.
    Refused,
    Broken(Trouble),
}

/// An operation that waits.
trait Job: Send {
    fn terms(&self) -> Terms;
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran;
    /// Tells the caller the result of the last run, or the trouble that undid it.
    fn answer(self: Box<Self>, undone: Option<Error>);
}

struct Work<T, F> {
    verb: F,
    terms: Terms,
    result: Option<Result<T>>,
    reply: Option<oneshot::Sender<Result<T>>>,
    shared: Arc<Shared>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnMut(&mut Tx<'_>) -> Outcome<T> + Send,
{
    fn terms(&self) -> Terms {
        self.terms
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Ran {
        match (self.verb)(tx) {
            Ok(value) => {
                self.result = Some(Ok(value));
                Ran::Done
            }
            Err(Fault::Refused(error)) => {
                self.result = Some(Err(error));
                Ran::Refused
            }
            Err(Fault::Broken(error)) => Ran::Broken(Trouble::of(&error)),
        }
    }

    fn answer(mut self: Box<Self>, undone: Option<Error>) {
        let result = match undone {
            Some(error) => Some(Err(error)),
            None => self.result.take(),
        };
        if let (Some(reply), Some(result)) = (self.reply.take(), result) {
            // A caller who went away is none of our business: what they asked is done.
            let _ = reply.send(result);
        }
    }
}

impl<T, F> Drop for Work<T, F> {
    fn drop(&mut self) {
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the thread owns.
struct Room {
    shared: Arc<Shared>,
    conn: Connection,
    names: Names,
    queue: mpsc::Receiver<Box<dyn Job>>,
    /// Pages in the write-ahead log after the last commit. Its file says nothing of them: it keeps its size when the
    /// log begins anew.
    logged: Arc<AtomicU64>,
    checkpoints: Checkpoints,
    /// Whether the next commit waits for the disk.
    flushes: bool,
    _lock: File,
}

impl Room {
    fn new(
        shared: Arc<Shared>,
        mut conn: Connection,
        queue: mpsc::Receiver<Box<dyn Job>>,
        lock: File,
    ) -> Result<Self> {
        let logged = Arc::new(AtomicU64::new(0));
        let noted = Arc::clone(&logged);
        let note = move |_: &mut Wal, pages: std::ffi::c_int| {
            noted.store(pages.unsigned_abs().into(), Ordering::Relaxed);
            Ok(())
        };
        conn.wal_hook(Some(note)).map_err(|error| Error::Unavailable(error.to_string()))?;
        let checkpoints = Checkpoints::new(Arc::clone(&shared));
        let names = Names::default();
        Ok(Self { shared, conn, names, queue, logged, checkpoints, flushes: true, _lock: lock })
    }

    fn live(mut self) {
        let most = self.shared.options.batch_most.max(1);
        let mut batch = Vec::with_capacity(most);
        while self.queue.blocking_recv_many(&mut batch, most) > 0 {
            let several = batch.len() > 1;
            self.serve(&mut batch);
            if several {
                // Who was answered just now may ask again at once: on a core that is shared they come before the next
                // commit, which then carries them all.
                std::thread::yield_now();
            }
            self.checkpoints.look(&self.conn, self.logged.load(Ordering::Relaxed));
        }
        self.finish();
    }

    fn serve(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        if let Err(error) = self.shared.healthy() {
            let Error::Poisoned(why) = error else { return };
            batch.drain(..).for_each(|job| job.answer(Some(Error::Poisoned(why.clone()))));
            return;
        }
        match self.commit(batch) {
            Ok(()) => batch.drain(..).for_each(|job| job.answer(None)),
            Err(trouble) if batch.len() == 1 || matches!(trouble, Trouble::Poison(_)) => {
                batch.drain(..).for_each(|job| job.answer(Some(self.shared.note(&trouble))));
            }
            Err(_) => {
                for job in batch.drain(..) {
                    let mut alone = vec![job];
                    let undone = self.commit(&mut alone).err().map(|trouble| self.shared.note(&trouble));
                    for job in alone {
                        job.answer(undone.as_ref().map(same));
                    }
                }
            }
        }
    }

    /// One transaction. After an error nothing of it is left, in the file or in memory.
    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Trouble> {
        self.shared.healthy().map_err(|error| Trouble::Poison(error.to_string()))?;
        let result = self.transaction(batch);
        if result.is_err() {
            self.names.forget();
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
        }
        result
    }

    fn transaction(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Trouble> {
        let broken = |error: rusqlite::Error| Trouble::of(&error);
        self.flush(batch.iter().any(|job| job.terms().flushed)).map_err(broken)?;
        execute(&self.conn, "BEGIN IMMEDIATE").map_err(broken)?;
        let mut tx = Tx {
            conn: &self.conn,
            names: &mut self.names,
            shared: &self.shared,
            now: self.shared.now(),
            epoch: self.shared.epoch(),
            head: *self.shared.head.borrow(),
            appended: Vec::new(),
            stale: false,
            due: false,
            stirred: false,
            set_back: None,
        };
        let head = tx.head;
        let touched = touch::flush(&tx).map_err(broken)?;
        for job in batch.iter_mut() {
            run(job.as_mut(), &mut tx)?;
        }
        let (stale, due, stirred, set_back) = (tx.stale, tx.due, tx.stirred, tx.set_back);
        let (new_head, appended, epoch) = (tx.head, tx.appended, tx.epoch);
        execute(&self.conn, "COMMIT").map_err(broken)?;
        if let Some(latest) = set_back {
            self.shared.set_back(latest);
        }
        self.shared.touched().flushed(touched);
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        self.shared.operations.fetch_add(batch.len() as u64, Ordering::Relaxed);
        *self.shared.epoch.write().unwrap_or_else(PoisonError::into_inner) = epoch;
        if stale {
            self.shared.recent().forget(new_head);
        } else {
            self.shared.recent().extend(appended);
        }
        if new_head != head {
            self.shared.head.send_replace(new_head);
        }
        if due {
            self.shared.outbox.send_modify(|count| *count = count.wrapping_add(1));
        }
        if stirred {
            self.shared.stirred.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }

    /// Whether the next commit waits for the disk. SQLite takes it while it compiles, and not within a transaction.
    fn flush(&mut self, flushes: bool) -> rusqlite::Result<()> {
        if self.flushes != flushes {
            self.conn.pragma_update(None, "synchronous", if flushes { "FULL" } else { "NORMAL" })?;
            self.flushes = flushes;
        }
        Ok(())
    }

    fn finish(mut self) {
        self.checkpoints.end();
        if self.shared.poison.get().is_some() {
            return;
        }
        let tx = || -> Outcome<()> {
            self.conn.pragma_update(None, "synchronous", "FULL")?;
            self.conn.execute_batch("BEGIN IMMEDIATE")?;
            let tx = Tx {
                conn: &self.conn,
                names: &mut Names::default(),
                shared: &self.shared,
                now: self.shared.now(),
                epoch: self.shared.epoch(),
                head: 0,
                appended: Vec::new(),
                stale: false,
                due: false,
                stirred: false,
                set_back: None,
            };
            touch::flush(&tx)?;
            self.conn.execute_batch("COMMIT")?;
            open::mark_boot(&self.conn, &self.shared.options.dir)?;
            self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(())
        };
        if let Err(fault) = tx() {
            let error: Error = fault.into();
            tracing::warn!(%error, "the store could not be closed cleanly; nothing acknowledged is lost");
        }
    }
}

/// Runs one operation; undoes it alone when it refuses after it wrote.
fn run(job: &mut dyn Job, tx: &mut Tx<'_>) -> Result<(), Trouble> {
    let broken = |error: rusqlite::Error| Trouble::of(&error);
    tx.now = tx.shared.tick();
    if !job.terms().guarded {
        return match job.run(tx) {
            Ran::Done | Ran::Refused => Ok(()),
            Ran::Broken(trouble) => Err(trouble),
        };
    }
    let (head, appended, epoch, set_back) = (tx.head, tx.appended.len(), tx.epoch.clone(), tx.set_back);
    execute(tx.conn, "SAVEPOINT job").map_err(broken)?;
    match job.run(tx) {
        Ran::Done => execute(tx.conn, "RELEASE job").map_err(broken),
        Ran::Refused => {
            tx.names.forget();
            tx.head = head;
            tx.appended.truncate(appended);
            tx.epoch = epoch;
            tx.set_back = set_back;
            execute(tx.conn, "ROLLBACK TO job").and_then(|()| execute(tx.conn, "RELEASE job")).map_err(broken)
        }
        Ran::Broken(trouble) => Err(trouble),
    }
}

fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

fn same(error: &Error) -> Error {
    match error {
        Error::Poisoned(why) => Error::Poisoned(why.clone()),
        Error::Damaged(why) => Error::Damaged(why.clone()),
        other => Error::Unavailable(other.to_string()),
    }
}

//! The inbox of one person on this device: one SQLite file, one thread.
//!
//! It is what makes "received" true: a message is acknowledged only after its row and the position behind it are in
//! one committed, synced transaction. It is also what works offline: listing, searching, reading and acknowledging
//! ask nobody; presses and publishes wait here until the server takes them.
//!
//! Invariants:
//! - A message has one row, whatever it arrives by and however often.
//! - `shown` goes only forward: pending → suppressed or failed → shown. A crash between storing and showing leaves
//!   `pending`, which the next start shows. Only a reminder that is newer than the last sends it back to `pending`, in
//!   the transaction of the position behind it: it is shown once more, and once.
//! - The file belongs to one (server, person). For another pair it is put aside under a name of its own and comes
//!   back when that pair does.
//! - An idle inbox never wakes: the thread waits on its channel, there is no timer.

mod fold;
mod list;
mod open;
mod presses;
mod remind;
mod retention;
mod rows;
mod schema;
mod spool;
mod store;
#[cfg(test)]
mod tests;
mod thread;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tocsin_protocol::{
    Cursor, Message, MessageId, MessageView, Millis, Page, Priority, Publish, Shown, StateChange,
    stream::ShownReport,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::{Clock, Error, Result};

pub use list::InboxQuery;
pub(crate) use presses::{Press, QueuedPress};
pub(crate) use retention::{KEPT_MS, KEPT_ROWS};
pub use spool::Spooled;
pub(crate) use store::{Entry, Outcome};
use thread::{File, Job};

/// A pending message older than this at start is told of in a summary rather than by a popup of its own.
pub const PENDING_FRESH_MS: Millis = 5 * 60 * 1000;

/// Whose inbox it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The server: its origin, or its instance name if it may change its address.
    pub server: String,
    /// Name of the person.
    pub user: String,
}

/// A handle on the inbox; clones share it. The thread ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Inbox {
    jobs: mpsc::Sender<Job>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    owner: Owner,
    damaged: Option<PathBuf>,
    unread: watch::Receiver<u64>,
    /// Something waits to be sent: a press or a publish.
    outbox: Notify,
    /// Something waits to be reported with an acknowledgement.
    reports: Notify,
}

/// A message that was stored and neither shown nor set aside on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The message.
    pub message: Message,
    /// When it was stored here.
    pub stored_at: Millis,
    /// It was listed after a reset: part of a summary.
    pub restored: bool,
    /// When its person was to be told of it again, if they ever were.
    pub reminded_at: Option<Millis>,
}

impl Pending {
    /// Whether it gets a popup of its own: fresh, or critical. The others become one summary.
    pub fn is_shown_singly(&self, now: Millis) -> bool {
        let fresh = |since: Millis| now.saturating_sub(since) <= PENDING_FRESH_MS;
        (!self.restored && fresh(self.stored_at))
            || self.reminded_at.is_some_and(fresh)
            || self.message.priority == Priority::MAX
    }
}

impl Inbox {
    /// Opens or makes `inbox.db` in `dir` (which is made, for this user alone). Blocks for a few milliseconds.
    ///
    /// A file that is damaged is set aside and a new one begun; see [`Inbox::damaged`].
    pub fn open(dir: &Path, owner: Owner, clock: Arc<dyn Clock>) -> Result<Self> {
        let opened = open::open(dir, &owner, clock.now())?;
        let (jobs, queue) = mpsc::channel(thread::QUEUE);
        let (unread_tx, unread) = watch::channel(0);
        let path = opened.path.clone();
        let file = File::new(opened.connection, path.clone(), clock, unread_tx)?;
        thread::spawn(file, queue).map_err(|source| Error::Files { path: path.clone(), source })?;
        let shared = Shared {
            path,
            owner,
            damaged: opened.damaged,
            unread,
            outbox: Notify::new(),
            reports: Notify::new(),
        };
        Ok(Self { jobs, shared: Arc::new(shared) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Whose it is.
    pub fn owner(&self) -> &Owner {
        &self.shared.owner
    }

    /// Where a damaged file was put when this one was begun in its stead: to be told to the person, because unsent
    /// presses and publishes in it are not sent. Messages come again from the server, as far as it has them.
    pub fn damaged(&self) -> Option<&Path> {
        self.shared.damaged.as_deref()
    }

    /// Number of unread messages (superseded and expired ones do not count; one that somebody else settled does).
    pub fn unread(&self) -> watch::Receiver<u64> {
        self.shared.unread.clone()
    }

    /// One page, newest first.
    pub async fn list(&self, query: InboxQuery) -> Result<Page<MessageView>> {
        self.run(move |file| file.list(&query)).await
    }

    /// One message.
    pub async fn message(&self, id: MessageId) -> Result<MessageView> {
        self.run(move |file| file.message(id)).await
    }

    /// What is stored and not yet shown, oldest first: asked for once at start.
    pub async fn pending(&self) -> Result<Vec<Pending>> {
        self.run(File::pending).await
    }

    /// Records what became of showing messages; reported with the next acknowledgement.
    pub async fn set_shown(&self, shown: Vec<(MessageId, Shown)>) -> Result<()> {
        self.run(move |file| file.set_shown(&shown)).await?;
        self.shared.reports.notify_one();
        Ok(())
    }

    /// Marks a message as read, here at once and on the server as soon as it can be told. Repeating it is fine.
    pub async fn read(&self, id: MessageId) -> Result<StateChange> {
        self.press(id, Press::Read).await
    }

    /// Acknowledges a message, which implies reading it.
    pub async fn acknowledge(&self, id: MessageId) -> Result<StateChange> {
        self.press(id, Press::Acknowledge).await
    }

    async fn press(&self, id: MessageId, press: Press) -> Result<StateChange> {
        let change = self.run(move |file| file.press(id, press)).await?;
        self.shared.outbox.notify_one();
        Ok(change)
    }

    /// Marks everything as read.
    pub async fn read_all(&self) -> Result<Vec<StateChange>> {
        let changes = self.run(File::read_all).await?;
        self.shared.outbox.notify_one();
        Ok(changes)
    }

    /// Keeps a publish until the server has taken it. The same key again is the same publish.
    pub async fn spool(&self, key: String, publish: Publish) -> Result<()> {
        self.run(move |file| file.spool(&key, &publish)).await?;
        self.shared.outbox.notify_one();
        Ok(())
    }

    /// Publishes that wait, oldest first.
    pub async fn spooled(&self) -> Result<Vec<Spooled>> {
        self.run(|file| file.spooled(spool::SPOOL_MOST)).await
    }

    /// Everything up to here is stored.
    pub async fn position(&self) -> Result<Option<Cursor>> {
        self.run(|file| Ok(file.position.clone())).await
    }

    /// Writes what was kept back to spare the disk, and closes the file. Other handles get [`Error::Closed`].
    pub async fn close(&self) -> Result<()> {
        self.run(File::close).await
    }

    // ----- for the subscriber --------------------------------------------------------------------------------

    /// Stores a batch and the position behind it in one transaction; durable when it returns.
    pub(crate) async fn store(
        &self,
        batch: Vec<Entry>,
        position: Option<Cursor>,
        from: Option<Cursor>,
    ) -> Result<Vec<Outcome>> {
        self.run(move |file| file.store(batch, position, from)).await
    }

    /// Takes note of a position that covers nothing; written with the next batch, every few minutes, and on close.
    pub(crate) async fn note_position(&self, position: Cursor) -> Result<()> {
        self.run(move |file| file.note_position(position)).await
    }

    /// Where the stream started that the stored position was reached on.
    pub(crate) async fn stream_from(&self) -> Result<Option<Cursor>> {
        self.run(|file| Ok(file.stream_from.clone())).await
    }

    /// Which of these are not stored yet.
    pub(crate) async fn unknown(&self, ids: Vec<MessageId>) -> Result<Vec<MessageId>> {
        self.run(move |file| file.unknown(&ids)).await
    }

    /// Reports that no acknowledgement has carried yet; the caller says later whether they arrived.
    pub(crate) async fn take_reports(&self, limit: usize) -> Result<Vec<ShownReport>> {
        self.run(move |file| file.take_reports(limit)).await
    }

    /// The server has these reports (`arrived`), or they must be sent again.
    pub(crate) async fn settle_reports(&self, ids: Vec<MessageId>, arrived: bool) -> Result<()> {
        self.run(move |file| {
            file.settle_reports(&ids, arrived);
            Ok(())
        })
        .await
    }

    /// The press that has waited longest.
    pub(crate) async fn next_press(&self) -> Result<Option<QueuedPress>> {
        self.run(File::next_press).await
    }

    /// The server has the press, or will never take it.
    pub(crate) async fn settle_press(&self, press: QueuedPress) -> Result<()> {
        self.run(move |file| file.settle_press(&press)).await
    }

    /// The publish that has waited longest.
    pub(crate) async fn next_spooled(&self) -> Result<Option<Spooled>> {
        self.run(|file| Ok(file.spooled(1)?.pop())).await
    }

    /// The server has the publish, or will never take it.
    pub(crate) async fn settle_spooled(&self, key: String) -> Result<()> {
        self.run(move |file| file.settle_spooled(&key)).await
    }

    /// Resolves when something may wait to be sent.
    pub(crate) async fn outbox_changed(&self) {
        self.shared.outbox.notified().await;
    }

    /// Resolves when something may wait to be reported.
    pub(crate) async fn reports_changed(&self) {
        self.shared.reports.notified().await;
    }

    /// Makes every write fail, as on a full disk.
    #[cfg(test)]
    pub(crate) async fn forbid_writing(&self, forbid: bool) -> Result<()> {
        self.run(move |file| file.on_connection(|c| c.pragma_update(None, "query_only", forbid))).await
    }

    /// Runs `work` on the inbox's thread.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut File) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |file| {
            // The asker may have gone; the work is done all the same.
            let _ = answer.send(work(file));
        });
        self.jobs.send(job).await.map_err(|_| Error::Closed)?;
        result.await.map_err(|_| Error::Closed)?
    }
}

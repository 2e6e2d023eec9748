//! The thread that owns the file. SQLite blocks, so it never runs on an async worker.

use std::{collections::BTreeSet, fmt, path::PathBuf, sync::Arc, thread};

use rusqlite::{Connection, OptionalExtension as _, params};
use tocsin_protocol::{Cursor, MessageId, Millis};
use tokio::sync::{mpsc, watch};

use crate::{Clock, Error, Result};

/// Work that waits for the thread; askers wait beyond it.
pub(super) const QUEUE: usize = 64;
/// A position that covers nothing is written this often at most: losing it costs a replay of nothing.
const POSITION_EVERY_MS: Millis = 5 * 60 * 1000;

/// A piece of work.
pub(super) type Job = Box<dyn FnOnce(&mut File) + Send>;

/// The open file with what is kept in memory beside it.
pub(super) struct File {
    /// Absent once closed.
    connection: Option<Connection>,
    path: PathBuf,
    pub clock: Arc<dyn Clock>,
    unread: watch::Sender<u64>,
    /// Everything up to here is stored; may be ahead of the file by what covers nothing.
    pub position: Option<Cursor>,
    position_written: Millis,
    position_dirty: bool,
    /// Where the stream started that `position` was reached on.
    pub stream_from: Option<Cursor>,
    /// Reports handed out for sending.
    pub reports_under_way: BTreeSet<MessageId>,
    /// Reports that arrived; their rows are marked with the next write, sparing a sync of its own.
    pub reports_arrived: BTreeSet<MessageId>,
    /// Messages stored since rows were last pruned.
    pub since_pruning: usize,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

impl File {
    pub fn new(
        connection: Connection,
        path: PathBuf,
        clock: Arc<dyn Clock>,
        unread: watch::Sender<u64>,
    ) -> Result<Self> {
        let position_written = clock.now();
        let mut file = Self {
            connection: Some(connection),
            path,
            clock,
            unread,
            position: None,
            position_written,
            position_dirty: false,
            stream_from: None,
            reports_under_way: BTreeSet::new(),
            reports_arrived: BTreeSet::new(),
            since_pruning: 0,
        };
        file.position = file.load_cursor("position")?;
        file.stream_from = file.load_cursor("stream_from")?;
        file.prune();
        file.count_unread()?;
        Ok(file)
    }

    /// Runs `work` in a transaction that is synced when it returns; with it goes whatever was kept back.
    pub fn write<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let arrived: Vec<_> = self.reports_arrived.iter().copied().collect();
        let (position, from) = (self.position.clone(), self.stream_from.clone());
        let dirty = self.position_dirty;
        let result = self.on_connection(|connection| {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            // First, or a report that `work` makes anew would count as arrived.
            for id in &arrived {
                transaction
                    .prepare_cached("UPDATE message SET reported = 1 WHERE id = ?1")?
                    .execute([id.as_str()])?;
            }
            let result = work(&transaction)?;
            if dirty {
                save_cursor(&transaction, "position", position.as_ref())?;
                save_cursor(&transaction, "stream_from", from.as_ref())?;
            }
            transaction.commit()?;
            Ok(result)
        })?;
        for id in &arrived {
            self.reports_arrived.remove(id);
        }
        if dirty {
            self.position_dirty = false;
            self.position_written = self.clock.now();
        }
        Ok(result)
    }

    /// Runs `work` outside a transaction.
    pub fn on_connection<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let connection = self.connection.as_mut().ok_or(Error::Closed)?;
        work(connection).map_err(|source| Error::Inbox { path: self.path.clone(), source })
    }

    /// Moves the position in memory; the next [`File::write`] carries it. Within one epoch it never goes back.
    pub fn advance(&mut self, position: Cursor) {
        let ahead =
            self.position.as_ref().is_none_or(|old| old.epoch != position.epoch || old.seq < position.seq);
        if ahead {
            self.position = Some(position);
            self.position_dirty = true;
        }
    }

    /// Notes where the present stream started.
    pub fn started_from(&mut self, from: Cursor) {
        if self.stream_from.as_ref() != Some(&from) {
            self.stream_from = Some(from);
            self.position_dirty = true;
        }
    }

    pub fn note_position(&mut self, position: Cursor) -> Result<()> {
        self.advance(position);
        let due = self.clock.now().saturating_sub(self.position_written).abs() >= POSITION_EVERY_MS;
        if self.position_dirty && due { self.write(|_| Ok(())) } else { Ok(()) }
    }

    /// Counts the unread anew and tells whoever watches, if the number changed.
    pub fn count_unread(&mut self) -> Result<()> {
        let now = self.clock.now();
        let count = self.on_connection(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*) FROM message
                     WHERE read_at IS NULL AND superseded_by IS NULL AND (expires_at IS NULL OR expires_at > ?1)",
                )?
                .query_row([now], |row| row.get::<_, i64>(0))
        })?;
        let count = u64::try_from(count).unwrap_or(0);
        self.unread.send_if_modified(|old| std::mem::replace(old, count) != count);
        Ok(())
    }

    pub fn close(&mut self) -> Result<()> {
        let kept_back = self.position_dirty || !self.reports_arrived.is_empty();
        let written = if kept_back && self.connection.is_some() { self.write(|_| Ok(())) } else { Ok(()) };
        if let Some(connection) = self.connection.take() {
            connection.close().map_err(|(_, source)| Error::Inbox { path: self.path.clone(), source })?;
        }
        written
    }

    fn load_cursor(&mut self, key: &str) -> Result<Option<Cursor>> {
        let text: Option<String> = self.on_connection(|connection| {
            connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
        })?;
        // A position that cannot be read is none: the server then starts at the oldest message not received.
        Ok(text.and_then(|t| t.parse().ok()))
    }
}

fn save_cursor(connection: &Connection, key: &str, cursor: Option<&Cursor>) -> rusqlite::Result<()> {
    if let Some(cursor) = cursor {
        connection
            .prepare_cached(
                "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
            )?
            .execute(params![key, cursor.to_string()])?;
    }
    Ok(())
}

/// Starts the thread; it ends when every handle is gone.
pub(super) fn spawn(mut file: File, mut queue: mpsc::Receiver<Job>) -> std::io::Result<()> {
    thread::Builder::new().name("tocsin-inbox".into()).spawn(move || {
        while let Some(job) = queue.blocking_recv() {
            job(&mut file);
        }
        if let Err(error) = file.close() {
            tracing::warn!(%error, "the inbox was not closed cleanly");
        }
    })?;
    Ok(())
}

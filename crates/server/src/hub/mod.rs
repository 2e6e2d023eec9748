//! Live connections, fed by the tail of the log alone.
//!
//! How a stream begins without a gap: it reads pages from the store until it is less than one page behind; only then,
//! under the hub's lock, it goes live and learns what position the hub has applied; it reads the store up to there; then
//! come live frames, which are all above it (`stream/feed`). How it ends: the hub says so ([`End`]), or its [`Link`] is
//! dropped.

mod farewell;
pub mod frame;
mod life;
mod link;
mod mark;
mod queue;
mod table;
mod tail;
mod wheel;

#[cfg(test)]
mod join_tests;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tocsin_protocol::Seq;
use tocsin_store::{DeviceId, LogEntry, Store, UserId};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use frame::Frame;
pub use link::{Gate, Link};
pub use mark::{Mark, Sent};
pub use queue::{End, Gulp, Who, Word};

use self::{
    queue::{Bounds, Queue},
    table::{Routed, Table},
    tail::Tail,
    wheel::Wheel,
};
use crate::{
    auth::Credentials,
    config::Streams,
    listen::Wire,
    metrics::{Metrics, Transport},
};

/// Live connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Shared>);

struct Shared {
    table: Mutex<Table>,
    /// The table's `applied`, readable without its lock.
    applied: AtomicU64,
    reached: watch::Sender<Seq>,
    wheel: Wheel,
    bounds: Bounds,
    per_user: usize,
    metrics: Metrics,
    /// Told when a device was last there.
    store: Arc<dyn Store>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("applied", &self.applied).finish_non_exhaustive()
    }
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// This person has as many streams as are allowed.
    TooMany,
    /// The server is going away.
    GoingAway,
}

impl Hub {
    /// Takes a snapshot of the members and follows the log from there.
    pub async fn start(
        store: &Arc<dyn Store>,
        credentials: &Arc<Credentials>,
        config: &Streams,
        metrics: &Metrics,
        shutdown: &CancellationToken,
        tasks: &TaskTracker,
    ) -> tocsin_store::Result<Self> {
        let (hub, tail) = Self::at_rest(store, credentials, config, metrics).await?;
        tasks.spawn(tail.run(shutdown.clone()));
        tasks.spawn(farewell::run(hub.clone(), shutdown.clone()));
        tasks.spawn(life::run(hub.clone(), shutdown.clone()));
        Ok(hub)
    }

    /// The hub and its tail, which is not running yet.
    async fn at_rest(
        store: &Arc<dyn Store>,
        credentials: &Arc<Credentials>,
        config: &Streams,
        metrics: &Metrics,
    ) -> tocsin_store::Result<(Self, Tail)> {
        let snapshot = store.snapshot().await?;
        let hub = Self(Arc::new(Shared {
            applied: AtomicU64::new(snapshot.seq),
            reached: watch::Sender::new(snapshot.seq),
            table: Mutex::new(Table::new(snapshot)),
            wheel: Wheel::new(config),
            bounds: Bounds { items: config.queue_items, bytes: config.queue_bytes },
            per_user: config.per_user,
            metrics: metrics.clone(),
            store: store.clone(),
        }));
        let tail = Tail { store: store.clone(), hub: hub.clone(), credentials: credentials.clone() };
        Ok((hub, tail))
    }

    /// Adds a connection that begins after `from`. Nothing is queued before it goes live; the end reaches it at once.
    pub fn enter(&self, who: Who, from: Seq, wire: Option<Arc<Wire>>) -> Result<Link, Refused> {
        let transport = who.transport;
        let mut table = self.table();
        if table.closing {
            return Err(Refused::GoingAway);
        }
        if table.count_of(who.user) >= self.0.per_user {
            return Err(Refused::TooMany);
        }
        let mark = table.mark(who.device);
        if transport == Transport::Poll {
            mark.asks();
        } else {
            mark.open(from);
        }
        let queue = Arc::new(Queue::new(who, mark, wire));
        table.add(&queue);
        drop(table);
        self.0.metrics.connection_opened(transport);
        Ok(Link { hub: self.clone(), queue })
    }

    fn leave(&self, queue: &Arc<Queue>) {
        // First, so that whoever sees it gone sees since when.
        self.is_there(queue);
        self.table().remove(queue);
        if queue.who.transport == Transport::Poll {
            queue.mark.answered();
        } else {
            queue.mark.close();
        }
        self.0.metrics.connection_closed(queue.who.transport);
    }

    /// The last position handed out to connections.
    pub fn applied(&self) -> Seq {
        self.0.applied.load(Ordering::Acquire)
    }

    /// Waits until the hub has handed out everything up to `seq`.
    pub async fn reached(&self, seq: Seq) {
        if self.applied() >= seq {
            return;
        }
        // The sender lives in `self`.
        _ = self.0.reached.subscribe().wait_for(|applied| *applied >= seq).await;
    }

    /// Open streams and waiting polls.
    pub fn connections(&self) -> usize {
        self.table().count()
    }

    /// Open streams of one person.
    pub fn connections_of(&self, user: UserId) -> usize {
        self.table().count_of(user)
    }

    /// Whether a stream of this device is open, or it waits for the answer to a poll.
    pub fn online(&self, device: DeviceId) -> bool {
        self.table().known_mark(device).is_some_and(|mark| mark.get().is_open())
    }

    /// Notes that its device is there now.
    fn is_there(&self, queue: &Queue) {
        // A store that failed says so wherever something is written.
        let _ = self.0.store.touch(Some(queue.who.device), queue.who.token);
    }

    /// What was sent to a device since this server started.
    pub fn mark(&self, device: DeviceId) -> Arc<Mark> {
        self.table().mark(device)
    }

    /// Ends every stream; clients come back after a random delay. For a log that began a new life.
    pub fn send_away(&self) {
        self.table().all().iter().for_each(|queue| queue.end(End::GoingAway));
    }

    /// Ends the streams of a device that was removed; they begin again as a new one.
    pub fn send_away_device(&self, device: DeviceId) {
        let queues = self.table().all();
        queues.iter().filter(|queue| queue.who.device == device).for_each(|queue| queue.end(End::GoingAway));
    }

    fn apply(&self, entry: &LogEntry) -> Routed {
        let mut table = self.table();
        let routed = table.apply(entry, self.0.bounds);
        // After the frames are queued, under the lock: whoever reads this position finds them.
        self.0.applied.store(entry.seq, Ordering::Release);
        drop(table);
        self.0.reached.send_replace(entry.seq);
        routed
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wheel(&self) -> &Wheel {
        &self.0.wheel
    }

    fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
}

//! One timer for all connections.
//!
//! A connection arms the next time at which it has something to do (heartbeat, ping, a deadline); the wheel tells it
//! once and forgets. Times are rounded up to coarse ticks, so that neighbours share a wake-up, and without connections
//! nothing wakes at all.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::queue::{Fired, Queue};
use crate::config::Streams;

/// Coarsest tick: precise enough for deadlines of 10 s and more.
const TICK_MOST: Duration = Duration::from_secs(1);
/// Finest tick, for tests that shrink the times.
const TICK_LEAST: Duration = Duration::from_millis(2);

/// One timer for all connections.
#[derive(Debug)]
pub struct Wheel {
    origin: Instant,
    tick: Duration,
    write_deadline: Duration,
    inner: Mutex<Inner>,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    slots: BTreeMap<u64, Vec<Weak<Queue>>>,
    /// The tick that the task sleeps until; 0: it does not sleep.
    asleep_until: u64,
}

impl Wheel {
    pub(super) fn new(times: &Streams) -> Self {
        let shortest = times.heartbeat.min(times.ping_period).min(times.pong_wait).min(times.write_deadline);
        Self {
            origin: Instant::now(),
            tick: (shortest / 8).clamp(TICK_LEAST, TICK_MOST),
            write_deadline: times.write_deadline,
            inner: Mutex::default(),
            earlier: Notify::new(),
        }
    }

    /// Tells the connection when `due` has come, or earlier if it armed an earlier time before.
    pub fn arm(&self, queue: &Arc<Queue>, due: Instant) {
        let tick = self.tick_of(due);
        if queue.arm(tick) {
            self.put(queue, tick);
        }
    }

    fn put(&self, queue: &Arc<Queue>, tick: u64) {
        let mut inner = self.lock();
        inner.slots.entry(tick).or_default().push(Arc::downgrade(queue));
        if tick < inner.asleep_until {
            drop(inner);
            self.earlier.notify_one();
        }
    }

    /// Ticks since the start; the first is 1, so that 0 means never. Rounded down.
    fn now(&self) -> u64 {
        self.ticks(Instant::now())
    }

    fn ticks(&self, at: Instant) -> u64 {
        let passed = at.saturating_duration_since(self.origin).as_nanos() / self.tick.as_nanos();
        u64::try_from(passed).unwrap_or(u64::MAX - 1) + 1
    }

    /// Rounded up: never early.
    fn tick_of(&self, due: Instant) -> u64 {
        self.ticks(due) + 1
    }

    fn when(&self, tick: u64) -> Instant {
        self.origin + self.tick * u32::try_from(tick.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Runs until dropped.
    pub(super) async fn run(&self) {
        loop {
            let next = {
                let mut inner = self.lock();
                let next = inner.slots.keys().next().copied();
                inner.asleep_until = next.unwrap_or(u64::MAX);
                next
            };
            match next {
                None => self.earlier.notified().await,
                Some(tick) => tokio::select! {
                    () = tokio::time::sleep_until(self.when(tick)) => self.fire(),
                    () = self.earlier.notified() => {}
                },
            }
        }
    }

    fn fire(&self) {
        let now = self.now();
        loop {
            let Some((tick, queues)) = self.next_due(now) else { return };
            for queue in queues.iter().filter_map(Weak::upgrade) {
                if queue.fire(tick) == Fired::Watch {
                    let tick = self.tick_of(Instant::now() + self.write_deadline);
                    if queue.watch(tick) {
                        self.put(&queue, tick);
                    }
                }
            }
        }
    }

    fn next_due(&self, now: u64) -> Option<(u64, Vec<Weak<Queue>>)> {
        let mut inner = self.lock();
        let first = inner.slots.first_entry().filter(|entry| *entry.key() <= now)?;
        Some(first.remove_entry())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

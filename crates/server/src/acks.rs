//! Acknowledgements on their way into the store: gathered for a short window into one transaction.
//!
//! Invariants:
//! - What was booked is committed or still held: a failed commit is tried again, nothing is dropped. Held ranges are
//!   bounded by what devices there are, because ranges of one device that touch become one.
//! - A receipt shows only what is committed. What a crash takes from the window is acknowledged again by the client when
//!   it resumes.
//! - Nothing wakes while nothing is booked.
//! - Who asks after the end is told so, and waits for nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tocsin_protocol::MessageId;
use tocsin_store::{AckRange, DeviceId, Error, ShownRow, Store};
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::metrics::Metrics;

/// Ranges that do not wait for the window to end.
const PLENTY: usize = 16_384;
/// Reports of showing that are held while the store cannot write; a device reports again what it is asked about, and a
/// report that is missing reads as "not known", never as a green lie.
const SHOWN_MOST: usize = 131_072;
/// First and longest wait after a failed commit.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Time for the last acknowledgements when the host ends without `serve`.
const GRACE: Duration = Duration::from_secs(10);

/// Gathers acknowledgements.
#[derive(Clone)]
pub struct Acks(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    metrics: Metrics,
    held: Mutex<Held>,
    booked: Notify,
    plenty: Notify,
    closed: CancellationToken,
    outcome: watch::Sender<Outcome>,
}

#[derive(Default)]
struct Held {
    ranges: HashMap<DeviceId, Vec<AckRange>>,
    count: usize,
    shown: HashMap<(DeviceId, MessageId), ShownRow>,
    /// Grows with each booking.
    generation: u64,
}

/// What became of bookings.
#[derive(Clone, Default)]
pub struct Outcome {
    /// All of these and before are durable.
    durable: u64,
    /// The last attempt took these and before, and failed.
    failed: Option<(u64, String)>,
}

impl Outcome {
    /// What is not durable by now never will be.
    fn end(&mut self) {
        self.failed = Some((u64::MAX, "the server is ending".into()));
    }
}

impl Acks {
    /// Starts gathering.
    pub fn start(
        store: Arc<dyn Store>,
        window: Duration,
        metrics: Metrics,
        shutdown: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let acks = Self(Arc::new(Shared {
            store,
            metrics,
            held: Mutex::default(),
            booked: Notify::new(),
            plenty: Notify::new(),
            closed: CancellationToken::new(),
            outcome: watch::Sender::default(),
        }));
        tasks.spawn(acks.clone().run(window, shutdown));
        acks
    }

    /// Books a range and what became of showing messages; returns at once.
    pub fn book(&self, range: Option<AckRange>, shown: Vec<ShownRow>) {
        if range.is_none() && shown.is_empty() {
            return;
        }
        let mut held = self.lock();
        held.generation += 1;
        if let Some(range) = range {
            held.add(range);
        }
        for row in shown {
            held.report(row);
        }
        let plenty = held.count >= PLENTY;
        drop(held);
        self.0.booked.notify_one();
        if plenty {
            self.0.plenty.notify_one();
        }
    }

    /// Returns when everything booked before is durable, or could not be made so now (it is kept and tried again).
    pub async fn flush(&self) -> tocsin_store::Result<()> {
        let mut outcomes = self.0.outcome.subscribe();
        let wanted = self.lock().generation;
        let done = |outcome: &Outcome| {
            outcome.durable >= wanted || outcome.failed.as_ref().is_some_and(|(seen, _)| *seen >= wanted)
        };
        match outcomes.wait_for(done).await {
            Ok(outcome) if outcome.durable >= wanted => Ok(()),
            Ok(outcome) => Err(Error::Unavailable(
                outcome.failed.as_ref().map(|(_, why)| why.clone()).unwrap_or_default(),
            )),
            Err(_) => Err(Error::Unavailable("the server is ending".into())),
        }
    }

    /// Changes whenever bookings became durable, or could not.
    pub fn committed(&self) -> watch::Receiver<Outcome> {
        self.0.outcome.subscribe()
    }

    /// Commits what is held, then ends.
    pub fn close(&self) {
        self.0.closed.cancel();
    }

    async fn run(self, window: Duration, shutdown: CancellationToken) {
        let ending = async {
            tokio::select! {
                () = self.0.closed.cancelled() => {}
                () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => {}
            }
        };
        let gathering = async {
            loop {
                self.0.booked.notified().await;
                tokio::select! {
                    () = tokio::time::sleep(window) => {}
                    () = self.0.plenty.notified() => {}
                    () = self.0.closed.cancelled() => {}
                }
                self.commit_until_done().await;
            }
        };
        tokio::select! {
            () = ending => {}
            () = gathering => {}
        }
        if let Err(error) = self.commit().await {
            tracing::error!(%error, "the last acknowledgements were not stored; clients acknowledge again when they resume");
        }
        self.0.outcome.send_modify(Outcome::end);
    }

    async fn commit_until_done(&self) {
        let mut wait = RETRY.0;
        while let Err(error) = self.commit().await {
            tracing::warn!(%error, "acknowledgements cannot be stored now; they are kept and tried again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY.1);
        }
    }

    async fn commit(&self) -> tocsin_store::Result<()> {
        let (batch, generation) = {
            let mut held = self.lock();
            (Batch(self, Some(std::mem::take(&mut held.ranges)), std::mem::take(&mut held.shown)), {
                held.count = 0;
                held.generation
            })
        };
        let result = batch.write().await;
        self.0.outcome.send_modify(|outcome| match &result {
            Ok(()) => (outcome.durable, outcome.failed) = (generation, None),
            Err(error) => outcome.failed = Some((generation, error.to_string())),
        });
        result
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one transaction takes; put back when it is dropped unwritten, be it by an error or by the end of the task.
struct Batch<'a>(
    &'a Acks,
    Option<HashMap<DeviceId, Vec<AckRange>>>,
    HashMap<(DeviceId, MessageId), ShownRow>,
);

impl Batch<'_> {
    async fn write(mut self) -> tocsin_store::Result<()> {
        let mut ranges: Vec<_> = self.1.iter().flatten().flat_map(|(_, ranges)| ranges).copied().collect();
        // Rows of neighbours share their pages.
        ranges.sort_unstable_by_key(|range| (range.device, range.from));
        if !ranges.is_empty() {
            let count = ranges.len();
            self.0.0.store.acknowledge(ranges).await?;
            self.0.0.metrics.ack_batch(count);
            self.1 = None;
        }
        if !self.2.is_empty() {
            let rows = self.2.values().copied().collect();
            self.0.0.store.report_shown(rows).await?;
            self.2 = HashMap::new();
        }
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let (ranges, shown) = (self.1.take().unwrap_or_default(), std::mem::take(&mut self.2));
        if ranges.is_empty() && shown.is_empty() {
            return;
        }
        let mut held = self.0.lock();
        for range in ranges.into_values().flatten() {
            held.add(range);
        }
        // What was reported meanwhile is newer.
        for (key, row) in shown {
            held.shown.entry(key).or_insert(row);
        }
    }
}

impl Held {
    fn add(&mut self, mut range: AckRange) {
        let ranges = self.ranges.entry(range.device).or_default();
        self.count -= ranges.len();
        // Those that touch become one. Its time is the later one: never earlier than the server heard of it.
        ranges.retain(|held| {
            let touches = held.from <= range.to && range.from <= held.to;
            if touches {
                range.from = range.from.min(held.from);
                range.to = range.to.max(held.to);
                range.at = range.at.max(held.at);
            }
            !touches
        });
        ranges.push(range);
        self.count += ranges.len();
    }

    fn report(&mut self, row: ShownRow) {
        let key = (row.device, row.message);
        if self.shown.len() >= SHOWN_MOST && !self.shown.contains_key(&key) {
            tracing::warn!("too many reports of showing are waiting for the store; one is not recorded");
            return;
        }
        self.shown.insert(key, row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(device: i64, from: u64, to: u64) -> AckRange {
        AckRange { device: DeviceId(device), from, to, at: 0 }
    }

    fn held(ranges: &[AckRange]) -> Vec<(u64, u64)> {
        let mut held = Held::default();
        for range in ranges {
            held.add(*range);
        }
        assert_eq!(held.count, held.ranges.values().map(Vec::len).sum::<usize>());
        let mut left: Vec<_> = held.ranges.values().flatten().map(|range| (range.from, range.to)).collect();
        left.sort_unstable();
        left
    }

    #[tokio::test]
    async fn a_booking_after_the_end_is_answered() {
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let store = Arc::new(tocsin_store::model::ModelStore::new(Arc::new(|| 0), 1, 1));
        let acks = Acks::start(store, Duration::ZERO, Metrics::default(), shutdown, &tasks);
        acks.close();
        tasks.close();
        tasks.wait().await;
        acks.flush().await.unwrap();
        acks.book(Some(range(1, 0, 1)), Vec::new());
        let told = tokio::time::timeout(Duration::from_secs(10), acks.flush()).await;
        assert!(matches!(told, Ok(Err(Error::Unavailable(_)))), "{told:?}");
    }

    #[test]
    fn ranges_that_touch_become_one() {
        assert_eq!(held(&[range(1, 0, 5), range(1, 5, 9), range(1, 9, 10)]), [(0, 10)]);
        assert_eq!(held(&[range(1, 0, 5), range(1, 6, 9)]), [(0, 5), (6, 9)], "a gap stays a gap");
        assert_eq!(held(&[range(1, 0, 2), range(1, 4, 6), range(1, 1, 5)]), [(0, 6)]);
        assert_eq!(held(&[range(1, 0, 5), range(2, 5, 9)]), [(0, 5), (5, 9)], "devices stay apart");
    }
}

//! Pruning, when nobody is waiting: what is older than its retention goes, in small bites, and what went before a person
//! received it is said aloud.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rand::Rng;
use tocsin_store::{Result, Store};
use tokio_util::sync::CancellationToken;

use crate::{alerts::Alerts, metrics::Metrics};

/// First time after a start: once the return of all clients is over.
const FIRST: Duration = Duration::from_mins(1);
/// Between two bites, and between two looks at a busy store.
const PAUSE: Duration = Duration::from_millis(100);
/// A store that is never idle is pruned all the same after so many looks (a minute).
const LOOKS_MOST: u32 = 600;

/// Prunes, and says what went too early.
pub struct Upkeep {
    /// What is pruned.
    pub store: Arc<dyn Store>,
    /// Counts it.
    pub metrics: Metrics,
    /// Tells it to the administrators.
    pub alerts: Arc<Alerts>,
}

impl Upkeep {
    /// Prunes about every `every` until `shutdown`.
    pub async fn run(self, every: Duration, shutdown: CancellationToken) {
        let forever = async {
            let mut wait = FIRST.min(every);
            loop {
                tokio::time::sleep(wait).await;
                if let Err(error) = self.prune().await {
                    tracing::warn!(%error, "pruning failed; it is tried again later");
                }
                // A tenth of jitter, so that several servers of one team do not prune in step.
                wait = every.mul_f64(rand::rng().random_range(0.95..1.05));
            }
        };
        tokio::select! {
            () = forever => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Prunes all there is to prune. What could not be told the last time is told now.
    pub async fn prune(&self) -> Result<()> {
        let mut missed = BTreeMap::new();
        let pruned = self.all(&mut missed).await;
        // Also when pruning failed half way: what is gone is gone.
        self.alerts.lost(missed).await?;
        pruned
    }

    async fn all(&self, missed: &mut BTreeMap<String, u64>) -> Result<()> {
        loop {
            idle(&self.store).await?;
            let pruned = self.store.prune().await?;
            self.metrics.pruned(pruned.messages, pruned.lost);
            if pruned.lost > 0 {
                tracing::warn!(
                    messages = pruned.messages,
                    lost = pruned.lost,
                    "messages were pruned before people received them; raise the retention, or look for devices that never connect"
                );
            }
            for (person, count) in pruned.missed {
                *missed.entry(person).or_default() += count;
            }
            if !pruned.more {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Returns when no write waits, or after a minute.
async fn idle(store: &Arc<dyn Store>) -> Result<()> {
    for _ in 0..LOOKS_MOST {
        if store.stats().await?.waiting == 0 {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

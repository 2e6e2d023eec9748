//! Follows the log and hands each entry to the table, in order, none left out.
//!
//! It is fed by commits alone, never by a publish handler: what another process commits arrives the same way. When the
//! store cannot be read it tries again; it never goes on behind a gap.

use std::{sync::Arc, time::Duration};

use tocsin_store::{Result, Store};
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::{auth::Credentials, metrics::Transport};

/// Entries read at once. Large enough to catch up quickly, small enough to let joins in between.
const PAGE: usize = 256;
/// First and longest wait after a failed read.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The tail of the log.
pub(super) struct Tail {
    pub store: Arc<dyn Store>,
    pub hub: Hub,
    pub credentials: Arc<Credentials>,
}

impl Tail {
    /// Runs until `shutdown`.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&self) {
        let mut head = self.store.head();
        let mut wait = RETRY.0;
        loop {
            match self.step().await {
                Ok(0) => {
                    wait = RETRY.0;
                    // The read came before this wait: a commit in between has marked the value as changed.
                    if head.changed().await.is_err() {
                        return;
                    }
                }
                Ok(_) => wait = RETRY.0,
                Err(error) => {
                    tracing::warn!(%error, "the log cannot be read; nothing is skipped, trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY.1);
                }
            }
        }
    }

    /// Applies the next page; returns how many entries there were.
    pub(super) async fn step(&self) -> Result<usize> {
        let entries = self.store.log(self.hub.applied(), PAGE).await?;
        for entry in &entries {
            // Before the table ends the streams: whoever connects after that must not be let in from memory.
            self.credentials.forget(&entry.entry);
            let routed = self.hub.apply(entry);
            if routed.websocket > 0 {
                self.hub.metrics().delivered(Transport::WebSocket, routed.websocket);
            }
            if routed.sse > 0 {
                self.hub.metrics().delivered(Transport::Sse, routed.sse);
            }
            (0..routed.lagging).for_each(|_| self.hub.metrics().lagging());
        }
        Ok(entries.len())
    }
}

//! Acknowledgements on their way into the store: gathered for a short window into one transaction.

use std::{sync::Arc, time::Duration};

use tocsin_store::{AckRange, ShownRow, Store};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Gathers acknowledgements.
pub struct Acks {}

impl Acks {
    /// Starts gathering.
    pub fn start(_store: Arc<dyn Store>, _window: Duration, _shutdown: CancellationToken, _tasks: &TaskTracker) -> Self {
        Self {}
    }

    /// Books a range; returns at once.
    pub fn book(&self, _range: AckRange, _shown: Vec<ShownRow>) {}

    /// Returns when everything booked before is durable.
    pub async fn flush(&self) -> tocsin_store::Result<()> {
        Ok(())
    }
}

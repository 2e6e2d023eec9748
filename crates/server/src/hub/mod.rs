//! Live connections, fed by the tail of the log alone.

use std::sync::Arc;

use tocsin_store::Store;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{auth::Credentials, config::Streams};

/// Live connections.
pub struct Hub {}

impl Hub {
    /// Takes a snapshot of the members and follows the log from there.
    pub async fn start(
        _store: &Arc<dyn Store>,
        _credentials: &Arc<Credentials>,
        _config: &Streams,
        _shutdown: &CancellationToken,
        _tasks: &TaskTracker,
    ) -> tocsin_store::Result<Self> {
        Ok(Self {})
    }
}

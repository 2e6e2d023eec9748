//! Signs of life of devices that are connected for long: a kill must not make days of presence look like absence.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Hub;

/// Between two notes. What is noted is written along with something else, so that it may be seldom and costs nothing.
const EVERY: Duration = Duration::from_mins(10);

/// Notes who is there, until `shutdown`.
pub(super) async fn run(hub: Hub, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.cancelled() => return,
        }
        let queues = hub.table().all();
        for queue in queues {
            hub.is_there(&queue);
        }
    }
}

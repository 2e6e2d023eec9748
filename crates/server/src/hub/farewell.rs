//! Turns the wheel while the server lives, and sends every stream away when it is to end.

use std::time::Duration;

use rand::seq::SliceRandom;
use tokio_util::sync::CancellationToken;

use super::{End, Hub};

/// Streams sent away in one go. A few thousand that come back within the same millisecond would be a storm for
/// whoever takes over; a team's are told at once.
const AT_ONCE: usize = 64;
/// Pause between such groups: 10 000 streams take 1.6 s, well inside the drain deadline.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs until every stream has left after `shutdown`.
pub(super) async fn run(hub: Hub, shutdown: CancellationToken) {
    tokio::select! {
        () = hub.wheel().run() => {}
        () = shutdown.cancelled() => {}
    }
    let mut queues = {
        let mut table = hub.table();
        // From here on nobody is let in, so this list is all.
        table.closing = true;
        table.all()
    };
    queues.shuffle(&mut rand::rng());
    let farewell = async {
        for group in queues.chunks(AT_ONCE) {
            for queue in group {
                queue.end(End::GoingAway);
            }
            if group.len() == AT_ONCE {
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    // The wheel turns on: closing connections have deadlines.
    tokio::join!(farewell, async {
        tokio::select! {
            () = hub.wheel().run() => {}
            () = empty(&hub) => {}
        }
    });
}

async fn empty(hub: &Hub) {
    while hub.connections() > 0 {
        tokio::time::sleep(PAUSE).await;
    }
}

//! Sends callbacks when their time has come on the simulator's clock.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{callback::send, shared::Shared};

/// With nothing planned there is nothing to wake for; a bell or a moved clock does.
const IDLE: Duration = Duration::from_hours(1);

/// Runs until cancelled.
pub(crate) async fn run(shared: Arc<Shared>, tasks: TaskTracker, stop: CancellationToken) {
    let mut moves = shared.clock.moves();
    loop {
        let now = shared.clock.now_ms();
        let (ready, next) = shared.world(|world| {
            let later = world.due.split_off(&(now + 1, 0));
            let ready: Vec<_> = std::mem::replace(&mut world.due, later).into_values().collect();
            (ready, world.due.keys().next().map(|(at, _)| *at))
        });
        // One task for all that are due together keeps their order; one that hangs does not hold up later ones.
        if !ready.is_empty() {
            let shared = Arc::clone(&shared);
            let stop = stop.clone();
            tasks.spawn(async move {
                for push in ready {
                    tokio::select! {
                        () = send::push(&shared, push) => {}
                        () = stop.cancelled() => return,
                    }
                }
            });
        }
        let wait = match next {
            Some(at) if !shared.clock.is_frozen() => {
                Duration::from_millis(u64::try_from(at - now).unwrap_or(1).max(1)).min(IDLE)
            }
            _ => IDLE,
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.planned.notified() => {}
            _ = moves.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

//! Whether the hosted server can still store: a full disk must be told before somebody's publish fails unseen.
//!
//! Looking costs no write: only when the disk is nearly full or read-only, or when the server answered 503 (a flush that
//! failed, a quota, a broken disk), is the store asked to make one, and then again and again until it can. The server itself answers 503 meanwhile and recovers by itself.

use std::{path::Path, time::Duration};

use rustix::fs::{StatVfsMountFlags, statvfs};
use tocsin_protocol::control::ProblemCode;
use tocsin_server::AppState;
use tokio::time::sleep;

use crate::desk::Desk;

/// Between two looks: a disk rarely fills faster than somebody could react.
const LOOK: Duration = Duration::from_secs(30);
/// While nothing can be stored.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Below this much free space the store is asked: some thousand messages with their log.
const LOW_BYTES: u64 = 32 * 1024 * 1024;

/// Tells [`ProblemCode::StoreUnwritable`] for as long as the store in `dir` cannot store. Never returns.
pub async fn watch(desk: &Desk, dir: &Path, state: &AppState) {
    let mut failing = false;
    loop {
        sleep(if failing { LOOK_AGAIN } else { LOOK }).await;
        let doubted = state.ready.was_doubted();
        if !failing && !doubted && !is_suspicious(dir) {
            continue;
        }
        match state.ready.look(&state.store).await {
            Ok(()) if failing => {
                failing = false;
                tracing::info!("the store can store again");
                desk.clear(ProblemCode::StoreUnwritable);
            }
            Ok(()) => {}
            Err(failure) => {
                failing = true;
                tracing::error!(error = %failure.error, "nothing can be stored");
                desk.raise(ProblemCode::StoreUnwritable, failure.error.message);
            }
        }
    }
}

fn is_suspicious(dir: &Path) -> bool {
    // A directory that cannot be looked at is suspicious, too.
    statvfs(dir).map_or(true, |disk| {
        disk.f_bavail.saturating_mul(disk.f_frsize) < LOW_BYTES
            || disk.f_flag.contains(StatVfsMountFlags::RDONLY)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_looked_at_is_suspicious() {
        assert!(is_suspicious(Path::new("/nonexistent/tocsin")));
    }
}

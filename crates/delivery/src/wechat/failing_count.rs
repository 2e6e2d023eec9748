//! How often in a row a platform asked for patience without saying for how long: each time it gets more.

use std::sync::atomic::{AtomicU32, Ordering};

use tocsin_wechat::{Outcome, errcode::Pause};

/// Counts. After a restart it begins anew, with the shortest pause.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU32);

impl Count {
    /// This came; which in a row it is, from 1.
    pub fn after(&self, outcome: &Outcome) -> u32 {
        match outcome {
            Outcome::Refused(refused) if refused.pause == Some(Pause::Widening) => {
                self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1)
            }
            Outcome::Accepted(_) => {
                self.0.store(0, Ordering::Relaxed);
                1
            }
            _ => self.0.load(Ordering::Relaxed).max(1),
        }
    }
}

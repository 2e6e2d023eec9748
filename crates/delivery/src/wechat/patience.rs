//! What a platform's answer means for the courier. A platform that asks for patience without saying for how long gets
//! more each time in a row.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tocsin_wechat::{Clock, Outcome, errcode::Pause};

use super::failing;

/// Counts. After a restart it begins anew, with the shortest pause.
#[derive(Debug)]
pub(super) struct Patience {
    clock: Arc<dyn Clock>,
    in_a_row: AtomicU32,
}

impl Patience {
    /// Nothing came yet.
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: clock.clone(), in_a_row: AtomicU32::new(0) }
    }

    /// This came.
    pub fn outcome(&self, said: Outcome) -> crate::Outcome {
        let in_a_row = self.after(&said);
        failing::outcome(said, self.clock.now(), in_a_row)
    }

    /// Which in a row it is, from 1.
    fn after(&self, outcome: &Outcome) -> u32 {
        match outcome {
            Outcome::Refused(refused) if refused.pause == Some(Pause::Widening) => {
                self.in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1)
            }
            Outcome::Accepted(_) => {
                self.in_a_row.store(0, Ordering::Relaxed);
                1
            }
            _ => self.in_a_row.load(Ordering::Relaxed).max(1),
        }
    }
}

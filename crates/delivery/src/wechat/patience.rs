//! What a platform's answer means for the courier. A platform that asks for patience without saying for how long gets
//! more each time in a row.
//!
//! Calls run side by side, so one full minute refuses several of them: while a pause stands, another refusal belongs to it
//! and lengthens nothing.

use std::sync::{Arc, Mutex, PoisonError};

use tocsin_protocol::Millis;
use tocsin_wechat::{Clock, Outcome, errcode::Pause};

use super::failing;

/// Counts. After a restart it begins anew, with the shortest pause.
#[derive(Debug)]
pub(super) struct Patience {
    clock: Arc<dyn Clock>,
    standing: Mutex<Standing>,
}

/// Pauses that widen.
#[derive(Debug, Default)]
struct Standing {
    in_a_row: u32,
    until: Millis,
}

impl Patience {
    /// Nothing came yet.
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: clock.clone(), standing: Mutex::default() }
    }

    /// This came.
    pub fn outcome(&self, said: Outcome) -> crate::Outcome {
        let now = self.clock.now();
        if matches!(said, Outcome::Accepted(_)) {
            *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = Standing::default();
        }
        failing::outcome(said, |pause| self.lasts(pause, now))
    }

    /// This came for a message that is sent by itself. It is no call of the courier's, so nothing is counted.
    pub fn aside(&self, said: Outcome) -> crate::Outcome {
        let now = self.clock.now();
        failing::outcome(said, |pause| pause.lasts(now, 1))
    }

    fn lasts(&self, pause: Pause, now: Millis) -> Option<Millis> {
        if pause != Pause::Widening {
            return pause.lasts(now, 1);
        }
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= standing.until {
            let in_a_row = standing.in_a_row.saturating_add(1);
            let lasts = pause.lasts(now, in_a_row)?;
            *standing = Standing { in_a_row, until: now.saturating_add(lasts) };
        }
        Some(standing.until - now)
    }
}

//! Noticing that the computer slept: timers count monotonic time, which stands still in suspend on Linux, so wall
//! time is ahead of it after a wake.

use std::time::Duration;

use tocsin_protocol::Millis;
use tokio::time::Instant;

use super::Now;

/// A time that the computer slept: wall time, to within the look before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slept {
    /// When it fell asleep.
    pub from: Millis,
    /// When it was awake again.
    pub to: Millis,
}

#[derive(Debug)]
pub(super) struct SleepWatch {
    last: Now,
    every: Duration,
    jump: Duration,
}

impl SleepWatch {
    pub fn new(now: Now, every: Duration, jump: Duration) -> Self {
        Self { last: now, every, jump }
    }

    /// When to look again.
    pub fn next(&self) -> Instant {
        self.last.mono + self.every
    }

    /// How wall time went ahead of monotonic time since the last look, if it did. A clock that is set back is no sleep.
    pub fn slept(&mut self, now: Now) -> Option<Slept> {
        let wall = u64::try_from(now.wall.saturating_sub(self.last.wall)).unwrap_or(0);
        let mono = now.mono.saturating_duration_since(self.last.mono);
        self.last = now;
        let ahead = Duration::from_millis(wall).saturating_sub(mono);
        let from = now.wall.saturating_sub(Millis::try_from(ahead.as_millis()).unwrap_or(Millis::MAX));
        (ahead >= self.jump).then_some(Slept { from, to: now.wall })
    }
}

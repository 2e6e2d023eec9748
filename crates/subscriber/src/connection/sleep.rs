//! Noticing that the computer slept: timers count monotonic time, which stands still in suspend on Linux, so wall
//! time is ahead of it after a wake.

use std::time::Duration;

use tokio::time::Instant;

use super::Now;

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

    /// Whether wall time went ahead of monotonic time since the last look. A clock that is set back is no sleep.
    pub fn slept(&mut self, now: Now) -> bool {
        let wall = u64::try_from(now.wall.saturating_sub(self.last.wall)).unwrap_or(0);
        let mono = now.mono.saturating_duration_since(self.last.mono);
        self.last = now;
        Duration::from_millis(wall).saturating_sub(mono) >= self.jump
    }
}

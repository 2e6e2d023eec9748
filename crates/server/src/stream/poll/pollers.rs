//! How often pollers are told to ask, so that all together stay inside a budget.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tocsin_store::DeviceId;
use tokio::time::Instant;

/// A device that polled within this time counts as a poller.
const MEMORY: Duration = Duration::from_mins(2);
/// Never more often, however few they are: a message a second late is still in time.
const SECONDS_LEAST: u64 = 1;
/// Never less often: within the time that a poller counts as one.
const SECONDS_MOST: u64 = 60;

/// Who polls.
#[derive(Debug)]
pub struct Pollers {
    budget_qps: u64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    devices: HashMap<DeviceId, Instant>,
    swept: Option<Instant>,
}

impl Pollers {
    /// All pollers together are to stay within `budget_qps`.
    pub fn new(budget_qps: u32) -> Self {
        Self { budget_qps: u64::from(budget_qps.max(1)), seen: Mutex::default() }
    }

    /// Notes a poll; returns the seconds to wait until the next.
    pub fn interval(&self, device: DeviceId, now: Instant) -> u64 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.devices.insert(device, now);
        if seen.swept.is_none_or(|at| now.duration_since(at) >= MEMORY / 4) {
            seen.swept = Some(now);
            seen.devices.retain(|_, at| now.duration_since(*at) < MEMORY);
        }
        (seen.devices.len() as u64).div_ceil(self.budget_qps).clamp(SECONDS_LEAST, SECONDS_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_poll_the_longer_each_waits() {
        let pollers = Pollers::new(10);
        let now = Instant::now();
        assert_eq!(pollers.interval(DeviceId(0), now), 1);
        let last = (0..95).map(|id| pollers.interval(DeviceId(id), now)).last();
        assert_eq!(last, Some(10));
        let later = now + MEMORY;
        assert_eq!(pollers.interval(DeviceId(1), later), 1, "those that stopped are forgotten");
    }
}

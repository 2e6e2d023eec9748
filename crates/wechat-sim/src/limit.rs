//! Counting against limits: a sliding window, and a day that ends at midnight in Shanghai.

use std::collections::VecDeque;

/// A minute.
pub(crate) const MINUTE_MS: i64 = 60_000;
/// An hour.
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
/// A day.
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
/// Platform days begin at midnight in Shanghai, which has no summer time.
const SHANGHAI_OFFSET_MS: i64 = 8 * HOUR_MS;

/// When things happened within the last `window`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sliding {
    times: VecDeque<i64>,
}

impl Sliding {
    /// How many in the window that ends now.
    pub(crate) fn count(&mut self, window_ms: i64, now: i64) -> usize {
        while self.times.front().is_some_and(|time| *time <= now - window_ms) {
            self.times.pop_front();
        }
        self.times.len()
    }

    /// Takes one if fewer than `limit` were taken in the window.
    pub(crate) fn take(&mut self, limit: usize, window_ms: i64, now: i64) -> bool {
        let free = self.count(window_ms, now) < limit;
        if free {
            self.times.push_back(now);
        }
        free
    }

    pub(crate) fn push(&mut self, now: i64) {
        self.times.push_back(now);
    }
}

/// A count that starts again each platform day.
#[derive(Clone, Debug, Default)]
pub(crate) struct Daily {
    day: i64,
    used: u64,
}

impl Daily {
    pub(crate) fn used(&mut self, now: i64) -> u64 {
        let today = day(now);
        if self.day != today {
            *self = Self { day: today, used: 0 };
        }
        self.used
    }

    /// Takes one if fewer than `limit` were taken today.
    pub(crate) fn take(&mut self, limit: u64, now: i64) -> bool {
        let free = self.used(now) < limit;
        if free {
            self.used += 1;
        }
        free
    }

    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }
}

/// The number of the platform's day.
pub(crate) fn day(now: i64) -> i64 {
    (now + SHANGHAI_OFFSET_MS).div_euclid(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut robot = Sliding::default();
        assert!((0..20).all(|second| robot.take(20, MINUTE_MS, second * 1_000)));
        assert!(!robot.take(20, MINUTE_MS, 59_999));
        assert!(robot.take(20, MINUTE_MS, 60_000), "the first of the twenty is a minute old");
        assert!(!robot.take(20, MINUTE_MS, 60_500));
    }

    #[test]
    fn the_day_ends_at_midnight_in_shanghai() {
        // 2026-01-01 15:59:59 UTC is 23:59:59 in Shanghai.
        let before = 1_767_283_199_000;
        let mut quota = Daily::default();
        assert!(quota.take(1, before));
        assert!(!quota.take(1, before + 999));
        assert!(quota.take(1, before + 1_000));
    }
}

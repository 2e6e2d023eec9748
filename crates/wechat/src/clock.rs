//! Wall time, passed in.
//!
//! Wall and not monotonic: a token expires while the computer sleeps, and a monotonic clock stops there.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// Unix time in milliseconds.
pub type Millis = i64;

/// Where wall time comes from.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Unix time in milliseconds.
    fn now(&self) -> Millis;
}

/// The computer's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis::try_from(elapsed.as_millis()).unwrap_or(Millis::MAX)
    }
}

/// Milliseconds of a day.
const DAY: Millis = 86_400_000;
/// The platforms count days in Shanghai, which has kept UTC+8 without summer time since 1991.
const SHANGHAI: Millis = 8 * 3_600_000;

/// Number of the platform's day: what daily budgets are counted by.
pub fn platform_day(now: Millis) -> i64 {
    (now + SHANGHAI).div_euclid(DAY)
}

/// When the platform's next day begins.
pub fn next_platform_day(now: Millis) -> Millis {
    (platform_day(now) + 1) * DAY - SHANGHAI
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platforms_day_begins_at_sixteen_utc() {
        // 2026-01-01T15:59:59Z and one second later.
        let before = 1_767_283_199_000;
        assert_eq!(platform_day(before) + 1, platform_day(before + 1000));
        assert_eq!(next_platform_day(before), before + 1000);
        assert_eq!(next_platform_day(before + 1000), before + 1000 + DAY);
    }
}

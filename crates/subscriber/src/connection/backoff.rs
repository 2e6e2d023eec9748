//! How long to wait before the next attempt: full jitter, so that ten thousand clients that lost the same server do
//! not come back in step.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// The longest wait after a stable connection that a server which goes away spreads its clients over.
const SPREAD: Duration = Duration::from_secs(5);

/// The clock of one chain of attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
    rng: StdRng,
}

impl Backoff {
    pub fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most, failures: 0, rng: StdRng::seed_from_u64(seed) }
    }

    /// A connection proved stable: begin anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait before the next attempt: random below a bound that doubles with each failure. What the server asked
    /// for comes first, the jitter on top of it.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let bound = self.first.saturating_mul(1 << self.failures.min(16)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        asked.unwrap_or_default() + self.below(bound)
    }

    /// The wait after the server said that it goes away: everybody was told in the same moment.
    pub fn spread(&mut self) -> Duration {
        let bound = SPREAD.min(self.most);
        self.next(None).max(self.below(bound))
    }

    fn below(&mut self, bound: Duration) -> Duration {
        let bound = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.rng.random_range(0..=bound))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(30);

    proptest! {
        #[test]
        fn stays_within_its_bounds(seed: u64, failures in 0_u32..40, asked in 0_u64..100) {
            let mut backoff = Backoff::new(FIRST, MOST, seed);
            let asked = Duration::from_secs(asked);
            for n in 0..failures {
                let wait = backoff.next(Some(asked));
                prop_assert!(wait >= asked);
                prop_assert!(wait <= asked + FIRST.saturating_mul(1 << n.min(16)).min(MOST));
            }
            backoff.reset();
            prop_assert!(backoff.next(None) <= FIRST);
        }
    }

    #[test]
    fn clients_spread_over_the_whole_range() {
        let waits: Vec<_> = (0..1000).map(|seed| Backoff::new(FIRST, MOST, seed).spread()).collect();
        for tenth in 0..10 {
            let range = SPREAD * tenth / 10..SPREAD * (tenth + 1) / 10;
            let within = waits.iter().filter(|w| range.contains(*w)).count();
            assert!(within > 40, "only {within} of 1000 waits in tenth {tenth}");
        }
    }
}

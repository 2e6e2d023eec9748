//! The simulator's clock: it runs with the computer's, or stands still and is moved by hand.
//!
//! Everything the platforms decide by time (a token's life, a robot's minute, a day's quota, the due time of an event)
//! asks this clock, so that a test or a person can jump a day ahead, or let a storm of thousands of messages drain at
//! the legal rate in a moment. What a *client* must survive in its own time (a slow answer, a withheld one, the five
//! seconds of a callback) is not virtual: its timers are real.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

/// A handle on the clock; clones move together.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pace: Mutex<Pace>,
    moved: watch::Sender<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Pace {
    /// The computer's time plus this many milliseconds.
    Running(i64),
    /// Stands at this time.
    Frozen(i64),
}

impl Clock {
    /// Runs with the computer's clock.
    pub fn running() -> Self {
        Self::with(Pace::Running(0))
    }

    /// Stands still at `at_ms` (milliseconds since 1970) until it is moved.
    pub fn frozen(at_ms: i64) -> Self {
        Self::with(Pace::Frozen(at_ms))
    }

    fn with(pace: Pace) -> Self {
        Self { inner: Arc::new(Inner { pace: Mutex::new(pace), moved: watch::Sender::new(0) }) }
    }

    /// Now, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        at(*self.pace())
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        matches!(*self.pace(), Pace::Frozen(_))
    }

    /// Moves ahead.
    pub fn advance(&self, by: Duration) {
        self.shift(i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 2));
    }

    /// Moves by so many milliseconds; a negative number sets the clock back, as a person or a time server does.
    pub fn shift(&self, by_ms: i64) {
        self.change(|pace| match pace {
            Pace::Running(offset) => Pace::Running(offset.saturating_add(by_ms)),
            Pace::Frozen(at) => Pace::Frozen(at.saturating_add(by_ms)),
        });
    }

    /// Jumps to a time, keeping its pace.
    pub fn set(&self, at_ms: i64) {
        self.change(|pace| match pace {
            Pace::Running(_) => Pace::Running(at_ms.saturating_sub(computer_ms())),
            Pace::Frozen(_) => Pace::Frozen(at_ms),
        });
    }

    /// Stands still from now on.
    pub fn freeze(&self) {
        self.change(|pace| Pace::Frozen(at(pace)));
    }

    /// Goes on from where it stands.
    pub fn run(&self) {
        self.change(|pace| Pace::Running(at(pace).saturating_sub(computer_ms())));
    }

    /// Wakes whoever waits for a time whenever the clock was moved by hand.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.inner.moved.subscribe()
    }

    fn change(&self, to: impl FnOnce(Pace) -> Pace) {
        {
            let mut pace = self.pace();
            *pace = to(*pace);
        }
        self.inner.moved.send_modify(|count| *count += 1);
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.inner.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at(pace: Pace) -> i64 {
    match pace {
        Pace::Running(offset) => computer_ms().saturating_add(offset),
        Pace::Frozen(at) => at,
    }
}

fn computer_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_by_hand() {
        let clock = Clock::frozen(1_000);
        assert_eq!(clock.now_ms(), 1_000);
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now_ms(), 3_000);
        clock.shift(-500);
        assert_eq!(clock.now_ms(), 2_500);
        clock.set(9);
        assert_eq!(clock.now_ms(), 9);
    }

    #[test]
    fn it_goes_on_from_where_it_stands() {
        let clock = Clock::frozen(5_000);
        clock.run();
        assert!(!clock.is_frozen());
        let now = clock.now_ms();
        assert!((5_000..65_000).contains(&now), "{now}");
        clock.freeze();
        assert!(clock.is_frozen());
    }

    #[test]
    fn whoever_waits_is_told_of_a_move() {
        let clock = Clock::frozen(0);
        let moves = clock.moves();
        clock.advance(Duration::from_secs(1));
        assert!(moves.has_changed().unwrap());
    }
}

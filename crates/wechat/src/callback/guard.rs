//! Pushes that come more than once: the platforms repeat what is not answered in time, and anybody can repeat what they
//! recorded.
//!
//! A pure state machine. The first of a kind is acted on; a repetition within five minutes gets the answer of the first
//! and has no effect, even while the first is still being worked on. Older ones have been refused before, by their
//! signed time.

use std::collections::{BTreeMap, VecDeque};

use super::{FRESH, Reply};
use crate::clock::Millis;

/// What tells pushes apart: a hash of what makes an event itself.
pub type Fingerprint = [u8; 32];

/// Most pushes that are remembered. All of them were signed, so this bounds a platform's burst, not an attacker.
const REMEMBERED: usize = 10_000;

/// What to do with a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Act on it, and say how it was answered.
    First,
    /// Answer as the first was answered; nothing if that is still open.
    Repeat(Option<Reply>),
}

#[derive(Debug)]
struct Seen {
    answer: Option<Reply>,
    until: Millis,
}

/// Remembers pushes.
#[derive(Debug, Default)]
pub struct Guard {
    seen: BTreeMap<Fingerprint, Seen>,
    /// In the order in which they came.
    order: VecDeque<(Fingerprint, Millis)>,
}

impl Guard {
    /// A push has come that was signed at `signed_at`.
    pub fn admit(&mut self, push: Fingerprint, signed_at: Millis, now: Millis) -> Admission {
        self.forget_old(now);
        if let Some(seen) = self.seen.get(&push) {
            return Admission::Repeat(seen.answer.clone());
        }
        // Until its signature has aged: a time signed ahead of this clock lives longer.
        let until = signed_at.max(now).saturating_add(FRESH);
        self.seen.insert(push, Seen { answer: None, until });
        self.order.push_back((push, until));
        while self.order.len() > REMEMBERED {
            self.drop_first();
        }
        Admission::First
    }

    /// The first was answered like this.
    pub fn answered(&mut self, push: &Fingerprint, answer: Reply) {
        if let Some(seen) = self.seen.get_mut(push) {
            seen.answer = Some(answer);
        }
    }

    /// The first could not be acted on: the platform's next repetition shall be.
    pub fn give_up(&mut self, push: &Fingerprint) {
        self.seen.remove(push);
    }

    fn forget_old(&mut self, now: Millis) {
        while self.order.front().is_some_and(|(_, until)| now > *until) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let Some((push, until)) = self.order.pop_front() else { return };
        // One that was given up and came again has a later entry.
        if self.seen.get(&push).is_some_and(|seen| seen.until == until) {
            self.seen.remove(&push);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PUSH: Fingerprint = [1; 32];

    #[test]
    fn a_repetition_is_answered_as_the_first_without_effect() {
        let mut guard = Guard::default();
        assert_eq!(guard.admit(PUSH, 0, 0), Admission::First);
        assert_eq!(guard.admit(PUSH, 0, 1), Admission::Repeat(None), "the first is still being worked on");
        guard.answered(&PUSH, Reply::Success);
        for at in [5_000, 10_000, FRESH] {
            assert_eq!(guard.admit(PUSH, 0, at), Admission::Repeat(Some(Reply::Success)));
        }
        assert_eq!(guard.admit([2; 32], 0, 10_000), Admission::First);
    }

    #[test]
    fn one_signed_ahead_of_this_clock_is_remembered_until_it_has_aged() {
        let mut guard = Guard::default();
        assert_eq!(guard.admit(PUSH, FRESH, 0), Admission::First);
        assert_eq!(guard.admit(PUSH, FRESH, 2 * FRESH), Admission::Repeat(None));
        assert_eq!(guard.admit(PUSH, FRESH, 2 * FRESH + 1), Admission::First);
    }

    #[test]
    fn what_was_given_up_is_taken_when_it_comes_again() {
        let mut guard = Guard::default();
        assert_eq!(guard.admit(PUSH, 0, 0), Admission::First);
        guard.give_up(&PUSH);
        assert_eq!(guard.admit(PUSH, 0, 5_000), Admission::First);
        assert_eq!(guard.admit(PUSH, 0, 6_000), Admission::Repeat(None));
    }

    proptest! {
        /// Whatever comes in whatever order: within five minutes nothing is acted on twice, and memory stays bounded.
        #[test]
        fn nothing_is_acted_on_twice(pushes in proptest::collection::vec((0_u8..5, 0_i64..100_000), 1..200)) {
            let mut guard = Guard::default();
            let mut acted: BTreeMap<u8, Millis> = BTreeMap::new();
            let mut now = 0;
            for (push, step) in pushes {
                now += step;
                let is_first = guard.admit([push; 32], now, now) == Admission::First;
                if let (true, Some(before)) = (is_first, acted.get(&push)) {
                    prop_assert!(now > before + FRESH);
                }
                if is_first {
                    acted.insert(push, now);
                }
                prop_assert!(guard.order.len() <= REMEMBERED && guard.seen.len() <= guard.order.len());
            }
        }
    }
}

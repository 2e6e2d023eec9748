//! The breaker and the retry budget of one credential.
//!
//! A pure state machine: the store keeps its fields beside the channel and applies events inside its transactions, so
//! that several workers share one breaker. After `open_until` one delivery goes out alone; its answer closes the
//! breaker or opens it for longer.

use tocsin_protocol::{Millis, delivery::Flow};

/// Faults in a row that open the breaker: fewer are a hiccup, more are an outage.
pub const FAULTS: u32 = 5;
/// How long it stays open after faults, first and at most.
pub const FAULT_OPEN: (Millis, Millis) = (30_000, 600_000);
/// How long it stays open when a human has to change something, first and at most.
pub const TRIP_OPEN: (Millis, Millis) = (300_000, 3_600_000);
/// Closed for longer than this, somebody is told, even if it opens by itself.
pub const LONG: Millis = 600_000;
/// The opening in a row after faults at which somebody is told: it is seven minutes after the first, and for eight more, so
/// that the outage is longer than [`LONG`].
pub const FAULTS_TOLD: u32 = 5;
/// Retries that may be made without a success: enough for a short outage of a small desk.
pub const BUDGET: f64 = 10.0;
/// What a success adds: one retry in ten deliveries.
pub const BUDGET_PER_SUCCESS: f64 = 0.1;
/// One retry more per this time, so that a channel without successes is not silent for good.
pub const BUDGET_EVERY: Millis = 10_000;

/// What a result says about the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Omen {
    /// The platform answered as it should, whatever it thinks of this message.
    Good,
    /// It was not reached, or it is busy.
    Fault,
    /// It asked to be left alone until then.
    Pause(Millis),
    /// Nothing will pass until somebody changes something.
    Trip,
    /// Nothing.
    None,
}

/// The breaker and the budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Faults in a row.
    pub fails: u32,
    /// How often it opened without a success since; above zero and past `open_until`: half open.
    pub opens: u32,
    /// Open until then.
    pub open_until: Millis,
    /// A probe is on its way until then.
    pub probe_until: Millis,
    /// Why it is open.
    pub why: Option<(String, String)>,
    /// Retries left.
    pub budget: f64,
    /// When the budget was last counted.
    pub budget_at: Millis,
}

/// Whether anything may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Open,
    /// One.
    Probe,
    /// Not before then.
    Closed(Millis),
}

impl Health {
    /// Of a channel nothing is known of.
    pub fn new(now: Millis) -> Self {
        Self { fails: 0, opens: 0, open_until: 0, probe_until: 0, why: None, budget: BUDGET, budget_at: now }
    }

    /// Whether anything may be sent.
    pub fn gate(&self, now: Millis) -> Gate {
        if self.open_until > now {
            Gate::Closed(self.open_until)
        } else if self.opens == 0 {
            Gate::Open
        } else if self.probe_until > now {
            Gate::Closed(self.probe_until)
        } else {
            Gate::Probe
        }
    }

    /// For people.
    pub fn flow(&self, now: Millis) -> (Flow, Option<Millis>) {
        if self.open_until > now {
            (Flow::Parked, Some(self.open_until))
        } else if self.opens > 0 {
            (Flow::Probing, None)
        } else {
            (Flow::Open, None)
        }
    }

    /// Books what a result says. `roll` in 0..1 spreads the reopening of many programs. Tells whether it opened.
    pub fn book(&mut self, omen: &Omen, why: (&str, &str), now: Millis, roll: f64) -> bool {
        let was_open = self.open_until > now;
        match omen {
            Omen::None => return false,
            Omen::Good => {
                // One that was on its way when the breaker tripped says nothing about what tripped it.
                if !was_open {
                    let budget = (self.budget + BUDGET_PER_SUCCESS).min(BUDGET);
                    *self = Self { budget, ..Self { budget_at: self.budget_at, ..Self::new(now) } };
                }
                return false;
            }
            Omen::Fault => {
                self.fails = self.fails.saturating_add(1);
                if was_open || (self.fails < FAULTS && self.opens == 0) {
                    return false;
                }
                self.open(FAULT_OPEN, now, roll);
            }
            Omen::Trip => {
                if was_open && self.opens > 0 && self.why.as_ref().is_some_and(|(code, _)| code == why.0) {
                    return false;
                }
                self.open(TRIP_OPEN, now, roll);
            }
            Omen::Pause(until) => {
                self.open_until = self.open_until.max(*until);
                self.opens = self.opens.max(1);
                self.probe_until = 0;
            }
        }
        self.why = Some((why.0.to_owned(), why.1.to_owned()));
        !was_open
    }

    /// Whether somebody is to be told of what was just booked: it waits for a human, or nothing passes for long. `before` is
    /// how it stood; what was known then is not told again.
    pub fn is_news(&self, before: &Self, omen: &Omen, now: Millis) -> bool {
        let long = |health: &Self| health.open_until.saturating_sub(now) > LONG;
        match omen {
            Omen::Trip => before.open_until <= now,
            Omen::Pause(_) => long(self) && !long(before),
            Omen::Fault => self.opens > before.opens && self.opens == FAULTS_TOLD,
            Omen::Good | Omen::None => false,
        }
    }

    fn open(&mut self, (first, most): (Millis, Millis), now: Millis, roll: f64) {
        let doubled = first.saturating_mul(1 << self.opens.min(10)).min(most);
        self.open_until = self.open_until.max(now + spread(doubled, roll));
        self.opens = self.opens.saturating_add(1);
        self.probe_until = 0;
    }

    /// The clock was set back: what the later one closed is tried by one delivery now. Whether it was closed.
    pub fn set_back(&mut self, now: Millis) -> bool {
        if self.open_until.max(self.probe_until) <= now {
            return false;
        }
        self.open_until = self.open_until.min(now);
        self.probe_until = 0;
        true
    }

    /// Takes one retry. Where there is none left, the retry waits until there is one.
    pub fn retry_at(&mut self, at: Millis, now: Millis, roll: f64) -> Millis {
        let since = now.saturating_sub(self.budget_at).max(0);
        self.budget = (self.budget + since as f64 / BUDGET_EVERY as f64).min(BUDGET);
        self.budget_at = now;
        self.budget -= 1.0;
        if self.budget >= 0.0 {
            return at;
        }
        // Owed retries line up behind each other: a debt of n is paid after n intervals.
        #[expect(clippy::cast_possible_truncation, reason = "a few thousand at most")]
        let wait = (-self.budget * BUDGET_EVERY as f64) as Millis;
        at.max(now.saturating_add(spread(wait, roll)))
    }
}

/// Up to a quarter more.
#[expect(clippy::cast_possible_truncation, reason = "a quarter of hours at most")]
fn spread(span: Millis, roll: f64) -> Millis {
    span.saturating_add((span as f64 * 0.25 * roll.clamp(0.0, 1.0)) as Millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHY: (&str, &str) = ("x", "why");

    #[test]
    fn faults_open_it_and_each_probe_that_fails_doubles_the_time() {
        let mut health = Health::new(0);
        for _ in 1..FAULTS {
            assert!(!health.book(&Omen::Fault, WHY, 0, 0.0));
        }
        assert_eq!(health.gate(0), Gate::Open);
        assert!(health.book(&Omen::Fault, WHY, 0, 0.0));
        assert_eq!(health.gate(0), Gate::Closed(30_000));
        assert_eq!(health.gate(30_000), Gate::Probe);
        assert!(health.book(&Omen::Fault, WHY, 30_000, 0.0));
        assert_eq!(health.gate(30_000), Gate::Closed(90_000));
        health.book(&Omen::Good, WHY, 90_000, 0.0);
        assert_eq!(health.gate(90_000), Gate::Open);
        assert_eq!(health.fails, 0);
    }

    #[test]
    fn one_that_was_on_its_way_does_not_close_what_tripped() {
        let mut health = Health::new(0);
        assert!(health.book(&Omen::Trip, WHY, 0, 0.0));
        health.book(&Omen::Good, WHY, 1, 0.0);
        assert_eq!(health.gate(1), Gate::Closed(TRIP_OPEN.0));
        assert!(!health.book(&Omen::Trip, WHY, 2, 0.0), "the same again is not another trip");
        assert_eq!(health.gate(1), Gate::Closed(TRIP_OPEN.0));
    }

    #[test]
    fn retries_above_the_budget_line_up() {
        let mut health = Health::new(0);
        for _ in 0..10 {
            assert_eq!(health.retry_at(5, 0, 0.0), 5);
        }
        assert_eq!(health.retry_at(5, 0, 0.0), BUDGET_EVERY);
        assert_eq!(health.retry_at(5, 0, 0.0), 2 * BUDGET_EVERY);
        assert_eq!(health.retry_at(100, 100 * BUDGET_EVERY, 0.0), 100, "time pays the debt");
    }
}

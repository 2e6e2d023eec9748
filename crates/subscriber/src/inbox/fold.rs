//! What comes together is told as it ends: a device that returns gets in one batch a message, its reminders and what
//! became of it on other devices, and must not pop up what is dealt with, nor the same thing twice.
//!
//! The rows are right without this; only what is told of them is put together.

use std::collections::HashMap;

use tocsin_protocol::{MessageId, Millis, Priority};

use super::Outcome;
use crate::{Arrival, Silent};

/// What comes next to a message in the batch.
enum Next {
    /// It is acknowledged (since when) or settled.
    Over(Option<Millis>),
    /// It is read. A critical message pops up until it is acknowledged.
    Read,
    /// It is told of again: where, and how that came.
    Reminder(usize, Arrival),
}

pub(super) fn fold(outcomes: &mut [Outcome]) {
    let mut next: HashMap<MessageId, Next> = HashMap::new();
    for n in (0..outcomes.len()).rev() {
        let mut told_already = None;
        match &mut outcomes[n] {
            Outcome::State(change) if change.acknowledged_at.is_some() || change.settled.is_some() => {
                next.insert(change.id, Next::Over(change.acknowledged_at));
            }
            Outcome::State(change) => {
                if !matches!(next.get(&change.id), Some(Next::Over(_))) {
                    next.insert(change.id, Next::Read);
                }
            }
            Outcome::Stored(stored) => {
                let again = stored.reminded_at.is_some();
                let critical = stored.message.priority == Priority::MAX;
                match next.get(&stored.message.id) {
                    Some(Next::Reminder(..) | Next::Over(_)) if again => told_already = Some(n),
                    Some(Next::Read) if again && !critical => told_already = Some(n),
                    Some(Next::Over(at)) => {
                        stored.acknowledged_at = stored.acknowledged_at.or(*at);
                        stored.silent = stored.silent.or(Some(Silent::Handled));
                    }
                    Some(Next::Read) if !critical => {
                        stored.silent = stored.silent.or(Some(Silent::Handled));
                    }
                    Some(Next::Reminder(reminder, arrival)) if stored.silent.is_none() => {
                        stored.arrival = *arrival;
                        told_already = Some(*reminder);
                    }
                    _ if again => {
                        next.insert(stored.message.id, Next::Reminder(n, stored.arrival));
                    }
                    _ => {}
                }
            }
            Outcome::Known => {}
        }
        if let Some(n) = told_already {
            outcomes[n] = Outcome::Known;
        }
    }
}

//! Another try, if it is still wanted.

use tocsin_protocol::{DeliveryState, Millis};

use super::{super::facts::Facts, DeliveryFact, End};
use crate::outbox::{Again, NOWHERE, Settlement, codes, health::Omen, not_wanted, or_unknown};

impl Facts {
    pub(super) fn retry(
        &mut self,
        row: &DeliveryFact,
        said: &Settlement,
        (at, why): (Millis, Again),
        started_at: Option<Millis>,
    ) {
        let unsure_at = row.history.unsure_at.or(started_at.filter(|_| why == Again::Unsure));
        self.change(row.id, |fact| fact.history.unsure_at = unsure_at);
        if let Some(code) = self.over(row) {
            self.end(row.id, &End::of(or_unknown(DeliveryState::Cancelled, unsure_at), code));
            return;
        }
        let (at, now) = (self.due_again(row, said, at, why), self.now);
        self.change(row.id, |fact| {
            fact.state = DeliveryState::Queued;
            fact.due_at = at;
            fact.history.busy += u32::from(why == Again::Busy);
            fact.history.duplicates += u32::from(why == Again::Duplicate);
            fact.code.clone_from(&said.code);
            fact.reason.clone_from(&said.reason);
            fact.since = now;
        });
        for fact in &mut self.post.deliveries {
            if fact.digest == Some(row.id) && fact.state == DeliveryState::Unknown {
                fact.state = DeliveryState::Merged;
                fact.since = now;
            }
        }
        if row.user != 0 {
            self.follow(row, unsure_at);
        }
    }

    /// Why it is not wanted any more.
    fn over(&self, row: &DeliveryFact) -> Option<&'static str> {
        if self.post.channels.iter().any(|channel| channel.id == row.channel && channel.removed) {
            return Some(codes::REMOVED);
        }
        let superseded =
            self.messages.iter().any(|message| message.seq == row.seq && message.newer.is_some());
        if row.what == 0 && superseded {
            return Some(codes::SUPERSEDED);
        }
        not_wanted(row.code.as_deref())
    }

    fn due_again(&mut self, row: &DeliveryFact, said: &Settlement, at: Millis, why: Again) -> Millis {
        let now = self.now;
        if why == Again::Paused {
            return if matches!(said.omen, Omen::Pause(_)) { now } else { at };
        }
        match self.health(row.channel) {
            Some(health) if said.attempt.is_some() => health.retry_at(at, now, said.roll),
            _ => at,
        }
    }

    /// It goes where its person is now, unless it may have arrived where they were.
    fn follow(&mut self, row: &DeliveryFact, unsure_at: Option<Millis>) {
        let theirs = self.post.bindings.iter().find(|binding| {
            (binding.channel, binding.user.0) == (row.channel, row.user) && binding.lane.is_some()
        });
        let lost = match theirs {
            _ if row.lane == NOWHERE => Some(row.reason.clone()),
            None => Some(None),
            Some(binding) => binding.broken.clone().map(Some),
        };
        let lane = theirs.and_then(|binding| binding.lane);
        self.change(row.id, |fact| match (lost, lane) {
            (Some(why), _) => {
                fact.lane = NOWHERE;
                fact.give_up_at = 0;
                fact.reason = why;
                fact.body = None;
            }
            (None, Some(lane)) if lane != fact.lane && unsure_at.is_none() => {
                fact.lane = lane;
                fact.body = None;
            }
            (None, _) => {}
        });
    }
}

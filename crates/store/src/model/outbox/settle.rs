//! A try begins and ends.

use tocsin_protocol::{DeliveryState, Millis, delivery::AttemptResult};

use super::{
    super::facts::{Facts, next_id},
    AttemptFact, DeliveryFact, End,
};
use crate::{
    Error, Result, UserId,
    outbox::{
        AttemptId, DeliveryId, GIVE_UP_AFTER, LaneId, Lease, Next, Settled, Settlement, Start, StartOf,
        Started, content, cut, digest_key, health::Omen,
    },
};

impl Facts {
    fn holds(&mut self, lease: Lease) -> bool {
        self.lane(lease.lane).is_some_and(|lane| lane.lease.is_some() && lane.leases == lease.token)
    }

    fn give_back(&mut self, lane: LaneId) {
        if let Some(lane) = self.lane(lane) {
            lane.lease = None;
        }
    }

    pub(super) fn begin(&mut self, lease: Lease, start: &Start, instance: &str) -> Option<Started> {
        if !self.holds(lease) {
            return None;
        }
        let id = match &start.what {
            StartOf::One(id) => self.is_waiting(lease.lane, *id).then_some(*id),
            StartOf::Digest(items) => self.merge(lease.lane, items, &start.body),
        };
        let Some(id) = id else {
            self.give_back(lease.lane);
            return None;
        };
        let (content, round) = self.parcel(id).map(|fact| (fact.content, fact.round)).ok()?;
        let attempt = AttemptId(next_id(&self.post.attempts));
        self.post.attempts.push(AttemptFact {
            id: attempt,
            delivery: id,
            lane: lease.lane,
            round,
            content,
            started_at: self.now,
            ended_at: None,
            result: AttemptResult::Running,
            code: None,
            reason: None,
            msgid: None,
        });
        let now = self.now;
        self.change(id, |fact| {
            fact.state = DeliveryState::Sending;
            fact.history.attempts += 1;
            fact.last_attempt = Some(attempt);
            fact.body = Some(start.body.clone());
            fact.since = now;
        });
        Some(Started { attempt, delivery: id, key: digest_key(instance, id), at: now })
    }

    fn merge(&mut self, lane: LaneId, items: &[DeliveryId], body: &str) -> Option<DeliveryId> {
        if !items.iter().all(|item| self.is_waiting(lane, *item)) {
            return None;
        }
        let channel = self.lane(lane)?.channel;
        let (digest, now) = (DeliveryId(next_id(&self.post.deliveries)), self.now);
        self.put_parcel(DeliveryFact {
            channel,
            lane,
            give_up_at: now.saturating_add(GIVE_UP_AFTER),
            content: content("", body),
            ..self.new_parcel()
        });
        for item in items {
            self.change(*item, |fact| {
                fact.state = DeliveryState::Merged;
                fact.digest = Some(digest);
                fact.body = None;
                fact.since = now;
            });
        }
        Some(digest)
    }

    pub(super) fn settle(&mut self, said: &Settlement) -> Result<Settled> {
        let held = self.holds(said.lease);
        let now = self.now;
        let known = self.post.attempts.iter_mut().find(|attempt| Some(attempt.id) == said.attempt);
        let mut started_at = None;
        if let Some(attempt) = known {
            if !matches!(attempt.result, AttemptResult::Running | AttemptResult::Lost) {
                return Ok(Settled { late: true, ..Settled::default() });
            }
            started_at = Some(attempt.started_at);
            attempt.ended_at = Some(now);
            attempt.result = said.result;
            attempt.code.clone_from(&said.code);
            attempt.reason = said.reason.clone().map(cut);
            attempt.msgid.clone_from(&said.msgid);
        }
        let row = self.parcel(said.delivery)?.clone();
        let mine = said.attempt.is_none() || said.attempt == row.last_attempt;
        let counts = match row.state {
            DeliveryState::Sending => held && mine && said.attempt.is_some(),
            DeliveryState::Queued if held => said.attempt.is_none(),
            DeliveryState::Queued | DeliveryState::Unknown => mine && said.attempt.is_some(),
            _ => false,
        };
        let reason = said.reason.clone().map(cut);
        let said = &Settlement { reason, ..said.clone() };
        let (opened, news) = self.book_omen(&row, said);
        let carried = self.post.deliveries.iter().filter(|fact| fact.digest == Some(row.id)).count() as u64;
        let carried = if row.seq == 0 { carried } else { 1 };
        let mut settled = Settled { late: !held, opened, carried, ..Settled::default() };
        if counts {
            settled.alerted = self.apply(&row, said, started_at)?;
        }
        if held {
            self.give_back(said.lease.lane);
        }
        if news && !settled.alerted {
            settled.alerted = self.tell(&row, &end_of(DeliveryState::Queued, said), said.herald.as_ref())?;
        }
        Ok(settled)
    }

    fn book_omen(&mut self, row: &DeliveryFact, said: &Settlement) -> (bool, bool) {
        let now = self.now;
        let Some(health) = self.health(row.channel) else { return (false, false) };
        let before = health.clone();
        let why = (said.code.as_deref().unwrap_or_default(), said.reason.as_deref().unwrap_or_default());
        let opened = health.book(&said.omen, why, now, said.roll);
        if said.omen == Omen::None {
            health.probe_until = 0;
        }
        (opened, health.is_news(&before, &said.omen, now))
    }

    fn apply(&mut self, row: &DeliveryFact, said: &Settlement, started_at: Option<Millis>) -> Result<bool> {
        let accepted = |attempt: &AttemptFact| {
            (attempt.delivery, attempt.round, attempt.result) == (row.id, row.round, AttemptResult::Accepted)
        };
        if said.next != Next::Accepted && self.post.attempts.iter().any(accepted) {
            self.end(row.id, &End { state: DeliveryState::Accepted, code: None, reason: None, msgid: None });
            return Ok(false);
        }
        if let Some(why) = &said.broken
            && row.user != 0
        {
            for binding in &mut self.post.bindings {
                if binding.channel == row.channel && binding.lane == Some(row.lane) {
                    binding.broken = Some(cut(why.clone()));
                }
            }
            self.strand(row.channel, UserId(row.user), Some(why));
        }
        self.flag_address(row, said);
        match said.next {
            Next::Accepted => {
                self.end(row.id, &End { code: None, reason: None, ..end_of(DeliveryState::Accepted, said) });
                let Some(msgid) = &said.msgid else { return Ok(false) };
                match self.post.early.remove(&(row.channel, msgid.clone())) {
                    Some((_, word)) => self.book_word(row.id, word, Some(msgid), said.herald.as_ref()),
                    None => Ok(false),
                }
            }
            Next::Failed | Next::Unknown => {
                let unsure = said.next == Next::Unknown;
                let state = if unsure { DeliveryState::Unknown } else { DeliveryState::Failed };
                if unsure {
                    self.change(row.id, |fact| {
                        fact.history.unsure_at = fact.history.unsure_at.or(started_at);
                    });
                }
                self.end(row.id, &end_of(state, said));
                self.tell(row, &end_of(state, said), said.herald.as_ref())
            }
            Next::Retry { at, why } => {
                self.retry(row, said, (at, why), started_at);
                Ok(false)
            }
        }
    }

    fn flag_address(&mut self, row: &DeliveryFact, said: &Settlement) {
        if row.user == 0 || (said.flagged.is_none() && said.next != Next::Accepted) {
            return;
        }
        let theirs = self.post.bindings.iter_mut().find(|binding| {
            (binding.channel, binding.user.0, binding.lane) == (row.channel, row.user, Some(row.lane))
        });
        if let Some(binding) = theirs {
            binding.flagged = said.flagged.clone().map(cut);
        }
    }

    /// Nothing to be begun is told to the worker as a lease that is over.
    pub(super) fn begun(started: Option<Started>) -> Result<Started> {
        started.ok_or(Error::Gone)
    }
}

fn end_of(state: DeliveryState, said: &Settlement) -> End {
    End { state, code: said.code.clone(), reason: said.reason.clone(), msgid: said.msgid.clone() }
}

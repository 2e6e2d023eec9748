//! A try begins and ends; the platform says more later.

use tocsin_protocol::{DeliveryState, Millis, delivery::AttemptResult};

use super::{
    super::facts::{Facts, next_id},
    AttemptFact, DeliveryFact, End,
};
use crate::{
    Error, Result, UserId,
    outbox::{
        Again, AttemptId, CONFIRM_WITHIN, Confirmation, DeliveryId, EARLY_KEEP, GIVE_UP_AFTER, Herald,
        LaneId, Lease, Next, Settled, Settlement, Start, StartOf, Started, codes, content, cut, digest_key,
        health::Omen,
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
        let opened = self.book_omen(&row, said);
        let carried = self.post.deliveries.iter().filter(|fact| fact.digest == Some(row.id)).count() as u64;
        let carried = if row.seq == 0 { carried } else { 1 };
        let mut settled = Settled { late: !held, opened, carried, ..Settled::default() };
        if counts {
            settled.alerted = self.apply(&row, said, started_at)?;
        }
        if held {
            self.give_back(said.lease.lane);
        }
        if opened && said.omen == Omen::Trip && !settled.alerted {
            settled.alerted = self.tell(&row, &end_of(DeliveryState::Queued, said), said.herald.as_ref())?;
        }
        Ok(settled)
    }

    fn book_omen(&mut self, row: &DeliveryFact, said: &Settlement) -> bool {
        let now = self.now;
        let Some(health) = self.health(row.channel) else { return false };
        let why = (said.code.as_deref().unwrap_or_default(), said.reason.as_deref().unwrap_or_default());
        let opened = health.book(&said.omen, why, now, said.roll);
        if said.omen == Omen::None {
            health.probe_until = 0;
        }
        opened
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
            self.fail_waiting(row.channel, UserId(row.user));
        }
        match said.next {
            Next::Accepted => {
                self.end(row.id, &End { code: None, reason: None, ..end_of(DeliveryState::Accepted, said) });
                let Some(msgid) = &said.msgid else { return Ok(false) };
                match self.post.early.remove(&(row.channel, msgid.clone())) {
                    Some((_, failed)) => {
                        self.book_confirmation(row.id, failed, Some(msgid), said.herald.as_ref())
                    }
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
                self.retry(row, said, at, why, started_at);
                Ok(false)
            }
        }
    }

    fn retry(
        &mut self,
        row: &DeliveryFact,
        said: &Settlement,
        mut at: Millis,
        why: Again,
        started_at: Option<Millis>,
    ) {
        let now = self.now;
        if why != Again::Paused
            && said.attempt.is_some()
            && let Some(health) = self.health(row.channel)
        {
            at = health.retry_at(at, now, said.roll);
        }
        self.change(row.id, |fact| {
            fact.state = DeliveryState::Queued;
            fact.due_at = at;
            fact.history.busy += u32::from(why == Again::Busy);
            fact.history.duplicates += u32::from(why == Again::Duplicate);
            if why == Again::Unsure {
                fact.history.unsure_at = fact.history.unsure_at.or(started_at);
            }
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
    }

    pub(super) fn confirm(&mut self, said: &Confirmation, herald: Option<&Herald>) -> Result<bool> {
        let channel = self.channel(&said.channel)?.id;
        let msgid = said.msgid.as_deref().filter(|msgid| !msgid.is_empty() && *msgid != "0");
        let of = |id: DeliveryId| self.parcel(id).is_ok_and(|fact| fact.channel == channel);
        let found = if let Some(msgid) = msgid {
            let named = |a: &&AttemptFact| a.msgid.as_deref() == Some(msgid) && of(a.delivery);
            self.post.attempts.iter().filter(named).map(|a| a.delivery).max()
        } else {
            let lane = self.post.lanes.iter().find(|l| l.channel == channel && l.address == said.address);
            let since = self.now.saturating_sub(CONFIRM_WITHIN);
            let recent = |a: &&AttemptFact| {
                lane.is_some_and(|lane| lane.id == a.lane) && a.ended_at.is_some_and(|at| at > since)
            };
            let open = |id: &DeliveryId| {
                self.parcel(*id)
                    .is_ok_and(|fact| matches!(fact.state, DeliveryState::Accepted | DeliveryState::Unknown))
            };
            let mut ids: Vec<_> =
                self.post.attempts.iter().filter(recent).map(|a| a.delivery).filter(open).collect();
            ids.sort_unstable();
            ids.dedup();
            (ids.len() == 1).then(|| ids[0])
        };
        match (found, msgid) {
            (Some(id), _) => {
                self.book_confirmation(id, said.failed.clone(), msgid, herald)?;
                Ok(true)
            }
            (None, Some(msgid)) => {
                let since = self.now.saturating_sub(EARLY_KEEP);
                self.post.early.retain(|_, (at, _)| *at > since);
                let failed = said.failed.clone().map(cut);
                self.post.early.insert((channel, msgid.into()), (self.now, failed));
                Ok(false)
            }
            (None, None) => Ok(false),
        }
    }

    fn book_confirmation(
        &mut self,
        id: DeliveryId,
        failed: Option<String>,
        msgid: Option<&str>,
        herald: Option<&Herald>,
    ) -> Result<bool> {
        let row = self.parcel(id)?.clone();
        if !matches!(row.state, DeliveryState::Accepted | DeliveryState::Unknown) {
            return Ok(false);
        }
        let state = if failed.is_some() { DeliveryState::Failed } else { DeliveryState::Confirmed };
        let end = End {
            state,
            code: failed.as_ref().map(|_| codes::NOT_DELIVERED.into()),
            reason: failed.map(cut),
            msgid: msgid.map(str::to_owned).or_else(|| row.msgid.clone()),
        };
        self.end(id, &end);
        if state == DeliveryState::Confirmed {
            self.tell_reached();
        }
        self.tell(&row, &end, herald)
    }

    /// Nothing to be begun is told to the worker as a lease that is over.
    pub(super) fn begun(started: Option<Started>) -> Result<Started> {
        started.ok_or(Error::Gone)
    }
}

fn end_of(state: DeliveryState, said: &Settlement) -> End {
    End { state, code: said.code.clone(), reason: said.reason.clone(), msgid: said.msgid.clone() }
}

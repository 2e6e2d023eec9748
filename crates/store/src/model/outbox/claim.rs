//! Which lanes' time has come.

use tocsin_protocol::{DeliveryState, Millis, Seq, delivery::AttemptResult};

use super::{super::facts::Facts, ChannelFact, DeliveryFact, End, LaneFact};
use crate::{
    Address, Result, UserId,
    outbox::{
        ClaimOrder, Claimed, DIGEST_OFFER, DeliveryId, GIVE_UP_AFTER, GIVE_UP_MOST, Item, Job, LaneId, Lease,
        Limits, NOWHERE, Noticed, Work, codes, health::Gate, key, or_unknown, too_late,
    },
};

impl Facts {
    pub(super) fn claim_lanes(&mut self, order: &ClaimOrder) -> Result<Claimed> {
        let mut claimed = Claimed::default();
        self.recover(order, &mut claimed.noticed)?;
        self.give_up(order, &mut claimed.noticed)?;
        for (name, limits) in &order.channels {
            let Ok(channel) = self.channel(name).cloned() else { continue };
            if channel.enabled {
                self.claim_channel(&channel, limits, order, &mut claimed)?;
            }
        }
        claimed.next = self.next_due(order);
        Ok(claimed)
    }

    fn claim_channel(
        &mut self,
        channel: &ChannelFact,
        limits: &Limits,
        order: &ClaimOrder,
        claimed: &mut Claimed,
    ) -> Result<()> {
        let gate = channel.health.gate(self.now);
        if matches!(gate, Gate::Closed(_)) {
            return Ok(());
        }
        let of: Vec<LaneId> =
            self.post.lanes.iter().filter(|lane| lane.channel == channel.id).map(|lane| lane.id).collect();
        let now = self.now;
        let leased =
            |lane: &LaneFact| lane.channel == channel.id && lane.lease.is_some_and(|until| until > now);
        let busy = self.post.lanes.iter().filter(|lane| leased(lane)).count();
        let mut room = limits.at_once.saturating_sub(busy);
        if gate == Gate::Probe {
            room = room.min(1);
        }
        for lane in of {
            if room == 0 || claimed.jobs.len() >= order.most {
                break;
            }
            if self.lane(lane).is_some_and(|lane| lane.lease.is_some())
                || self.free_at(lane, limits) > self.now
            {
                continue;
            }
            let Some(work) = self.pick(channel, lane, limits, order, &mut claimed.noticed)? else { continue };
            let until = self.now.saturating_add(order.lease_ms);
            let Some(fact) = self.lane(lane) else { continue };
            fact.lease = Some(until);
            fact.leases += 1;
            let lease = Lease { lane, token: fact.leases };
            let address = fact.address.clone();
            claimed.jobs.push(Job { lease, channel: channel.name.clone(), address, work });
            room -= 1;
            if gate == Gate::Probe
                && let Some(health) = self.health(channel.id)
            {
                health.probe_until = until;
            }
        }
        Ok(())
    }

    /// When the rate limits allow the next try.
    fn free_at(&self, lane: LaneId, limits: &Limits) -> Millis {
        let mut free_at = Millis::MIN;
        for (most, window) in &limits.windows {
            let since = self.now.saturating_sub(*window);
            let mut ends: Vec<Millis> = self
                .post
                .attempts
                .iter()
                .filter(|a| a.lane == lane && a.result != AttemptResult::NotSent)
                .filter_map(|a| a.ended_at.filter(|at| *at > since))
                .collect();
            ends.sort_unstable();
            if let Some(place) = ends.len().checked_sub(*most as usize) {
                free_at = free_at.max(ends[place].min(self.now).saturating_add(*window));
            }
        }
        free_at
    }

    fn waiting(&self, lane: LaneId) -> Vec<DeliveryFact> {
        let of = self.post.deliveries.iter();
        let mut waiting: Vec<_> =
            of.filter(|fact| fact.lane == lane && fact.state == DeliveryState::Queued).cloned().collect();
        waiting.sort_by_key(|fact| (fact.due_at, fact.id));
        waiting
    }

    fn pick(
        &mut self,
        channel: &ChannelFact,
        lane: LaneId,
        limits: &Limits,
        order: &ClaimOrder,
        noticed: &mut Noticed,
    ) -> Result<Option<Work>> {
        loop {
            let due: Vec<_> = self.waiting(lane).into_iter().filter(|fact| fact.due_at <= self.now).collect();
            let Some(head) = due.first().cloned() else { return Ok(None) };
            let safe = |at: Millis| self.now < at.saturating_add(limits.repeat_safe_ms);
            if head.history.unsure_at.is_some_and(|at| !safe(at)) {
                let end = End::of(DeliveryState::Unknown, codes::UNKNOWN);
                self.end(head.id, &end);
                noticed.unknown += 1;
                noticed.alerts += u64::from(self.tell(&head, &end, order.herald.as_ref())?);
                continue;
            }
            if head.seq == 0 {
                let body = head.body.unwrap_or_default();
                return Ok(Some(Work::Again { id: head.id, body, history: head.history }));
            }
            if limits.digest_over.is_some_and(|over| due.len() > over) {
                let mut items = Vec::new();
                for fact in due.into_iter().take(DIGEST_OFFER).filter(|fact| fact.seq != 0) {
                    items.extend(self.item(channel, &fact, order, noticed)?);
                }
                if !items.is_empty() {
                    return Ok(Some(Work::Digest(items)));
                }
                continue;
            }
            if let Some(at) = self.seen_lately(&head, limits) {
                self.change(head.id, |fact| fact.due_at = at);
                continue;
            }
            if let Some(item) = self.item(channel, &head, order, noticed)? {
                return Ok(Some(Work::One(Box::new(item))));
            }
        }
    }

    fn seen_lately(&self, head: &DeliveryFact, limits: &Limits) -> Option<Millis> {
        let since = self.now.saturating_sub(limits.same_content_ms);
        let seen =
            |result| matches!(result, AttemptResult::Accepted | AttemptResult::Unknown | AttemptResult::Lost);
        let tries = self.post.attempts.iter().filter(|a| {
            a.lane == head.lane && a.content == head.content && a.delivery != head.id && seen(a.result)
        });
        let last = tries.filter_map(|a| a.ended_at).filter(|at| *at > since).max();
        last.filter(|_| limits.same_content_ms > 0)
            .map(|at| at.min(self.now).saturating_add(limits.same_content_ms))
    }

    fn item(
        &mut self,
        channel: &ChannelFact,
        row: &DeliveryFact,
        order: &ClaimOrder,
        noticed: &mut Noticed,
    ) -> Result<Option<Item>> {
        let found = self
            .messages
            .iter()
            .find(|fact| fact.seq == row.seq && !fact.forgotten && (fact.kept() || row.what > 0));
        let found = found.cloned();
        let Some(found) = found else {
            let end = End::of(or_unknown(DeliveryState::Failed, row.history.unsure_at), codes::PRUNED);
            self.end(row.id, &end);
            noticed.ended(end.state, codes::PRUNED);
            noticed.alerts += u64::from(self.tell(row, &end, order.herald.as_ref())?);
            return Ok(None);
        };
        let mut message = found.message.clone();
        message.superseded_by = found.newer.map(|(id, _)| id);
        message.expired = message.expires_at.is_some_and(|at| at <= self.now);
        Ok(Some(Item {
            id: row.id,
            key: key(message.id, (row.user, row.what), channel.id, row.intent),
            user: self.users.iter().find(|user| user.id.0 == row.user).map(|user| user.name.clone()),
            mentions: if channel.kind.is_group() && row.what == 0 {
                self.mentions(channel, found.seq, &found.address, row.mentions.as_deref())
            } else {
                Vec::new()
            },
            message,
            body: row.body.clone(),
            history: row.history,
        }))
    }

    fn mentions(
        &self,
        channel: &ChannelFact,
        seq: Seq,
        address: &Address,
        only: Option<&[UserId]>,
    ) -> Vec<String> {
        let of = self.post.bindings.iter().filter(|binding| binding.channel == channel.id);
        let members = of.filter(|binding| match (only, address) {
            (Some(people), _) => people.contains(&binding.user),
            (None, Address::Topic(topic)) => self.member_at(*topic, binding.user, seq),
            (None, Address::People(_)) => false,
        });
        let mut mentions: Vec<_> = members.map(|binding| binding.address.clone()).collect();
        mentions.sort();
        mentions
    }

    fn give_up(&mut self, order: &ClaimOrder, noticed: &mut Noticed) -> Result<()> {
        let mut late: Vec<DeliveryFact> = self
            .post
            .deliveries
            .iter()
            .filter(|fact| fact.state == DeliveryState::Queued && fact.give_up_at <= self.now)
            .cloned()
            .collect();
        late.sort_by_key(|fact| (fact.give_up_at, fact.id));
        for row in late.into_iter().take(GIVE_UP_MOST) {
            let (state, code) = too_late(row.lane, row.history.unsure_at, row.expires);
            let reason = row.reason.clone().filter(|_| row.lane == NOWHERE);
            let end = End { reason, ..End::of(state, code) };
            self.end(row.id, &end);
            noticed.ended(state, code);
            noticed.alerts += u64::from(self.tell(&row, &end, order.herald.as_ref())?);
        }
        Ok(())
    }

    /// The clock was set back.
    pub(super) fn mend_times(&mut self, lease_ms: Millis) -> u64 {
        let now = self.now;
        let mut set_back = false;
        let latest = now.saturating_add(lease_ms);
        for lane in &mut self.post.lanes {
            set_back |= lane.lease.is_some_and(|until| until > latest);
            lane.lease = lane.lease.map(|until| until.min(latest));
        }
        let mut mended = 0;
        for fact in &mut self.post.deliveries {
            if fact.state == DeliveryState::Queued && fact.since > now {
                fact.due_at = fact.due_at.min(now);
                fact.since = now;
                if !fact.expires {
                    fact.give_up_at = fact.give_up_at.min(now.saturating_add(GIVE_UP_AFTER));
                }
                mended += 1;
            }
        }
        mended + self.probe(set_back || mended > 0)
    }

    fn probe(&mut self, set_back: bool) -> u64 {
        let now = self.now;
        let later = |lane: &&LaneFact| {
            let mut tries = self.post.attempts.iter().filter(|attempt| attempt.lane == lane.id);
            tries.any(|attempt| attempt.ended_at.is_some_and(|at| at > now))
        };
        let told: Vec<_> = self.post.lanes.iter().filter(later).map(|lane| lane.channel).collect();
        let mut probing = 0;
        for channel in &mut self.post.channels {
            if (set_back || told.contains(&channel.id)) && channel.health.set_back(now) {
                probing += 1;
            }
        }
        probing
    }

    /// When something is due next, exactly.
    fn next_due(&self, order: &ClaimOrder) -> Option<Millis> {
        let queued = self.post.deliveries.iter().filter(|fact| fact.state == DeliveryState::Queued);
        let leases = self.post.lanes.iter().filter_map(|lane| lane.lease);
        let mut times: Vec<Millis> = queued.map(|fact| fact.give_up_at).chain(leases).collect();
        for (name, limits) in &order.channels {
            let Ok(channel) = self.channel(name) else { continue };
            if !channel.enabled {
                continue;
            }
            let closed = match channel.health.gate(self.now) {
                Gate::Closed(until) => until,
                Gate::Open | Gate::Probe => Millis::MIN,
            };
            for lane in self.post.lanes.iter().filter(|lane| lane.channel == channel.id) {
                if let (None, Some(head)) = (lane.lease, self.waiting(lane.id).first()) {
                    times.push(head.due_at.max(self.free_at(lane.id, limits)).max(closed));
                }
            }
        }
        times.into_iter().min()
    }

    pub(super) fn is_waiting(&self, lane: LaneId, id: DeliveryId) -> bool {
        let waits = |fact: &DeliveryFact| fact.lane == lane && fact.state == DeliveryState::Queued;
        self.parcel(id).is_ok_and(waits)
    }
}

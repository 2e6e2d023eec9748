//! What escalations and receipts ask of the outbox.

use tocsin_protocol::{DeliveryState, Millis, Seq, delivery::ChannelKind};

use super::{
    super::facts::{Facts, MessageFact},
    DeliveryFact,
};
use crate::{
    Result, UserId,
    outbox::{ChannelId, DeliveryId, LaneId, NOWHERE, codes, content, give_up_at},
};

/// What became of something that was asked to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Asked {
    Queued,
    Waits,
    Nowhere,
}

impl Facts {
    fn over_channels(&self, user: UserId, seq: Seq, state: DeliveryState) -> Option<(Millis, ChannelId)> {
        let of = self
            .post
            .deliveries
            .iter()
            .filter(|fact| (fact.seq, fact.user, fact.what, fact.state) == (seq, user.0, 0, state));
        of.map(|fact| (fact.since, fact.channel)).min()
    }

    /// When and over which channel a platform first said that it arrived.
    pub(in crate::model) fn confirmed(&self, user: UserId, seq: Seq) -> Option<(Millis, ChannelId)> {
        self.over_channels(user, seq, DeliveryState::Confirmed)
    }

    /// When and over which channel a platform first took it, where it has not said more.
    pub(in crate::model) fn accepted(&self, user: UserId, seq: Seq) -> Option<(Millis, ChannelId)> {
        self.over_channels(user, seq, DeliveryState::Accepted)
    }

    /// How many deliveries of messages there are, to a person (or a group) and over a channel if these are asked for, how
    /// many failed, and of how many nobody knows.
    pub(in crate::model) fn tally(
        &self,
        seqs: &[Seq],
        user: Option<UserId>,
        channel: Option<ChannelId>,
    ) -> (usize, u64, u64) {
        let of: Vec<&DeliveryFact> = self
            .post
            .deliveries
            .iter()
            .filter(|fact| fact.what == 0 && fact.seq > 0 && seqs.contains(&fact.seq))
            .filter(|fact| user.is_none_or(|user| fact.user == user.0 || fact.user == 0))
            .filter(|fact| channel.is_none_or(|channel| fact.channel == channel))
            .collect();
        let count = |state| of.iter().filter(|fact| fact.state == state).count() as u64;
        (of.len(), count(DeliveryState::Failed), count(DeliveryState::Unknown))
    }

    /// The channel of this name.
    pub(in crate::model) fn channel_at(&self, name: &str) -> Result<(ChannelId, ChannelKind, bool)> {
        self.channel(name).map(|channel| (channel.id, channel.kind, channel.enabled))
    }

    /// Its name, also where it was removed.
    pub(in crate::model) fn channel_name(&self, id: ChannelId) -> Option<String> {
        self.post.channels.iter().find(|channel| channel.id == id).map(|channel| channel.name.clone())
    }

    /// (channel, person) by name, where there is an address that works.
    pub(in crate::model) fn addresses(&self) -> Vec<(String, String)> {
        let works = self.post.bindings.iter().filter(|b| b.broken.is_none() && b.lane.is_some());
        let named = works.map(|binding| self.listed_binding(binding));
        named.map(|binding| (binding.channel, binding.user)).collect()
    }

    fn place_of(&self, channel: ChannelId, group: bool, user: i64) -> Option<LaneId> {
        if group {
            let lane = |lane: &&super::LaneFact| lane.channel == channel && lane.address.is_empty();
            return self.post.lanes.iter().find(lane).map(|lane| lane.id);
        }
        let theirs =
            self.post.bindings.iter().find(|binding| {
                binding.channel == channel && binding.user.0 == user && binding.broken.is_none()
            });
        theirs.and_then(|binding| binding.lane)
    }

    /// Sends a message to a person, or to a group about some people, whatever became of it before.
    pub(in crate::model) fn again_to(
        &mut self,
        fact: &MessageFact,
        (channel, group): (ChannelId, bool),
        people: &[UserId],
        by_hand: bool,
    ) -> Asked {
        let user = if group { 0 } else { people.first().map_or(0, |user| user.0) };
        let mentions = group.then(|| people.to_vec());
        let until = fact.message.expires_at.filter(|_| !by_hand);
        let known =
            self.post.deliveries.iter().find(|known| {
                (known.seq, known.user, known.channel, known.what) == (fact.seq, user, channel, 0)
            });
        let Some(known) = known.cloned() else {
            let Some(lane) = self.place_of(channel, group, user) else { return Asked::Nowhere };
            let (give_up_at, expires) = give_up_at(self.now, until);
            self.put_parcel(DeliveryFact {
                seq: fact.seq,
                user,
                channel,
                lane,
                give_up_at,
                expires,
                content: content(&fact.message.title, &fact.message.body),
                by_step: true,
                mentions,
                ..self.new_parcel()
            });
            return Asked::Queued;
        };
        let intent = match known.state {
            DeliveryState::Queued if known.lane == NOWHERE => return Asked::Nowhere,
            DeliveryState::Queued | DeliveryState::Sending | DeliveryState::Merged => {
                return if group { self.afterwards(&known, fact, people) } else { Asked::Waits };
            }
            DeliveryState::Cancelled if !by_hand => return Asked::Nowhere,
            DeliveryState::Accepted | DeliveryState::Confirmed => 1,
            _ => 0,
        };
        if self.ring(&known, intent, until, mentions) { Asked::Queued } else { Asked::Nowhere }
    }

    /// Queues it again, of a group for these people alone.
    fn ring(
        &mut self,
        known: &DeliveryFact,
        intent: i64,
        until: Option<Millis>,
        mentions: Option<Vec<UserId>>,
    ) -> bool {
        let rings = self.again(known, intent, until);
        if rings {
            self.change(known.id, |fact| {
                fact.by_step = true;
                fact.mentions = mentions;
            });
        }
        rings
    }

    /// Whoever is not mentioned by what is on its way is mentioned after it.
    fn afterwards(&mut self, known: &DeliveryFact, fact: &MessageFact, people: &[UserId]) -> Asked {
        let mentioned = |person: &UserId| match &known.mentions {
            Some(mentions) => mentions.contains(person),
            None => self.owed(*person, fact),
        };
        let others: Vec<UserId> = people
            .iter()
            .filter(|person| !mentioned(person) && !known.also.contains(person))
            .copied()
            .collect();
        if others.is_empty() {
            return Asked::Waits;
        }
        self.change(known.id, |fact| fact.also.extend(others));
        Asked::Queued
    }

    /// A group took something, or may have: whoever was asked for meanwhile is mentioned now.
    pub(super) fn mention_others(&mut self, id: DeliveryId) {
        let ended =
            |fact: &DeliveryFact| matches!(fact.state, DeliveryState::Accepted | DeliveryState::Unknown);
        let took = |fact: &&DeliveryFact| (fact.id == id || fact.digest == Some(id)) && ended(fact);
        let took: Vec<DeliveryFact> = self.post.deliveries.iter().filter(took).cloned().collect();
        for known in took.into_iter().filter(|known| !known.also.is_empty()) {
            let Some(fact) = self.message_at(known.seq) else { continue };
            let until = fact.message.expires_at.filter(|_| known.expires);
            let over = fact.newer.is_some() || until.is_some_and(|at| at <= self.now);
            if !over {
                self.ring(&known, 1, until, Some(known.also.clone()));
            }
        }
    }

    /// Cancels what waits of these messages: only what steps asked for, or all.
    pub(in crate::model) fn stop(&mut self, seqs: &[Seq], steps: bool) -> u64 {
        self.mention_nobody_else(seqs);
        self.cancel(codes::STOPPED, |_, fact| {
            fact.what == 0 && fact.seq > 0 && seqs.contains(&fact.seq) && (fact.by_step || !steps)
        })
    }

    /// Queues a report.
    pub(in crate::model) fn put_report(&mut self, seq: Seq, channel: ChannelId, what: i64, body: String) {
        if !self.post.channels.iter().any(|known| known.id == channel && !known.removed) {
            return;
        }
        let Some(lane) = self.place_of(channel, true, 0) else { return };
        let (give_up_at, expires) = give_up_at(self.now, None);
        self.put_parcel(DeliveryFact {
            seq,
            what,
            channel,
            lane,
            give_up_at,
            expires,
            content: content("", &body),
            body: Some(body),
            ..self.new_parcel()
        });
    }
}

//! The outbox on plain lists. Nothing is kept beside what happened: when a lane is due is asked of all its deliveries
//! and tries, each time.

mod act;
mod ask;
mod claim;
mod config;
mod confirm;
mod recover;
mod retry;
mod settle;
mod store;

use std::collections::{BTreeMap, HashMap};

use tocsin_protocol::{
    DeliveryState, Millis, Seq,
    delivery::{AttemptResult, Binding, ChannelKind, Delivery},
};

pub(super) use ask::Asked;

use super::facts::Facts;
use crate::{
    Address, Authority, Entry, Error, NewMessage, Result, Sender, StoredMessage, TokenId, TopicId, UserId,
    escalation::report,
    outbox::{
        ALERT_EVERY, ALERTS, AttemptId, ChannelId, DeliveryId, Fall, Herald, History, LaneId, NOWHERE, codes,
        content, cut, give_up_at,
        health::Health,
        routing::{Bound, Carrier, Routing},
        same_address,
    },
};

#[derive(Clone)]
pub(super) struct ChannelFact {
    id: ChannelId,
    name: String,
    kind: ChannelKind,
    display_name: String,
    enabled: bool,
    config: serde_json::Value,
    created_at: Millis,
    removed: bool,
    health: Health,
}

#[derive(Clone)]
pub(super) struct LaneFact {
    id: LaneId,
    channel: ChannelId,
    address: String,
    /// Who has it until when.
    lease: Option<Millis>,
    leases: i64,
}

#[derive(Clone)]
pub(super) struct BindingFact {
    channel: ChannelId,
    user: UserId,
    address: String,
    lane: Option<LaneId>,
    bound_at: Millis,
    broken: Option<String>,
    flagged: Option<String>,
}

#[derive(Clone)]
pub(super) struct DeliveryFact {
    id: DeliveryId,
    seq: Seq,
    user: i64,
    what: i64,
    by_step: bool,
    mentions: Option<Vec<UserId>>,
    /// Of a group, when this round is over.
    also: Vec<UserId>,
    channel: ChannelId,
    lane: LaneId,
    state: DeliveryState,
    due_at: Millis,
    give_up_at: Millis,
    expires: bool,
    content: i64,
    intent: i64,
    round: u32,
    history: History,
    last_attempt: Option<AttemptId>,
    digest: Option<DeliveryId>,
    body: Option<String>,
    code: Option<String>,
    reason: Option<String>,
    msgid: Option<String>,
    created_at: Millis,
    since: Millis,
}

#[derive(Clone)]
pub(super) struct AttemptFact {
    id: AttemptId,
    delivery: DeliveryId,
    lane: LaneId,
    round: u32,
    content: i64,
    started_at: Millis,
    ended_at: Option<Millis>,
    result: AttemptResult,
    code: Option<String>,
    reason: Option<String>,
    msgid: Option<String>,
}

/// Everything about channels.
#[derive(Clone, Default)]
pub(super) struct Post {
    channels: Vec<ChannelFact>,
    lanes: Vec<LaneFact>,
    bindings: Vec<BindingFact>,
    routes: BTreeMap<(ChannelId, i64, i64), Option<u8>>,
    deliveries: Vec<DeliveryFact>,
    attempts: Vec<AttemptFact>,
    early: HashMap<(ChannelId, String), (Millis, Word)>,
    alerts: HashMap<(ChannelId, String), Millis>,
}

/// What the platform says of a message later: why it did not arrive, and from when on it is worth another try.
#[derive(Clone)]
struct Word {
    failed: Option<String>,
    again: Option<Millis>,
}

/// How a delivery ends.
struct End {
    state: DeliveryState,
    code: Option<String>,
    reason: Option<String>,
    msgid: Option<String>,
}

impl End {
    fn of(state: DeliveryState, code: &str) -> Self {
        Self { state, code: Some(code.into()), reason: None, msgid: None }
    }
}

impl Facts {
    fn channel(&self, name: &str) -> Result<&ChannelFact> {
        let found = self.post.channels.iter().find(|channel| channel.name == name && !channel.removed);
        found.ok_or(Error::NotFound("channel"))
    }

    fn health(&mut self, id: ChannelId) -> Option<&mut Health> {
        self.post.channels.iter_mut().find(|channel| channel.id == id).map(|channel| &mut channel.health)
    }

    fn lane(&mut self, id: LaneId) -> Option<&mut LaneFact> {
        self.post.lanes.iter_mut().find(|lane| lane.id == id)
    }

    fn lane_at(&mut self, (channel, kind): (ChannelId, ChannelKind), address: &str) -> LaneId {
        let of = |lane: &&LaneFact| lane.channel == channel && same_address(kind, &lane.address, address);
        if let Some(lane) = self.post.lanes.iter().find(of) {
            return lane.id;
        }
        let id = LaneId(super::facts::next_id(&self.post.lanes));
        self.post.lanes.push(LaneFact { id, channel, address: address.into(), lease: None, leases: 0 });
        id
    }

    fn parcel(&self, id: DeliveryId) -> Result<&DeliveryFact> {
        self.post.deliveries.iter().find(|fact| fact.id == id).ok_or(Error::NotFound("delivery"))
    }

    fn change(&mut self, id: DeliveryId, with: impl FnOnce(&mut DeliveryFact)) {
        if let Some(fact) = self.post.deliveries.iter_mut().find(|fact| fact.id == id) {
            with(fact);
        }
    }

    /// Ends a delivery and what it carries.
    fn end(&mut self, id: DeliveryId, end: &End) {
        let now = self.now;
        for fact in &mut self.post.deliveries {
            let carried = fact.digest == Some(id)
                && matches!(fact.state, DeliveryState::Merged | DeliveryState::Unknown);
            if fact.id == id || carried {
                fact.state = end.state;
                fact.code.clone_from(&end.code);
                fact.reason.clone_from(&end.reason);
                fact.msgid.clone_from(&end.msgid);
                fact.since = now;
                if fact.what == 0 {
                    fact.body = None;
                }
            }
        }
        self.mention_others(id);
    }

    pub(in crate::model) fn routing(&self) -> Routing {
        let post = &self.post;
        let rules = post.routes.iter().map(|(place, from)| (*place, *from)).collect();
        let live = post.channels.iter().filter(|channel| !channel.removed && channel.enabled);
        let channels = live.map(|channel| {
            let group = post.lanes.iter().find(|lane| lane.channel == channel.id && lane.address.is_empty());
            let mut people: Vec<_> =
                post.bindings.iter().filter(|binding| binding.channel == channel.id).collect();
            people.sort_by_key(|binding| binding.user);
            Carrier {
                id: channel.id,
                group: group.map(|lane| lane.id),
                people: people
                    .into_iter()
                    .filter_map(|b| Some(Bound { user: b.user, lane: b.lane?, broken: b.broken.clone() }))
                    .collect(),
            }
        });
        Routing { channels: channels.collect(), rules }
    }

    /// Writes the deliveries of a message that was just stored.
    pub(super) fn enqueue(&mut self, stored: &StoredMessage) {
        let message = &stored.message;
        let topic = match &stored.address {
            Address::Topic(topic) => Some(*topic),
            Address::People(_) => None,
        };
        let owed = |user: UserId| match &stored.address {
            Address::Topic(topic) => self.is_member(*topic, user),
            Address::People(people) => people.contains(&user),
        };
        let (give_up_at, expires) = give_up_at(self.now, message.expires_at);
        for target in self.routing().targets(topic, message.priority, owed) {
            let (lane, give_up_at) =
                if target.broken.is_some() { (NOWHERE, 0) } else { (target.lane, give_up_at) };
            self.put_parcel(DeliveryFact {
                seq: message.cursor.seq,
                user: target.user.map_or(0, |user| user.0),
                channel: target.channel,
                lane,
                give_up_at,
                expires,
                content: content(&message.title, &message.body),
                reason: target.broken,
                ..self.new_parcel()
            });
        }
    }

    /// One that is due now, and says nothing yet.
    fn new_parcel(&self) -> DeliveryFact {
        DeliveryFact {
            id: DeliveryId(super::facts::next_id(&self.post.deliveries)),
            seq: 0,
            user: 0,
            what: 0,
            by_step: false,
            mentions: None,
            also: Vec::new(),
            channel: ChannelId(0),
            lane: LaneId(0),
            state: DeliveryState::Queued,
            due_at: self.now,
            give_up_at: 0,
            expires: false,
            content: 0,
            intent: 0,
            round: 0,
            history: History::default(),
            last_attempt: None,
            digest: None,
            body: None,
            code: None,
            reason: None,
            msgid: None,
            created_at: self.now,
            since: self.now,
        }
    }

    fn put_parcel(&mut self, fact: DeliveryFact) {
        self.post.deliveries.push(fact);
    }

    /// Cancels what waits and is chosen; how many. What is on its way is marked, and not tried again.
    fn cancel(&mut self, code: &str, chosen: impl Fn(&Self, &DeliveryFact) -> bool) -> u64 {
        let ids: Vec<DeliveryId> = self
            .post
            .deliveries
            .iter()
            .filter(|fact| fact.state == DeliveryState::Queued && chosen(self, fact))
            .map(|fact| fact.id)
            .collect();
        for id in &ids {
            self.end(*id, &End::of(DeliveryState::Cancelled, code));
        }
        for id in self.sending(chosen) {
            self.change(id, |fact| {
                fact.code = Some(code.into());
                fact.reason = None;
            });
        }
        ids.len() as u64
    }

    /// What is on its way and is chosen.
    fn sending(&self, chosen: impl Fn(&Self, &DeliveryFact) -> bool) -> Vec<DeliveryId> {
        let of = self.post.deliveries.iter().filter(|fact| fact.state == DeliveryState::Sending);
        of.filter(|fact| chosen(self, fact)).map(|fact| fact.id).collect()
    }

    /// Whoever was asked for while these were on their way is not mentioned any more.
    fn mention_nobody_else(&mut self, seqs: &[Seq]) {
        for fact in &mut self.post.deliveries {
            if fact.seq > 0 && fact.what == 0 && seqs.contains(&fact.seq) {
                fact.also.clear();
            }
        }
    }

    pub(super) fn post_superseded(&mut self, older: Seq) {
        self.mention_nobody_else(&[older]);
        self.cancel(codes::SUPERSEDED, |_, fact| fact.seq == older && older > 0 && fact.what == 0);
    }

    pub(super) fn post_withdrawn(&mut self, user: UserId, topic: Option<TopicId>) {
        self.cancel(codes::WITHDRAWN, |facts, delivery| {
            let of = facts.messages.iter().find(|fact| fact.seq == delivery.seq);
            delivery.user == user.0 && (topic.is_none() || of.is_some_and(|fact| fact.topic() == topic))
        });
        if topic.is_none() {
            self.post.bindings.retain(|binding| binding.user != user);
            self.post.routes.retain(|(_, _, whose), _| *whose != user.0);
        }
    }

    pub(super) fn post_forgotten(&mut self, seq: Seq) {
        let gone: Vec<DeliveryId> =
            self.post.deliveries.iter().filter(|fact| fact.seq == seq).map(|fact| fact.id).collect();
        // Ids are places in the list: emptied rather than removed.
        for id in gone {
            self.change(id, |fact| {
                fact.seq = Seq::MAX;
                fact.state = DeliveryState::Cancelled;
            });
            self.post
                .attempts
                .iter_mut()
                .filter(|a| a.delivery == id)
                .for_each(|a| a.delivery = DeliveryId(0));
        }
    }

    /// Publishes an alert about a delivery, unless it is no failure, is itself about an alert, or was told lately.
    fn tell(&mut self, row: &DeliveryFact, end: &End, herald: Option<&Herald>) -> Result<bool> {
        let Some(herald) = herald else { return Ok(false) };
        let told =
            matches!(end.state, DeliveryState::Failed | DeliveryState::Unknown | DeliveryState::Queued);
        let about = |fact: &DeliveryFact| {
            let of = self.messages.iter().find(|known| known.seq == fact.seq);
            let root = of.and_then(|of| self.messages.iter().find(|known| known.seq == of.root()));
            root.is_some_and(|known| known.message.topic.as_deref() == Some(ALERTS))
        };
        let about_alerts = if row.seq == 0 {
            self.post.deliveries.iter().filter(|fact| fact.digest == Some(row.id)).all(about)
        } else {
            about(row)
        };
        let code = end.code.clone().unwrap_or_default();
        let last = self.post.alerts.get(&(row.channel, code.clone())).copied();
        let lately = last.is_some_and(|at| at > self.now - ALERT_EVERY && at <= self.now);
        if !told || about_alerts || lately {
            return Ok(false);
        }
        self.post.alerts.insert((row.channel, code.clone()), self.now);
        let Some(channel) = self.post.channels.iter().find(|channel| channel.id == row.channel).cloned()
        else {
            return Ok(false);
        };
        let message = herald(&Fall {
            channel: channel.name,
            display_name: channel.display_name,
            kind: channel.kind,
            code,
            reason: end.reason.clone().map(cut).unwrap_or_default(),
            state: end.state,
            user: self.users.iter().find(|user| user.id.0 == row.user).map(|user| user.name.clone()),
            title: self
                .messages
                .iter()
                .find(|fact| fact.seq == row.seq)
                .map(|fact| fact.message.title.clone())
                .unwrap_or_default(),
        });
        self.alerts_topic();
        let name = message.sender.name.clone();
        let sender = Sender { token: TokenId(0), user: None, name, authority: Authority::All };
        self.publish(&NewMessage {
            sender,
            topic: Some(ALERTS.into()),
            to: Vec::new(),
            idempotency: None,
            ..message
        })?;
        Ok(true)
    }

    fn alerts_topic(&mut self) {
        let known = self.topic_named(ALERTS).map(|topic| topic.id);
        let topic = known.unwrap_or_else(|_| {
            let id = TopicId(super::facts::next_id(&self.topics));
            self.topics.push(super::facts::TopicFact::new(id, ALERTS.into(), self.now));
            self.append(Entry::AccountsChanged);
            id
        });
        let admins: Vec<UserId> = self
            .users
            .iter()
            .filter(|user| user.role == tocsin_protocol::Role::Admin && !user.removed)
            .map(|user| user.id)
            .collect();
        let others: Vec<UserId> =
            self.users.iter().map(|user| user.id).filter(|id| !admins.contains(id)).collect();
        for other in others {
            self.leave(topic, other);
        }
        for admin in admins {
            self.join(topic, admin);
        }
    }

    fn listed_delivery(&self, fact: &DeliveryFact) -> Delivery {
        let message = self.messages.iter().find(|known| known.seq == fact.seq).map(|known| &known.message);
        let channel = self.post.channels.iter().find(|channel| channel.id == fact.channel);
        Delivery {
            id: fact.id.0.unsigned_abs(),
            message: message.map(|message| message.id),
            title: message.map(|message| message.title.clone()).unwrap_or_default(),
            topic: message.and_then(|message| message.topic.clone()),
            report: report::milestone(fact.what),
            user: self.users.iter().find(|user| user.id.0 == fact.user).map(|user| user.name.clone()),
            channel: channel.map(|channel| channel.name.clone()).unwrap_or_default(),
            state: fact.state,
            since: fact.since,
            due_at: (fact.state == DeliveryState::Queued).then_some(fact.due_at),
            gives_up_at: (!fact.state.is_final()).then_some(fact.give_up_at),
            attempts: fact.history.attempts,
            round: fact.round,
            digest: fact.digest.map(|digest| digest.0.unsigned_abs()),
            code: fact.code.clone(),
            reason: fact.reason.clone(),
            msgid: fact.msgid.clone(),
            created_at: fact.created_at,
        }
    }

    fn listed_binding(&self, fact: &BindingFact) -> Binding {
        let channel = self.post.channels.iter().find(|channel| channel.id == fact.channel);
        let user = self.users.iter().find(|user| user.id == fact.user);
        Binding {
            channel: channel.map(|channel| channel.name.clone()).unwrap_or_default(),
            user: user.map(|user| user.name.clone()).unwrap_or_default(),
            address: fact.address.clone(),
            bound_at: fact.bound_at,
            broken: fact.broken.clone(),
            flagged: fact.flagged.clone(),
        }
    }
}

//! Channels, addresses and routes.

use tocsin_protocol::{
    DeliveryState, Priority,
    delivery::{Binding, Channel, ChannelHealth, ChannelSettings, Route},
    escalation::VIA_DESKTOP,
    limits::is_name,
};

use super::{
    super::facts::{Facts, next_id},
    BindingFact, ChannelFact, End,
};
use crate::{
    Error, Result, UserId,
    outbox::{Bound, ChannelId, NOWHERE, codes, health::Health, same_address},
};

impl ChannelFact {
    fn listed(&self) -> Channel {
        Channel {
            name: self.name.clone(),
            kind: self.kind,
            display_name: self.display_name.clone(),
            enabled: self.enabled,
            config: self.config.clone(),
            created_at: self.created_at,
        }
    }
}

impl Facts {
    fn live_channels(&self) -> Vec<&ChannelFact> {
        let mut live: Vec<_> = self.post.channels.iter().filter(|channel| !channel.removed).collect();
        live.sort_by(|a, b| a.name.cmp(&b.name));
        live
    }

    pub(in crate::model) fn list_channels(&self) -> Vec<Channel> {
        self.live_channels().into_iter().map(ChannelFact::listed).collect()
    }

    pub(super) fn list_health(&self) -> Vec<ChannelHealth> {
        let count = |channel: ChannelId, state: DeliveryState| {
            let fits = |fact: &&super::DeliveryFact| fact.channel == channel && fact.state == state;
            self.post.deliveries.iter().filter(fits).count() as u64
        };
        let listed = self.live_channels().into_iter().map(|channel| {
            let (flow, until) = channel.health.flow(self.now);
            let (code, reason) = channel.health.why.clone().unzip();
            ChannelHealth {
                channel: channel.name.clone(),
                flow,
                until,
                code,
                reason,
                queued: count(channel.id, DeliveryState::Queued),
                failed: count(channel.id, DeliveryState::Failed),
                unknown: count(channel.id, DeliveryState::Unknown),
            }
        });
        listed.collect()
    }

    pub(super) fn put_channel(&mut self, name: &str, settings: &ChannelSettings) -> Result<Channel> {
        if !is_name(name) || name == VIA_DESKTOP {
            return Err(Error::Conflict(format!(
                "{name:?} cannot name a channel: use letters, digits, . _ -"
            )));
        }
        let id = match self.channel(name) {
            Ok(known) if known.kind != settings.kind => {
                return Err(Error::Conflict(format!("there is a channel named {name:?} of another kind")));
            }
            Ok(known) => known.id,
            Err(_) => {
                let id = ChannelId(next_id(&self.post.channels));
                self.post.channels.push(ChannelFact {
                    id,
                    name: name.into(),
                    kind: settings.kind,
                    display_name: name.into(),
                    enabled: true,
                    config: serde_json::Value::Null,
                    created_at: self.now,
                    removed: false,
                    health: Health::new(self.now),
                });
                if settings.kind.is_group() {
                    self.lane_at((id, settings.kind), "");
                }
                id
            }
        };
        for channel in self.post.channels.iter_mut().filter(|channel| channel.id == id) {
            channel.display_name = settings.display_name.clone().unwrap_or(channel.display_name.clone());
            channel.enabled = settings.enabled.unwrap_or(channel.enabled);
            channel.config = settings.config.clone();
        }
        Ok(self.channel(name)?.listed())
    }

    pub(super) fn remove_channel(&mut self, name: &str) -> Result<()> {
        let id = self.channel(name)?.id;
        self.cancel(codes::REMOVED, |_, fact| fact.channel == id);
        self.post.bindings.retain(|binding| binding.channel != id);
        self.post.routes.retain(|(channel, ..), _| *channel != id);
        self.post.channels.iter_mut().filter(|c| c.id == id).for_each(|c| c.removed = true);
        for sending in self.sending(|_, fact| fact.channel == id) {
            self.end(sending, &End::of(DeliveryState::Unknown, codes::REMOVED));
        }
        Ok(())
    }

    pub(super) fn reopen_channel(&mut self, name: &str) -> Result<()> {
        let (id, now) = (self.channel(name)?.id, self.now);
        if let Some(health) = self.health(id) {
            *health = Health::new(now);
        }
        Ok(())
    }

    pub(super) fn list_bindings(&self, channel: &str) -> Result<Vec<Binding>> {
        let id = self.channel(channel)?.id;
        let of = self.post.bindings.iter().filter(|binding| binding.channel == id);
        let mut listed: Vec<_> = of.map(|binding| self.listed_binding(binding)).collect();
        listed.sort_by_key(|binding| binding.user.to_ascii_lowercase());
        Ok(listed)
    }

    pub(super) fn bind(&mut self, channel: &str, user: &str, address: &str) -> Result<Binding> {
        let (id, kind) = self.channel(channel).map(|channel| (channel.id, channel.kind))?;
        let user = self.user_named(user)?.id;
        if address.is_empty() {
            return Err(Error::Conflict("an address is needed".into()));
        }
        let taken = |binding: &BindingFact| {
            binding.channel == id && same_address(kind, &binding.address, address) && binding.user != user
        };
        if self.post.bindings.iter().any(taken) {
            return Err(Error::Conflict("this address belongs to somebody else".into()));
        }
        let lane = (!kind.is_group()).then(|| self.lane_at((id, kind), address));
        self.post.bindings.retain(|binding| (binding.channel, binding.user) != (id, user));
        let fact = BindingFact {
            channel: id,
            user,
            address: address.into(),
            lane,
            bound_at: self.now,
            broken: None,
            flagged: None,
        };
        self.post.bindings.push(fact.clone());
        if let Some(lane) = lane {
            for waiting in &mut self.post.deliveries {
                let theirs = waiting.channel == id && waiting.user == user.0 && waiting.lane != NOWHERE;
                if theirs && waiting.state == DeliveryState::Queued && waiting.history.unsure_at.is_none() {
                    waiting.lane = lane;
                    waiting.body = None;
                }
            }
        }
        Ok(self.listed_binding(&fact))
    }

    pub(super) fn unbind(&mut self, channel: &str, who: &Bound) -> Result<Option<Binding>> {
        let (id, kind) = self.channel(channel).map(|channel| (channel.id, channel.kind))?;
        let named = match who {
            Bound::User(name) => Some(self.user_named(name)?.id),
            Bound::Address(_) => None,
        };
        let theirs = |binding: &BindingFact| {
            binding.channel == id
                && match who {
                    Bound::User(_) => Some(binding.user) == named,
                    Bound::Address(address) => same_address(kind, &binding.address, address),
                }
        };
        let Some(found) = self.post.bindings.iter().find(|binding| theirs(binding)).cloned() else {
            return Ok(None);
        };
        self.post.bindings.retain(|binding| !theirs(binding));
        self.strand(id, found.user, None);
        Ok(Some(self.listed_binding(&found)))
    }

    pub(super) fn strand(&mut self, channel: ChannelId, user: UserId, why: Option<&str>) {
        let now = self.now;
        for fact in &mut self.post.deliveries {
            if (fact.channel, fact.user, fact.state) == (channel, user.0, DeliveryState::Queued) {
                fact.lane = NOWHERE;
                fact.give_up_at = 0;
                fact.reason = why.map(str::to_owned);
                fact.body = None;
                fact.since = now;
            }
        }
    }

    pub(super) fn list_routes(&self) -> Vec<Route> {
        let mut listed = Vec::new();
        for ((channel, topic, user), from) in &self.post.routes {
            let Some(channel) = self.post.channels.iter().find(|known| known.id == *channel) else {
                continue;
            };
            let of = self.topics.iter().find(|known| known.id.0 == *topic);
            if of.is_some_and(|topic| topic.removed) {
                continue;
            }
            listed.push(Route {
                channel: channel.name.clone(),
                topic: of.map(|topic| topic.name.clone()),
                user: self.users.iter().find(|known| known.id.0 == *user).map(|user| user.name.clone()),
                from_priority: from.and_then(|from| Priority::try_from(from).ok()),
            });
        }
        listed.sort_by(|a, b| (&a.channel, &a.topic, &a.user).cmp(&(&b.channel, &b.topic, &b.user)));
        listed
    }

    fn place(
        &self,
        channel: &str,
        topic: Option<&str>,
        user: Option<&str>,
    ) -> Result<(ChannelFact, i64, i64)> {
        let channel = self.channel(channel)?.clone();
        let topic = topic.map(|name| self.topic_named(name)).transpose()?.map_or(0, |topic| topic.id.0);
        let user = user.map(|name| self.user_named(name)).transpose()?.map_or(0, |user| user.id.0);
        Ok((channel, topic, user))
    }

    pub(super) fn put_route(&mut self, route: &Route) -> Result<()> {
        let (channel, topic, user) =
            self.place(&route.channel, route.topic.as_deref(), route.user.as_deref())?;
        if channel.kind.is_group() && (topic == 0 || user != 0) {
            return Err(Error::Conflict("a group channel takes a topic, and all of it".into()));
        }
        self.post.routes.insert((channel.id, topic, user), route.from_priority.map(Priority::get));
        Ok(())
    }

    pub(super) fn remove_route(
        &mut self,
        channel: &str,
        topic: Option<&str>,
        user: Option<&str>,
    ) -> Result<()> {
        let (channel, topic, user) = self.place(channel, topic, user)?;
        let gone = self.post.routes.remove(&(channel.id, topic, user));
        gone.map(|_| ()).ok_or(Error::NotFound("route"))
    }
}

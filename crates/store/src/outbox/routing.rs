//! Which channels carry a message to whom: the same decision for every store.

use std::collections::HashMap;

use tocsin_protocol::Priority;

use super::{ChannelId, LaneId};
use crate::{TopicId, UserId};

/// The rules, ready for use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routing {
    pub(crate) channels: Vec<Carrier>,
    /// (channel, topic or 0, user or 0) → from which priority; nothing: never.
    pub(crate) rules: HashMap<(ChannelId, i64, i64), Option<u8>>,
}

/// A channel that is enabled and has a rule.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    pub(crate) id: ChannelId,
    /// Where a group channel sends to.
    pub(crate) group: Option<LaneId>,
    pub(crate) people: Vec<Bound>,
}

/// A person with an address.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) user: UserId,
    pub(crate) lane: LaneId,
    /// The platform refuses it.
    pub(crate) broken: Option<String>,
}

/// One delivery to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) channel: ChannelId,
    /// Nobody: a group.
    pub(crate) user: Option<UserId>,
    pub(crate) lane: LaneId,
    pub(crate) broken: Option<String>,
}

impl Routing {
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Where a message goes. `owed` tells whether a person belongs to its audience.
    pub(crate) fn targets(
        &self,
        topic: Option<TopicId>,
        priority: Priority,
        owed: impl Fn(UserId) -> bool,
    ) -> Vec<Target> {
        let mut targets = Vec::new();
        for channel in &self.channels {
            let topic = topic.map_or(0, |topic| topic.0);
            if let Some(lane) = channel.group {
                // What names people is nothing for a group to read.
                let rule = self.rules.get(&(channel.id, topic, 0)).filter(|_| topic != 0);
                if reaches(rule, priority) {
                    targets.push(Target { channel: channel.id, user: None, lane, broken: None });
                }
                continue;
            }
            let bound = channel.people.iter().filter(|bound| owed(bound.user));
            let routed = bound.filter(|bound| reaches(self.rule(channel.id, topic, bound.user.0), priority));
            targets.extend(routed.map(|bound| Target {
                channel: channel.id,
                user: Some(bound.user),
                lane: bound.lane,
                broken: bound.broken.clone(),
            }));
        }
        targets
    }

    /// Whether a rule leads from a topic (0: messages that name people) to a channel, for whomever and whatever priority.
    pub(crate) fn carries(&self, channel: ChannelId, topic: i64, group: bool) -> bool {
        let leads = |of: i64| if group { of == topic && of != 0 } else { of == topic || of == 0 };
        self.rules.iter().any(|((known, of, _), from)| *known == channel && from.is_some() && leads(*of))
    }

    /// The most particular rule: what a person chose for themselves is stronger than what a topic says.
    fn rule(&self, channel: ChannelId, topic: i64, user: i64) -> Option<&Option<u8>> {
        [(topic, user), (0, user), (topic, 0), (0, 0)]
            .into_iter()
            .find_map(|(topic, user)| self.rules.get(&(channel, topic, user)))
    }
}

fn reaches(rule: Option<&Option<u8>>, priority: Priority) -> bool {
    rule.copied().flatten().is_some_and(|from| priority.get() >= from)
}

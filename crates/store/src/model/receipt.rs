//! Receipts and retention.

use tocsin_protocol::{
    Cursor, MessageId, Millis, PersonReceipt, Receipt, Seq, Shown, State, limits::ALERTS_TOPIC,
};

use super::facts::{Facts, MessageFact, UserFact};
use crate::{Error, Lost, Pruned, Result, UserId, Viewer, rules};

const DAY: Millis = 24 * 3600 * 1000;

/// How far along showing is: what failed and was part of a summary later is suppressed.
pub(super) fn step(shown: Shown) -> u8 {
    match shown {
        Shown::Pending => 0,
        Shown::Failed => 1,
        Shown::Suppressed => 2,
        Shown::Shown => 3,
    }
}

impl Facts {
    pub(super) fn sees_whole(viewer: Viewer, fact: &MessageFact) -> bool {
        match viewer {
            Viewer::Admin(_) => true,
            Viewer::Member(user) => fact.sender.user == Some(user),
            Viewer::Sender(token) => fact.sender.token == token,
        }
    }

    pub(super) fn receipt(&self, viewer: Viewer, id: MessageId) -> Result<Receipt> {
        let fact = self.message_of(id)?;
        let whole = Self::sees_whole(viewer, fact);
        let audience = self.users.iter().filter(|user| self.owed(user.id, fact));
        let visible = audience.filter(|user| whole || viewer == Viewer::Member(user.id));
        let mut people: Vec<PersonReceipt> = visible.map(|user| self.person(user, fact)).collect();
        if !whole && people.is_empty() {
            return Err(Error::Forbidden("only the sender, the audience and admins may see this"));
        }
        people.sort_by(|a, b| a.user.cmp(&b.user));
        Ok(Receipt {
            id,
            seq: fact.seq,
            topic: fact.message.topic.clone(),
            title: fact.message.title.clone(),
            created_at: fact.message.created_at,
            expires_at: fact.message.expires_at,
            superseded_by: fact.newer.map(|(id, _)| id),
            counts: rules::counts(&people),
            missing: rules::missing(&people),
            people,
            groups: Vec::new(),
            as_of: Cursor::new(self.epoch.clone(), self.head()),
        })
    }

    fn person(&self, user: &UserFact, fact: &MessageFact) -> PersonReceipt {
        let withdrawn = self.withdrawn.contains_key(&(fact.seq, user.id));
        let lost = self.lost.contains(&(fact.seq, user.id));
        let received = self.received(user.id, fact).filter(|_| !withdrawn && !lost);
        let device = received.and_then(|(_, id)| self.devices.iter().find(|device| device.id == id));
        let (read_at, acknowledged_at) = self.presses(user.id, fact.seq);
        let theirs = self.devices.iter().filter(|device| device.user == user.id);
        let reports = theirs.filter_map(|device| {
            self.shown.get(&(fact.seq, device.id)).map(|(shown, at)| (device.id, *shown, *at))
        });
        let best = reports.min_by_key(|(device, shown, at)| (std::cmp::Reverse(step(*shown)), *at, *device));
        PersonReceipt {
            user: user.name.clone(),
            display_name: user.display_name.clone(),
            state: self.state(user.id, fact),
            sent_at: self.sent(user.id, fact).filter(|_| !lost),
            received_at: received.map(|(at, _)| at.max(fact.message.created_at)),
            device: device.map(|device| device.name.clone()),
            shown: best.map(|(_, shown, _)| shown),
            shown_at: best.filter(|(_, shown, _)| *shown == Shown::Shown).map(|(_, _, at)| at),
            read_at,
            acknowledged_at,
            ways: Vec::new(),
        }
    }

    fn state(&self, user: UserId, fact: &MessageFact) -> State {
        let withdrawn = self.withdrawn.get(&(fact.seq, user));
        let pressed = self.presses(user, fact.seq);
        if pressed.1.is_some() {
            return State::Acknowledged;
        }
        if pressed.0.is_some() {
            return State::Read;
        }
        let lost = self.lost.contains(&(fact.seq, user));
        if withdrawn.is_none() && !lost && self.received(user, fact).is_some() {
            return State::Received;
        }
        if !lost && self.sent(user, fact).is_some() {
            return State::Sent;
        }
        // Not arrived: what ended the waiting first?
        let until = withdrawn.map(|(_, at)| *at).or(fact.pruned_at).unwrap_or(self.now);
        let before = withdrawn.map_or(Seq::MAX, |(by, _)| *by);
        if fact.newer.is_some_and(|(_, newer)| newer < before) {
            State::Superseded
        } else if fact.message.expires_at.is_some_and(|at| at <= until) {
            State::Expired
        } else if withdrawn.is_some() {
            State::Withdrawn
        } else if fact.pruned_at.is_some() {
            State::LostToRetention
        } else {
            State::Missing
        }
    }

    pub(super) fn lost(&self, user: UserId, after: Seq) -> Lost {
        let lost = self.messages.iter().filter(|fact| {
            fact.seq > after
                && !fact.forgotten
                && self.owed(user, fact)
                && self.state(user, fact) == State::LostToRetention
        });
        let sent: Vec<Millis> = lost.map(|fact| fact.message.created_at).collect();
        Lost { count: sent.len() as u64, since: sent.into_iter().min() }
    }

    /// Of each topic, and of what names people, strictly oldest first: up to the first that is to be kept.
    fn oldest(&self, topic: Option<crate::TopicId>, old: impl Fn(&MessageFact) -> bool) -> Vec<usize> {
        let mut found = Vec::new();
        for (index, fact) in self.messages.iter().enumerate() {
            if fact.topic() == topic && !fact.forgotten {
                if !old(fact) {
                    break;
                }
                found.push(index);
            }
        }
        found
    }

    pub(super) fn prune(&mut self) -> Pruned {
        let mut pruned = Pruned::default();
        let shelves = self.topics.iter().map(|topic| (Some(topic.id), topic.retention_days));
        let shelves: Vec<_> = std::iter::once((None, None)).chain(shelves).collect();
        let mut longest = self.keep_bodies;
        for (shelf, days) in shelves {
            let keep = days.map_or(self.keep_bodies, |days| Millis::from(days) * DAY);
            longest = longest.max(keep);
            let before = self.now.saturating_sub(keep);
            for index in self.oldest(shelf, |fact| !fact.kept() || fact.message.created_at <= before) {
                if self.messages[index].kept() {
                    self.prune_one(index, &mut pruned);
                }
            }
            let before = self.now.saturating_sub(self.keep_receipts);
            for index in self.oldest(shelf, |fact| !fact.kept() && fact.message.created_at <= before) {
                self.messages[index].forgotten = true;
                self.post_forgotten(self.messages[index].seq);
            }
        }
        self.forget_states(longest);
        let now = self.now;
        self.repeats.retain(|_, repeat| repeat.expires_at > now);
        self.sessions.retain(|_, session| session.expires_at > now);
        self.invites.retain(|_, order| order.as_ref().is_none_or(|order| order.expires_at > now));
        pruned
    }

    /// What was pressed goes from the log with the receipts, unless a topic is kept longer.
    fn forget_states(&mut self, longest: Millis) {
        let before = self.now.saturating_sub(self.keep_receipts.max(longest));
        for entry in self.log.iter_mut().filter(|entry| entry.at <= before) {
            if matches!(entry.entry, crate::Entry::State { .. }) {
                entry.entry = crate::Entry::Message(None);
            }
        }
    }

    fn prune_one(&mut self, index: usize, pruned: &mut Pruned) {
        let fact = &mut self.messages[index];
        fact.pruned_at = Some(self.now);
        fact.message.body.clear();
        fact.message.format = tocsin_protocol::Format::Text;
        fact.message.tags.clear();
        fact.message.click = None;
        fact.message.actions.clear();
        let position = usize::try_from(fact.seq - 1).unwrap_or(usize::MAX);
        if let Some(entry) = self.log.get_mut(position) {
            entry.entry = crate::Entry::Message(None);
        }
        pruned.messages += 1;
        let fact = &self.messages[index];
        let lost = self
            .users
            .iter()
            .filter(|user| self.owed(user.id, fact) && self.state(user.id, fact) == State::LostToRetention);
        let (mut entries, told) = (Vec::new(), fact.message.topic.as_deref() != Some(ALERTS_TOPIC));
        for user in lost {
            pruned.lost += 1;
            if told {
                *pruned.missed.entry(user.name.clone()).or_default() += 1;
            }
            entries.push((fact.seq, user.id));
        }
        self.lost.extend(entries);
    }
}

//! Receipts and retention.

use tocsin_protocol::{
    Counts, Cursor, EscalationState, MessageId, Millis, Page, PersonReceipt, Receipt, ReceiptSummary, Seq,
    Shown, State, limits::ALERTS_TOPIC, receipt::Presence,
};

use super::facts::{Facts, MessageFact, UserFact};
use crate::{Error, Here, Lost, PeoplePage, Pruned, ReceiptQuery, Result, UserId, Viewer, rules};

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

    /// Everybody of the audience, and whoever its escalation brought in with the copy that they got: whichever of the two
    /// came further.
    pub(super) fn people(&self, fact: &MessageFact) -> Vec<(UserId, MessageFact)> {
        let of = |fact: &MessageFact| {
            let audience = self.users.iter().filter(|user| self.owed(user.id, fact));
            audience.map(|user| (user.id, fact.clone())).collect::<Vec<_>>()
        };
        let mut people = of(fact);
        for copy in self.copies(fact.seq) {
            for (user, copy) in of(&copy) {
                let Some((_, known)) = people.iter_mut().find(|(known, _)| *known == user) else {
                    people.push((user, copy));
                    continue;
                };
                let state = self.state(user, known);
                if state == State::Withdrawn || self.state(user, &copy) > state {
                    *known = copy;
                }
            }
        }
        people
    }

    /// The copies of a message that its escalation made.
    pub(super) fn copies(&self, seq: Seq) -> Vec<MessageFact> {
        let of = self.messages.iter().filter(|fact| fact.original == Some(seq) && !fact.forgotten);
        of.cloned().collect()
    }

    pub(super) fn rows(&self, fact: &MessageFact) -> Vec<PersonReceipt> {
        let people = self.people(fact);
        let row = |(id, theirs): &(UserId, MessageFact)| {
            let user = self.users.iter().find(|user| user.id == *id)?;
            let escalated = (theirs.seq != fact.seq).then_some(theirs.message.id);
            Some((*id, PersonReceipt { escalated, ..self.person(user, theirs) }))
        };
        let mut rows: Vec<_> = people.iter().filter_map(row).collect();
        rows.sort_by(|(x, a), (y, b)| (&a.user, x).cmp(&(&b.user, y)));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    pub(super) fn counts_of(rows: &[PersonReceipt]) -> Counts {
        rules::counts(rows.iter().map(|row| (row.state, row.shown)))
    }

    pub(super) fn lacking(rows: &[PersonReceipt], lacks: impl Fn(State) -> bool) -> Vec<String> {
        rules::names(rows.iter().map(|row| (row.state, row.user.as_str())), lacks)
    }

    pub(super) fn counts(&self, id: MessageId) -> Result<Counts> {
        Ok(Self::counts_of(&self.rows(self.message_of(id)?)))
    }

    pub(super) fn receipt(&self, viewer: Viewer, id: MessageId, page: &PeoplePage) -> Result<Receipt> {
        let fact = self.message_of(id)?;
        let whole = Self::sees_whole(viewer, fact);
        let mut rows = self.rows(fact);
        if !whole {
            let own = self.users.iter().find(|user| viewer == Viewer::Member(user.id));
            let theirs = own.filter(|own| self.people(fact).iter().any(|(user, _)| *user == own.id));
            let Some(theirs) = theirs else {
                return Err(Error::Forbidden("only the sender, the audience and admins may see this"));
            };
            rows.retain(|row| row.user == theirs.name);
        }
        let lacking = |wanted| Self::lacking(&rows, |state| rules::lacks(state, wanted));
        let after: Vec<&PersonReceipt> =
            rows.iter().filter(|row| page.after.as_ref().is_none_or(|after| row.user > *after)).collect();
        let mut end = after.len().min(page.limit);
        while end > 0 && after.get(end).is_some_and(|row| row.user == after[end - 1].user) {
            end += 1;
        }
        let people: Vec<PersonReceipt> = after[..end].iter().map(|row| (*row).clone()).collect();
        let next = people.last().filter(|_| people.len() < after.len()).map(|row| row.user.clone());
        Ok(Receipt {
            id,
            seq: fact.seq,
            topic: fact.message.topic.clone(),
            title: fact.message.title.clone(),
            created_at: fact.message.created_at,
            expires_at: fact.message.expires_at,
            superseded_by: fact.newer.map(|(id, _)| id),
            whole,
            counts: Self::counts_of(&rows),
            missing: Self::lacking(&rows, |state| state == State::Missing),
            unread: lacking(State::Read),
            unacknowledged: lacking(State::Acknowledged),
            people,
            next,
            escalation: if whole { self.escalation_told(fact) } else { None },
            waited: None,
            groups: Vec::new(),
            as_of: Cursor::new(self.epoch.clone(), self.head()),
            as_of_ms: self.now,
        })
    }

    pub(super) fn receipts(&self, viewer: Viewer, query: &ReceiptQuery) -> Result<Page<ReceiptSummary>> {
        let topic = query.topic.as_ref().map(|name| self.topic_named(name)).transpose()?.map(|t| t.id);
        let user = query.user.as_ref().map(|name| self.user_named(name)).transpose()?.map(|u| u.id);
        let channel = query.channel.as_ref().map(|name| self.channel_at(name)).transpose()?.map(|c| c.0);
        let mut items = Vec::new();
        for fact in self.messages.iter().rev() {
            let created = fact.message.created_at;
            let asked = !fact.forgotten
                && fact.original.is_none()
                && Self::sees_whole(viewer, fact)
                && query.before.is_none_or(|before| fact.seq < before)
                && (topic.is_none() || fact.topic() == topic)
                && query.since.is_none_or(|since| created >= since)
                && query.until.is_none_or(|until| created < until)
                && user.is_none_or(|user| self.people(fact).iter().any(|(known, _)| *known == user));
            let mut seqs = vec![fact.seq];
            seqs.extend(self.copies(fact.seq).iter().map(|copy| copy.seq));
            let (sent, failed, unknown) = self.tally(&seqs, user, channel);
            if !asked || (channel.is_some() && sent == 0) {
                continue;
            }
            let rows = self.rows(fact);
            // Who is asked about alone, if somebody is.
            let theirs: Vec<PersonReceipt> = rows
                .iter()
                .filter(|row| query.user.as_ref().is_none_or(|user| row.user == *user))
                .cloned()
                .collect();
            let counts = Self::counts_of(&theirs);
            let expired = theirs.iter().filter(|row| row.state == State::Expired).count() as u64;
            let superseded = fact.newer.is_some();
            let settled = self.escalation_state(fact.seq) == Some(EscalationState::Acknowledged);
            let message = &fact.message;
            let listed = rules::Listed { message, superseded, counts, expired, failed, unknown, settled };
            if rules::is_listed(query.filter, &listed, self.now) {
                let (_, failed, unknown) = self.tally(&seqs, None, None);
                items.push(self.summary(fact, &rows, (failed, unknown)));
            }
        }
        let more = items.len() > query.limit;
        items.truncate(query.limit);
        let next = items.last().filter(|_| more).map(|last| last.seq);
        Ok(Page { items, next })
    }

    fn summary(
        &self,
        fact: &MessageFact,
        rows: &[PersonReceipt],
        (failed, unknown): (u64, u64),
    ) -> ReceiptSummary {
        let message = &fact.message;
        ReceiptSummary {
            id: message.id,
            seq: fact.seq,
            topic: message.topic.clone(),
            sender: message.sender.clone(),
            title: message.title.clone(),
            priority: message.priority,
            created_at: message.created_at,
            expires_at: message.expires_at,
            superseded_by: fact.newer.map(|(id, _)| id),
            counts: Self::counts_of(rows),
            missing: Self::lacking(rows, |state| state == State::Missing),
            failed,
            unknown,
            escalation: self.escalation_state(fact.seq),
        }
    }

    pub(super) fn presences(&self, users: &[String]) -> Vec<Here> {
        let asked = |name: &str| users.iter().any(|user| user.eq_ignore_ascii_case(name));
        let mut found = Vec::new();
        for user in self.users.iter().filter(|user| !user.removed && asked(&user.name)) {
            for device in self.devices.iter().filter(|d| d.user == user.id && !d.removed) {
                let (name, last_seen_at) = (device.name.clone(), device.last_seen_at);
                let presence = Presence { device: name, online: false, last_seen_at };
                found.push(Here { owner: user.id, user: user.name.clone(), id: device.id, presence });
            }
        }
        found.sort_by_key(|here| (here.user.to_ascii_lowercase(), here.presence.device.clone()));
        found
    }

    fn person(&self, user: &UserFact, fact: &MessageFact) -> PersonReceipt {
        let withdrawn = self.withdrawn.contains_key(&(fact.seq, user.id));
        let lost = self.lost.contains(&(fact.seq, user.id));
        let stored = self.received(user.id, fact).filter(|_| !withdrawn && !lost);
        let confirmed = self.confirmed(user.id, fact.seq).filter(|_| !withdrawn && !lost);
        let handed = self.sent(user.id, fact).filter(|_| !lost);
        let accepted = self.accepted(user.id, fact.seq).filter(|_| !lost);
        // A device that was there as early as a channel counts.
        let by_channel = confirmed.filter(|(at, _)| stored.is_none_or(|(first, _)| *at < first));
        let taken = accepted.filter(|(at, _)| handed.is_none_or(|first| *at < first));
        let device = stored.filter(|_| by_channel.is_none());
        let device = device.and_then(|(_, id)| self.devices.iter().find(|device| device.id == id));
        let arrived = stored.is_some() || confirmed.is_some();
        let channel = if arrived { by_channel } else { taken };
        let received_at = by_channel.map(|(at, _)| at).or(stored.map(|(at, _)| at));
        let (read_at, acknowledged_at) = self.presses(user.id, fact.seq);
        let theirs = self.devices.iter().filter(|device| device.user == user.id);
        let reports = theirs.filter_map(|device| {
            self.shown.get(&(fact.seq, device.id)).map(|(shown, at)| (device.id, *shown, *at))
        });
        let best = reports.min_by_key(|(device, shown, at)| (std::cmp::Reverse(step(*shown)), *at, *device));
        PersonReceipt {
            whose: user.id.0,
            user: user.name.clone(),
            display_name: user.display_name.clone(),
            state: self.state(user.id, fact),
            sent_at: taken.map(|(at, _)| at).or(handed),
            received_at: received_at.map(|at| at.max(fact.message.created_at)),
            device: device.map(|device| device.name.clone()),
            channel: channel.and_then(|(_, id)| self.channel_name(id)),
            why: None,
            escalated: None,
            reminded_at: self.escalated.reminded(fact.seq, user.id),
            devices: Vec::new(),
            shown: best.map(|(_, shown, _)| shown),
            shown_at: best.filter(|(_, shown, _)| *shown == Shown::Shown).map(|(_, _, at)| at),
            read_at,
            acknowledged_at,
            ways: Vec::new(),
        }
    }

    pub(super) fn state(&self, user: UserId, fact: &MessageFact) -> State {
        let withdrawn = self.withdrawn.get(&(fact.seq, user));
        let pressed = self.presses(user, fact.seq);
        if pressed.1.is_some() {
            return State::Acknowledged;
        }
        if pressed.0.is_some() {
            return State::Read;
        }
        let lost = self.lost.contains(&(fact.seq, user));
        let arrived = self.received(user, fact).is_some() || self.confirmed(user, fact.seq).is_some();
        if withdrawn.is_none() && !lost && arrived {
            return State::Received;
        }
        let sent = self.sent(user, fact).is_some() || self.accepted(user, fact.seq).is_some();
        if !lost && sent {
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
                let seq = self.messages[index].seq;
                self.post_forgotten(seq);
                self.escalated.forget(seq);
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
        let seq = fact.seq;
        self.tell_missed(seq);
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

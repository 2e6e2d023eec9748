//! Publishing and threads.

use std::sync::Arc;

use tocsin_protocol::{Cursor, Message, MessageId, Millis, Published, Seq, StateChange};

use super::facts::{Facts, MessageFact, RepeatFact};
use crate::{
    Address, Authority, Entry, Error, NewMessage, Press, Pressed, Publication, Result, StoredMessage, UserId,
};

impl Facts {
    pub(super) fn publish(&mut self, new: &NewMessage) -> Result<Publication> {
        let repeat = new.idempotency.as_ref().map(|key| (new.repeats_of(), key.key.clone()));
        if new.twins {
            self.address(new)?;
        }
        if let (Some(place), Some(idempotency)) = (&repeat, &new.idempotency)
            && let Some(known) = self.repeats.get(place).filter(|known| known.expires_at > self.now)
        {
            if known.request != idempotency.request {
                return Err(Error::IdempotencyConflict);
            }
            return Ok(Publication { published: known.published.clone(), repeated: true });
        }
        let (address, audience) = self.address(new)?;
        let sets = self.sets(new, &address)?;
        let older = self.older(new, &address)?.map(|seq| self.messages[seq].clone());
        let fact = self.store(new, address, older.as_ref(), None);
        self.published(new, sets, &fact, older.as_ref())?;
        let published = Published {
            id: fact.message.id,
            seq: fact.seq,
            audience,
            superseded: older.map(|older| older.message.id),
            warning: (audience == 0).then(|| "the topic has no members, so nobody gets this message".into()),
        };
        if let (Some(place), Some(idempotency)) = (repeat, &new.idempotency) {
            let expires_at = self.now.saturating_add(idempotency.keep_ms);
            let fact = RepeatFact { request: idempotency.request, published: published.clone(), expires_at };
            self.repeats.insert(place, fact);
        }
        Ok(Publication { published, repeated: false })
    }

    /// A copy of a message for somebody whom its escalation brings in.
    pub(super) fn publish_copy(&mut self, new: &NewMessage, original: &MessageFact) -> Result<MessageFact> {
        let (address, _) = self.address(new)?;
        let older = self.older(new, &address)?.map(|seq| self.messages[seq].clone());
        Ok(self.store(new, address, older.as_ref(), Some(original)))
    }

    fn store(
        &mut self,
        new: &NewMessage,
        address: Address,
        older: Option<&MessageFact>,
        original: Option<&MessageFact>,
    ) -> MessageFact {
        let seq = self.head() + 1;
        let escalates = original.map(|original| original.message.id);
        let message = Message { escalates, ..self.made(new, older, seq) };
        let stored = StoredMessage { message: message.clone(), address: address.clone() };
        self.append(Entry::Message(Some(Arc::new(stored.clone()))));
        let fact = MessageFact {
            seq,
            message,
            address,
            sender: new.sender.clone(),
            newer: None,
            original: original.map(|original| original.seq),
            pruned_at: None,
            forgotten: false,
        };
        self.messages.push(fact.clone());
        if let Some(older) = older {
            self.supersede(older, &fact);
        }
        self.enqueue(&stored);
        fact
    }

    fn made(&self, new: &NewMessage, older: Option<&MessageFact>, seq: Seq) -> Message {
        let id = MessageId::random(&mut rand::rng());
        Message {
            id,
            cursor: Cursor::new(self.epoch.clone(), seq),
            topic: new.topic.clone(),
            sender: new.sender.name.clone(),
            title: new.title.clone(),
            body: new.body.clone(),
            format: new.format,
            priority: new.priority,
            tags: new.tags.clone(),
            click: new.click.clone(),
            actions: new.actions.clone(),
            key: new.key.clone(),
            thread: older.map_or(id, |older| older.message.thread),
            supersedes: older.map(|older| older.message.id),
            escalates: None,
            resolved: new.resolved,
            created_at: self.now,
            expires_at: new.expires_in_ms.map(|span| self.now.saturating_add(span)),
            superseded_by: None,
            expired: false,
        }
    }

    fn address(&self, new: &NewMessage) -> Result<(Address, u64)> {
        if let Some(name) = &new.topic {
            let topic = self.topic_named(name)?.id;
            let allowed = match &new.sender.authority {
                Authority::All => true,
                Authority::Member(user) => self.is_member(topic, *user),
                Authority::Topics(topics) => topics.contains(&topic),
            };
            if !allowed {
                return Err(Error::Forbidden("the sender may not publish to this topic"));
            }
            let members = self.users.iter().filter(|user| self.is_member(topic, user.id)).count();
            return Ok((Address::Topic(topic), members as u64));
        }
        let mut people: Vec<UserId> =
            new.to.iter().map(|name| self.user_named(name).map(|user| user.id)).collect::<Result<_>>()?;
        if matches!(new.sender.authority, Authority::Topics(_)) {
            return Err(Error::Forbidden("this token publishes to topics, not to people"));
        }
        people.sort_unstable();
        people.dedup();
        let audience = people.len() as u64;
        Ok((Address::People(people.into()), audience))
    }

    /// Index of the version that is superseded.
    fn older(&self, new: &NewMessage, address: &Address) -> Result<Option<usize>> {
        let admin = matches!(new.sender.authority, Authority::All);
        let same_sender = |fact: &MessageFact| match new.sender.user {
            Some(me) => fact.sender.user == Some(me),
            None => fact.sender.user.is_none() && fact.sender.token == new.sender.token,
        };
        if let Some(id) = new.replaces {
            let found = self.messages.iter().position(|fact| fact.message.id == id && !fact.forgotten);
            let index = found.ok_or(Error::NotFound("message"))?;
            let fact = &self.messages[index];
            if !admin && !same_sender(fact) {
                return Err(Error::Forbidden("only its sender or an admin may replace a message"));
            }
            if !fact.kept() {
                return Err(Error::NotFound("message"));
            }
            if let Some((newer, _)) = fact.newer {
                return Err(Error::Conflict(format!(
                    "the message was replaced already: {newer} is the newer version"
                )));
            }
            return Ok(Some(index));
        }
        let Some(key) = &new.key else { return Ok(None) };
        Ok(self.messages.iter().rposition(|fact| {
            fact.kept()
                && fact.newer.is_none()
                && fact.message.key.as_ref() == Some(key)
                && fact.address == *address
                && (admin || same_sender(fact) || (new.is_any_programs() && fact.sender.user.is_none()))
        }))
    }

    pub(super) fn supersede(&mut self, older: &MessageFact, newer: &MessageFact) {
        self.post_superseded(older.seq);
        for fact in &mut self.messages {
            if fact.seq == older.seq {
                fact.newer = Some((newer.message.id, newer.seq));
            }
        }
        if !newer.message.keeps_acknowledgement((older.message.priority, older.message.resolved)) {
            return;
        }
        let people: Vec<UserId> = self.users.iter().map(|user| user.id).collect();
        for user in people {
            if let Some(at) = self.presses(user, older.seq).1
                && self.owed(user, newer)
            {
                self.carry(user, newer, at);
            }
        }
    }

    fn carry(&mut self, user: UserId, fact: &MessageFact, at: Millis) {
        let pressed = self.pressed.entry((fact.seq, user)).or_default();
        if pressed.1.is_none() {
            pressed.1 = Some(at);
            self.say(user, fact);
        }
    }

    /// Appends what a person did with a message.
    fn say(&mut self, user: UserId, fact: &MessageFact) {
        let (read_at, acknowledged_at) = self.presses(user, fact.seq);
        let cursor = Cursor::new(self.epoch.clone(), self.head() + 1);
        let id = fact.message.id;
        let change = StateChange { cursor, id, read_at, acknowledged_at, remind_at: None, settled: None };
        self.append(Entry::State { user, change });
    }

    pub(super) fn press(&mut self, press: Press) -> Result<()> {
        let fact = self.message_of(press.message)?.clone();
        let user = press.user;
        if !self.owed(user, &fact) || self.withdrawn.contains_key(&(fact.seq, user)) {
            return Err(Error::Forbidden("only the people it was sent to may read or acknowledge a message"));
        }
        let at = press.at.min(self.now).max(fact.message.created_at);
        let before = self.presses(user, fact.seq);
        let acknowledged = (press.pressed == Pressed::Acknowledge).then_some(at);
        let after = (before.0.or(Some(at)), before.1.or(acknowledged));
        if after != before {
            self.pressed.insert((fact.seq, user), after);
            self.say(user, &fact);
            self.escalation_pressed(&fact, user, after.1.filter(|_| before.1.is_none()));
        }
        if let (Some(at), None) = (after.1, before.1) {
            let mut older = fact;
            while let Some((id, _)) = older.newer {
                let newer = self.message_of(id)?.clone();
                let carries =
                    newer.message.keeps_acknowledgement((older.message.priority, older.message.resolved));
                if !carries || !self.owed(user, &newer) {
                    break;
                }
                self.carry(user, &newer, at);
                self.escalation_pressed(&newer, user, Some(at));
                older = newer;
            }
        }
        Ok(())
    }
}

//! Devices, replays, acknowledgements, claims, the inbox.

use tocsin_protocol::{
    Device, Message, MessageId, MessageView, Page, Seq,
    limits::{DEVICES, is_name},
};

use super::{
    facts::{AckFact, ClaimFact, DeviceFact, Facts, MessageFact, next_id},
    receipt::step,
};
use crate::{
    AckRange, Claim, DeviceId, DeviceRecord, Entry, Error, InboxQuery, OwedItem, Replay, Result, ShownRow,
    UserId, Viewer, rules,
};

impl Facts {
    /// As a replay carries it.
    fn marked(&self, fact: &MessageFact) -> Message {
        let mut message = fact.message.clone();
        message.cursor.epoch = self.epoch.clone();
        message.superseded_by = fact.newer.map(|(id, _)| id);
        message.escalates = fact.original.and_then(|seq| self.message_at(seq)).map(|known| known.message.id);
        message.expired = message.expires_at.is_some_and(|at| at <= self.now);
        message
    }

    fn withdrawn_from(&self, user: UserId, fact: &MessageFact) -> bool {
        self.withdrawn.contains_key(&(fact.seq, user))
    }

    pub(super) fn open_device(&mut self, user: UserId, name: &str) -> Result<DeviceRecord> {
        let known =
            self.devices.iter().find(|device| device.user == user && device.name == name && !device.removed);
        if let Some(known) = known {
            return self.record(known.id);
        }
        if !is_name(name) {
            return Err(Error::Conflict(format!(
                "{name:?} cannot name a device: use letters, digits, . _ -"
            )));
        }
        let person = self.live_user(user)?.name.clone();
        if self.devices.iter().filter(|device| device.user == user && !device.removed).count() >= DEVICES {
            return Err(Error::TooManyDevices(person));
        }
        let id = DeviceId(next_id(&self.devices));
        let born = self.first_start(user);
        let name = name.to_owned();
        let device = DeviceFact { id, user, name, position: None, born, last_seen_at: None, removed: false };
        self.devices.push(device);
        Ok(DeviceRecord { new: true, ..self.record(id)? })
    }

    fn first_start(&self, user: UserId) -> Seq {
        let waited_for = self.messages.iter().find(|fact| {
            fact.kept()
                && fact.newer.is_none()
                && fact.message.expires_at.is_none_or(|at| at > self.now)
                && self.owed(user, fact)
                && !self.withdrawn_from(user, fact)
                && !self.has(user, fact)
        });
        waited_for.map_or(self.head(), |fact| fact.seq - 1)
    }

    pub(super) fn record(&self, id: DeviceId) -> Result<DeviceRecord> {
        let device = self.live_device(id)?;
        Ok(DeviceRecord {
            id,
            user: device.user,
            name: device.name.clone(),
            filter: self.filter(id),
            start: device.position.unwrap_or_else(|| self.first_start(device.user)),
            position: device.position,
            new: false,
        })
    }

    pub(super) fn set_filter(&mut self, id: DeviceId, topics: Option<Vec<String>>) -> Result<DeviceRecord> {
        self.live_device(id)?;
        let topics = match topics {
            Some(names) => {
                Some(names.iter().map(|name| Ok(self.topic_named(name)?.id)).collect::<Result<_>>()?)
            }
            None => None,
        };
        self.append(Entry::Filter { device: id, topics });
        self.record(id)
    }

    pub(super) fn remove_device(&mut self, user: UserId, name: &str) -> Result<DeviceId> {
        let device = self
            .devices
            .iter_mut()
            .find(|device| device.user == user && device.name == name && !device.removed)
            .ok_or(Error::NotFound("device"))?;
        device.removed = true;
        Ok(device.id)
    }

    pub(super) fn devices(&self, user: Option<UserId>) -> Vec<Device> {
        let live = self
            .devices
            .iter()
            .filter(|device| !device.removed && user.is_none_or(|user| device.user == user));
        let mut listed: Vec<Device> = live.map(|device| self.listed_device(device)).collect();
        listed.sort_by_key(|device| (device.user.to_ascii_lowercase(), device.name.clone()));
        listed
    }

    fn listed_device(&self, device: &DeviceFact) -> Device {
        let user = self.users.iter().find(|user| user.id == device.user);
        let name = |id: &crate::TopicId| {
            self.topics.iter().find(|topic| topic.id == *id && !topic.removed).map(|topic| topic.name.clone())
        };
        Device {
            name: device.name.clone(),
            user: user.map(|user| user.name.clone()).unwrap_or_default(),
            filter: self.filter(device.id).map(|topics| topics.iter().filter_map(name).collect()),
            online: false,
            last_seen_at: device.last_seen_at,
            position: device.position,
        }
    }

    pub(super) fn replay(&self, id: DeviceId, after: Seq, upto: Seq, limit: usize) -> Result<Replay> {
        let user = self.live_device(id)?.user;
        let upto = upto.min(self.head()).max(after);
        let mut found: Vec<(Seq, OwedItem)> = Vec::new();
        for fact in &self.messages {
            if fact.kept()
                && self.owed(user, fact)
                && self.takes(id, fact)
                && !self.withdrawn_from(user, fact)
            {
                found.push((fact.seq, OwedItem::Message(Box::new(self.marked(fact)))));
            }
        }
        for entry in &self.log {
            if let Entry::State { user: theirs, change } = &entry.entry
                && *theirs == user
            {
                let mut change = change.clone();
                change.cursor.epoch = self.epoch.clone();
                found.push((entry.seq, OwedItem::State(change)));
            }
        }
        found.retain(|(seq, _)| after < *seq && *seq <= upto);
        found.sort_by_key(|(seq, _)| *seq);
        let more = found.len() > limit;
        found.truncate(limit);
        let reached = if more { found.last().map_or(after, |(seq, _)| *seq) } else { upto };
        Ok(Replay { items: found.into_iter().map(|(_, item)| item).collect(), reached })
    }

    pub(super) fn acknowledge(&mut self, ranges: &[AckRange]) {
        for range in ranges {
            let to = range.to.min(self.head());
            let Ok(device) = self.live_device(range.device) else { continue };
            let user = device.user;
            let owed = self.messages.iter().any(|fact| {
                range.from < fact.seq
                    && fact.seq <= to
                    && !fact.forgotten
                    && self.owed(user, fact)
                    && self.takes(range.device, fact)
            });
            if owed {
                self.acks.push(AckFact { device: range.device, from: range.from, to, at: range.at });
                let device = self.devices.iter_mut().find(|device| device.id == range.device);
                if let Some(device) = device {
                    device.position = device.position.max(Some(to));
                }
            }
        }
        self.tell_reached();
    }

    pub(super) fn report_shown(&mut self, rows: &[ShownRow]) {
        for row in rows {
            let (Ok(device), Ok(fact)) = (self.live_device(row.device), self.message_of(row.message)) else {
                continue;
            };
            if self.owed(device.user, fact) {
                let at = row.at.min(self.now).max(fact.message.created_at);
                let place = (fact.seq, row.device);
                let further = self.shown.get(&place).is_none_or(|(known, _)| step(*known) < step(row.shown));
                if further {
                    self.shown.insert(place, (row.shown, at));
                }
            }
        }
    }

    /// What no device of the person was handed, after what this device has acknowledged or was born with.
    pub(super) fn claim(&mut self, id: DeviceId, limit: usize) -> Result<Claim> {
        let device = self.live_device(id)?.clone();
        let start = device.position.unwrap_or(0).max(device.born);
        let free: Vec<&MessageFact> = self
            .messages
            .iter()
            .filter(|fact| {
                fact.seq > start && fact.kept() && self.owed(device.user, fact) && self.takes(id, fact)
            })
            .filter(|fact| !self.withdrawn_from(device.user, fact) && self.sent(device.user, fact).is_none())
            .collect();
        let more = free.len() > limit;
        let handed: Vec<Message> = free.iter().take(limit).map(|fact| self.marked(fact)).collect();
        let Some(last) = handed.last().map(|message| message.cursor.seq) else {
            return Ok(Claim { id: 0, messages: handed, upto: self.head(), more });
        };
        let claim = self.next_claim;
        self.next_claim += 1;
        for message in &handed {
            self.claims.push(ClaimFact { id: claim, device: id, seq: message.cursor.seq, at: self.now });
        }
        Ok(Claim { id: claim, messages: handed, upto: if more { last } else { self.head() }, more })
    }

    pub(super) fn undo_claim(&mut self, claim: u64) {
        self.claims.retain(|known| known.id != claim);
    }

    pub(super) fn inbox(&self, user: UserId, query: &InboxQuery) -> Result<Page<MessageView>> {
        let topic =
            query.topic.as_ref().map(|name| self.topic_named(name).map(|topic| topic.id)).transpose()?;
        let needle = query.search.as_ref().map(|text| text.to_lowercase());
        let mut rows: Vec<MessageView> = self
            .messages
            .iter()
            .rev()
            .filter(|fact| fact.kept() && self.owed(user, fact) && !self.withdrawn_from(user, fact))
            .filter(|fact| query.before.is_none_or(|before| fact.seq < before))
            .filter(|fact| topic.is_none() || fact.topic() == topic)
            .map(|fact| self.seen_by(Some(user), fact))
            .filter(|row| rules::fits(row, query, needle.as_deref()))
            .collect();
        let more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let next = rows.last().filter(|_| more).map(|row| row.message.cursor.seq);
        Ok(Page { items: rows, next })
    }

    pub(super) fn seen_by(&self, user: Option<UserId>, fact: &MessageFact) -> MessageView {
        let (read_at, acknowledged_at) = user.map(|user| self.presses(user, fact.seq)).unwrap_or_default();
        let settled = self.settled(fact).filter(|_| acknowledged_at.is_none());
        MessageView { message: self.marked(fact), read_at, acknowledged_at, settled }
    }

    pub(super) fn message(&self, viewer: Viewer, id: MessageId) -> Result<MessageView> {
        let fact = self.message_of(id)?;
        let person = match viewer {
            Viewer::Admin(person) => person,
            Viewer::Member(person) => Some(person),
            Viewer::Sender(_) => None,
        };
        let theirs = person.is_some_and(|user| self.owed(user, fact) && !self.withdrawn_from(user, fact));
        if !Self::sees_whole(viewer, fact) && !theirs {
            return Err(Error::Forbidden("only the sender, the audience and admins may see this"));
        }
        if !fact.kept() {
            return Err(Error::NotFound("message"));
        }
        Ok(self.seen_by(person, fact))
    }

    pub(super) fn unread(&self, user: UserId) -> u64 {
        let unread = self.messages.iter().filter(|fact| {
            fact.kept()
                && fact.newer.is_none()
                && fact.message.expires_at.is_none_or(|at| at > self.now)
                && self.owed(user, fact)
                && !self.withdrawn_from(user, fact)
                && self.presses(user, fact.seq) == (None, None)
        });
        unread.count() as u64
    }
}

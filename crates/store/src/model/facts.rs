//! What happened, and the questions that everything else is made of.

use std::collections::{BTreeMap, HashMap, HashSet};

use tocsin_protocol::{Epoch, Message, MessageId, Millis, Published, Role, Seq, Shown, TokenKind};

use super::{escalation::Escalated, outbox::Post};
use crate::{
    Address, DeviceId, Entry, Error, JoinOrder, LogEntry, Result, SecretHash, Sender, TokenId, TopicId,
    UserId,
};

#[derive(Clone)]
pub(super) struct UserFact {
    pub(super) id: UserId,
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) role: Role,
    pub(super) created_at: Millis,
    pub(super) removed: bool,
}

#[derive(Clone)]
pub(super) struct TopicFact {
    pub(super) id: TopicId,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) retention_days: Option<u32>,
    pub(super) policy: Option<i64>,
    pub(super) expect_ms: Option<Millis>,
    pub(super) expected_by: Option<Millis>,
    pub(super) silent_since: Option<Millis>,
    /// A message says that it is silent, and none that it is over.
    pub(super) silence: bool,
    pub(super) created_at: Millis,
    pub(super) removed: bool,
}

impl TopicFact {
    pub(super) fn new(id: TopicId, name: String, created_at: Millis) -> Self {
        Self {
            id,
            name,
            description: String::new(),
            retention_days: None,
            policy: None,
            expect_ms: None,
            expected_by: None,
            silent_since: None,
            silence: false,
            created_at,
            removed: false,
        }
    }
}

#[derive(Clone)]
pub(super) struct DeviceFact {
    pub(super) id: DeviceId,
    pub(super) user: UserId,
    pub(super) name: String,
    pub(super) position: Option<Seq>,
    /// Where claims start that follow no acknowledgement.
    pub(super) born: Seq,
    pub(super) last_seen_at: Option<Millis>,
    pub(super) removed: bool,
}

#[derive(Clone)]
pub(super) struct MessageFact {
    pub(super) seq: Seq,
    pub(super) message: Message,
    pub(super) address: Address,
    pub(super) sender: Sender,
    pub(super) newer: Option<(MessageId, Seq)>,
    /// The message that this is a copy of.
    pub(super) original: Option<Seq>,
    pub(super) pruned_at: Option<Millis>,
    /// Its receipt is gone too.
    pub(super) forgotten: bool,
}

impl MessageFact {
    pub(super) fn kept(&self) -> bool {
        self.pruned_at.is_none() && !self.forgotten
    }

    pub(super) fn topic(&self) -> Option<TopicId> {
        match &self.address {
            Address::Topic(topic) => Some(*topic),
            Address::People(_) => None,
        }
    }

    /// The position that its receipt is about.
    pub(super) fn root(&self) -> Seq {
        self.original.unwrap_or(self.seq)
    }
}

#[derive(Clone)]
pub(super) struct TokenFact {
    pub(super) id: TokenId,
    pub(super) secret: SecretHash,
    pub(super) kind: TokenKind,
    pub(super) name: String,
    pub(super) user: Option<UserId>,
    pub(super) topics: Vec<TopicId>,
    pub(super) device: Option<String>,
    pub(super) created_at: Millis,
    pub(super) expires_at: Option<Millis>,
    pub(super) last_used_at: Option<Millis>,
    pub(super) revoked: bool,
}

#[derive(Clone)]
pub(super) struct SessionFact {
    pub(super) user: UserId,
    pub(super) token: Option<TokenId>,
    pub(super) idle_ms: Millis,
    pub(super) expires_at: Millis,
}

#[derive(Clone)]
pub(super) struct RepeatFact {
    pub(super) request: SecretHash,
    pub(super) published: Published,
    pub(super) expires_at: Millis,
}

/// A message handed out without a cursor.
#[derive(Clone)]
pub(super) struct ClaimFact {
    pub(super) id: u64,
    pub(super) device: DeviceId,
    pub(super) seq: Seq,
    pub(super) at: Millis,
}

#[derive(Clone, Copy)]
pub(super) struct AckFact {
    pub(super) device: DeviceId,
    pub(super) from: Seq,
    pub(super) to: Seq,
    pub(super) at: Millis,
}

/// Everything.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) now: Millis,
    pub(super) closed: bool,
    pub(super) epoch: Epoch,
    pub(super) keep_bodies: Millis,
    pub(super) keep_receipts: Millis,
    /// The entry of position n is at n - 1.
    pub(super) log: Vec<LogEntry>,
    pub(super) users: Vec<UserFact>,
    pub(super) topics: Vec<TopicFact>,
    pub(super) devices: Vec<DeviceFact>,
    pub(super) messages: Vec<MessageFact>,
    pub(super) acks: Vec<AckFact>,
    pub(super) claims: Vec<ClaimFact>,
    pub(super) next_claim: u64,
    /// By whom and when it was taken.
    pub(super) withdrawn: HashMap<(Seq, UserId), (Seq, Millis)>,
    /// Pruned before it came.
    pub(super) lost: HashSet<(Seq, UserId)>,
    pub(super) pressed: BTreeMap<(Seq, UserId), (Option<Millis>, Option<Millis>)>,
    pub(super) shown: BTreeMap<(Seq, DeviceId), (Shown, Millis)>,
    pub(super) tokens: Vec<TokenFact>,
    pub(super) sessions: BTreeMap<SecretHash, SessionFact>,
    pub(super) invites: HashMap<SecretHash, Option<JoinOrder>>,
    pub(super) repeats: HashMap<(TokenId, String), RepeatFact>,
    pub(super) post: Post,
    pub(super) escalated: Escalated,
}

/// Ids count from 1.
pub(super) fn next_id<T>(list: &[T]) -> i64 {
    i64::try_from(list.len()).unwrap_or(i64::MAX - 1) + 1
}

impl Facts {
    pub(super) fn new(epoch: Epoch, keep_bodies: Millis, keep_receipts: Millis) -> Self {
        Self {
            now: 0,
            closed: false,
            epoch,
            keep_bodies,
            keep_receipts,
            log: Vec::new(),
            users: Vec::new(),
            topics: Vec::new(),
            devices: Vec::new(),
            messages: Vec::new(),
            acks: Vec::new(),
            claims: Vec::new(),
            next_claim: 1,
            withdrawn: HashMap::new(),
            lost: HashSet::new(),
            pressed: BTreeMap::new(),
            shown: BTreeMap::new(),
            tokens: Vec::new(),
            sessions: BTreeMap::new(),
            invites: HashMap::new(),
            repeats: HashMap::new(),
            post: Post::default(),
            escalated: Escalated::default(),
        }
    }

    pub(super) fn head(&self) -> Seq {
        self.log.len() as Seq
    }

    pub(super) fn append(&mut self, entry: Entry) -> Seq {
        let seq = self.head() + 1;
        self.log.push(LogEntry { seq, at: self.now, entry });
        seq
    }

    pub(super) fn topic_named(&self, name: &str) -> Result<&TopicFact> {
        let found = self.topics.iter().find(|topic| topic.name == name && !topic.removed);
        found.ok_or_else(|| Error::UnknownTopic(name.into()))
    }

    pub(super) fn user_named(&self, name: &str) -> Result<&UserFact> {
        let found = self.users.iter().find(|user| user.name.eq_ignore_ascii_case(name) && !user.removed);
        found.ok_or_else(|| Error::UnknownUser(name.into()))
    }

    pub(super) fn live_user(&self, id: UserId) -> Result<&UserFact> {
        self.users.iter().find(|user| user.id == id && !user.removed).ok_or(Error::NotFound("user"))
    }

    pub(super) fn live_device(&self, id: DeviceId) -> Result<&DeviceFact> {
        self.devices.iter().find(|device| device.id == id && !device.removed).ok_or(Error::NotFound("device"))
    }

    pub(super) fn message_of(&self, id: MessageId) -> Result<&MessageFact> {
        let found = self.messages.iter().find(|fact| fact.message.id == id && !fact.forgotten);
        found.ok_or(Error::NotFound("message"))
    }

    /// Whether a person was a member when this position was given out: the last word before it was "joined".
    pub(super) fn member_at(&self, topic: TopicId, user: UserId, seq: Seq) -> bool {
        let mut member = false;
        for entry in self.log.iter().take_while(|entry| entry.seq < seq) {
            match entry.entry {
                Entry::Joined { topic: t, user: u } if (t, u) == (topic, user) => member = true,
                Entry::Left { topic: t, user: u } if (t, u) == (topic, user) => member = false,
                _ => {}
            }
        }
        member
    }

    pub(super) fn is_member(&self, topic: TopicId, user: UserId) -> bool {
        self.member_at(topic, user, Seq::MAX)
    }

    /// Whether a device took messages of this topic at this position. A filter chooses among topics: what names its
    /// person passes.
    pub(super) fn takes(&self, device: DeviceId, fact: &MessageFact) -> bool {
        let mut taken = true;
        for entry in self.log.iter().take_while(|entry| entry.seq < fact.seq) {
            if let Entry::Filter { device: d, topics } = &entry.entry
                && *d == device
            {
                taken = match (topics, fact.topic()) {
                    (Some(topics), Some(topic)) => topics.contains(&topic),
                    _ => true,
                };
            }
        }
        taken
    }

    /// The topics a device takes now.
    pub(super) fn filter(&self, device: DeviceId) -> Option<std::sync::Arc<[TopicId]>> {
        let last = self.log.iter().rev().find_map(|entry| match &entry.entry {
            Entry::Filter { device: d, topics } if *d == device => Some(topics.clone()),
            _ => None,
        });
        last.flatten()
    }

    /// Whether a person belongs to its audience, withdrawn or not.
    pub(super) fn owed(&self, user: UserId, fact: &MessageFact) -> bool {
        match &fact.address {
            Address::Topic(topic) => self.member_at(*topic, user, fact.seq),
            Address::People(people) => people.contains(&user),
        }
    }

    /// When and by which device of a person it was stored first: of each device the first acknowledgement that covers
    /// it, of those the earliest.
    pub(super) fn received(&self, user: UserId, fact: &MessageFact) -> Option<(Millis, DeviceId)> {
        let devices = self.devices.iter().filter(|device| device.user == user && self.takes(device.id, fact));
        let firsts = devices.filter_map(|device| {
            let covers =
                |ack: &&AckFact| ack.device == device.id && ack.from < fact.seq && fact.seq <= ack.to;
            self.acks.iter().find(covers).map(|ack| (ack.at, device.id))
        });
        firsts.min()
    }

    pub(super) fn sent(&self, user: UserId, fact: &MessageFact) -> Option<Millis> {
        let theirs = |device: DeviceId| self.devices.iter().any(|d| d.id == device && d.user == user);
        self.claims
            .iter()
            .filter(|claim| claim.seq == fact.seq && theirs(claim.device))
            .map(|claim| claim.at)
            .min()
    }

    pub(super) fn presses(&self, user: UserId, seq: Seq) -> (Option<Millis>, Option<Millis>) {
        self.pressed.get(&(seq, user)).copied().unwrap_or_default()
    }

    /// Whether a person has it: a device stored it, or they read it anywhere.
    pub(super) fn has(&self, user: UserId, fact: &MessageFact) -> bool {
        self.received(user, fact).is_some() || self.presses(user, fact.seq).0.is_some()
    }

    pub(super) fn message_at(&self, seq: Seq) -> Option<&MessageFact> {
        self.messages.iter().find(|fact| fact.seq == seq && !fact.forgotten)
    }

    /// What a person is still owed is taken from them.
    pub(super) fn withdraw(&mut self, user: UserId, topic: Option<TopicId>, by: Seq) {
        let taken: Vec<Seq> = self
            .messages
            .iter()
            .filter(|fact| fact.kept() && (topic.is_none() || fact.topic() == topic))
            .filter(|fact| self.owed(user, fact) && !self.has(user, fact))
            .filter(|fact| self.confirmed(user, fact.seq).is_none())
            .map(|fact| fact.seq)
            .collect();
        self.post_withdrawn(user, topic);
        for seq in taken {
            self.withdrawn.entry((seq, user)).or_insert((by, self.now));
        }
    }
}

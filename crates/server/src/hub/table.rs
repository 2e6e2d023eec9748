//! Who is connected, who is a member of what: the state that the tail of the log moves and that decides who gets what.
//!
//! Invariants:
//! - Membership and filters are those at `applied`: entries are applied in order, one lock each, so a message is routed
//!   by what was so at its own seq.
//! - A connection that goes live under the lock gets everything after `applied`, and nothing before.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak, atomic::Ordering},
};

use tocsin_protocol::Seq;
use tocsin_store::{Address, DeviceId, Entry, LogEntry, Snapshot, StoredMessage, TopicId, UserId};

use super::{
    frame::Frame,
    mark::Mark,
    queue::{Bounds, End, Pushed, Queue},
};
use crate::metrics::Transport;

/// Marks of devices without a stream that are kept. Beyond, those are forgotten and the store's own record of the
/// device bounds what it acknowledges.
const IDLE_MARKS: usize = 16_384;

/// Everything behind the hub's lock.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub applied: Seq,
    pub closing: bool,
    members: HashMap<TopicId, HashSet<UserId>>,
    /// Filters that were set since the hub started; of other devices the store's record is right.
    filters: HashMap<DeviceId, Option<Arc<[TopicId]>>>,
    users: HashMap<UserId, Vec<Arc<Queue>>>,
    instances: HashMap<(UserId, Box<str>), Weak<Queue>>,
    marks: HashMap<DeviceId, Arc<Mark>>,
    count: usize,
}

/// What applying one entry did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Routed {
    pub websocket: u64,
    pub sse: u64,
    pub lagging: u64,
}

impl Table {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let mut table = Self { applied: snapshot.seq, ..Self::default() };
        for (topic, user) in snapshot.members {
            table.members.entry(topic).or_default().insert(user);
        }
        table
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn count_of(&self, user: UserId) -> usize {
        self.users.get(&user).map_or(0, Vec::len)
    }

    pub(super) fn mark(&mut self, device: DeviceId) -> Arc<Mark> {
        if self.marks.len() >= IDLE_MARKS + self.count {
            self.marks.retain(|_, mark| Arc::strong_count(mark) > 1);
        }
        self.marks.entry(device).or_default().clone()
    }

    pub(super) fn known_mark(&self, device: DeviceId) -> Option<Arc<Mark>> {
        self.marks.get(&device).cloned()
    }

    /// Adds a connection; the older one of the same instance ends.
    pub(super) fn add(&mut self, queue: &Arc<Queue>) {
        let list = self.users.entry(queue.who.user).or_default();
        queue.slot.store(list.len() as u64, Ordering::Relaxed);
        list.push(queue.clone());
        self.count += 1;
        if let Some(instance) = &queue.who.instance {
            let older = self.instances.insert((queue.who.user, instance.clone()), Arc::downgrade(queue));
            if let Some(older) = older.and_then(|weak| weak.upgrade()) {
                older.end(End::Replaced);
            }
        }
    }

    pub(super) fn remove(&mut self, queue: &Arc<Queue>) {
        let Some(list) = self.users.get_mut(&queue.who.user) else { return };
        let slot = queue.slot();
        if !list.get(slot).is_some_and(|at| Arc::ptr_eq(at, queue)) {
            return;
        }
        list.swap_remove(slot);
        if let Some(moved) = list.get(slot) {
            moved.slot.store(slot as u64, Ordering::Relaxed);
        }
        if list.is_empty() {
            self.users.remove(&queue.who.user);
        } else if list.len() * 4 < list.capacity() {
            list.shrink_to(list.len() * 2);
        }
        self.count -= 1;
        if let Some(instance) = &queue.who.instance {
            let key = (queue.who.user, instance.clone());
            if self.instances.get(&key).is_some_and(|weak| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(queue))) {
                self.instances.remove(&key);
            }
        }
        if self.count == 0 {
            self.users.shrink_to_fit();
            self.instances.shrink_to_fit();
        }
    }

    /// Lets a connection have everything after what is applied now, above `at`; returns the position applied.
    pub(super) fn go_live(&self, queue: &Queue, at: Seq, recorded: Option<Arc<[TopicId]>>) -> Seq {
        let filter = self.filters.get(&queue.who.device).cloned().unwrap_or(recorded);
        queue.go_live(self.applied.max(at), filter);
        self.applied
    }

    pub(super) fn all(&self) -> Vec<Arc<Queue>> {
        self.users.values().flatten().cloned().collect()
    }

    /// Applies the next entry.
    pub(super) fn apply(&mut self, entry: &LogEntry, bounds: Bounds) -> Routed {
        let mut routed = Routed::default();
        match &entry.entry {
            Entry::Message(Some(message)) => self.route(message, entry.seq, bounds, &mut routed),
            // Pruned before it was routed: nobody can be given it, and those it was owed to are told when they come back
            // with their positions of before it.
            Entry::Message(None) => self.all().iter().for_each(|queue| queue.end(End::Lagging)),
            Entry::AccountsChanged => {}
            Entry::Joined { topic, user } => _ = self.members.entry(*topic).or_default().insert(*user),
            Entry::Left { topic, user } => self.left(*topic, *user),
            Entry::Filter { device, topics } => {
                self.filters.insert(*device, topics.clone());
                self.users
                    .values()
                    .flatten()
                    .filter(|queue| queue.who.device == *device)
                    .for_each(|queue| queue.set_filter(topics.clone()));
            }
            Entry::State { user, change } => {
                let frame = Arc::new(Frame::state(change.clone()));
                self.to_person(*user, &frame, None, bounds, &mut routed);
            }
            Entry::Revoked { token } => self.end_where(|queue| queue.who.token == *token),
            Entry::SessionEnded { session } => {
                self.end_where(|queue| queue.who.session.as_ref() == Some(session));
            }
            Entry::UserRemoved { user } => {
                self.members.values_mut().for_each(|people| _ = people.remove(user));
                self.users.get(user).into_iter().flatten().for_each(|queue| queue.end(End::Unauthorised));
            }
        }
        self.applied = entry.seq;
        routed
    }

    fn left(&mut self, topic: TopicId, user: UserId) {
        let Some(people) = self.members.get_mut(&topic) else { return };
        people.remove(&user);
        if people.is_empty() {
            self.members.remove(&topic);
        }
    }

    fn route(&self, message: &Arc<StoredMessage>, seq: Seq, bounds: Bounds, routed: &mut Routed) {
        if self.users.is_empty() {
            return;
        }
        let frame = Arc::new(Frame::live(message.clone(), seq));
        match &message.address {
            Address::Topic(topic) => {
                let Some(members) = self.members.get(topic) else { return };
                // Whichever are fewer: a topic of a thousand costs nothing while two of them are here.
                if self.users.len() < members.len() {
                    for user in self.users.keys().filter(|user| members.contains(user)) {
                        self.to_person(*user, &frame, Some(*topic), bounds, routed);
                    }
                } else {
                    for user in members {
                        self.to_person(*user, &frame, Some(*topic), bounds, routed);
                    }
                }
            }
            Address::People(people) => {
                for user in people.iter() {
                    self.to_person(*user, &frame, None, bounds, routed);
                }
            }
        }
    }

    fn to_person(
        &self,
        user: UserId,
        frame: &Arc<Frame>,
        topic: Option<TopicId>,
        bounds: Bounds,
        routed: &mut Routed,
    ) {
        for queue in self.users.get(&user).into_iter().flatten() {
            match (queue.push(frame, topic, bounds), queue.who.transport) {
                (Pushed::Queued, Transport::WebSocket) => routed.websocket += 1,
                (Pushed::Queued, Transport::Sse) => routed.sse += 1,
                (Pushed::Full, _) => routed.lagging += 1,
                (Pushed::Queued, Transport::Poll) | (Pushed::Passed, _) => {}
            }
        }
    }

    fn end_where(&self, ended: impl Fn(&Queue) -> bool) {
        self.users
            .values()
            .flatten()
            .filter(|queue| ended(queue))
            .for_each(|queue| queue.end(End::Unauthorised));
    }
}

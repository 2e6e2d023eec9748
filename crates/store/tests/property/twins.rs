//! One schedule, two stores.

use tempfile::TempDir;
use tocsin_protocol::{MessageId, NewTopic, NewUser, Role, Seq};
use tocsin_store::{
    AckRange, Authority, DeviceId, Entry, Error, Idempotency, NewMessage, Press, Pressed, Pruned, Result,
    Sender, ShownRow, Store, TokenId, UserId,
    conformance::{DAY, Hand, to_people, to_topic, urgent},
    model::ModelStore,
    sqlite::{Options, SqliteStore},
};

use super::{
    schedule::{DEVICES, POLICIES, Publish, Step, TOPICS, USERS},
    template::{TEMPLATE, Template, begin},
};

pub struct Twins {
    pub hand: Hand,
    pub sqlite: Option<SqliteStore>,
    pub model: ModelStore,
    dir: TempDir,
    /// Id in SQLite, id in the model, position.
    pub messages: Vec<(MessageId, MessageId, Seq)>,
    pub devices: Vec<DeviceId>,
    claims: Vec<u64>,
    /// What the platform took: names of messages there.
    pub(super) accepted: Vec<String>,
    /// Up to here the log was looked through for messages.
    learned: Seq,
}

fn refused(error: &Error) -> String {
    // Ids differ between the two; what is refused and why does not.
    match error {
        Error::Conflict(_) => "conflict".into(),
        other => other.to_string(),
    }
}

pub(super) fn agree<T: std::fmt::Debug>(step: &Step, a: Result<T>, b: Result<T>) -> Option<(T, T)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Some((a, b)),
        (Err(a), Err(b)) => {
            assert_eq!(refused(&a), refused(&b), "{step:?}");
            None
        }
        (a, b) => panic!("{step:?}: sqlite {a:?}, model {b:?}"),
    }
}

/// Both refuse alike, or answer the same.
pub(super) fn same<T: std::fmt::Debug + PartialEq>(step: &Step, a: Result<T>, b: Result<T>) {
    if let Some((a, b)) = agree(step, a, b) {
        assert_eq!(a, b, "{step:?}");
    }
}

pub(super) fn named<'a>(names: &'a [&'a str], mask: u8) -> Vec<&'a str> {
    names.iter().enumerate().filter(|(place, _)| mask & (1 << place) != 0).map(|(_, name)| *name).collect()
}

impl Twins {
    /// Two stores in which nothing has happened but what every schedule begins with.
    pub async fn new() -> Self {
        let hand = Hand::default();
        let dir = TEMPLATE.get_or_init(Template::make).copy();
        let model = ModelStore::new(hand.clock(), 7 * DAY, 90 * DAY);
        begin(&model).await;
        let mut twins = Self {
            sqlite: None,
            model,
            dir,
            hand,
            messages: Vec::new(),
            devices: Vec::new(),
            claims: Vec::new(),
            accepted: Vec::new(),
            learned: 0,
        };
        twins.open();
        for user in 0..USERS.len() {
            for name in DEVICES {
                let user = twins.user(user).await;
                twins.devices.push(twins.model.open_device(user, name).await.unwrap().id);
            }
        }
        twins
    }

    /// The next schedule: with new topics, and whoever was removed as a new person. The past stays.
    pub async fn renew(&mut self) {
        for (user, name) in USERS.iter().enumerate() {
            if self.model.user(name).await.is_err() {
                self.run(&Step::AddUser(user)).await;
            }
        }
        for (topic, mask) in [(0, 7), (1, 3)] {
            if self.model.topic(TOPICS[topic], None).await.is_ok() {
                self.run(&Step::RemoveTopic(topic)).await;
            }
            self.run(&Step::AddTopic(topic, mask)).await;
        }
        self.messages.clear();
    }

    fn open(&mut self) {
        let options = Options { clock: self.hand.clock(), ..Options::new(self.dir.path()) };
        self.sqlite = Some(SqliteStore::open(options).unwrap());
    }

    pub fn sqlite(&self) -> &SqliteStore {
        self.sqlite.as_ref().unwrap()
    }

    fn device(&self, n: usize) -> DeviceId {
        self.devices[n % self.devices.len()]
    }

    pub(super) fn message(&self, back: usize) -> Option<&(MessageId, MessageId, Seq)> {
        self.messages.iter().rev().nth(back)
    }

    async fn user(&self, n: usize) -> UserId {
        self.model.user(USERS[n]).await.map_or(UserId(99), |user| user.0)
    }

    /// Does it, and takes note of messages that came of it.
    pub async fn run(&mut self, step: &Step) {
        self.act(step).await;
        let head = *self.model.head().borrow();
        let (a, b) = (
            self.sqlite().log(self.learned, 1000).await.unwrap(),
            self.model.log(self.learned, 1000).await.unwrap(),
        );
        for (a, b) in a.iter().zip(&b) {
            if let (Entry::Message(Some(in_a)), Entry::Message(Some(in_b))) = (&a.entry, &b.entry) {
                self.messages.push((in_a.message.id, in_b.message.id, a.seq));
            }
        }
        self.learned = head;
    }

    async fn act(&mut self, step: &Step) {
        match step {
            Step::Publish(publish) => self.publish(step, publish).await,
            Step::Join(t, u) => {
                let (a, b, topic, user) = (self.sqlite(), &self.model, TOPICS[*t], USERS[*u]);
                agree(step, a.join_topic(topic, user).await, b.join_topic(topic, user).await);
            }
            Step::Leave(t, u) => {
                let (a, b, topic, user) = (self.sqlite(), &self.model, TOPICS[*t], USERS[*u]);
                agree(step, a.leave_topic(topic, user).await, b.leave_topic(topic, user).await);
            }
            Step::RemoveUser(u) => {
                let (a, b, user) = (self.sqlite(), &self.model, USERS[*u]);
                agree(step, a.remove_user(user).await, b.remove_user(user).await);
            }
            Step::AddUser(u) => {
                let new = NewUser { name: USERS[*u].into(), display_name: None, role: Role::Member };
                same(step, self.sqlite().add_user(new.clone()).await, self.model.add_user(new).await);
            }
            Step::RemoveTopic(t) => {
                let (a, b, topic) = (self.sqlite(), &self.model, TOPICS[*t]);
                agree(step, a.remove_topic(topic).await, b.remove_topic(topic).await);
            }
            Step::AddTopic(t, mask) => {
                let members = named(&USERS, *mask).into_iter().map(Into::into).collect();
                // Kept for different times, so that what is lost lies between what is not.
                let retention_days = (*t == 1).then_some(1);
                let new = NewTopic { name: TOPICS[*t].into(), description: None, retention_days, members };
                agree(step, self.sqlite().add_topic(new.clone()).await, self.model.add_topic(new).await);
            }
            Step::Clock(seconds) => self.hand.step(seconds * 1000),
            Step::Prune => self.prune().await,
            Step::Reopen => {
                self.sqlite().close().await;
                self.sqlite = None;
                self.open();
            }
            Step::Run
            | Step::Resend(..)
            | Step::Cancel(_)
            | Step::Deliver(_)
            | Step::Confirm(_)
            | Step::Expect(..) => self.escalate(step).await,
            _ => self.run_device(step).await,
        }
    }

    async fn run_device(&mut self, step: &Step) {
        match step {
            Step::Open(u, d) => {
                let user = self.user(*u).await;
                let (a, b) = (self.sqlite(), &self.model);
                let opened = agree(
                    step,
                    a.open_device(user, DEVICES[*d]).await,
                    b.open_device(user, DEVICES[*d]).await,
                );
                if let Some((a, b)) = opened {
                    assert_eq!(a, b);
                    if a.new {
                        self.devices.push(a.id);
                    }
                }
            }
            Step::RemoveDevice(u, d) => self.remove_device(step, *u, DEVICES[*d]).await,
            Step::Filter(d, mask) => self.filter(step, self.device(*d), *mask).await,
            Step::Ack(ranges) => self.acknowledge(step, ranges).await,
            Step::Claim(d, limit) => self.claim(step, self.device(*d), *limit).await,
            Step::UndoClaim(back) => {
                if let Some(claim) = self.claims.iter().rev().nth(*back).copied() {
                    agree(step, self.sqlite().undo_claim(claim).await, self.model.undo_claim(claim).await);
                }
            }
            Step::Press { user, message, acknowledge, ago_s } => {
                let (user, at) = (self.user(*user).await, self.hand.now() - ago_s * 1000);
                let pressed = if *acknowledge { Pressed::Acknowledge } else { Pressed::Read };
                if let Some((a, b, _)) = self.message(*message).copied() {
                    let press = |message| Press { user, message, pressed, at };
                    agree(step, self.sqlite().press(press(a)).await, self.model.press(press(b)).await);
                }
            }
            Step::Show { device, message, shown } => {
                let (device, at) = (self.device(*device), self.hand.now());
                if let Some((a, b, _)) = self.message(*message).copied() {
                    let row = |message| vec![ShownRow { device, message, shown: *shown, at }];
                    let (a, b) =
                        (self.sqlite().report_shown(row(a)).await, self.model.report_shown(row(b)).await);
                    agree(step, a, b);
                }
            }
            other => unreachable!("{other:?}"),
        }
    }

    async fn filter(&self, step: &Step, device: DeviceId, mask: Option<u8>) {
        let topics = mask.map(|mask| named(&TOPICS, mask).into_iter().map(String::from).collect::<Vec<_>>());
        let (a, b) = (self.sqlite(), &self.model);
        let set = agree(step, a.set_filter(device, topics.clone()).await, b.set_filter(device, topics).await);
        if let Some((a, b)) = set {
            assert_eq!(a, b);
        }
    }

    async fn acknowledge(&self, step: &Step, ranges: &[(usize, u64, u64)]) {
        let head = *self.model.head().borrow();
        let ranges: Vec<AckRange> = ranges
            .iter()
            .map(|(d, end, length)| AckRange {
                device: self.device(*d),
                from: head.saturating_sub(end + length),
                to: head.saturating_sub(*end),
                at: self.hand.now(),
            })
            .collect();
        let (a, b) = (self.sqlite(), &self.model);
        agree(step, a.acknowledge(ranges.clone()).await, b.acknowledge(ranges).await);
    }

    async fn claim(&mut self, step: &Step, device: DeviceId, limit: usize) {
        let (a, b) = (self.sqlite(), &self.model);
        if let Some((a, b)) = agree(step, a.claim(device, limit).await, b.claim(device, limit).await) {
            let seqs = |claim: &tocsin_store::Claim| {
                claim.messages.iter().map(|message| message.cursor.seq).collect::<Vec<_>>()
            };
            assert_eq!((seqs(&a), a.upto, a.more, a.id), (seqs(&b), b.upto, b.more, b.id), "{step:?}");
            self.claims.push(a.id);
        }
    }

    async fn remove_device(&self, step: &Step, user: usize, name: &str) {
        let user = self.user(user).await;
        let (a, b) = (self.sqlite(), &self.model);
        let removed = agree(step, a.remove_device(user, name).await, b.remove_device(user, name).await);
        if let Some((a, b)) = removed {
            assert_eq!(a, b);
        }
    }

    async fn sender(&self, n: usize) -> Sender {
        let (ops, token) = (self.model.topic(TOPICS[0], None).await, TokenId(if n < 2 { 1 } else { 2 }));
        let sender = |user, name: &str, authority| Sender { token, user, name: name.into(), authority };
        match n {
            0 => sender(None, "admin", Authority::All),
            1 => sender(None, "ci", Authority::Topics(ops.into_iter().map(|topic| topic.0).collect())),
            n => {
                let user = self.user(n - 2).await;
                sender(Some(user), USERS[n - 2], Authority::Member(user))
            }
        }
    }

    async fn publish(&mut self, step: &Step, publish: &Publish) {
        let base = match publish.to {
            Ok(topic) => to_topic(TOPICS[topic]),
            Err(mask) => to_people(&named(&USERS, mask)),
        };
        let replaced = publish.replaces.and_then(|back| self.message(back).copied());
        let message = NewMessage {
            policy: publish.policy.map(|policy| POLICIES[policy].to_owned()),
            sender: self.sender(publish.sender).await,
            key: publish.key.map(|key| format!("k{key}")),
            resolved: publish.resolved,
            expires_in_ms: publish.expires_in_s.map(|seconds| seconds * 1000),
            idempotency: publish.idempotency.map(|(key, request)| Idempotency {
                key: format!("i{key}"),
                request: [request; 32],
                keep_ms: DAY,
            }),
            ..urgent(publish.priority, base)
        };
        let a = NewMessage { replaces: replaced.map(|ids| ids.0), ..message.clone() };
        let b = NewMessage { replaces: replaced.map(|ids| ids.1), ..message };
        let done = agree(step, self.sqlite().publish(a).await, self.model.publish(b).await);
        if let Some((a, b)) = done {
            let told = |publication: &tocsin_store::Publication| {
                let published = &publication.published;
                let superseded = published.superseded.is_some();
                (
                    published.seq,
                    published.audience,
                    superseded,
                    published.warning.clone(),
                    publication.repeated,
                )
            };
            assert_eq!(told(&a), told(&b), "{step:?}");
        }
    }

    async fn prune(&mut self) {
        let mut all = Pruned::default();
        loop {
            let pruned = self.sqlite().prune().await.unwrap();
            all.messages += pruned.messages;
            all.lost += pruned.lost;
            for (person, count) in pruned.missed {
                *all.missed.entry(person).or_default() += count;
            }
            if !pruned.more {
                break;
            }
        }
        assert_eq!(all, self.model.prune().await.unwrap(), "pruned and lost");
    }
}

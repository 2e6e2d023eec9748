//! A desk with a platform that does what a test tells it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use tocsin_delivery::{Channel, Class, Courier, Outcome, Pace, Parcel, Refusal, Rendered, Unfit, digest};
use tocsin_protocol::{
    Delivery, MessageId, Millis,
    delivery::{Binding, ChannelHealth, ChannelKind, ChannelSettings, DeliveryDetail, Resend, Route},
};
use tocsin_store::{
    Error, NewMessage, Result, Store, UserId,
    conformance::{
        Bench, DAY, Hand,
        outbox::{Post, herald},
    },
    model::ModelStore,
    outbox::{
        Bound, ClaimOrder, Claimed, Confirmation, DeliveryId, DeliveryQuery, Herald, Item, Lease, Limits,
        Outbox, Settled, Settlement, Start, Started,
    },
    sqlite::{Options, SqliteStore},
};
use tokio::sync::{Notify, watch};

/// What the platform does with one request.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Takes it and says so.
    Take,
    /// Takes it, and the answer is lost.
    TakeSilently,
    /// Nothing arrives, and the answer is lost.
    Lose,
    /// There is no connection.
    NotSent,
    /// Takes it and never answers.
    Hang,
    /// Refuses it as a repetition if it is one, and takes it otherwise.
    Recognise,
    /// Refuses it.
    Refuse(Refusal),
}

/// A refusal of a class.
pub fn refusal(class: Class) -> Refusal {
    Refusal {
        class,
        code: format!("{class:?}"),
        message: "no".into(),
        retry_after_ms: None,
        broken: false,
        flagged: false,
        once_more: false,
    }
}

/// Something on a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub at: Millis,
    pub address: String,
    pub key: String,
    pub body: String,
}

type Fates = Box<dyn FnMut(Parcel<'_>, u32) -> Fate + Send>;

/// A platform. It recognises a key for as long as its limits say, and a little.
pub struct Platform {
    pub kind: ChannelKind,
    pub limits: Limits,
    hand: Hand,
    shown: Mutex<Vec<Got>>,
    requests: Mutex<BTreeMap<String, u32>>,
    fates: Mutex<Fates>,
    /// A place to be killed at, around each request.
    fuse: Arc<Fuse>,
}

impl Platform {
    pub fn new(kind: ChannelKind, limits: Limits, hand: &Hand) -> Arc<Self> {
        Self::with_fuse(kind, limits, hand, Fuse::none())
    }

    pub fn with_fuse(kind: ChannelKind, limits: Limits, hand: &Hand, fuse: Arc<Fuse>) -> Arc<Self> {
        Arc::new(Self {
            kind,
            limits,
            hand: hand.clone(),
            shown: Mutex::default(),
            requests: Mutex::default(),
            fates: Mutex::new(Box::new(|_, _| Fate::Take)),
            fuse,
        })
    }

    /// Decides by the parcel and how often its key was seen before.
    pub fn fate(&self, fates: impl FnMut(Parcel<'_>, u32) -> Fate + Send + 'static) {
        *self.fates.lock().unwrap() = Box::new(fates);
    }

    /// What phones show, oldest first.
    pub fn shown(&self) -> Vec<Got> {
        self.shown.lock().unwrap().clone()
    }

    /// Requests in all.
    pub fn requests(&self) -> u32 {
        self.requests.lock().unwrap().values().sum()
    }

    /// Whether it was not there before.
    fn take(&self, parcel: Parcel<'_>) -> bool {
        let at = self.hand.now();
        let mut shown = self.shown.lock().unwrap();
        let window = self.limits.repeat_safe_ms;
        let known = |got: &Got| got.key == parcel.key && window > 0 && at < got.at.saturating_add(window);
        if shown.iter().any(known) {
            return false;
        }
        shown.push(Got {
            at,
            address: parcel.address.into(),
            key: parcel.key.into(),
            body: parcel.body.into(),
        });
        true
    }
}

#[async_trait]
impl Channel for Platform {
    fn kind(&self) -> ChannelKind {
        self.kind
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    fn render(&self, item: &Item) -> Result<String, Unfit> {
        if item.message.title == "unfit" {
            return Err(Unfit("there is no template for it".into()));
        }
        Ok(item.message.title.clone())
    }

    fn render_digest(&self, items: &[Item]) -> Result<Rendered, Unfit> {
        Ok(digest::compose(
            items,
            4096,
            |count| format!("{count} messages"),
            |item| format!("{} {}", item.message.title, item.message.body),
            |_| String::new(),
        ))
    }

    async fn send(&self, parcel: Parcel<'_>) -> Outcome {
        self.fuse.point().await;
        let before = {
            let mut requests = self.requests.lock().unwrap();
            let count = requests.entry(parcel.key.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        let fate = (self.fates.lock().unwrap())(parcel, before);
        let outcome = match fate {
            Fate::Take => {
                self.take(parcel);
                Outcome::Accepted { msgid: Some(format!("m-{}", parcel.key)), refused: Vec::new() }
            }
            Fate::TakeSilently => {
                self.take(parcel);
                Outcome::Unknown("timeout".into())
            }
            Fate::Lose => Outcome::Unknown("timeout".into()),
            Fate::NotSent => Outcome::NotSent("connection refused".into()),
            Fate::Hang => {
                self.take(parcel);
                std::future::pending().await
            }
            Fate::Recognise if !self.take(parcel) => Outcome::Refused(refusal(Class::Duplicate)),
            Fate::Recognise => {
                Outcome::Accepted { msgid: Some(format!("m-{}", parcel.key)), refused: Vec::new() }
            }
            Fate::Refuse(refusal) => Outcome::Refused(refusal),
        };
        self.fuse.point().await;
        outcome
    }
}

/// A place in the program at which it is killed.
pub struct Fuse {
    left: AtomicI64,
    /// Gives an error instead: the store fails, but the program goes on.
    fails: bool,
    blown: Notify,
}

impl Fuse {
    /// Never.
    pub fn none() -> Arc<Self> {
        Self::after(i64::MAX)
    }

    /// At the place with this number, from 1.
    pub fn after(place: i64) -> Arc<Self> {
        Arc::new(Self { left: AtomicI64::new(place), fails: false, blown: Notify::new() })
    }

    /// The store fails once, at this place.
    pub fn failing(place: i64) -> Arc<Self> {
        Arc::new(Self { left: AtomicI64::new(place), fails: true, blown: Notify::new() })
    }

    /// Whether it came that far.
    pub fn is_blown(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }

    async fn point(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 && !self.fails {
            self.blown.notify_one();
            std::future::pending::<()>().await;
        }
    }

    fn check(&self) -> Result<()> {
        let here = self.left.fetch_sub(1, Ordering::SeqCst) == 1;
        if here { Err(Error::Unavailable("the disk is full".into())) } else { Ok(()) }
    }

    /// Runs it until it ends or the program is killed; whether it ended.
    pub async fn guard(&self, work: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = work => true,
            () = self.blown.notified() => false,
        }
    }
}

/// An outbox with a fuse before and behind each write of the courier.
pub struct Brittle {
    pub outbox: Arc<dyn Outbox>,
    pub fuse: Arc<Fuse>,
}

impl Brittle {
    async fn around<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if self.fuse.fails {
            self.fuse.check()?;
            let done = work.await;
            self.fuse.check()?;
            return done;
        }
        self.fuse.point().await;
        let done = work.await;
        self.fuse.point().await;
        done
    }
}

#[async_trait]
impl Outbox for Brittle {
    fn outbox_changed(&self) -> watch::Receiver<u64> {
        self.outbox.outbox_changed()
    }
    async fn channels(&self) -> Result<Vec<tocsin_protocol::delivery::Channel>> {
        self.outbox.channels().await
    }
    async fn channel_health(&self) -> Result<Vec<ChannelHealth>> {
        self.outbox.channel_health().await
    }
    async fn put_channel(
        &self,
        name: &str,
        settings: ChannelSettings,
    ) -> Result<tocsin_protocol::delivery::Channel> {
        self.outbox.put_channel(name, settings).await
    }
    async fn remove_channel(&self, name: &str) -> Result<()> {
        self.outbox.remove_channel(name).await
    }
    async fn reopen_channel(&self, name: &str) -> Result<()> {
        self.outbox.reopen_channel(name).await
    }
    async fn bindings(&self, channel: &str) -> Result<Vec<Binding>> {
        self.outbox.bindings(channel).await
    }
    async fn bind(&self, channel: &str, user: &str, address: &str) -> Result<Binding> {
        self.outbox.bind(channel, user, address).await
    }
    async fn unbind(&self, channel: &str, who: Bound) -> Result<Option<Binding>> {
        self.outbox.unbind(channel, who).await
    }
    async fn routes(&self) -> Result<Vec<Route>> {
        self.outbox.routes().await
    }
    async fn put_route(&self, route: Route) -> Result<()> {
        self.outbox.put_route(route).await
    }
    async fn remove_route(&self, channel: &str, topic: Option<&str>, user: Option<&str>) -> Result<()> {
        self.outbox.remove_route(channel, topic, user).await
    }
    async fn claim_lanes(&self, order: ClaimOrder) -> Result<Claimed> {
        self.around(self.outbox.claim_lanes(order)).await
    }
    async fn mend_times(&self, lease_ms: Millis) -> Result<u64> {
        self.outbox.mend_times(lease_ms).await
    }
    async fn begin(&self, lease: Lease, start: Start) -> Result<Started> {
        self.around(self.outbox.begin(lease, start)).await
    }
    async fn settle(&self, settlement: Settlement) -> Result<Settled> {
        self.around(self.outbox.settle(settlement)).await
    }
    async fn confirm(&self, confirmation: Confirmation, herald: Option<Herald>) -> Result<bool> {
        self.outbox.confirm(confirmation, herald).await
    }
    async fn ways(
        &self,
        messages: Vec<MessageId>,
        people: Vec<UserId>,
    ) -> Result<Vec<(Option<UserId>, Delivery)>> {
        self.outbox.ways(messages, people).await
    }
    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>> {
        self.outbox.deliveries(query).await
    }
    async fn delivery(&self, id: DeliveryId) -> Result<DeliveryDetail> {
        self.outbox.delivery(id).await
    }
    async fn resend(&self, what: Resend) -> Result<u64> {
        self.outbox.resend(what).await
    }
    async fn cancel_deliveries(&self, message: MessageId) -> Result<u64> {
        self.outbox.cancel_deliveries(message).await
    }
}

/// A store in memory, with its outbox.
pub fn in_memory() -> Post {
    let hand = Hand::default();
    let store = Arc::new(ModelStore::new(hand.clock(), 7 * DAY, 90 * DAY));
    Post { bench: Bench { store: store.clone(), hand }, outbox: store }
}

/// A store on disk, with its outbox.
pub fn on_disk() -> (Post, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let hand = Hand::default();
    let options = Options { clock: hand.clock(), ..Options::new(dir.path()) };
    let store = Arc::new(SqliteStore::open(options).unwrap());
    (Post { bench: Bench { store: store.clone(), hand }, outbox: store }, dir)
}

/// A courier of this desk that is not left to chance and does not wait.
pub fn courier(post: &Post, outbox: Arc<dyn Outbox>) -> Courier {
    let pace = Pace { trouble_pause: std::time::Duration::ZERO, ..Pace::default() };
    Courier::new(outbox, post.bench.hand.clock()).dice(Arc::new(|| 0.5)).pace(pace).herald(herald())
}

/// Lets the courier work until nothing waits, moving the clock to what is due next.
pub async fn drain(post: &Post, courier: &Courier) {
    while let Some(wait) = step(courier, post).await {
        post.bench.hand.step(wait);
    }
}

/// One turn; how long until the next is due, or nothing waits any more.
pub async fn step(courier: &Courier, post: &Post) -> Option<Millis> {
    loop {
        let Ok(turn) = courier.turn().await else { continue };
        if turn.jobs == 0 {
            return turn.next.map(|next| (next - post.bench.hand.now()).max(1));
        }
    }
}

/// Publishes many at once.
pub async fn publish_all(store: &Arc<dyn Store>, messages: Vec<NewMessage>) {
    for part in messages.chunks(128) {
        let tasks: Vec<_> = part
            .iter()
            .map(|message| {
                let (store, message) = (Arc::clone(store), message.clone());
                tokio::spawn(async move { store.publish(message).await.map(drop) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
}

/// Whether no window of this length ever held more.
pub fn is_legal(times: &[Millis], most: usize, window: Millis) -> bool {
    times.windows(most + 1).all(|part| part[most] - part[0] >= window)
}

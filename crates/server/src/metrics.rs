//! Counters for `/metrics`. No label ever holds what a stranger wrote, a person's name or a secret.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use tocsin_store::{Stats, escalation::Ran};

/// A way of streaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Transport {
    /// `GET /poll`.
    Poll,
    /// `GET /events`.
    Sse,
    /// `GET /ws`.
    WebSocket,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTransport {
    transport: Transport,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoute {
    route: &'static str,
    method: &'static str,
    status: u16,
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum PublishResult {
    /// Stored.
    Stored,
    /// Repeated an earlier request.
    Repeated,
    /// Not stored.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: PublishResult,
}

/// Counters for `/metrics`. Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<ByRoute, Counter>,
    publishes: Family<ByResult, Counter>,
    connections: Family<ByTransport, Gauge>,
    deliveries: Family<ByTransport, Counter>,
    tasks: Gauge,
    hub_connections: Gauge,
    lagging: Counter,
    exhausted: Counter,
    ack_batch: Histogram,
    lost: Counter,
    pruned: Counter,
    escalation_steps: Counter,
    silent_topics: Counter,
    store: StoreNumbers,
    outbox: tocsin_delivery::Metrics,
}

/// What the server holds now; nothing of it is left when everybody has gone.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Connections and other tasks that have not ended.
    pub tasks: usize,
    /// Streams that the hub knows.
    pub connections: usize,
}

/// Numbers of the store, set when they are asked for.
#[derive(Clone, Default)]
struct StoreNumbers {
    messages: Gauge,
    bytes: Gauge,
    commits: Gauge,
    operations: Gauge,
    waiting: Gauge,
    users: Gauge,
    topics: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tocsin");
        let requests = Family::default();
        let publishes = Family::default();
        let connections = Family::default();
        let deliveries = Family::default();
        let (tasks, hub_connections) = (Gauge::default(), Gauge::default());
        let (lagging, exhausted) = (Counter::default(), Counter::default());
        let (lost, pruned) = (Counter::default(), Counter::default());
        // A batch is what 250 ms bring: one on a quiet desk, thousands after a message to everybody.
        let ack_batch = Histogram::new([1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0]);
        registry.register("http_requests", "Requests by route, method and status", requests.clone());
        registry.register("publishes", "Publishes by result", publishes.clone());
        registry.register("connections", "Open streams", connections.clone());
        registry.register("tasks", "Connections and other tasks that have not ended", tasks.clone());
        registry.register("hub_connections", "Streams that the hub knows", hub_connections.clone());
        registry.register("deliveries", "Messages handed to streams", deliveries.clone());
        registry.register(
            "lagging_connections",
            "Streams cut off because their queue was full",
            lagging.clone(),
        );
        registry.register(
            "accept_failures",
            "Attempts to accept a connection that found no file descriptor free",
            exhausted.clone(),
        );
        registry.register("ack_batch", "Acknowledgements in one transaction", ack_batch.clone());
        registry.register(
            "lost_to_retention",
            "Messages pruned before a person received them, counted per person",
            lost.clone(),
        );
        registry.register("pruned_messages", "Messages whose bodies were pruned", pruned.clone());
        let (escalation_steps, silent_topics) = (Counter::default(), Counter::default());
        registry.register("escalation_steps", "Steps of escalations that ran", escalation_steps.clone());
        registry.register(
            "topic_silences",
            "Topics that fell silent, or spoke again, as they are expected to speak",
            silent_topics.clone(),
        );
        let store = StoreNumbers::default();
        store.register(registry.sub_registry_with_prefix("store"));
        let outbox = tocsin_delivery::Metrics::default();
        outbox.register(&mut registry);
        let registry = Arc::new(registry);
        Self {
            registry,
            requests,
            publishes,
            connections,
            deliveries,
            tasks,
            hub_connections,
            lagging,
            exhausted,
            ack_batch,
            lost,
            pruned,
            escalation_steps,
            silent_topics,
            store,
            outbox,
        }
    }
}

impl StoreNumbers {
    fn register(&self, registry: &mut Registry) {
        registry.register("messages", "Messages with a body", self.messages.clone());
        registry.register_with_unit("size", "Database and its log", Unit::Bytes, self.bytes.clone());
        registry.register("commits", "Commits since start", self.commits.clone());
        registry.register("operations", "Operations in those commits", self.operations.clone());
        registry.register("waiting", "Operations waiting now", self.waiting.clone());
        registry.register("users", "People", self.users.clone());
        registry.register("topics", "Topics", self.topics.clone());
    }
}

impl Metrics {
    /// A request was answered. `route` is a path of the table of roles, or `other`.
    pub fn request(&self, route: &'static str, method: &Method, status: StatusCode) {
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        self.requests.get_or_create(&ByRoute { route, method, status: status.as_u16() }).inc();
    }

    /// A publish was answered.
    pub fn published(&self, result: PublishResult) {
        self.publishes.get_or_create(&ByResult { result }).inc();
    }

    /// The courier's counters.
    pub fn outbox(&self) -> &tocsin_delivery::Metrics {
        &self.outbox
    }

    /// A stream began.
    pub fn connection_opened(&self, transport: Transport) {
        self.connections.get_or_create(&ByTransport { transport }).inc();
    }

    /// A stream ended.
    pub fn connection_closed(&self, transport: Transport) {
        self.connections.get_or_create(&ByTransport { transport }).dec();
    }

    /// `n` messages were handed to a stream.
    pub fn delivered(&self, transport: Transport, n: u64) {
        self.deliveries.get_or_create(&ByTransport { transport }).inc_by(n);
    }

    /// A stream was cut off because its queue was full.
    pub fn lagging(&self) {
        self.lagging.inc();
    }

    /// There was no room for another connection.
    pub fn exhausted(&self) {
        self.exhausted.inc();
    }

    /// How often there was none.
    pub fn exhausted_times(&self) -> u64 {
        self.exhausted.get()
    }

    /// `n` acknowledgements became durable in one transaction.
    pub fn ack_batch(&self, n: usize) {
        self.ack_batch.observe(n as f64);
    }

    /// Pruning removed `messages` bodies; `lost` (message, person) pairs had never been received.
    pub fn pruned(&self, messages: u64, lost: u64) {
        self.pruned.inc_by(messages);
        self.lost.inc_by(lost);
    }

    /// What was due of escalations ran.
    pub fn escalated(&self, ran: &Ran) {
        self.escalation_steps.inc_by(ran.steps.len() as u64);
        self.silent_topics.inc_by(ran.silences);
    }

    /// The text of `/metrics`. `held` is what the server holds now.
    pub fn text(&self, held: Held, stats: Option<Stats>) -> Result<String, std::fmt::Error> {
        let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.tasks.set(count(held.tasks));
        self.hub_connections.set(count(held.connections));
        if let Some(stats) = stats {
            let set = |gauge: &Gauge, value: u64| _ = gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            set(&self.store.messages, stats.messages);
            set(&self.store.bytes, stats.bytes);
            set(&self.store.commits, stats.commits);
            set(&self.store.operations, stats.operations);
            set(&self.store.waiting, stats.waiting);
            set(&self.store.users, stats.users);
            set(&self.store.topics, stats.topics);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

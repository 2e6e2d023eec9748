//! What every request sees.

use std::{ops::Deref, sync::Arc};

use tocsin_store::{Clock, Store, escalation::Escalations};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config,
    acks::Acks,
    alerts::Alerts,
    auth::Credentials,
    channels::Outside,
    escalation::Escalator,
    hub::Hub,
    metrics::Metrics,
    routes::{Pace, Ready},
    stream::{poll::Pollers, start::Rebirths},
    upkeep::Upkeep,
    waiting::Waiting,
};

/// Cheap to clone; one per server.
#[derive(Clone)]
pub struct AppState(Arc<Parts>);

/// The parts, each of which is usable on its own.
pub struct Parts {
    /// As set by the host.
    pub config: Config,
    /// The durable log.
    pub store: Arc<dyn Store>,
    /// Live connections; fed by the tail of the log alone.
    pub hub: Hub,
    /// Acknowledgements on their way into the store.
    pub acks: Acks,
    /// What the server itself has to tell its administrators.
    pub alerts: Arc<Alerts>,
    /// Ways to people outside live connections; nothing where the store keeps no outbox.
    pub outside: Option<Arc<Outside>>,
    /// Policies and what they set going; nothing where the store keeps none.
    pub escalations: Option<Arc<dyn Escalations>>,
    /// Who presents which secret, remembered until the log says otherwise.
    pub credentials: Arc<Credentials>,
    /// How fast one token may publish.
    pub pace: Pace,
    /// Whether the store could store when it was asked last.
    pub ready: Ready,
    /// When a client last made the log begin a new life.
    pub rebirths: Rebirths,
    /// Who polls, and how often they are told to.
    pub pollers: Pollers,
    /// Who waits for what becomes of a message.
    pub waiting: Waiting,
    /// Counters for `/metrics`.
    pub metrics: Metrics,
    /// Wall clock.
    pub clock: Clock,
    /// Cancelled when the server is to end; every stream watches it.
    pub shutdown: CancellationToken,
    /// Connections and their streams: end first.
    pub connections: TaskTracker,
    /// Cancelled when the drain deadline has passed: what is still open is dropped.
    pub cut: CancellationToken,
    /// Everything else that must end before the server has ended.
    pub tasks: TaskTracker,
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl AppState {
    /// Starts the parts that run beside requests: the hub's tail, the gathering of acknowledgements, the
    /// outbox's courier, the clock of escalations, upkeep.
    pub async fn start(store: Arc<dyn Store>, config: Config, clock: Clock) -> tocsin_store::Result<Self> {
        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        let metrics = Metrics::default();
        let credentials = Arc::new(Credentials::new(store.clone(), &config, clock.clone()));
        let hub = Hub::start(&store, &credentials, &config.streams, &metrics, &shutdown, &tasks).await?;
        let acks =
            Acks::start(store.clone(), config.streams.ack_window, metrics.clone(), shutdown.clone(), &tasks);
        let alerts = Arc::new(Alerts::new(store.clone(), clock.clone(), config.locale.clone()));
        let outside = store.clone().outbox().map(|outbox| {
            let metrics = metrics.outbox();
            Outside::start(outbox, &config, alerts.clone(), &clock, metrics, &shutdown, &tasks)
        });
        let escalations = store.clone().escalations();
        if let Some(escalations) = escalations.clone() {
            let (clock, locale) = (clock.clone(), config.locale.clone());
            let escalator = Escalator { escalations, clock, locale, metrics: metrics.clone() };
            tasks.spawn(escalator.run(shutdown.clone()));
        }
        let pruning = Upkeep { store: store.clone(), metrics: metrics.clone(), alerts: alerts.clone() };
        tasks.spawn(pruning.run(config.prune_every, shutdown.clone()));
        let (pace, ready) = (Pace::new(&config.rates), Ready::default());
        let (rebirths, pollers) = (Rebirths::default(), Pollers::new(config.streams.poll_budget_qps));
        let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
        Ok(Self(Arc::new(Parts {
            config,
            store,
            hub,
            acks,
            alerts,
            outside,
            escalations,
            credentials,
            pace,
            ready,
            rebirths,
            pollers,
            waiting: Waiting::default(),
            metrics,
            clock,
            shutdown,
            connections,
            cut,
            tasks,
        })))
    }
}

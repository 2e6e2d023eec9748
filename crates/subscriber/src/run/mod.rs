//! The task that keeps one stream open and the inbox up to date.
//!
//! It carries out what [`Machine`] decides. The order of one batch is fixed: commit, acknowledge, then tell the host.
//! Whatever is cut off in between is repeated by the next stream or found in the inbox at the next start.

mod acks;
mod batch;
mod listing;
mod outbox;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Clock, Connection, Endpoint, Event, Inbox, Options, Reason, Result, Timings,
    connection::{Action, Failure, Input, Kind, Machine, Now},
    handle::{Command, Handle},
    http::Api,
    transport::{self, Dial, Item, Order, Wire},
};
use acks::Ledger;
use stream::Stream;

/// Events that wait for the host; beyond them nothing more is taken from the server.
const EVENTS: usize = 256;
/// Commands that wait.
const COMMANDS: usize = 256;

/// Keeps this device up to date.
#[derive(Debug)]
pub struct Subscriber;

impl Subscriber {
    /// Connects to `endpoint` and keeps `inbox` up to date until the handle's `stop` is called. `device` is the name
    /// under which receipts show this device. Must be called within a tokio runtime.
    pub fn start(
        endpoint: &Endpoint,
        device: &str,
        inbox: Inbox,
        options: Options,
    ) -> Result<(Handle, mpsc::Receiver<Event>)> {
        let api = Api::new(endpoint)?;
        let (events_tx, events) = mpsc::channel(EVENTS);
        let (commands_tx, commands) = mpsc::channel(COMMANDS);
        let (connection_tx, connection) = watch::channel(Connection::Connecting);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let mut rng = StdRng::seed_from_u64(options.seed);
        let instance = format!("{:016x}", rng.random::<u64>());
        let now = Now { mono: Instant::now(), wall: options.clock.now() };
        let machine = Machine::new(options.timings, rng.random(), api.origin.is_loopback(), now);
        let machine = machine.only(options.only);
        let ledger = Ledger::default();
        let device: Arc<str> = device.into();
        let dial = Dial {
            api: api.clone(),
            device: device.clone(),
            instance: instance.into(),
            timings: options.timings,
            cursor: None,
        };
        let run = Run {
            machine,
            dial,
            inbox: inbox.clone(),
            clock: options.clock,
            timings: options.timings,
            events: events_tx.clone(),
            connection: connection_tx,
            commands,
            tasks: tasks.clone(),
            stop: stop.clone(),
            current: None,
            beside: None,
            stream: Stream::default(),
            ledger: ledger.clone(),
        };
        tasks.spawn(run.run());
        let background =
            acks::run(ledger, inbox.clone(), api.clone(), device, connection.clone(), rng.random());
        tasks.spawn(until(stop.clone(), background));
        let background = outbox::run(inbox.clone(), api.clone(), connection.clone(), events_tx, rng.random());
        tasks.spawn(until(stop.clone(), background));
        tasks.close();
        Ok((Handle { commands: commands_tx, connection, inbox, api, stop, tasks }, events))
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    let _ = stop.run_until_cancelled(work).await;
}

/// See the module.
struct Run {
    machine: Machine,
    dial: Dial,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
    timings: Timings,
    events: mpsc::Sender<Event>,
    connection: watch::Sender<Connection>,
    commands: mpsc::Receiver<Command>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// The stream that feeds the inbox.
    current: Option<Wire>,
    /// A better one that is being dialled.
    beside: Option<Wire>,
    /// What is known of the current stream.
    stream: Stream,
    ledger: Ledger,
}

/// The host dropped its receiver, or the inbox was closed: nothing left to do.
struct Over;

enum Woke {
    Item(Option<Item>),
    Beside(Option<Item>),
    Command(Option<Command>),
    Reports,
    CaughtUp,
    Tick,
}

impl Run {
    async fn run(mut self) {
        let stop = self.stop.clone();
        let _ = stop.run_until_cancelled(self.keep_going()).await;
        // Whatever ended it: the background tasks end with it.
        stop.cancel();
        self.end_stream().await;
        self.beside = None;
        for action in self.machine.on(Input::Stop, self.now()) {
            if let Action::Report(connection) = action {
                self.connection.send_replace(connection);
            }
        }
    }

    async fn keep_going(&mut self) -> Result<(), Over> {
        self.owe_the_last_run().await;
        self.input(Input::Start).await?;
        loop {
            match self.wake().await {
                Woke::Item(Some(first)) => self.take(first).await?,
                Woke::Item(None) => self.failed(Failure::broken()).await?,
                Woke::Beside(Some(item)) => self.beside(item).await?,
                Woke::Beside(None) => self.input(Input::ClimbFailed(Failure::broken())).await?,
                Woke::Command(Some(command)) => self.command(command).await?,
                // Every handle is gone: nobody can stop it any more.
                Woke::Command(None) => return Err(Over),
                Woke::Reports => self.report_shown().await?,
                Woke::CaughtUp => self.caught_up().await?,
                Woke::Tick => self.input(Input::Tick).await?,
            }
        }
    }

    async fn wake(&mut self) -> Woke {
        let deadline = self.machine.deadline();
        let caught_up = self.stream.caught_up_at();
        let reports = self.stream.acknowledged().is_some() && self.speaks_frames();
        tokio::select! {
            item = next(&mut self.current) => Woke::Item(item),
            item = next(&mut self.beside) => Woke::Beside(item),
            command = self.commands.recv() => Woke::Command(command),
            () = self.inbox.reports_changed(), if reports => Woke::Reports,
            () = at(caught_up) => Woke::CaughtUp,
            () = at(deadline) => Woke::Tick,
        }
    }

    fn now(&self) -> Now {
        Now { mono: Instant::now(), wall: self.clock.now() }
    }

    /// Whether acknowledgements travel on the stream itself.
    fn speaks_frames(&self) -> bool {
        self.current.as_ref().is_some_and(|w| w.transport == tocsin_protocol::control::Transport::Websocket)
    }

    async fn input(&mut self, input: Input) -> Result<(), Over> {
        let now = self.now();
        for action in self.machine.on(input, now) {
            self.act(action).await?;
        }
        Ok(())
    }

    async fn failed(&mut self, failure: Failure) -> Result<(), Over> {
        self.end_stream().await;
        self.input(Input::Failed(failure)).await
    }

    async fn act(&mut self, action: Action) -> Result<(), Over> {
        match action {
            Action::Open(transport) => {
                self.end_stream().await;
                self.current = Some(self.open(transport).await?);
                self.stream = Stream::default();
            }
            Action::Climb(transport) => self.beside = Some(self.open(transport).await?),
            Action::Adopt => {
                let caught_up = self.stream.caught_up_at().is_none();
                self.end_stream().await;
                self.current = self.beside.take();
                self.stream = Stream::default();
                self.opened(caught_up);
            }
            Action::Abandon => self.beside = None,
            Action::Close => self.end_stream().await,
            Action::Probe => {
                if let Some(wire) = &self.current {
                    let _ = wire.orders.try_send(Order::Probe);
                }
            }
            Action::Report(connection) => {
                tracing::debug!(?connection, "connection");
                self.connection.send_replace(connection.clone());
                self.tell(Event::Connection(connection)).await?;
            }
            Action::Wake(slept) => {
                tracing::info!(seconds = (slept.to - slept.from) / 1000, "the computer slept");
                self.tell(Event::Slept(slept)).await?;
            }
        }
        Ok(())
    }

    async fn open(&self, transport: tocsin_protocol::control::Transport) -> Result<Wire, Over> {
        let cursor = self.inbox.position().await.map_err(|_| Over)?;
        Ok(transport::open(transport, Dial { cursor, ..self.dial.clone() }, &self.tasks))
    }

    /// A stream works: begin to tell what was missed from what is live.
    fn opened(&mut self, caught_up: bool) {
        self.stream.opened(self.now(), self.timings.caught_up, caught_up);
        let frames = self.speaks_frames();
        self.ledger.carry_reports(!frames);
    }

    async fn beside(&mut self, item: Item) -> Result<(), Over> {
        match item {
            Item::Opened { heartbeat, user } => match self.other_user(user) {
                Some(failure) => self.input(Input::ClimbFailed(failure)).await,
                None => self.input(Input::ClimbOpened { heartbeat }).await,
            },
            Item::Failed(failure) => self.input(Input::ClimbFailed(failure)).await,
            _ => self.input(Input::ClimbFailed(Failure::broken())).await,
        }
    }

    /// Somebody else's messages must not get into this inbox.
    fn other_user(&self, user: Option<String>) -> Option<Failure> {
        let other = user.filter(|user| *user != self.inbox.owner().user)?;
        Some(Failure::new(Kind::Refused, Reason::OtherUser(other)))
    }

    async fn command(&mut self, command: Command) -> Result<(), Over> {
        match command {
            Command::Pressed(changes) => {
                for change in changes {
                    self.tell(Event::State(change)).await?;
                }
                Ok(())
            }
        }
    }

    async fn caught_up(&mut self) -> Result<(), Over> {
        let count = self.stream.caught_up();
        self.tell(Event::CaughtUp { count }).await
    }

    async fn tell(&mut self, event: Event) -> Result<(), Over> {
        self.events.send(event).await.map_err(|_| Over)
    }
}

async fn next(wire: &mut Option<Wire>) -> Option<Item> {
    match wire {
        Some(wire) => wire.items.recv().await,
        None => std::future::pending().await,
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

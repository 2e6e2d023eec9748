//! The real server over a real store, and a proxy before it that takes transports away.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its own part"
)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use tocsin_protocol::{
    MessageId, NewTopic, NewUser, Publish, Published, Receipt, Role,
    account::{Invite, NewInvite},
};
use tocsin_server::{AppState, Config, auth, config::LocalAccess, listen, tls};
use tocsin_store::sqlite::{Options, SqliteStore, system_clock};
use tocsin_subscriber::{
    Endpoint, Inbox, Owner, Secret, Subscriber, SystemClock, Timings,
    http::{Api, Method},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::peer::{Client, PATIENCE, quick};

/// Waits for the real server on a busy machine, where a first sync may take a second.
pub fn patient() -> Timings {
    Timings { first_byte: Duration::from_secs(4), ..quick() }
}

/// A server that ana administers; she and her topic `ops` are there from the start.
pub struct Server {
    pub origin: String,
    pub address: SocketAddr,
    pub state: AppState,
    pub dir: TempDir,
    pub token: String,
    pub ca_fingerprint: Option<String>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "127.0.0.1:0", auth::Secret::token().expose(), false)
            .await
    }

    /// With TLS under a CA of its own, on addresses that plain http is not taken to.
    pub async fn start_tls() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "127.0.0.1:0", auth::Secret::token().expose(), true)
            .await
    }

    pub async fn start_in(dir: TempDir, address: &str, token: &str, with_tls: bool) -> Self {
        let path = dir.path().to_owned();
        let store = tokio::task::spawn_blocking(move || SqliteStore::open(Options::new(path)))
            .await
            .unwrap()
            .unwrap();
        let mut config = Config {
            local: Some(LocalAccess { secret: token.into(), user: "ana".into(), device: "desk".into() }),
            ..Config::default()
        };
        // A test does not wait for its subscribers to notice the end.
        config.connections.drain = Duration::from_secs(2);
        let listener = bind(address).await;
        let address = listener.local_addr().unwrap();
        let identity = with_tls.then(|| {
            let keys = tls::KeyFile(dir.path().join("ca.pem"));
            tls::Identity::own(&keys, &["127.0.0.1".into(), "desk.local".into()]).unwrap()
        });
        config.ca_fingerprint = identity.as_ref().and_then(|i| i.ca_fingerprint.clone());
        let scheme = if with_tls { "https" } else { "http" };
        let origin = format!("{scheme}://{address}");
        config.advertised_origin = Some(origin.clone());
        let ca_fingerprint = config.ca_fingerprint.clone();
        let state = AppState::start(Arc::new(store), config, Arc::new(system_clock)).await.unwrap();
        let stop = CancellationToken::new();
        let (shutdown, serving_state) = (stop.clone().cancelled_owned(), state.clone());
        let serving = match identity {
            None => tokio::spawn(listen::serve(listener, serving_state, shutdown)),
            Some(identity) => {
                tokio::spawn(listen::serve_tls(listener, identity.server_config, serving_state, shutdown))
            }
        };
        let ana = NewUser { name: "ana".into(), display_name: None, role: Role::Admin };
        if state.store.user("ana").await.is_err() {
            state.store.add_user(ana).await.unwrap();
            let members = vec!["ana".into()];
            let topic = NewTopic { name: "ops".into(), description: None, retention_days: None, members };
            state.store.add_topic(topic).await.unwrap();
        }
        Self { origin, address, state, dir, token: token.into(), ca_fingerprint, stop, serving }
    }

    /// Ends it as SIGTERM does.
    pub async fn stop(self) -> Stopped {
        self.stop.cancel();
        self.serving.await.unwrap();
        let stopped = Stopped { dir: self.dir, address: self.address, token: self.token };
        drop(self.state);
        stopped
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            origin: self.origin.clone(),
            ca_fingerprint: self.ca_fingerprint.clone(),
            token: Secret::new(self.token.as_str()),
        }
    }

    pub fn api(&self) -> Api {
        Api::new(&self.endpoint()).unwrap()
    }

    pub async fn publish(&self, title: &str) -> Published {
        self.api().publish(&to_ops(title), &title.replace(' ', "-"), Duration::ZERO).await.unwrap()
    }

    pub async fn receipt(&self, id: MessageId) -> Receipt {
        self.api().get(&format!("/v1/messages/{id}/receipt")).await.unwrap()
    }

    /// Waits until the receipt says so.
    pub async fn receipt_says(&self, id: MessageId, says: impl Fn(&Receipt) -> bool) -> Receipt {
        let waiting = async {
            loop {
                let receipt = self.receipt(id).await;
                if says(&receipt) {
                    return receipt;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let Ok(receipt) = tokio::time::timeout(PATIENCE, waiting).await else {
            panic!("{:#?}", self.receipt(id).await);
        };
        receipt
    }

    pub async fn invite(&self, user: &str) -> String {
        let invite =
            NewInvite { user: Some(user.into()), topics: vec!["ops".into()], ..NewInvite::default() };
        let made: Invite = self.api().send(Method::POST, "/v1/invites", &invite).await.unwrap();
        made.invite
    }
}

/// What is left of a server that was stopped.
pub struct Stopped {
    pub dir: TempDir,
    pub address: SocketAddr,
    pub token: String,
}

impl Stopped {
    pub async fn start(self) -> Server {
        Server::start_in(self.dir, &self.address.to_string(), &self.token, false).await
    }
}

async fn bind(address: &str) -> TcpListener {
    // The port of a server that just ended may be in use for a moment.
    for _ in 0..500 {
        if let Ok(listener) = TcpListener::bind(address).await {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{address} can not be bound");
}

pub fn to_ops(title: &str) -> Publish {
    Publish { topic: Some("ops".into()), title: Some(title.into()), ..Publish::default() }
}

/// Starts a subscriber for `endpoint` as `user` on `device`.
pub fn subscribe(dir: TempDir, endpoint: &Endpoint, user: &str, device: &str, timings: Timings) -> Client {
    let owner = Owner { server: "test".into(), user: user.into() };
    let inbox = Inbox::open(dir.path(), owner, Arc::new(SystemClock)).unwrap();
    let options = tocsin_subscriber::Options { timings, ..tocsin_subscriber::Options::default() };
    let (handle, events) = Subscriber::start(endpoint, device, inbox.clone(), options).unwrap();
    Client { handle, events, inbox, passed: std::collections::VecDeque::new(), dir }
}

/// What a proxy lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lets {
    Everything,
    /// Answers 400 to an Upgrade.
    NoUpgrade,
    /// And takes event streams, but passes nothing of them on.
    NoStreams,
    /// The link is down: open connections hear nothing more, new ones are not answered.
    Nothing,
}

impl Lets {
    /// Whether a connection may go on, by what its request asked for.
    fn lets_on(self, upgrade: bool, stream: bool) -> bool {
        match self {
            Self::Everything => true,
            Self::NoUpgrade => !upgrade,
            Self::NoStreams => !upgrade && !stream,
            Self::Nothing => false,
        }
    }
}

/// A proxy before a server.
pub struct Front {
    pub origin: String,
    lets: watch::Sender<Lets>,
    seen: Arc<Mutex<Vec<String>>>,
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

impl Front {
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (lets, watching) = watch::channel(Lets::Everything);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, watching.clone(), log.clone()));
            }
        });
        Self { origin, lets, seen, _task: tokio_util::task::AbortOnDropHandle::new(task) }
    }

    /// From now on; open connections that would not be let through any more end.
    pub fn lets(&self, lets: Lets) {
        self.lets.send_replace(lets);
    }

    /// Request lines that came.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Hands a connection on, as far as it may go. `None` when it ended.
async fn pass(
    mut client: TcpStream,
    server: SocketAddr,
    mut lets: watch::Receiver<Lets>,
    seen: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        if client.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    seen.lock().unwrap().push(text.lines().next()?.to_owned());
    let upgrade = text.to_ascii_lowercase().contains("upgrade: websocket");
    let stream = text.starts_with("GET /events");
    let now = *lets.borrow_and_update();
    if !now.lets_on(upgrade, stream) {
        return keep_back(&mut client, now, upgrade).await;
    }
    let mut upstream = TcpStream::connect(server).await.ok()?;
    if !upgrade {
        // One request a connection, so that each is looked at.
        let line = head.windows(2).position(|w| w == b"\r\n")? + 2;
        head.splice(line..line, *b"Connection: close\r\n");
    }
    upstream.write_all(&head).await.ok()?;
    let cut = async {
        loop {
            let goes_on = lets.borrow_and_update().lets_on(upgrade, stream);
            if !goes_on || lets.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut upstream) => {}
        () = cut => {
            // A link that is down says nothing: the socket stays open on the client's side.
            if *lets.borrow() == Lets::Nothing {
                drop(upstream);
                let mut sink = Vec::new();
                while client.read_buf(&mut sink).await.ok()? > 0 {}
            }
        }
    }
    Some(())
}

/// What becomes of a connection that may not go on.
async fn keep_back(client: &mut TcpStream, lets: Lets, upgrade: bool) -> Option<()> {
    if lets != Lets::Nothing && upgrade {
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        client.write_all(answer).await.ok()?;
        return None;
    }
    if lets != Lets::Nothing {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        client.write_all(answer).await.ok()?;
    }
    // Nothing more comes: as if the packets were lost, until the client gives up.
    let mut sink = Vec::new();
    while client.read_buf(&mut sink).await.ok()? > 0 {}
    None
}

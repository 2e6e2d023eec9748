//! A scripted peer on a socket: it makes the faults that the real server cannot make.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its own part"
)]

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::StreamExt;
use rand::{SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;
use tocsin_protocol::{Cursor, Message, MessageId};
use tocsin_subscriber::{
    Connection, Endpoint, Event, Handle, Inbox, Options, Owner, Secret, Subscriber, SystemClock, Timings,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message as Frame, handshake::derive_accept_key, protocol::Role},
};

/// How long a test waits for what must come; far above what it takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    pub head: String,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    pub fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One connection with its first request read.
pub struct Call {
    pub asked: Asked,
    pub stream: TcpStream,
}

impl Call {
    pub async fn answer(mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let _ = self.stream.write_all(text.as_bytes()).await;
        let _ = self.stream.shutdown().await;
    }

    pub async fn json(self, body: serde_json::Value) {
        self.answer("200 OK", "Content-Type: application/json\r\n", &body.to_string()).await;
    }

    /// Begins an event stream; what is written next is its body.
    pub async fn event_stream(mut self) -> TcpStream {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        let _ = self.stream.write_all(head.as_bytes()).await;
        self.stream
    }

    pub async fn websocket(self) -> WebSocketStream<TcpStream> {
        WebSocketStream::from_raw_socket(self.upgraded().await, Role::Server, None).await
    }

    /// The handshake alone.
    pub async fn upgraded(mut self) -> TcpStream {
        let key = derive_accept_key(self.asked.header("sec-websocket-key").unwrap().as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Protocol: tocsin.v1\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
        );
        let _ = self.stream.write_all(head.as_bytes()).await;
        self.stream
    }
}

type Script = dyn Fn(Call, usize) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// The peer: every connection is handed to the script with how many came before it on the same route.
pub struct Peer {
    pub origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

impl Peer {
    pub async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(Call, usize) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, script)
    }

    pub fn on<F, Fut>(listener: TcpListener, script: F) -> Self
    where
        F: Fn(Call, usize) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::<Asked>::new()));
        let script: Arc<Script> = Arc::new(move |call, n| Box::pin(script(call, n)));
        let log = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script) = (log.clone(), script.clone());
                tokio::spawn(async move {
                    let Some((asked, stream)) = read_request(stream).await else { return };
                    let before = {
                        let mut log = log.lock().unwrap();
                        let before = log.iter().filter(|a| a.route() == asked.route()).count();
                        log.push(asked.clone());
                        before
                    };
                    script(Call { asked, stream }, before).await;
                });
            }
        });
        Self { origin, asked, _task: tokio_util::task::AbortOnDropHandle::new(task) }
    }

    pub fn asked(&self, route: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|a| a.route() == route).cloned().collect()
    }

    /// Waits until `route` was asked `count` times; the last of them.
    pub async fn wait_for(&self, route: &str, count: usize) -> Asked {
        let found = timeout(PATIENCE, async {
            loop {
                let asked = self.asked(route);
                if asked.len() >= count {
                    return asked[count - 1].clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let Ok(asked) = found.await else {
            panic!("{route} was asked {} times, not {count}", self.asked(route).len());
        };
        asked
    }
}

async fn read_request(mut stream: TcpStream) -> Option<(Asked, TcpStream)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut asked = Asked { method, path, head, body: String::new() };
    let length: usize = asked.header("content-length").map_or(0, |l| l.parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    asked.body = String::from_utf8(bytes[end..].to_vec()).ok()?;
    Some((asked, stream))
}

/// A subscriber with its inbox.
pub struct Client {
    pub handle: Handle,
    pub events: mpsc::Receiver<Event>,
    pub inbox: Inbox,
    /// Events passed over by [`Client::until`], for the counting ones.
    pub passed: VecDeque<Event>,
    pub dir: TempDir,
}

/// The documented waits, shortened.
pub fn quick() -> Timings {
    Timings {
        backoff_first: Duration::from_millis(20),
        backoff_most: Duration::from_millis(100),
        connect: Duration::from_secs(2),
        first_byte: Duration::from_millis(500),
        short_lived: Duration::from_millis(1),
        stable: Duration::from_hours(1),
        caught_up: Duration::from_millis(50),
        poll_wait: Duration::from_secs(1),
        ..Timings::default()
    }
}

impl Client {
    pub fn start(origin: &str, timings: Timings) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), origin, timings)
    }

    pub fn start_in(dir: TempDir, origin: &str, timings: Timings) -> Self {
        let owner = Owner { server: "test".into(), user: "ana".into() };
        let inbox = Inbox::open(dir.path(), owner, Arc::new(SystemClock)).unwrap();
        let endpoint =
            Endpoint { origin: origin.into(), ca_fingerprint: None, token: Secret::new("tcs_test") };
        let options = Options { timings, seed: 1, ..Options::default() };
        let (handle, events) = Subscriber::start(&endpoint, "desk", inbox.clone(), options).unwrap();
        Self { handle, events, inbox, passed: VecDeque::new(), dir }
    }

    pub async fn next(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv())
            .await
            .expect("an event in time")
            .expect("the subscriber goes on")
    }

    /// Takes events until one fits.
    pub async fn until<T>(&mut self, mut fits: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.next().await;
            let found = fits(&event);
            self.passed.push_back(event);
            if let Some(found) = found {
                return found;
            }
        }
    }

    pub async fn until_online(&mut self) -> tocsin_protocol::control::Transport {
        self.until(|e| match e {
            Event::Connection(Connection::Online { transport, .. }) => Some(*transport),
            _ => None,
        })
        .await
    }

    pub async fn until_stored(&mut self, seq: u64) -> tocsin_subscriber::Stored {
        self.until(|e| match e {
            Event::Stored(stored) if stored.message.cursor.seq == seq => Some((**stored).clone()),
            _ => None,
        })
        .await
    }

    /// How often a message was announced so far.
    pub fn times_stored(&mut self, seq: u64) -> usize {
        while let Ok(event) = self.events.try_recv() {
            self.passed.push_back(event);
        }
        self.passed.iter().filter(|e| matches!(e, Event::Stored(s) if s.message.cursor.seq == seq)).count()
    }

    /// Stops and closes; gives the directory back for a next start.
    pub async fn close(self) -> TempDir {
        self.handle.stop().await;
        self.inbox.close().await.unwrap();
        self.dir
    }
}

pub fn cursor(seq: u64) -> Cursor {
    Cursor::new("k3v9x0ab".parse().unwrap(), seq)
}

pub fn id(seq: u64) -> MessageId {
    MessageId::random(&mut StdRng::seed_from_u64(seq))
}

pub fn message(seq: u64) -> Message {
    serde_json::from_value(serde_json::json!({
        "id": id(seq), "cursor": cursor(seq), "topic": "ops", "sender": "ci", "title": format!("title {seq}"),
        "priority": 3, "thread": id(seq), "created_at": 1_700_000_000_000_i64,
    }))
    .unwrap()
}

pub fn hello(seq: u64) -> Frame {
    hello_of("ana", seq, 30)
}

pub fn hello_of(user: &str, seq: u64, heartbeat_s: u32) -> Frame {
    let hello = serde_json::json!({
        "type": "hello", "cursor": cursor(seq), "user": user, "device": "desk", "heartbeat_s": heartbeat_s,
    });
    Frame::text(hello.to_string())
}

pub fn message_frame(seq: u64) -> Frame {
    let mut value = serde_json::to_value(message(seq)).unwrap();
    value["type"] = "message".into();
    Frame::text(value.to_string())
}

pub fn message_event(seq: u64) -> String {
    format!("id: {}\ndata: {}\n\n", cursor(seq), serde_json::to_string(&message(seq)).unwrap())
}

/// As a proxy does that does not know WebSockets.
pub async fn refuse(call: Call) {
    call.answer("400 Bad Request", "", "").await;
}

/// Takes what comes until the client goes.
pub async fn drain<S: StreamExt + Unpin>(mut socket: S) {
    while socket.next().await.is_some() {}
}

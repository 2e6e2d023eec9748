//! An office: a server on port 0 with an administrator, two members, a topic and a program that sends.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tocsin_protocol::{Millis, NewUser, Role};
use tocsin_server::{AppState, Config, auth::Secret, config::LocalAccess, listen};
use tocsin_store::{
    Clock, Store,
    sqlite::{Options, SqliteStore, system_clock},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The administrator, reached with the secret of the embedding host.
pub const ROOT: &str = "root";

/// Long enough for a busy machine; nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Office {
    pub origin: String,
    pub address: SocketAddr,
    pub state: AppState,
    pub store: Arc<SqliteStore>,
    pub http: Client,
    /// Token of the administrator.
    pub root: String,
    /// Tokens of two members; both are in `ops`.
    pub ann: String,
    pub bob: String,
    /// Sender token for `ops`.
    pub sender: String,
    ahead: Arc<AtomicI64>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    dir: Arc<tempfile::TempDir>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub json: Value,
    pub text: String,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json
    }

    #[track_caller]
    pub fn refuses(&self, status: u16, code: &str) -> &str {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{}", self.text);
        self.json["error"]["message"].as_str().unwrap()
    }
}

impl Office {
    pub async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ahead = Arc::new(AtomicI64::new(0));
        let clock: Clock = {
            let ahead = ahead.clone();
            Arc::new(move || system_clock() + ahead.load(Ordering::Relaxed))
        };
        let store = SqliteStore::open(Options { clock: clock.clone(), ..Options::new(dir.path()) }).unwrap();
        let store = Arc::new(store);
        store.add_user(NewUser { name: ROOT.into(), display_name: None, role: Role::Admin }).await.unwrap();
        let root = Secret::token();
        let local = LocalAccess { secret: root.expose().into(), user: ROOT.into(), device: "desk".into() };
        let mut config = Config { local: Some(local), host_name: Some("desk-7".into()), ..Config::default() };
        change(&mut config);
        let state = AppState::start(store.clone(), config, clock).await.unwrap();
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listen::serve(listener, state.clone(), stop.clone().cancelled_owned()));
        let mut office = Self {
            origin: format!("http://{address}"),
            address,
            state,
            store,
            http: client(),
            root: root.expose().into(),
            ann: String::new(),
            bob: String::new(),
            sender: String::new(),
            ahead,
            stop,
            serving,
            dir: Arc::new(dir),
        };
        office.hire().await;
        office
    }

    async fn hire(&mut self) {
        for name in ["ann", "bob"] {
            self.post(&self.root, "/v1/users", json!({"name": name})).await.is(201);
        }
        self.post(&self.root, "/v1/topics", json!({"name": "ops", "members": ["ann", "bob"]})).await.is(201);
        self.post(&self.root, "/v1/topics", json!({"name": "private"})).await.is(201);
        self.ann = self.client_token("ann").await;
        self.bob = self.client_token("bob").await;
        let made = self
            .post(&self.root, "/v1/tokens", json!({"kind": "sender", "name": "cron", "topics": ["ops"]}))
            .await
            .is(201);
        self.sender = made["secret"].as_str().unwrap().into();
    }

    pub async fn client_token(&self, user: &str) -> String {
        let made = self
            .post(
                &self.root,
                "/v1/tokens",
                json!({"kind": "client", "name": format!("{user}-phone"), "user": user}),
            )
            .await;
        made.is(201)["secret"].as_str().unwrap().into()
    }

    /// Where the store is.
    pub fn data_dir(&self) -> Arc<tempfile::TempDir> {
        self.dir.clone()
    }

    /// Lets time pass for the server and its store.
    pub fn pass(&self, ms: Millis) {
        self.ahead.fetch_add(ms, Ordering::Relaxed);
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.origin))
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        send(self.request("GET", path).bearer_auth(token)).await
    }

    pub async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        send(self.request("POST", path).bearer_auth(token).json(&body)).await
    }

    pub async fn call(&self, token: &str, method: &str, path: &str) -> Answer {
        send(self.request(method, path).bearer_auth(token)).await
    }

    /// What is read there, once it says this.
    pub async fn read_until(
        &self,
        token: &str,
        path: &str,
        what: &str,
        says: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let waiting = async {
            loop {
                last = self.get(token, path).await.is(200);
                if says(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what}: {last:#}");
        last
    }

    /// Publishes to `ops`; returns its id.
    pub async fn publish(&self, title: &str) -> String {
        let made =
            self.post(&self.sender, "/v1/messages", json!({"topic": "ops", "title": title})).await.is(201);
        made["id"].as_str().unwrap().into()
    }

    pub async fn close(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
        self.store.close().await;
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer { status, headers, json: serde_json::from_str(&text).unwrap_or(Value::Null), text }
}

pub fn client() -> Client {
    // Another test of this process may have been first.
    _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

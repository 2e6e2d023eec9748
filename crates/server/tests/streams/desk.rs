//! A server on port 0 over a real store, and people with tokens.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tocsin_protocol::{MessageId, NewToken, NewTopic, NewUser, Receipt, Role, Seq, State, TokenKind};
use tocsin_server::{AppState, Config, auth::Secret, listen};
use tocsin_store::{
    Clock, NewMessage, PeoplePage, Store, TokenOrder, UserId, Viewer,
    conformance::{to_people, to_topic},
    sqlite::{Options, SqliteStore, system_clock},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A condition that does not come within this time will not come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a condition.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what} did not come");
}

/// Something that must come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

pub struct Desk {
    pub state: AppState,
    pub address: SocketAddr,
    pub store: Arc<dyn Store>,
    pub dir: Arc<tempfile::TempDir>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// Somebody with a client token.
#[derive(Clone)]
pub struct Person {
    pub id: UserId,
    pub name: String,
    pub token: String,
    pub token_id: String,
}

impl Desk {
    pub async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::at(dir, change).await
    }

    pub async fn at(dir: Arc<tempfile::TempDir>, change: impl FnOnce(&mut Config)) -> Self {
        Self::by(Arc::new(system_clock), dir, change).await
    }

    /// By a clock that only moves when it is told to, say.
    pub async fn by(clock: Clock, dir: Arc<tempfile::TempDir>, change: impl FnOnce(&mut Config)) -> Self {
        let store = SqliteStore::open(Options { clock: clock.clone(), ..Options::new(dir.path()) }).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let mut config = Config::default();
        config.streams.ack_window = Duration::from_millis(5);
        change(&mut config);
        let state = AppState::start(store.clone(), config, clock).await.unwrap();
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listen::serve(listener, state.clone(), stop.clone().cancelled_owned()));
        Self { state, address, store, dir, stop, serving }
    }

    /// Ends the server; the store is closed and may be opened again.
    pub async fn close(self) -> Arc<tempfile::TempDir> {
        self.stop.cancel();
        soon("the end of the server", self.serving).await.unwrap();
        self.store.close().await;
        self.dir
    }

    /// Prunes all there is to prune by now.
    pub async fn prune(&self) {
        while self.store.prune().await.unwrap().more {}
    }

    /// Begins the end; connections drain.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    pub async fn person(&self, name: &str) -> Person {
        self.person_as(name, Role::Member).await
    }

    pub async fn person_as(&self, name: &str, role: Role) -> Person {
        let (id, _) =
            self.store.add_user(NewUser { name: name.into(), display_name: None, role }).await.unwrap();
        self.token(id, name, TokenKind::Client, None).await
    }

    pub async fn token(&self, id: UserId, name: &str, kind: TokenKind, device: Option<&str>) -> Person {
        let secret = Secret::token();
        let user = (kind == TokenKind::Client).then(|| name.to_owned());
        let token = NewToken { kind, name: format!("{name}'s"), user, topics: Vec::new(), expires_in: None };
        let order = TokenOrder { token, secret: secret.hash(), device: device.map(Into::into) };
        let made = self.store.add_token(order).await.unwrap();
        Person { id, name: name.into(), token: secret.expose().into(), token_id: made.id }
    }

    /// The same person with a token that is good for so many seconds.
    pub async fn passing(&self, person: &Person, seconds: u64) -> Person {
        let secret = Secret::token();
        let token = NewToken {
            kind: TokenKind::Client,
            name: "passing".into(),
            user: Some(person.name.clone()),
            topics: Vec::new(),
            expires_in: Some(seconds),
        };
        let order = TokenOrder { token, secret: secret.hash(), device: None };
        let made = self.store.add_token(order).await.unwrap();
        Person { token: secret.expose().into(), token_id: made.id, ..person.clone() }
    }

    pub async fn topic(&self, name: &str, members: &[&Person]) {
        let members = members.iter().map(|person| person.name.clone()).collect();
        self.store
            .add_topic(NewTopic { name: name.into(), description: None, retention_days: None, members })
            .await
            .unwrap();
    }

    pub async fn publish(&self, topic: &str, title: &str) -> (MessageId, Seq) {
        self.publish_body(topic, title, "").await
    }

    pub async fn publish_body(&self, topic: &str, title: &str, body: &str) -> (MessageId, Seq) {
        self.store(NewMessage { title: title.into(), body: body.into(), ..to_topic(topic) }).await
    }

    /// To people by name.
    pub async fn tell(&self, people: &[&Person], title: &str) -> (MessageId, Seq) {
        let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
        self.store(NewMessage { title: title.into(), ..to_people(&names) }).await
    }

    async fn store(&self, message: NewMessage) -> (MessageId, Seq) {
        let published = self.store.publish(message).await.unwrap().published;
        (published.id, published.seq)
    }

    pub async fn receipt(&self, id: MessageId) -> Receipt {
        self.store.receipt(Viewer::Admin(None), id, PeoplePage::default()).await.unwrap()
    }

    pub async fn state_of(&self, id: MessageId, person: &Person) -> State {
        let receipt = self.receipt(id).await;
        receipt.people.iter().find(|row| row.user == person.name).map(|row| row.state).unwrap()
    }

    pub async fn until_state(&self, id: MessageId, person: &Person, state: State) {
        until(&format!("{state:?} of {}", person.name), async || self.state_of(id, person).await == state)
            .await;
    }

    pub fn head(&self) -> Seq {
        *self.store.head().borrow()
    }

    pub async fn until_connections(&self, wanted: usize) {
        until(&format!("{wanted} connections"), async || self.state.hub.connections() == wanted).await;
    }
}

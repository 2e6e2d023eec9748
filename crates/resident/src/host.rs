//! Hosting: the server inside this resident, and this person's own stream to it.
//!
//! One data directory has one server. If a `tocsin serve` holds it, this resident joins it over its control socket
//! instead, and takes over when it ends. The stream to the own server uses a secret made at this start and kept in
//! memory, so that hosting needs no keyring.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tocsin_control::Client;
use tocsin_protocol::{
    Me, NewToken, NewTopic, NewUser, Role, Token, TokenKind,
    account::MadeToken,
    control::{Connection, Hosting, Mode, ProblemCode, Status},
};
use tocsin_server::{AppState, Config, auth, config::LocalAccess, listen};
use tocsin_store::{
    Error as StoreError, Store,
    sqlite::{Options, SqliteStore},
};
use tocsin_subscriber::{Endpoint, Owner, Secret};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    deliveries, health,
    join::{device_name, login_name},
    lan,
    link::Link,
    mode::{Parts, Retry},
    secrets::ChannelSecrets,
};

/// The topic that a new server begins with: something to publish to.
const FIRST_TOPIC: &str = "general";
/// Name of the token that a resident makes at a `tocsin serve` beside it.
const BESIDE_TOKEN: &str = "tray on this computer";

/// The keyring answers in a fraction of this unless it is locked; then the LAN comes later.
const LAN_WAIT: Duration = Duration::from_secs(2);

/// Hosts until `over`.
pub async fn run(parts: &Parts, hosting: &Hosting, over: &CancellationToken) {
    parts.desk.change(|facets| {
        facets.mode = Mode::Host { addresses: Vec::new(), lan: hosting.lan };
        facets.connection = Connection::Connecting;
    });
    let Some(store) = open_store(parts, over).await else { return };
    if let Err(error) = host(parts, hosting, &store, over).await {
        tracing::error!(%error, "hosting ended");
        parts.desk.raise(ProblemCode::StoreUnwritable, error.to_string());
        parts.say_offline("reason.server_not_running", &error.to_string());
        over.cancelled().await;
    }
    parts.stop_link().await;
    store.close().await;
}

/// The store, as soon as it can be opened. While another server holds it, this resident is joined to that one.
async fn open_store(parts: &Parts, over: &CancellationToken) -> Option<Arc<dyn Store>> {
    let mut retry = Retry::default();
    loop {
        let options = Options { clock: Arc::clone(parts.desk.clock()), ..Options::new(&parts.paths.data) };
        let opened = tokio::task::spawn_blocking(move || SqliteStore::open(options)).await.ok()?;
        let error = match opened {
            Ok(store) => {
                parts.desk.clear(ProblemCode::StoreUnwritable);
                parts.desk.clear(ProblemCode::StoreNewer);
                return Some(Arc::new(store));
            }
            Err(error) => error,
        };
        match &error {
            StoreError::InUse(_) => {
                let server = Client::server(&parts.paths);
                if let Ok(status) = server.status().await {
                    tracing::info!("a server runs on this data directory: joining it");
                    beside(parts, &server, &status, over).await;
                    parts.stop_link().await;
                    if over.is_cancelled() {
                        return None;
                    }
                    retry = Retry::default();
                    continue;
                }
            }
            StoreError::Newer { .. } => parts.desk.raise(ProblemCode::StoreNewer, error.to_string()),
            _ => parts.desk.raise(ProblemCode::StoreUnwritable, error.to_string()),
        }
        tracing::error!(%error, "the server's data cannot be opened");
        parts.say_offline("reason.server_not_running", &error.to_string());
        retry.wait(over).await?;
    }
}

async fn host(
    parts: &Parts,
    hosting: &Hosting,
    store: &Arc<dyn Store>,
    over: &CancellationToken,
) -> tocsin_store::Result<()> {
    let user = first_run(&**store).await?;
    let owner = Owner { server: store.instance().to_owned(), user: user.clone() };
    let Some(inbox) = parts.open_inbox(&owner, over).await else { return Ok(()) };
    // The key of the LAN's certificate is in the keyring. A locked one keeps the LAN waiting, never this computer.
    let mut lan =
        if hosting.lan { timeout(LAN_WAIT, lan::identity(parts, store.instance())).await.ok() } else { None };
    while let Some(listener) = bind(parts, loopback(hosting.port), over).await {
        let device = device_name();
        let secret = auth::Secret::token();
        let local =
            LocalAccess { secret: secret.expose().into(), user: user.clone(), device: device.clone() };
        let mut config = config(parts, hosting, store.instance(), local);
        if let Some(identity) = &lan {
            lan::advertise(&mut config, identity, hosting.lan_port);
        }
        let advertised = config.advertised_origin.clone();
        let state = AppState::start(Arc::clone(store), config, Arc::clone(parts.desk.clock())).await?;
        parts.desk.change(|facets| {
            // The address for others is added when it listens.
            facets.mode = Mode::Host { addresses: vec![origin(hosting.port)], lan: hosting.lan };
            facets.page = Some(origin(hosting.port));
        });
        let end = CancellationToken::new();
        let serving =
            tokio::spawn(tocsin_server::serve(listener, state.clone(), end.clone().cancelled_owned()));
        let endpoint = Endpoint {
            origin: origin(hosting.port),
            ca_fingerprint: None,
            token: Secret::new(secret.expose()),
        };
        parts.connect(inbox.clone(), &endpoint, &device);
        let waiting = hosting.lan && lan.is_none();
        tokio::select! {
            () = over.cancelled() => {}
            () = lan::serve(parts, lan.clone().zip(advertised), hosting.lan_port, state.clone(), &end) => {}
            () = health::watch(&parts.desk, &parts.paths.data, &state) => {}
            () = deliveries::watch(&parts.desk, &state) => {}
            identity = lan::identity(parts, store.instance()), if waiting => lan = Some(identity),
        }
        parts.desk.clear(ProblemCode::DeliveryFailed);
        // The stream first: it acknowledges what it has while the server still listens.
        if let Some(link) = parts.links.send_replace(Some(Link::offline(inbox.clone()))) {
            link.pause().await;
        }
        end.cancel();
        let _ = serving.await;
        if over.is_cancelled() {
            break;
        }
    }
    Ok(())
}

/// What the server in here is told.
fn config(parts: &Parts, hosting: &Hosting, instance: &str, local: LocalAccess) -> Config {
    Config {
        name: hosting.name.clone(),
        public_url: hosting.public_url.clone(),
        locale: parts.desk.locale(),
        local: Some(local),
        secrets: Arc::new(ChannelSecrets::new(Arc::clone(&parts.strongbox), instance)),
        token_dir: Some(parts.paths.platform_tokens()),
        ..Config::default()
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn origin(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The port, as soon as it is free. It is not exchanged for another: senders are set up with its number.
pub async fn bind(parts: &Parts, address: SocketAddr, over: &CancellationToken) -> Option<TcpListener> {
    let mut retry = Retry::default();
    let port = address.port();
    loop {
        match listen::bind(address) {
            Ok(listener) => {
                parts.desk.clear(ProblemCode::PortInUse);
                return Some(listener);
            }
            Err(error) => {
                tracing::error!(%error, port, "the server cannot listen");
                parts.desk.raise(ProblemCode::PortInUse, port.to_string());
                if address.ip().is_loopback() {
                    parts.say_offline("reason.server_not_running", &format!("{port}: {error}"));
                }
                retry.wait(over).await?;
            }
        }
    }
}

/// The person whose inbox this is: whoever has been admin for longest, or one named after the login, with a first
/// topic to publish to.
async fn first_run(store: &dyn Store) -> tocsin_store::Result<String> {
    let login = login_name();
    let mut admins: Vec<_> =
        store.users().await?.into_iter().filter(|user| user.role == Role::Admin).collect();
    admins.sort_by_key(|user| (user.name != login, user.created_at));
    if let Some(admin) = admins.into_iter().next() {
        return Ok(admin.name);
    }
    store.add_user(NewUser { name: login.clone(), display_name: None, role: Role::Admin }).await?;
    let topic = NewTopic {
        name: FIRST_TOPIC.into(),
        description: None,
        retention_days: None,
        members: vec![login.clone()],
    };
    match store.add_topic(topic).await {
        Ok(_) | Err(StoreError::Conflict(_)) => {}
        Err(error) => return Err(error),
    }
    tracing::info!(user = %login, "first start: made the admin and a first topic");
    Ok(login)
}

/// Follows a `tocsin serve` on the same data directory until it ends or `over`.
async fn beside(parts: &Parts, server: &Client, status: &Status, over: &CancellationToken) {
    let joined = async {
        let me: Me = server.get("/v1/me").await?;
        let tokens: Vec<Token> = server.get("/v1/tokens").await?;
        for old in tokens.iter().filter(|token| token.name == BESIDE_TOKEN) {
            server.request("DELETE", &format!("/v1/tokens/{}", old.id), None).await?.check()?;
        }
        let user = me.user.map(|user| user.name);
        let new = NewToken {
            kind: TokenKind::Client,
            name: BESIDE_TOKEN.into(),
            user,
            topics: Vec::new(),
            expires_in: None,
        };
        let made: MadeToken = server.post("/v1/tokens", &new).await?;
        Ok::<_, tocsin_control::Error>((me.server.instance, made))
    };
    let (instance, made) = match joined.await {
        Ok(joined) => joined,
        Err(error) => {
            tracing::warn!(%error, "the server beside this resident could not be joined");
            parts.say_offline("reason.server_not_running", &error.to_string());
            let _ = Retry::default().wait(over).await;
            return;
        }
    };
    let origin = status.page.clone().unwrap_or_default().trim_end_matches('/').to_owned();
    let user = made.token.user.unwrap_or_default();
    parts.desk.change(|facets| {
        facets.mode = Mode::Join { origin: origin.clone(), user: Some(user.clone()) };
        facets.page = Some(origin.clone());
    });
    let Some(inbox) = parts.open_inbox(&Owner { server: instance, user }, over).await else { return };
    let endpoint = Endpoint { origin, ca_fingerprint: None, token: Secret::new(made.secret) };
    parts.connect(inbox, &endpoint, &device_name());
    until_gone(parts, server, over).await;
}

/// Resolves when the server beside this resident has ended. Its socket is looked at only when the stream is down.
async fn until_gone(parts: &Parts, server: &Client, over: &CancellationToken) {
    let mut status = parts.desk.watch_status();
    loop {
        let down = matches!(
            status.borrow_and_update().connection,
            Connection::Offline { .. } | Connection::Refused { .. }
        );
        if down && server.hello().await.is_err_and(|error| error.is_not_running()) {
            return;
        }
        tokio::select! {
            _ = status.changed() => {}
            () = over.cancelled() => return,
        }
    }
}

//! The control socket of a headless server: who may open it is this user, and acts as the admin.
//!
//! `/native/hello`, `/native/status` and `/native/quit` are answered here; `/v1/…` goes into the same router that serves
//! the network, with the secret of this run added. The socket stands in a directory of mode 0700; the peer's user is
//! checked all the same. It is bound after the store is open: whoever holds the store's lock may remove a socket that
//! a killed server left.

use std::{io, path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tocsin_control::{Paths, VERSION, is_api_path, own_build};
use tocsin_protocol::{
    ApiError, Code,
    control::{Connection, Hello, Mode, Problem, ProblemCode, ResidentKind, Status},
    error::ErrorBody,
};
use tocsin_server::{AppState, auth::Secret, guard::Peer};
use tokio::net::{UnixListener, UnixStream, unix::SocketAddr};
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;

/// What `/native/status` tells besides what it looks up.
#[derive(Clone, Debug)]
pub struct Told {
    /// Address of the page.
    pub page: String,
    /// Origins it listens on.
    pub addresses: Vec<String>,
    /// Whether no other computer can reach it.
    pub loopback: bool,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The log.
    pub log_file: PathBuf,
}

/// The bound socket.
pub struct Socket {
    listener: UnixListener,
    file: Bound,
}

/// Its file; removed however serving ends.
struct Bound(PathBuf);

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Socket {
    /// Binds it, in the place of one that a killed server left.
    pub fn bind(paths: &Paths) -> Result<Self, Failure> {
        paths.prepare_runtime()?;
        let path = paths.server_socket();
        let bound = match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => UnixListener::bind(&path),
        };
        let listener = bound
            .map_err(|error| Failure::failed(format!("cannot listen on {}: {error}", path.display())))?;
        Ok(Self { listener, file: Bound(path) })
    }

    /// Answers until `unbind`; cancels `quit` when somebody asks for the end.
    pub async fn serve(
        self,
        state: AppState,
        told: Told,
        secret: Secret,
        quit: CancellationToken,
        unbind: CancellationToken,
    ) {
        let Self { listener, file: _file } = self;
        let router = router(state, told, &secret, quit);
        let served = axum::serve(OwnUser(listener), router).with_graceful_shutdown(unbind.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the control socket failed");
        }
    }
}

/// Takes connections of this user only.
struct OwnUser(UnixListener);

impl axum::serve::Listener for OwnUser {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        let own = rustix::process::geteuid().as_raw();
        loop {
            let (stream, address) = axum::serve::Listener::accept(&mut self.0).await;
            match stream.peer_cred() {
                Ok(peer) if peer.uid() == own => return (stream, address),
                Ok(peer) => tracing::warn!(
                    uid = peer.uid(),
                    "somebody else's process at the control socket was sent away"
                ),
                Err(error) => {
                    tracing::warn!(%error, "the process at the control socket could not be identified");
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[derive(Clone)]
struct Desk {
    state: AppState,
    told: Arc<Told>,
    quit: CancellationToken,
}

fn router(state: AppState, told: Told, secret: &Secret, quit: CancellationToken) -> Router {
    let authority =
        told.page.split_once("://").map_or("localhost", |(_, authority)| authority.trim_end_matches('/'));
    let entry = Entry {
        bearer: sensitive(&format!("Bearer {}", secret.expose())),
        host: HeaderValue::from_str(authority).unwrap_or_else(|_| HeaderValue::from_static("localhost")),
        peer: Peer {
            address: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
            tls: told.page.starts_with("https:"),
        },
    };
    let server = tocsin_server::router(state.clone()).layer(from_fn_with_state(entry, enter));
    let desk = Desk { state, told: Arc::new(told), quit };
    Router::new()
        .route("/native/hello", get(async || Json(hello())))
        .route("/native/status", get(status))
        .route("/native/quit", post(end))
        .with_state(desk)
        .fallback_service(server)
}

/// What a request on the socket is given before it enters the server's router.
#[derive(Clone)]
struct Entry {
    bearer: HeaderValue,
    host: HeaderValue,
    peer: Peer,
}

fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

async fn enter(State(entry): State<Entry>, mut request: Request, next: Next) -> Response {
    if !is_api_path(request.uri().path()) {
        return failure(
            StatusCode::NOT_FOUND,
            Code::NotFound,
            "a headless server answers hello, status, quit and /v1/…",
        );
    }
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, entry.bearer);
    // Addresses in answers (page, invites) are built from it.
    headers.insert(header::HOST, entry.host);
    request.extensions_mut().insert(entry.peer);
    next.run(request).await
}

fn failure(status: StatusCode, code: Code, message: &str) -> Response {
    let error = ApiError { code, message: message.into(), hint: None };
    (status, Json(ErrorBody { error })).into_response()
}

fn hello() -> Hello {
    Hello {
        version: VERSION.into(),
        build: own_build().into(),
        pid: std::process::id(),
        kind: ResidentKind::Headless,
    }
}

async fn status(State(desk): State<Desk>) -> Json<Status> {
    let unwritable = desk.state.store.probe().await.err();
    let problems = unwritable.map(|error| Problem {
        code: ProblemCode::StoreUnwritable,
        since: (desk.state.clock)(),
        detail: Some(error.to_string()),
    });
    Json(Status {
        hello: hello(),
        mode: Mode::Host { addresses: desk.told.addresses.clone(), lan: !desk.told.loopback },
        connection: Connection::Idle,
        unread: 0,
        paused_until: None,
        page: Some(desk.told.page.clone()),
        data_dir: desk.told.data_dir.display().to_string(),
        log_file: desk.told.log_file.display().to_string(),
        language: tocsin_protocol::control::Language::default(),
        kept_awake: false,
        slept: None,
        problems: problems.into_iter().collect(),
    })
}

async fn end(State(desk): State<Desk>) -> StatusCode {
    tracing::info!("asked to end through the control socket");
    desk.quit.cancel();
    StatusCode::NO_CONTENT
}

//! The control socket: what window, command line and a second start say to the resident. See
//! [`tocsin_protocol::control`].
//!
//! Whoever can connect is this user (directory, peer check), so there is no token here; the resident adds its own to
//! what it passes on, and no answer of this socket ever holds a secret.

mod events;
mod fault;
mod inbox;
mod native;
mod pass;
mod socket;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{any, get, post},
};
use tocsin_protocol::{control::ResidentEvent, limits::REQUEST_BYTES};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{autostart::Autostart, desk::Desk, link::Link, notify::Ask, secrets::Strongbox, window::Windows};

pub use fault::Fault;
pub use socket::{Socket, SocketError};

/// What the routes work with.
#[derive(Clone)]
pub struct Control {
    /// How things stand.
    pub desk: Arc<Desk>,
    /// The window's process.
    pub windows: Arc<Windows>,
    /// Where secrets are kept.
    pub strongbox: Arc<Strongbox>,
    /// The inbox, and the stream to the server.
    pub links: watch::Receiver<Option<Link>>,
    /// What the presenter is asked.
    pub asks: mpsc::Sender<Ask>,
    /// Rung when another vault was chosen.
    pub vault_chosen: Arc<Notify>,
    /// Starting at login; absent where there is no such thing.
    pub autostart: Option<Autostart>,
    /// Cancelled to end the resident.
    pub quit: CancellationToken,
}

impl Control {
    /// The inbox of the server that was chosen.
    pub fn link(&self) -> Result<Link, Fault> {
        self.links.borrow().clone().ok_or_else(|| pass::offline(self, None))
    }

    /// Tells the window to end, and ends.
    pub fn ask_to_quit(&self) {
        self.desk.tell(ResidentEvent::Quit);
        self.quit.cancel();
    }
}

/// All routes of the desktop's resident.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/native/hello", get(native::hello))
        .route("/native/status", get(native::status))
        .route("/native/events", get(events::events))
        .route("/native/settings", get(native::settings).patch(native::change_settings))
        .route("/native/host", post(native::host))
        .route("/native/join", post(native::join))
        .route("/native/pause", post(native::pause))
        .route("/native/test-notification", post(native::test_notification))
        .route("/native/read-all", post(native::read_all))
        .route("/native/vault", post(native::vault))
        .route("/native/window", post(native::open_window))
        .route("/native/open-url", post(native::open_url))
        .route("/native/spool", post(native::spool))
        .route("/native/quit", post(native::quit))
        .route("/v1/messages", get(inbox::list).post(pass::any))
        .route("/v1/messages/{id}", get(inbox::message))
        .route("/v1/messages/{id}/read", post(inbox::read))
        .route("/v1/messages/{id}/acknowledge", post(inbox::acknowledge))
        .route("/v1/{*path}", any(pass::any))
        .fallback(native::unknown)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES))
        .with_state(control)
}

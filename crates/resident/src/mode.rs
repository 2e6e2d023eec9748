//! Brings about what the person chose: hosting, joining, or nothing yet. One at a time; another choice (or another
//! port) ends the one before it in order.

use std::{sync::Arc, time::Duration};

use tocsin_control::Paths;
use tocsin_protocol::control::{Connection, Mode, ProblemCode};
use tocsin_subscriber::{Endpoint, Inbox, Owner};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    desk::Desk,
    host, join,
    link::{self, Link},
    notify::Ask,
    secrets::Strongbox,
    settings::ServerChoice,
};

/// Before something that failed (a full disk, a taken port) is tried again: first and longest. Each is a wake-up.
pub const RETRY_FIRST: Duration = Duration::from_secs(2);
/// See [`RETRY_FIRST`].
pub const RETRY_MOST: Duration = Duration::from_mins(1);

/// What hosting and joining work with.
pub struct Parts {
    /// How things stand.
    pub desk: Arc<Desk>,
    /// Where things are.
    pub paths: Paths,
    /// What the presenter is asked.
    pub asks: mpsc::Sender<Ask>,
    /// Where secrets are kept.
    pub strongbox: Arc<Strongbox>,
    /// Rung when another vault was chosen.
    pub vault_chosen: Arc<Notify>,
    /// The inbox, and the stream to the server.
    pub links: watch::Sender<Option<Link>>,
}

impl Parts {
    /// Opens the inbox of this owner and shows it; tried until it can be or until `over`.
    pub async fn open_inbox(&self, owner: &Owner, over: &CancellationToken) -> Option<Inbox> {
        let mut retry = Retry::default();
        loop {
            let (dir, owner, clock) = (self.paths.data.clone(), owner.clone(), self.desk.wall_clock());
            let opened = tokio::task::spawn_blocking(move || Inbox::open(&dir, owner, clock)).await;
            let error = match opened {
                Ok(Ok(inbox)) => match link::present(&inbox, &self.desk, &self.asks).await {
                    Ok(()) => {
                        self.desk.clear(ProblemCode::StoreUnwritable);
                        self.desk.clear(ProblemCode::StoreNewer);
                        self.links.send_replace(Some(Link::offline(inbox.clone())));
                        return Some(inbox);
                    }
                    Err(error) => error,
                },
                Ok(Err(error)) => error,
                Err(_) => return None,
            };
            let newer = matches!(error, tocsin_subscriber::Error::InboxNewer { .. });
            let code = if newer { ProblemCode::StoreNewer } else { ProblemCode::StoreUnwritable };
            tracing::error!(%error, "the local inbox cannot be used");
            self.desk.raise(code, error.to_string());
            retry.wait(over).await?;
        }
    }

    /// Connects to the server.
    pub fn connect(&self, inbox: Inbox, endpoint: &Endpoint, device: &str) {
        match Link::connect(inbox, endpoint, device, Arc::clone(&self.desk), self.asks.clone()) {
            Ok(link) => {
                self.links.send_replace(Some(link));
            }
            Err(error) => {
                tracing::error!(%error, "the server cannot be followed");
                self.say_offline("reason.endpoint", &error.to_string());
            }
        }
    }

    /// Stops the link, if there is one.
    pub async fn stop_link(&self) {
        if let Some(link) = self.links.send_replace(None) {
            link.stop().await;
        }
    }

    /// Says why there is no stream; since when stands from the first time.
    pub fn say_offline(&self, reason_key: &str, detail: &str) {
        let reason = self.desk.locale().t(reason_key, &[("detail", detail)]);
        let now = self.desk.now();
        self.desk.change(|facets| {
            let since = match facets.connection {
                Connection::Offline { since, .. } => since,
                _ => now,
            };
            facets.connection = Connection::Offline { since, reason, retry_at: None };
        });
    }
}

/// Waits longer each time.
#[derive(Debug)]
pub struct Retry(Duration);

impl Default for Retry {
    fn default() -> Self {
        Self(RETRY_FIRST)
    }
}

impl Retry {
    /// `None` when it is over.
    pub async fn wait(&mut self, over: &CancellationToken) -> Option<()> {
        let wait = self.0;
        self.0 = (wait * 2).min(RETRY_MOST);
        tokio::select! {
            () = sleep(wait) => Some(()),
            () = over.cancelled() => None,
        }
    }
}

/// Runs until `stop`; whatever is chosen has ended in order when it returns.
pub async fn run(parts: Arc<Parts>, stop: CancellationToken) {
    let mut chosen = parts.desk.watch_server();
    while !stop.is_cancelled() {
        let (choice, settings) = chosen.borrow_and_update().clone();
        let over = stop.child_token();
        let work = async {
            match &choice {
                ServerChoice::Unset => {
                    parts
                        .desk
                        .change(|facets| (facets.mode, facets.connection) = (Mode::Unset, Connection::Idle));
                }
                ServerChoice::Host => host::run(&parts, &settings.hosting, &over).await,
                ServerChoice::Join(joined) => join::run(&parts, joined, &over).await,
            }
            over.cancelled().await;
            parts.stop_link().await;
        };
        let mut work = std::pin::pin!(work);
        tokio::select! {
            () = &mut work => continue,
            _ = chosen.changed() => {}
            () = stop.cancelled() => {}
        }
        over.cancel();
        work.await;
        parts.desk.change(|facets| {
            facets.page = None;
            facets.unread = 0;
        });
        parts.desk.set_recent(std::iter::empty());
        give_back(&parts, &choice, &chosen.borrow().0);
    }
}

/// The token of a server that is followed no more must not stay good. Beside everything else: that server may be down.
fn give_back(parts: &Arc<Parts>, before: &ServerChoice, now: &ServerChoice) {
    let ServerChoice::Join(old) = before else { return };
    // A next start that does not find the new choice needs the old token.
    if before == now || !parts.desk.is_written() {
        return;
    }
    let (old, parts) = (old.clone(), Arc::clone(parts));
    tokio::spawn(async move { join::leave(&old, &parts.strongbox).await });
}

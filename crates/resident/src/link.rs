//! The inbox of the chosen server and, when there is a token, the stream that keeps it up to date.
//!
//! The inbox is there as soon as the server is known: reading and acknowledging work while the keyring is locked or
//! the network is down, and the server hears of it later.

use std::sync::Arc;

use tocsin_protocol::{
    MessageId, Millis, StateChange,
    control::{Connection as Told, ProblemCode, ResidentEvent},
};
use tocsin_subscriber::{
    Arrival, Connection, Endpoint, Event, Handle, Inbox, InboxQuery, Pending, Reason, Result, Silent, Stored,
    Subscriber, http::Api,
};
use tokio::sync::{mpsc, watch};

use crate::{
    awake,
    desk::Desk,
    moment::Moment,
    notify::{Ask, Popup, Urgency, policy},
    tray::RECENT,
};

/// The inbox, and the stream to its server.
#[derive(Clone)]
pub struct Link {
    /// The inbox.
    pub inbox: Inbox,
    handle: Option<Handle>,
}

impl Link {
    /// An inbox without a stream.
    pub fn offline(inbox: Inbox) -> Self {
        Self { inbox, handle: None }
    }

    /// Connects. Events are taken to desk and presenter until the link is stopped.
    pub fn connect(
        inbox: Inbox,
        endpoint: &Endpoint,
        device: &str,
        desk: Arc<Desk>,
        asks: mpsc::Sender<Ask>,
    ) -> Result<Self> {
        let options =
            tocsin_subscriber::Options { clock: desk.wall_clock(), ..tocsin_subscriber::Options::default() };
        let (handle, events) = Subscriber::start(endpoint, device, inbox.clone(), options)?;
        tokio::spawn(take_events(events, desk, asks));
        Ok(Self { inbox, handle: Some(handle) })
    }

    /// The server's API, with this device's token.
    pub fn api(&self) -> Option<&Api> {
        self.handle.as_ref().map(Handle::api)
    }

    /// Marks a message as read.
    pub async fn read(&self, desk: &Desk, id: MessageId) -> Result<()> {
        match &self.handle {
            Some(handle) => handle.read(id).await.map(drop),
            None => self.inbox.read(id).await.map(|change| desk.tell(ResidentEvent::State(change))),
        }
    }

    /// Acknowledges a message.
    pub async fn acknowledge(&self, desk: &Desk, id: MessageId) -> Result<()> {
        match &self.handle {
            Some(handle) => handle.acknowledge(id).await.map(drop),
            None => self.inbox.acknowledge(id).await.map(|change| desk.tell(ResidentEvent::State(change))),
        }
    }

    /// Marks all as read; says how many that were.
    pub async fn read_all(&self, desk: &Desk) -> Result<usize> {
        if let Some(handle) = &self.handle {
            return handle.read_all().await;
        }
        let changes = self.inbox.read_all().await?;
        let count = changes.len();
        for change in changes {
            desk.tell(ResidentEvent::State(change));
        }
        Ok(count)
    }

    /// Closes the stream; the inbox stays open.
    pub async fn pause(self) {
        if let Some(handle) = self.handle {
            handle.stop().await;
        }
    }

    /// Closes the stream and the inbox.
    pub async fn stop(self) {
        if let Some(handle) = self.handle {
            handle.stop().await;
        }
        if let Err(error) = self.inbox.close().await {
            tracing::warn!(%error, "the inbox could not be closed");
        }
    }
}

/// Shows on the desk what the inbox holds, and begins to keep the unread count and to hand over what was never shown.
/// What that is is asked before the stream starts: what comes later is told by the stream.
pub async fn present(inbox: &Inbox, desk: &Arc<Desk>, asks: &mpsc::Sender<Ask>) -> Result<()> {
    let newest = inbox.list(InboxQuery { limit: Some(RECENT), ..InboxQuery::default() }).await?;
    desk.set_recent(newest.items.iter().map(|view| &view.message));
    if let Some(kept) = inbox.damaged() {
        let locale = desk.locale();
        let body = locale.t("notification.inboxDamagedBody", &[("file", &kept.display().to_string())]);
        notice(desk, asks, "notification.inboxDamaged", body).await;
    }
    let pending = inbox.pending().await?;
    // Tasks of their own: a daemon that does not answer must not hold up the stream.
    tokio::spawn(hand_over(pending, desk.now(), asks.clone()));
    tokio::spawn(settle_pressing(inbox.clone(), asks.clone()));
    tokio::spawn(count_unread(inbox.unread(), Arc::clone(desk)));
    Ok(())
}

async fn hand_over(pending: Vec<Pending>, now: Millis, asks: mpsc::Sender<Ask>) {
    for pending in pending {
        let arrival =
            if pending.is_shown_singly(now) { policy::Arrival::Live } else { policy::Arrival::Away };
        let message = Box::new(pending.message);
        let ask = if pending.reminded_at.is_some() {
            Ask::Remind { message, arrival }
        } else {
            Ask::Message { message, arrival, acknowledged: false }
        };
        let _ = asks.send(ask).await;
    }
    let _ = asks.send(Ask::CaughtUp).await;
}

/// What was dealt with before a kill, and was not taken off the screen any more.
async fn settle_pressing(inbox: Inbox, asks: mpsc::Sender<Ask>) {
    let (to, mut pressing) = mpsc::channel(1);
    if asks.send(Ask::Pressing { to }).await.is_err() {
        return;
    }
    for id in pressing.recv().await.unwrap_or_default() {
        let (handled, over) = match inbox.message(id).await {
            Ok(view) => {
                let over = view.acknowledged_at.is_some()
                    || view.settled.is_some()
                    || view.message.superseded_by.is_some();
                (over || view.read_at.is_some(), over)
            }
            // Of another inbox, or pruned.
            Err(_) => (true, true),
        };
        if handled {
            let _ = asks.send(Ask::Handled { id, over }).await;
        }
    }
}

/// Ends with the inbox, whose thread holds the sender.
async fn count_unread(mut unread: watch::Receiver<u64>, desk: Arc<Desk>) {
    loop {
        let count = *unread.borrow_and_update();
        desk.change(|facets| facets.unread = count);
        if unread.changed().await.is_err() {
            return;
        }
    }
}

async fn take_events(mut events: mpsc::Receiver<Event>, desk: Arc<Desk>, asks: mpsc::Sender<Ask>) {
    let mut inbox_failed = false;
    while let Some(event) = events.recv().await {
        match event {
            Event::Connection(connection) => {
                inbox_failed |=
                    matches!(&connection, Connection::Offline { reason: Reason::InboxUnwritable(_), .. });
                take_connection(&connection, &desk, &asks).await;
            }
            Event::Stored(stored) => take_stored(*stored, &desk, &asks).await,
            Event::State(change) => {
                let over = change.acknowledged_at.is_some() || change.settled.is_some();
                let _ = asks.send(Ask::Handled { id: change.id, over }).await;
                desk.tell(ResidentEvent::State(change));
            }
            Event::Reset(reset) if reset.lost > 0 => {
                let locale = desk.locale();
                let since = reset.lost_since.map_or_else(|| "?".into(), |at| Moment::from(at).short());
                let title = locale.t("notification.lostTitle", &[("count", &reset.lost.to_string())]);
                let popup = Popup::plain(
                    title,
                    locale.t("notification.lostBody", &[("time", &since)]),
                    Urgency::Normal,
                    &locale,
                );
                let _ = asks.send(Ask::Notice(popup)).await;
            }
            Event::Reset(_) => {}
            Event::CaughtUp { .. } => {
                // All that could not be stored before was sent again and is stored. Should the server's own store still
                // fail, its watch says so again.
                if std::mem::take(&mut inbox_failed) {
                    desk.clear(ProblemCode::StoreUnwritable);
                }
                let _ = asks.send(Ask::CaughtUp).await;
            }
            Event::Slept(slept) => awake::slept(&desk, slept),
            Event::Sent { key, result } => match *result {
                Ok(published) => tracing::info!(%key, id = %published.id, "a spooled message was sent"),
                Err(error) => tracing::warn!(%key, %error, "a spooled message was refused for good"),
            },
        }
    }
}

async fn take_stored(stored: Stored, desk: &Desk, asks: &mpsc::Sender<Ask>) {
    let arrival = match stored.arrival {
        Arrival::Live => policy::Arrival::Live,
        Arrival::Missed | Arrival::Restored => policy::Arrival::Away,
    };
    if let Some(at) = stored.reminded_at {
        let reminder = StateChange {
            cursor: stored.message.cursor.clone(),
            id: stored.message.id,
            read_at: None,
            acknowledged_at: None,
            remind_at: Some(at),
            settled: None,
        };
        desk.tell(ResidentEvent::State(reminder));
        let _ = asks.send(Ask::Remind { message: Box::new(stored.message), arrival }).await;
        return;
    }
    desk.add_recent(&stored.message);
    desk.tell(ResidentEvent::Message(Box::new(stored.message.clone())));
    // What needs no popup is stored as suppressed already; but a popup of an older version is updated, or goes.
    // After a superseded one comes the newest, which does that.
    if stored.silent != Some(Silent::Superseded) {
        let acknowledged = stored.acknowledged_at.is_some() || stored.silent == Some(Silent::Handled);
        let _ = asks.send(Ask::Message { message: Box::new(stored.message), arrival, acknowledged }).await;
    }
}

async fn take_connection(connection: &Connection, desk: &Desk, asks: &mpsc::Sender<Ask>) {
    if !connection.is_online() {
        // What has come of an absence so far is told now; more may take hours.
        let _ = asks.send(Ask::CaughtUp).await;
    }
    let reason = match connection {
        Connection::Offline { reason, .. } | Connection::Refused { reason, .. } => Some(reason),
        _ => None,
    };
    let problem = reason.and_then(|reason| match reason {
        Reason::Certificate(_) => Some(ProblemCode::CertificateRefused),
        Reason::Unauthorised | Reason::OtherUser(_) => Some(ProblemCode::TokenRefused),
        Reason::InboxUnwritable(_) => Some(ProblemCode::StoreUnwritable),
        _ => None,
    });
    for code in [ProblemCode::CertificateRefused, ProblemCode::TokenRefused] {
        if problem != Some(code) && (connection.is_online() || problem.is_some()) {
            desk.clear(code);
        }
    }
    if let Some(code) = problem {
        desk.raise(code, reason.and_then(Reason::detail));
    }
    let told = say(connection, desk);
    desk.change(|facets| facets.connection = told);
}

/// The connection, in the person's language.
fn say(connection: &Connection, desk: &Desk) -> Told {
    let locale = desk.locale();
    let words = |reason: &Reason| {
        let detail = reason.detail().unwrap_or_default();
        locale.t(&format!("reason.{}", reason.code()), &[("detail", &detail)])
    };
    match connection {
        Connection::Connecting => Told::Connecting,
        Connection::Online { transport, since } => Told::Online { transport: *transport, since: *since },
        Connection::Offline { since, reason, retry_at } => {
            Told::Offline { since: *since, reason: words(reason), retry_at: *retry_at }
        }
        Connection::Refused { since, reason } => Told::Refused { since: *since, reason: words(reason) },
    }
}

/// Tells something that is not a message.
pub async fn notice(desk: &Desk, asks: &mpsc::Sender<Ask>, title_key: &str, body: String) {
    let locale = desk.locale();
    let popup = Popup::plain(locale.t(title_key, &[]), body, Urgency::Normal, &locale);
    let _ = asks.send(Ask::Notice(popup)).await;
}

//! Notifications on Linux: `notify-rust`'s message type, sent over one lasting D-Bus connection of our own.
//!
//! `notify-rust` itself opens a connection for each popup, and GNOME closes a popup when the connection of its sender
//! goes; dunst reports actions to the sending connection alone. So the fields of its `Notification` go over one
//! connection, which also hears the daemon's signals. The daemon may come late, go and return: who owns the name is
//! followed, and nothing is asked of it without a deadline.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use notify_rust::{Hint, Notification, Timeout};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use zbus::{proxy::CacheProperties, zvariant::Value};

use super::{Absence, Notifier, Popup, ShowError, Signal, Urgency, popup::escape};

/// How long the daemon may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Before the bus is tried again: first and longest.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_MOST: Duration = Duration::from_mins(2);
/// Reason of `NotificationClosed` when the person took it away.
const DISMISSED: u32 = 2;

const NAME: &str = "org.freedesktop.Notifications";
/// The installed desktop entry, without its ending: desktops take name, icon and the person's settings for this
/// program from it.
const DESKTOP_ENTRY: &str = "io.github.tocsin.desktop";

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications",
    gen_blocking = false
)]
trait Notifications {
    #[expect(clippy::too_many_arguments, reason = "the signature is the specification's")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;
    fn close_notification(&self, id: u32) -> zbus::Result<()>;
    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;
    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: String) -> zbus::Result<()>;
    #[zbus(signal)]
    fn notification_closed(&self, id: u32, reason: u32) -> zbus::Result<()>;
    #[zbus(signal)]
    fn activation_token(&self, id: u32, activation_token: String) -> zbus::Result<()>;
}

/// What the daemon said it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Abilities {
    markup: bool,
    actions: bool,
}

/// The desktop's notification daemon.
pub(super) struct Daemon {
    proxy: watch::Receiver<Option<NotificationsProxy<'static>>>,
    abilities: Arc<RwLock<Option<Abilities>>>,
}

impl Daemon {
    /// Follows the daemon in a task of its own; ends when nobody reads `signals` any more.
    pub fn start(signals: mpsc::Sender<Signal>) -> Self {
        let (to_proxy, proxy) = watch::channel(None);
        let abilities = Arc::new(RwLock::new(None));
        tokio::spawn(keep_connected(to_proxy, Arc::clone(&abilities), signals));
        Self { proxy, abilities }
    }

    fn proxy(&self) -> Result<NotificationsProxy<'static>, ShowError> {
        self.proxy.borrow().clone().ok_or(ShowError::NoDaemon(Absence::NoBus))
    }

    /// Asked once for each daemon.
    async fn abilities(&self, proxy: &NotificationsProxy<'_>) -> Result<Abilities, ShowError> {
        if let Some(known) = *self.abilities.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(known);
        }
        let said = answer(proxy.get_capabilities()).await?;
        let can = |what: &str| said.iter().any(|capability| capability == what);
        let abilities = Abilities { markup: can("body-markup"), actions: can("actions") };
        *self.abilities.write().unwrap_or_else(PoisonError::into_inner) = Some(abilities);
        Ok(abilities)
    }
}

#[async_trait]
impl Notifier for Daemon {
    async fn show(&self, popup: &Popup, replaces: Option<u32>) -> Result<u32, ShowError> {
        let proxy = self.proxy()?;
        let abilities = self.abilities(&proxy).await?;
        let notification = notification(popup, abilities);
        let hints = notification.hints.iter().map(Into::into).collect();
        let actions: Vec<&str> = notification.actions.iter().map(String::as_str).collect();
        answer(proxy.notify(
            &notification.appname,
            replaces.unwrap_or(0),
            &notification.icon,
            &notification.summary,
            &notification.body,
            &actions,
            hints,
            notification.timeout.into(),
        ))
        .await
    }

    async fn close(&self, id: u32) {
        if let Ok(proxy) = self.proxy() {
            // It may be gone already; daemons answer that with an error.
            let _ = answer(proxy.close_notification(id)).await;
        }
    }

    async fn owner(&self) -> Option<String> {
        let proxy = self.proxy().ok()?;
        let bus = answer(zbus::fdo::DBusProxy::new(proxy.inner().connection())).await.ok()?;
        let name = zbus::names::BusName::try_from(NAME).ok()?;
        let owner = answer(async { Ok(bus.get_name_owner(name).await?) }).await;
        owner.ok().map(|owner| owner.to_string())
    }
}

fn notification(popup: &Popup, abilities: Abilities) -> Notification {
    let mut notification = Notification::new();
    notification
        .appname("Tocsin")
        .summary(&popup.title)
        .body(&if abilities.markup { escape(&popup.body) } else { popup.body.clone() })
        .icon("tocsin")
        .hint(Hint::DesktopEntry(DESKTOP_ENTRY.into()))
        .hint(Hint::Category("im.received".into()));
    match popup.urgency {
        Urgency::Low => notification.urgency(notify_rust::Urgency::Low),
        Urgency::Normal => notification.urgency(notify_rust::Urgency::Normal),
        // Resident: pressing Open must not take the way to acknowledge away.
        Urgency::Critical => notification
            .urgency(notify_rust::Urgency::Critical)
            .hint(Hint::Resident(true))
            .timeout(Timeout::Never),
    };
    if abilities.actions {
        for (key, label) in &popup.actions {
            notification.action(key, label);
        }
    }
    notification
}

async fn answer<T>(call: impl Future<Output = zbus::Result<T>>) -> Result<T, ShowError> {
    match timeout(ANSWER_WAIT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(explain(error)),
        Err(_) => Err(ShowError::NoDaemon(Absence::Silent(ANSWER_WAIT.as_secs()))),
    }
}

fn explain(error: zbus::Error) -> ShowError {
    let text = error.to_string();
    match zbus::fdo::Error::from(error) {
        zbus::fdo::Error::ServiceUnknown(_)
        | zbus::fdo::Error::NameHasNoOwner(_)
        | zbus::fdo::Error::NoReply(_)
        | zbus::fdo::Error::Disconnected(_)
        | zbus::fdo::Error::SpawnChildExited(_)
        | zbus::fdo::Error::SpawnFailed(_)
        | zbus::fdo::Error::TimedOut(_)
        | zbus::fdo::Error::ZBus(zbus::Error::InputOutput(_)) => ShowError::NoDaemon(Absence::System(text)),
        _ => ShowError::Refused(text),
    }
}

/// Connects to the bus, follows the daemon until the bus goes, and connects again.
async fn keep_connected(
    to_proxy: watch::Sender<Option<NotificationsProxy<'static>>>,
    abilities: Arc<RwLock<Option<Abilities>>>,
    signals: mpsc::Sender<Signal>,
) {
    let mut retry = RETRY_FIRST;
    while !signals.is_closed() {
        let followed = follow(&to_proxy, &abilities, &signals, &mut retry).await;
        to_proxy.send_replace(None);
        let why = followed.err().map_or(Absence::NoBus, |error| Absence::System(error.to_string()));
        if signals.send(Signal::Down(why)).await.is_err() {
            return;
        }
        sleep(retry).await;
        retry = (retry * 2).min(RETRY_MOST);
    }
}

/// Returns when the bus is gone or nobody listens.
async fn follow(
    to_proxy: &watch::Sender<Option<NotificationsProxy<'static>>>,
    abilities: &RwLock<Option<Abilities>>,
    signals: &mpsc::Sender<Signal>,
    retry: &mut Duration,
) -> zbus::Result<()> {
    let connection = zbus::Connection::session().await?;
    let proxy =
        NotificationsProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?;
    let bus = zbus::fdo::DBusProxy::new(&connection).await?;
    // Listening begins before the first look, so that a daemon that starts in between is not missed.
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await?;
    let mut pressed = proxy.receive_action_invoked().await?;
    let mut closed = proxy.receive_notification_closed().await?;
    let mut tokens = proxy.receive_activation_token().await?;
    *retry = RETRY_FIRST;
    to_proxy.send_replace(Some(proxy));
    let there = is_there(&bus).await?;
    let _ = signals.send(if there { Signal::Up } else { Signal::Down(Absence::NotRunning) }).await;
    // The token comes just before the action it belongs to.
    let mut token: Option<(u32, String)> = None;
    loop {
        let signal = tokio::select! {
            // Both signals are queued by the time the action is seen: looked at in order, the token is there first.
            biased;
            change = owners.next() => {
                let Some(change) = change else { return Ok(()) };
                *abilities.write().unwrap_or_else(PoisonError::into_inner) = None;
                if change.args()?.new_owner.is_some() { Signal::Up } else { Signal::Down(Absence::Ended) }
            }
            given = tokens.next() => {
                let Some(given) = given else { return Ok(()) };
                let args = given.args()?;
                token = Some((args.id, args.activation_token));
                continue;
            }
            action = pressed.next() => {
                let Some(action) = action else { return Ok(()) };
                let args = action.args()?;
                let token = token.take().filter(|(id, _)| *id == args.id).map(|(_, token)| token);
                Signal::Action { id: args.id, key: args.action_key, token }
            }
            gone = closed.next() => {
                let Some(gone) = gone else { return Ok(()) };
                let args = gone.args()?;
                Signal::Closed { id: args.id, dismissed: args.reason == DISMISSED }
            }
        };
        if signals.send(signal).await.is_err() {
            return Ok(());
        }
    }
}

/// A daemon runs, or the bus would start one when asked.
async fn is_there(bus: &zbus::fdo::DBusProxy<'_>) -> zbus::Result<bool> {
    let name = zbus::names::BusName::try_from(NAME)?;
    if bus.name_has_owner(name).await? {
        return Ok(true);
    }
    Ok(bus.list_activatable_names().await?.iter().any(|activatable| activatable.as_str() == NAME))
}

#[cfg(test)]
mod tests {
    use tocsin_locale::Locale;
    use tocsin_protocol::control::Language;

    use super::*;

    /// The package names the entry after the window's identifier.
    #[test]
    fn a_popup_names_the_desktop_entry_that_is_installed() {
        let window: serde_json::Value =
            serde_json::from_str(include_str!("../../../../tauri.conf.json")).unwrap();
        let popup = Popup::of_test(&Locale::new(Language::En, ""));
        let hint = Hint::DesktopEntry(window["identifier"].as_str().unwrap().into());
        let hints = notification(&popup, Abilities::default()).hints;
        assert!(hints.contains(&hint), "{hints:?}");
    }
}

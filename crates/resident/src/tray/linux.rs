//! The tray on Linux: a StatusNotifierItem through `ksni`.
//!
//! `ksni` awaits the watcher's answer while it holds its own state, at the start and whenever a watcher comes. A
//! watcher that never answers therefore hangs those calls for good, so this task is the only one that waits for it:
//! with a deadline after which the tray counts as missing, and without giving up, since the answer may come or the
//! watcher may be replaced.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use ksni::{MenuItem, TrayMethods as _, menu::StandardItem, menu::SubMenu};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{Absence, Command, PauseFor, Presence, View};

/// How long a panel may take before the tray counts as missing. A busy panel at login answers within a second or two.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Between two updates: a burst of messages must not make the panel redraw each.
const UPDATE_PAUSE: Duration = Duration::from_millis(250);
/// Before trying again after the bus failed: first and longest.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_MOST: Duration = Duration::from_mins(2);

const WATCHER: &str = "org.kde.StatusNotifierWatcher";

/// Shows the tray until `view`'s sender is gone.
pub(super) async fn run(
    mut view: watch::Receiver<View>,
    commands: mpsc::Sender<Command>,
    presence: mpsc::Sender<Presence>,
) {
    let mut retry = RETRY_FIRST;
    loop {
        let first = view.borrow_and_update().clone();
        let missing = Arc::new(AtomicBool::new(false));
        let item = Item {
            pixmaps: pixmaps(&first),
            view: first,
            commands: commands.clone(),
            presence: presence.clone(),
            missing: Arc::clone(&missing),
        };
        let mut starting = std::pin::pin!(item.assume_sni_available(true).spawn());
        let in_time = timeout(ANSWER_WAIT, &mut starting).await;
        let started = if let Ok(started) = in_time {
            started
        } else {
            let _ = presence.try_send(Presence::Missing(Absence::Silent));
            starting.await
        };
        match started {
            Ok(handle) => {
                // That there is no watcher was told by `watcher_offline`, which ran before this.
                if !missing.load(Ordering::Acquire) {
                    let _ = presence.try_send(Presence::Shown);
                }
                retry = RETRY_FIRST;
                follow(&handle, &mut view, &presence).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the tray could not be shown");
                let _ = presence.try_send(Presence::Missing(Absence::System(error.to_string())));
                if matches!(error, ksni::Error::Watcher(_)) && another_watcher().await.is_ok() {
                    continue;
                }
                sleep(retry).await;
                retry = (retry * 2).min(RETRY_MOST);
            }
        }
        if view.has_changed().is_err() {
            return;
        }
    }
}

/// Hands every change of the view to the item; returns when the view's sender or the item is gone.
async fn follow(
    handle: &ksni::Handle<Item>,
    view: &mut watch::Receiver<View>,
    presence: &mpsc::Sender<Presence>,
) {
    while view.changed().await.is_ok() {
        let next = view.borrow_and_update().clone();
        let update = handle.update(move |item| item.take(next));
        match timeout(ANSWER_WAIT, update).await {
            Ok(Some(())) => {}
            Ok(None) => return,
            // The state is held by a registration that hangs: the next view overtakes this one.
            Err(_) => {
                let _ = presence.try_send(Presence::Missing(Absence::Silent));
                view.mark_changed();
            }
        }
        sleep(UPDATE_PAUSE).await;
    }
    let _ = timeout(ANSWER_WAIT, handle.shutdown()).await;
}

/// Resolves when another process takes over the watcher's name.
async fn another_watcher() -> zbus::Result<()> {
    let connection = zbus::Connection::session().await?;
    let bus = zbus::fdo::DBusProxy::new(&connection).await?;
    let mut changes = bus.receive_name_owner_changed_with_args(&[(0, WATCHER)]).await?;
    while let Some(change) = changes.next().await {
        if change.args()?.new_owner.is_some() {
            return Ok(());
        }
    }
    Err(zbus::Error::InvalidReply)
}

/// The item that a panel sees.
struct Item {
    view: View,
    pixmaps: Arc<[ksni::Icon]>,
    commands: mpsc::Sender<Command>,
    presence: mpsc::Sender<Presence>,
    missing: Arc<AtomicBool>,
}

impl Item {
    fn take(&mut self, view: View) {
        if view.icon != self.view.icon {
            self.pixmaps = pixmaps(&view);
        }
        self.view = view;
    }

    /// Runs in the panel's call: never waits. A full queue means that the resident hangs, and a click is lost then.
    fn ask(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            tracing::warn!("a click in the tray was lost: the resident is busy");
        }
    }

    fn entry(label: &str, command: impl Fn() -> Command + Send + 'static) -> MenuItem<Self> {
        StandardItem {
            label: literal(label),
            activate: Box::new(move |item: &mut Self| item.ask(command())),
            ..Default::default()
        }
        .into()
    }

    fn pause_menu(&self) -> MenuItem<Self> {
        let words = &self.view.words;
        let pause = |label: &str, length: PauseFor| Self::entry(label, move || Command::Pause(length));
        let mut entries = vec![
            pause(&words.pause_15, PauseFor::Minutes(15)),
            pause(&words.pause_60, PauseFor::Minutes(60)),
            pause(&words.pause_tomorrow, PauseFor::Tomorrow),
        ];
        if self.view.paused {
            entries.insert(0, pause(&words.resume, PauseFor::Over));
        }
        SubMenu { label: literal(&words.pause), submenu: entries, ..Default::default() }.into()
    }
}

impl ksni::Tray for Item {
    fn id(&self) -> String {
        "tocsin".into()
    }

    fn title(&self) -> String {
        self.view.title.clone()
    }

    fn category(&self) -> ksni::Category {
        ksni::Category::Communications
    }

    fn status(&self) -> ksni::Status {
        if self.view.attention { ksni::Status::NeedsAttention } else { ksni::Status::Active }
    }

    fn icon_pixmap(&self) -> Vec<ksni::Icon> {
        self.pixmaps.to_vec()
    }

    fn attention_icon_pixmap(&self) -> Vec<ksni::Icon> {
        self.pixmaps.to_vec()
    }

    fn tool_tip(&self) -> ksni::ToolTip {
        // The specification lets hosts read markup in it; what it says of problems comes from elsewhere.
        ksni::ToolTip {
            title: self.view.title.clone(),
            description: crate::notify::escape(&self.view.tooltip),
            ..Default::default()
        }
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        self.ask(Command::Open { message: None, token: ksni::current_xdg_activation_token() });
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let words = &self.view.words;
        let disabled = |label: &str| -> MenuItem<Self> {
            StandardItem { label: literal(label), enabled: false, ..Default::default() }.into()
        };
        let token = ksni::current_xdg_activation_token;
        let mut menu = vec![
            Self::entry(&words.open, move || Command::Open { message: None, token: token() }),
            // Some panels show no tooltip: what it tells first stands here too.
            disabled(&words.unread),
            disabled(&words.status),
            MenuItem::Separator,
        ];
        if self.view.recent.is_empty() {
            menu.push(disabled(&words.no_recent));
        }
        menu.extend(self.view.recent.iter().map(|(id, title)| {
            let id = *id;
            Self::entry(title, move || Command::Open { message: Some(id), token: token() })
        }));
        menu.extend([
            MenuItem::Separator,
            self.pause_menu(),
            Self::entry(&words.read_all, || Command::ReadAll),
            Self::entry(&words.test, || Command::Test),
            Self::entry(&words.settings, move || Command::Settings { token: token() }),
            MenuItem::Separator,
            Self::entry(&words.quit, || Command::Quit),
        ]);
        menu
    }

    fn watcher_online(&self) {
        self.missing.store(false, Ordering::Release);
        let _ = self.presence.try_send(Presence::Shown);
    }

    fn watcher_offline(&self, reason: ksni::OfflineReason) -> bool {
        tracing::info!(?reason, "no tray host; waiting for one");
        self.missing.store(true, Ordering::Release);
        let _ = self.presence.try_send(Presence::Missing(match reason {
            ksni::OfflineReason::Error(error) => Absence::System(error.to_string()),
            _ => Absence::Gone,
        }));
        true
    }
}

/// In a label an underscore marks the access key; two stand for one.
fn literal(label: &str) -> String {
    label.replace('_', "__")
}

fn pixmaps(view: &View) -> Arc<[ksni::Icon]> {
    let one = |pixmap: super::Pixmap| {
        let size = i32::try_from(pixmap.size).unwrap_or_default();
        ksni::Icon { width: size, height: size, data: pixmap.argb }
    };
    view.icon.pixmaps().into_iter().map(one).collect()
}

//! Puts the parts together: tray first, then the control socket, notifications, and the server or the joined one.
//!
//! The order is the promise of a quick tray: settings are a small file, everything that can be slow (store, keyring,
//! network, notification daemon) comes after it and beside it. At the end the same backwards, within a deadline: the
//! window is told, the stream acknowledges what it has, the server drains, the store closes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tocsin_control::{DETACHED_ENV, Paths, VERSION, own_build};
use tocsin_protocol::control::{Hello, ProblemCode, ResidentKind, View};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Notify, mpsc, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    autostart::Autostart,
    awake,
    control::{self, Control, Socket, SocketError},
    desk::{Desk, Identity},
    link::{Link, notice},
    mode::{self, Parts},
    moment::{Clock, Moment, system_clock},
    notify::{self, Ask, Outcome, Popup, Presenter},
    secrets::Strongbox,
    settings::{self, Unreadable},
    tray::{self, Command, PauseFor, Presence},
    window::{self, Windows},
};

/// Everything has ended by then, or is left behind: a logout does not wait longer.
const DRAIN: Duration = Duration::from_secs(10);
/// Questions to the presenter that wait; a burst of messages fills it, and then the stream waits with its next.
const ASKS: usize = 256;
/// Answers, clicks and signals that wait.
const QUEUE: usize = 64;

/// How a resident is started.
#[derive(Clone)]
pub struct Options {
    /// Where things are.
    pub paths: Paths,
    /// The clock; tests set it.
    pub clock: Clock,
    /// The window's program, instead of looking for it.
    pub desktop_program: Option<PathBuf>,
}

impl Options {
    /// The defaults, with these paths.
    pub fn new(paths: Paths) -> Self {
        Self { paths, clock: system_clock(), desktop_program: None }
    }
}

/// Why a resident could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control socket could not be taken; [`SocketError::Taken`]: one runs already.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The system refused something that nothing works without.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

impl Error {
    /// Whether a resident runs already for this data directory.
    pub fn is_already_running(&self) -> bool {
        matches!(self, Self::Socket(SocketError::Taken))
    }
}

/// Runs the desktop's resident until it is asked to quit or gets SIGTERM, SIGINT or SIGHUP. Logging is the caller's.
pub fn run(options: Options) -> Result<(), Error> {
    // Before anything can replace the file: it names the build that runs.
    own_build();
    if std::env::var_os(DETACHED_ENV).is_some() {
        // Fails only for a leader of a group, which has a session of its own already or was started by hand.
        let _ = rustix::process::setsid();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(resident(options, CancellationToken::new()));
    // A keyring that waits for its password blocks a thread for minutes.
    runtime.shutdown_background();
    result
}

/// The resident itself, on the runtime of the caller; ends on `quit` too.
pub async fn resident(options: Options, quit: CancellationToken) -> Result<(), Error> {
    let Options { paths, clock, desktop_program } = options;
    paths.prepare_runtime().map_err(SocketError::from)?;
    // Who has the socket is the one; taken before the tray, so that a second start shows no second icon.
    let socket = Socket::bind(&paths.control_socket())?;
    let (desk, unreadable) = desk(&paths, clock);
    let (commands_tx, commands) = mpsc::channel(QUEUE);
    let (presence_tx, presence) = mpsc::channel(QUEUE);
    tray::start(desk.watch_view(), commands_tx, presence_tx);

    let (asks, asked) = mpsc::channel(ASKS);
    let (outcomes_tx, outcomes) = mpsc::channel(QUEUE);
    let (signals_tx, signals) = mpsc::channel(QUEUE);
    let presenter =
        Presenter::new(notify::start(signals_tx), outcomes_tx, desk.watch_wishes(), Arc::clone(desk.clock()))
            .remembering(paths.popups_file());
    tokio::spawn(presenter.run(asked, signals));

    let strongbox = Arc::new(Strongbox::new(&paths.vault_file()));
    let vault_chosen = Arc::new(Notify::new());
    let (links_tx, links) = watch::channel(None);
    let windows = Arc::new(Windows::new(Arc::clone(&desk), paths.clone(), desktop_program));
    let control = Control {
        desk: Arc::clone(&desk),
        windows,
        strongbox: Arc::clone(&strongbox),
        links,
        asks: asks.clone(),
        vault_chosen: Arc::clone(&vault_chosen),
        autostart: Autostart::new(&paths),
        quit: quit.clone(),
    };
    let router = control::router(control.clone());
    let sockets_end = quit.clone().cancelled_owned();
    let serving =
        tokio::spawn(async move { axum::serve(socket, router).with_graceful_shutdown(sockets_end).await });
    tokio::spawn(follow_tray(control.clone(), commands, presence));
    tokio::spawn(follow_outcomes(control.clone(), outcomes));
    tokio::spawn(end_pauses(Arc::clone(&desk)));
    tokio::spawn(awake::keep(Arc::clone(&desk)));
    if let Some(unreadable) = unreadable {
        tell_unreadable(&desk, &asks, &paths.settings_file(), &unreadable).await;
    }
    let parts = Parts { desk: Arc::clone(&desk), paths, asks, strongbox, vault_chosen, links: links_tx };
    let hosting = tokio::spawn(mode::run(Arc::new(parts), quit.clone()));

    until_asked(&control).await?;
    let drained = timeout(DRAIN, async {
        let _ = hosting.await;
        let _ = serving.await;
    });
    if drained.await.is_err() {
        tracing::warn!("not everything ended in time; it is left behind");
    }
    tracing::info!("ended");
    Ok(())
}

fn desk(paths: &Paths, clock: Clock) -> (Arc<Desk>, Option<Unreadable>) {
    let file = paths.settings_file();
    let (mut choices, unreadable) = settings::read(&file);
    // The entry in the autostart directory is the truth; desktops let people remove it there.
    choices.preferences.autostart = Autostart::new(paths).is_some_and(|entry| entry.is_on());
    let hello = Hello {
        version: VERSION.into(),
        build: own_build().into(),
        pid: std::process::id(),
        kind: ResidentKind::Tray,
    };
    let identity = Identity {
        hello,
        data_dir: paths.data.clone(),
        log_file: paths.log_file(),
        // What stands there and nowhere else is for the person to look at: nothing is written over it.
        settings_file: unreadable.as_ref().is_none_or(|unreadable| unreadable.kept.is_some()).then_some(file),
        system_language: tocsin_locale::system_language(),
    };
    (Arc::new(Desk::new(identity, choices, clock)), unreadable)
}

async fn until_asked(control: &Control) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        () = control.quit.cancelled() => return Ok(()),
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
        _ = hang_up.recv() => tracing::info!("SIGHUP"),
    }
    control.ask_to_quit();
    Ok(())
}

async fn tell_unreadable(desk: &Desk, asks: &mpsc::Sender<Ask>, file: &Path, unreadable: &Unreadable) {
    let detail = unreadable.detail.as_str();
    let (place, key) = match &unreadable.kept {
        Some(kept) => (kept.as_path(), "notification.settingsBadBody"),
        None => (file, "notification.settingsLeftBody"),
    };
    tracing::error!(file = %place.display(), detail, "the settings could not be read, and are kept");
    let place = place.display().to_string();
    let body = desk.locale().t(key, &[("file", &place), ("detail", detail)]);
    notice(desk, asks, "notification.settingsBad", body).await;
}

/// Does what is clicked in the tray, and tells whether there is one.
async fn follow_tray(
    control: Control,
    mut commands: mpsc::Receiver<Command>,
    mut presence: mpsc::Receiver<Presence>,
) {
    loop {
        tokio::select! {
            Some(command) = commands.recv() => obey(&control, command).await,
            Some(presence) = presence.recv() => match presence {
                Presence::Shown => control.desk.clear(ProblemCode::TrayMissing),
                Presence::Missing(why) => {
                    let sentence = why.sentence(&control.desk.locale());
                    control.desk.raise(ProblemCode::TrayMissing, sentence);
                }
            },
            else => return,
        }
    }
}

async fn obey(control: &Control, command: Command) {
    let desk = &control.desk;
    match command {
        Command::Open { message: None, token } => open(control, View::Inbox, token),
        Command::Open { message: Some(id), token } => {
            open(control, View::Message { id }, token);
            read(control, id).await;
            // Without a stream nothing else tells the presenter.
            let _ = control.asks.send(Ask::Handled { id, over: false }).await;
        }
        Command::Settings { token } => open(control, View::Settings, token),
        Command::Pause(length) => {
            let until = match length {
                PauseFor::Minutes(minutes) => Some(desk.now() + i64::from(minutes) * 60_000),
                PauseFor::Tomorrow => Some(Moment::from(desk.now()).tomorrow_morning()),
                PauseFor::Over => None,
            };
            desk.change(|facets| facets.choices.paused_until = until);
        }
        Command::ReadAll => {
            if let Some(link) = current(control)
                && let Err(error) = link.read_all(desk).await
            {
                tracing::error!(%error, "the messages could not be marked as read");
            }
            let _ = control.asks.send(Ask::AllRead).await;
        }
        Command::Test => {
            let _ = control.asks.send(Ask::Notice(Popup::of_test(&desk.locale()))).await;
        }
        Command::Quit => control.ask_to_quit(),
    }
}

/// Does what is pressed on a popup, and records what became of showing.
async fn follow_outcomes(control: Control, mut outcomes: mpsc::Receiver<Outcome>) {
    while let Some(outcome) = outcomes.recv().await {
        match outcome {
            Outcome::Recorded { id, shown, .. } => {
                if let Some(link) = current(&control)
                    && let Err(error) = link.inbox.set_shown(vec![(id, shown)]).await
                {
                    tracing::error!(%id, %error, "what became of showing a message could not be recorded");
                }
            }
            Outcome::Open { view, token } => open(&control, view, token),
            Outcome::Read(id) => read(&control, id).await,
            Outcome::Acknowledge(id) => {
                if let Some(link) = current(&control)
                    && let Err(error) = link.acknowledge(&control.desk, id).await
                {
                    tracing::error!(%id, %error, "an acknowledgement could not be stored");
                }
            }
            Outcome::OpenUrl(url) => {
                if let Err(error) = window::open_url(&url) {
                    tracing::warn!(%error, "an address could not be opened");
                }
            }
            Outcome::Mute(topic) => control.desk.change(|facets| {
                let muted = &mut facets.choices.preferences.notifications.muted_topics;
                if !muted.contains(&topic) {
                    muted.push(topic);
                }
            }),
            Outcome::Daemon(Ok(())) => control.desk.clear(ProblemCode::NotificationsMissing),
            Outcome::Daemon(Err(why)) => {
                let sentence = why.sentence(&control.desk.locale());
                control.desk.raise(ProblemCode::NotificationsMissing, sentence);
            }
        }
    }
}

/// Ends a pause when its time has come. It sleeps until then, by the wall clock: checked again after a suspend.
async fn end_pauses(desk: Arc<Desk>) {
    /// A timer does not count the time of a suspend, so a long one is cut into pieces.
    const PIECE: Duration = Duration::from_mins(10);
    let mut wishes = desk.watch_wishes();
    loop {
        let until = wishes.borrow_and_update().paused_until;
        let left = until.map(|until| Duration::from_millis((until - desk.now()).max(0).unsigned_abs()));
        if left.is_some_and(|left| left.is_zero()) {
            desk.change(|facets| facets.choices.paused_until = None);
            continue;
        }
        let changed = match left {
            Some(left) => timeout(left.min(PIECE), wishes.changed()).await.unwrap_or(Ok(())),
            None => wishes.changed().await,
        };
        if changed.is_err() {
            return;
        }
    }
}

fn current(control: &Control) -> Option<Link> {
    control.links.borrow().clone()
}

fn open(control: &Control, view: View, token: Option<String>) {
    if let Err(error) = control.windows.open(view, token) {
        tracing::error!(%error, "the window could not be opened");
    }
}

async fn read(control: &Control, id: tocsin_protocol::MessageId) {
    if let Some(link) = current(control)
        && let Err(error) = link.read(&control.desk, id).await
    {
        tracing::debug!(%id, %error, "a message could not be marked as read");
    }
}

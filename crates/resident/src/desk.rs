//! What the resident knows and tells: status, problems, settings, the newest messages. Tray, window, command line and
//! notifications all look at this one desk.
//!
//! Every change goes through [`Desk::change`], which afterwards tells those who look, and only if something they see
//! is different. Nothing in here waits, and the lock is held for the change alone.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tocsin_locale::Locale;
use tocsin_protocol::{
    Message, MessageId, Millis,
    control::{
        Connection, Hello, Hosting, Mode, Problem, ProblemCode, ResidentEvent, Settings, Slept, Status,
    },
};
use tokio::sync::{broadcast, watch};

use crate::{
    moment::{Clock, WallClock},
    notify::Wishes,
    settings::{self, Choices, ServerChoice},
    tray::{Facts, RECENT, View, one_line},
};

/// Events kept for a window that is slow; one that misses some is sent the status again.
const EVENTS_KEPT: usize = 256;
/// Length of a title kept for the tray, characters.
const TITLE_CHARS: usize = 80;

/// What never changes.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The handshake.
    pub hello: Hello,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The log file.
    pub log_file: PathBuf,
    /// The settings file; absent where there are none (headless).
    pub settings_file: Option<PathBuf>,
    /// Language of the desktop.
    pub system_language: String,
}

/// Everything that changes.
#[derive(Debug)]
pub struct Facets {
    /// What the person chose; written to the file when it changes.
    pub choices: Choices,
    /// Where the server is, as it came about.
    pub mode: Mode,
    /// The stream to it.
    pub connection: Connection,
    /// Unread messages.
    pub unread: u64,
    /// Address of the page.
    pub page: Option<String>,
    /// Whether this computer is kept from sleeping.
    pub kept_awake: bool,
    /// When it last slept while it hosted.
    pub slept: Option<Slept>,
    /// Whether the choices are in the file.
    written: bool,
    problems: BTreeMap<ProblemCode, Problem>,
    recent: VecDeque<Recent>,
    locale: Arc<Locale>,
}

#[derive(Debug)]
struct Recent {
    id: MessageId,
    thread: MessageId,
    title: String,
}

/// The desk; shared by all parts.
pub struct Desk {
    identity: Identity,
    clock: Clock,
    facets: Mutex<Facets>,
    events: broadcast::Sender<ResidentEvent>,
    status: watch::Sender<Status>,
    view: watch::Sender<View>,
    wishes: watch::Sender<Wishes>,
    server: watch::Sender<(ServerChoice, Settings)>,
    vigil: watch::Sender<Vigil>,
}

/// Whether this computer should stay awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vigil {
    /// It hosts nothing: it may sleep.
    None,
    /// It hosts; sleeping does harm, and is told.
    Told,
    /// It hosts, and is to be kept awake.
    Kept,
}

impl Desk {
    /// A desk with what the settings file said.
    pub fn new(identity: Identity, choices: Choices, clock: Clock) -> Self {
        let locale = Arc::new(Locale::new(choices.preferences.language, &identity.system_language));
        let facets = Facets {
            choices,
            mode: Mode::Unset,
            connection: Connection::Idle,
            unread: 0,
            page: None,
            kept_awake: false,
            slept: None,
            written: identity.settings_file.is_some(),
            problems: BTreeMap::new(),
            recent: VecDeque::new(),
            locale,
        };
        Self {
            events: broadcast::Sender::new(EVENTS_KEPT),
            status: watch::Sender::new(facets.status(&identity)),
            view: watch::Sender::new(facets.view()),
            wishes: watch::Sender::new(facets.wishes()),
            server: watch::Sender::new(facets.server()),
            vigil: watch::Sender::new(facets.vigil()),
            facets: Mutex::new(facets),
            identity,
            clock,
        }
    }

    /// Changes something, and tells those who look.
    pub fn change<T>(&self, change: impl FnOnce(&mut Facets) -> T) -> T {
        let mut facets = self.facets();
        let before = facets.choices.clone();
        let result = change(&mut facets);
        if facets.choices != before {
            if facets.choices.preferences.language != before.preferences.language {
                let language = facets.choices.preferences.language;
                facets.locale = Arc::new(Locale::new(language, &self.identity.system_language));
            }
            if let Some(file) = &self.identity.settings_file {
                let written = settings::write(file, &facets.choices);
                facets.written = written.is_ok();
                if let Err(error) = written {
                    tracing::error!(%error, "the settings could not be written");
                    facets.raise(ProblemCode::StoreUnwritable, Some(error.to_string()), (self.clock)());
                }
            }
            if facets.choices.preferences != before.preferences {
                self.tell(ResidentEvent::Settings(Box::new(facets.choices.preferences.clone())));
            }
        }
        set_if_new(&self.view, facets.view());
        set_if_new(&self.server, facets.server());
        set_if_new(&self.vigil, facets.vigil());
        self.wishes.send_replace(facets.wishes());
        let status = facets.status(&self.identity);
        if set_if_new(&self.status, status.clone()) {
            self.tell(ResidentEvent::Status(Box::new(status)));
        }
        result
    }

    /// Something is wrong; since when stands from the first time.
    pub fn raise(&self, code: ProblemCode, detail: impl Into<Option<String>>) {
        let (detail, now) = (detail.into(), (self.clock)());
        self.change(|facets| facets.raise(code, detail, now));
    }

    /// It is right again.
    pub fn clear(&self, code: ProblemCode) {
        self.change(|facets| facets.problems.remove(&code));
    }

    /// The newest messages, for the tray: in place of all before.
    pub fn set_recent<'a>(&self, newest_first: impl Iterator<Item = &'a Message>) {
        self.change(|facets| facets.recent = newest_first.take(RECENT).map(Recent::of).collect());
    }

    /// One more message; a newer version stands in for the older.
    pub fn add_recent(&self, message: &Message) {
        self.change(|facets| {
            facets.recent.retain(|recent| recent.thread != message.thread);
            facets.recent.push_front(Recent::of(message));
            facets.recent.truncate(RECENT);
        });
    }

    /// Tells the window.
    pub fn tell(&self, event: ResidentEvent) {
        // Nobody listens while no window is open.
        let _ = self.events.send(event);
    }

    /// Events from now on, and how things stand now.
    pub fn listen(&self) -> (Status, broadcast::Receiver<ResidentEvent>) {
        // Under the lock, so that no change falls between the two.
        let _facets = self.facets();
        (self.status(), self.events.subscribe())
    }

    /// How many windows listen.
    pub fn listeners(&self) -> usize {
        self.events.receiver_count()
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// How things stand, as it changes.
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// What the tray shows, as it changes.
    pub fn watch_view(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// What notifications go by, as it changes.
    pub fn watch_wishes(&self) -> watch::Receiver<Wishes> {
        self.wishes.subscribe()
    }

    /// Where the server is to be, as it changes.
    pub fn watch_server(&self) -> watch::Receiver<(ServerChoice, Settings)> {
        self.server.subscribe()
    }

    /// Whether this computer should stay awake, as it changes.
    pub fn watch_vigil(&self) -> watch::Receiver<Vigil> {
        self.vigil.subscribe()
    }

    /// What the person chose.
    pub fn choices(&self) -> Choices {
        self.facets().choices.clone()
    }

    /// Whether the next start will find what is chosen now.
    pub fn is_written(&self) -> bool {
        self.facets().written
    }

    /// The person's language.
    pub fn locale(&self) -> Arc<Locale> {
        Arc::clone(&self.facets().locale)
    }

    /// What never changes.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Now.
    pub fn now(&self) -> Millis {
        (self.clock)()
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The clock, as the subscriber takes it.
    pub fn wall_clock(&self) -> Arc<dyn tocsin_subscriber::Clock> {
        Arc::new(WallClock(Arc::clone(&self.clock)))
    }

    fn facets(&self) -> MutexGuard<'_, Facets> {
        self.facets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facets {
    fn raise(&mut self, code: ProblemCode, detail: Option<String>, now: Millis) {
        let since = self.problems.get(&code).map_or(now, |problem| problem.since);
        self.problems.insert(code, Problem { code, since, detail });
    }

    fn status(&self, identity: &Identity) -> Status {
        Status {
            hello: identity.hello.clone(),
            mode: self.mode.clone(),
            connection: self.connection.clone(),
            unread: self.unread,
            paused_until: self.choices.paused_until,
            page: self.page.clone(),
            data_dir: identity.data_dir.display().to_string(),
            log_file: identity.log_file.display().to_string(),
            language: self.locale.language(),
            kept_awake: self.kept_awake,
            slept: self.slept,
            problems: self.problems.values().cloned().collect(),
        }
    }

    fn view(&self) -> View {
        let problems: Vec<Problem> = self.problems.values().cloned().collect();
        let recent: Vec<(MessageId, String)> =
            self.recent.iter().map(|recent| (recent.id, recent.title.clone())).collect();
        let facts = Facts {
            connection: &self.connection,
            unread: self.unread,
            paused_until: self.choices.paused_until,
            problems: &problems,
            recent: &recent,
        };
        View::new(&facts, &self.locale)
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            notifications: self.choices.preferences.notifications.clone(),
            paused_until: self.choices.paused_until,
            locale: Arc::clone(&self.locale),
        }
    }

    fn vigil(&self) -> Vigil {
        match (&self.mode, self.choices.preferences.hosting.stay_awake) {
            (Mode::Host { .. }, true) => Vigil::Kept,
            (Mode::Host { .. }, false) => Vigil::Told,
            _ => Vigil::None,
        }
    }

    fn server(&self) -> (ServerChoice, Settings) {
        // Only what the server goes by: another quiet hour must not restart it.
        let hosting = Hosting { stay_awake: false, ..self.choices.preferences.hosting.clone() };
        (self.choices.server.clone(), Settings { hosting, ..Settings::default() })
    }
}

impl Recent {
    fn of(message: &Message) -> Self {
        let text = if message.title.is_empty() { &message.body } else { &message.title };
        Self { id: message.id, thread: message.thread, title: one_line(text, TITLE_CHARS) }
    }
}

fn set_if_new<T: PartialEq>(sender: &watch::Sender<T>, value: T) -> bool {
    sender.send_if_modified(|old| {
        let new = *old != value;
        *old = value;
        new
    })
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::{Language, ResidentKind};

    use super::*;

    fn desk(settings_file: Option<PathBuf>) -> Desk {
        let hello = Hello { version: "1".into(), build: "1".into(), pid: 1, kind: ResidentKind::Tray };
        let identity = Identity {
            hello,
            data_dir: "/data".into(),
            log_file: "/log".into(),
            settings_file,
            system_language: "en_US".into(),
        };
        Desk::new(identity, Choices::default(), Arc::new(|| 7))
    }

    #[test]
    fn a_change_that_nobody_sees_is_not_told() {
        let desk = desk(None);
        let (_, mut events) = desk.listen();
        desk.change(|facets| facets.unread = 0);
        assert!(events.try_recv().is_err());
        desk.change(|facets| facets.unread = 2);
        assert!(matches!(events.try_recv().unwrap(), ResidentEvent::Status(status) if status.unread == 2));
        assert!(desk.watch_view().borrow().tooltip.contains("2 unread"));
    }

    #[test]
    fn problems_come_worst_first_and_keep_their_time() {
        let desk = desk(None);
        desk.raise(ProblemCode::TrayMissing, None);
        desk.raise(ProblemCode::StoreUnwritable, Some("disk full".into()));
        desk.raise(ProblemCode::StoreUnwritable, Some("still".into()));
        let problems = desk.status().problems;
        assert_eq!(
            problems.iter().map(|problem| problem.code).collect::<Vec<_>>(),
            [ProblemCode::StoreUnwritable, ProblemCode::TrayMissing]
        );
        assert_eq!((problems[0].since, problems[0].detail.as_deref()), (7, Some("still")));
        desk.clear(ProblemCode::StoreUnwritable);
        assert_eq!(desk.status().problems.len(), 1);
    }

    #[test]
    fn the_language_changes_at_once_and_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.toml");
        let desk = desk(Some(file.clone()));
        desk.change(|facets| facets.choices.preferences.language = Language::ZhCn);
        assert_eq!(desk.watch_view().borrow().words.open, "打开警钟");
        assert_eq!(settings::read(&file).0.preferences.language, Language::ZhCn);
    }
}

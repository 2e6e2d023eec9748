//! Puts messages before the person's eyes: runs the policy, speaks to the daemon, keeps what is on the screen, repeats
//! what is critical, and says what became of each.
//!
//! One task owns all of it, so nothing here is locked. It lives by what it is asked and by what the daemon reports;
//! its only timer is the next repetition of a critical message, so with nothing critical it never wakes by itself.
//! While no daemon runs, messages wait here (they count as failed until shown) and come when one does.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tocsin_locale::Locale;
use tocsin_protocol::{
    Action, Message, MessageId, Millis, Priority, Shown,
    control::{Notifications, View},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    Absence, KEY_ACKNOWLEDGE, KEY_MUTE, KEY_URL, Notifier, Popup, ShowError, Signal, Urgency,
    policy::{Arrival, Circumstances, Decision, Policy},
    screen::{Content, Screen},
};
use crate::{
    moment::{Clock, Moment},
    tray::one_line,
};

/// Messages that wait for a daemon. More are in the inbox anyway, and one summary is all that will be shown.
const WAITING_MOST: usize = 500;
/// While the daemon is down, one message in this time still tries: a bus that starts it on demand tells nobody.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// How long the first word of the daemon is waited for.
const FIRST_WAIT: Duration = Duration::from_secs(3);

/// What the presenter is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A message was stored.
    Message {
        /// The message.
        message: Box<Message>,
        /// How it came.
        arrival: Arrival,
        /// Whether it is acknowledged already.
        acknowledged: bool,
    },
    /// All that came while away is here (or the connection is gone again): show the summary.
    CaughtUp,
    /// A message was read or acknowledged, here or elsewhere.
    Handled {
        /// The message.
        id: MessageId,
        /// Whether it was acknowledged, not just read.
        acknowledged: bool,
    },
    /// All messages were read.
    AllRead,
    /// Something that is not a message.
    Notice(Popup),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What became of showing a message.
    Recorded {
        /// The message.
        id: MessageId,
        /// What became of it.
        shown: Shown,
        /// When.
        at: Millis,
    },
    /// The person wants to see something.
    Open {
        /// What.
        view: View,
        /// Lets the window come to the front on Wayland.
        token: Option<String>,
    },
    /// The person opened or dismissed a message.
    Read(MessageId),
    /// The person acknowledged a message.
    Acknowledge(MessageId),
    /// The person wants an address opened.
    OpenUrl(String),
    /// The person wants no more popups of a topic.
    Mute(String),
    /// A daemon runs, or why none does.
    Daemon(Result<(), Absence>),
}

/// What the person's settings say now.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// How popups behave.
    pub notifications: Notifications,
    /// No popups until then.
    pub paused_until: Option<Millis>,
    /// Their language.
    pub locale: Arc<Locale>,
}

/// Shows messages.
pub struct Presenter {
    notifier: Box<dyn Notifier>,
    outcomes: mpsc::Sender<Outcome>,
    wishes: watch::Receiver<Wishes>,
    clock: Clock,
    policy: Policy,
    screen: Screen,
    absence: Vec<Message>,
    waiting: VecDeque<Message>,
    down_since: Option<Instant>,
}

impl Presenter {
    /// A presenter that reports through `outcomes`.
    pub fn new(
        notifier: Box<dyn Notifier>,
        outcomes: mpsc::Sender<Outcome>,
        wishes: watch::Receiver<Wishes>,
        clock: Clock,
    ) -> Self {
        Self {
            notifier,
            outcomes,
            wishes,
            clock,
            policy: Policy::default(),
            screen: Screen::default(),
            absence: Vec::new(),
            waiting: VecDeque::new(),
            down_since: None,
        }
    }

    /// Runs until nobody asks any more.
    pub async fn run(mut self, mut asks: mpsc::Receiver<Ask>, mut signals: mpsc::Receiver<Signal>) {
        // Whether there is a daemon is known in a moment; a message before that would count as failed.
        if let Ok(Some(first)) = timeout(FIRST_WAIT, signals.recv()).await {
            self.signal(first).await;
        }
        loop {
            let now = (self.clock)();
            // A due repetition that may not be shown (pause) is put off by its period, so this never spins.
            let due = self
                .screen
                .next_repeat()
                .map(|due| Instant::now() + Duration::from_millis((due - now).max(0).unsigned_abs()));
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.ask(ask).await,
                    None => return,
                },
                Some(signal) = signals.recv() => self.signal(signal).await,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.repeat().await,
            }
        }
    }

    async fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Message { message, arrival, acknowledged } => {
                self.message(*message, arrival, acknowledged).await;
            }
            Ask::CaughtUp => self.show_absence().await,
            Ask::Handled { id, acknowledged } => {
                self.waiting.retain(|waiting| waiting.id != id);
                self.absence.retain(|absent| absent.id != id);
                if let Some(popup) = self.screen.handled(id, acknowledged) {
                    self.notifier.close(popup).await;
                }
            }
            Ask::AllRead => {
                self.waiting.retain(|message| message.priority == Priority::MAX);
                for popup in self.screen.all_read() {
                    self.notifier.close(popup).await;
                }
            }
            Ask::Notice(popup) => {
                let _ = self.put(&popup, Content::Notice, None).await;
            }
        }
    }

    async fn message(&mut self, message: Message, arrival: Arrival, acknowledged: bool) {
        let on_screen = self.screen.popup_of_thread(message.thread);
        self.screen.calm(message.thread);
        let decision = {
            let wishes = self.wishes.borrow();
            let now = (self.clock)();
            let about = circumstances(&wishes, now, on_screen.is_some(), acknowledged);
            self.policy.decide(&message, arrival, &about)
        };
        let locale = Arc::clone(&self.wishes.borrow().locale);
        match decision {
            Decision::Suppress(_) => {
                if let Some(stale) = on_screen {
                    self.screen.remove(stale);
                    self.notifier.close(stale).await;
                }
                self.record(message.id, Shown::Suppressed).await;
            }
            Decision::Away => self.absence.push(message),
            Decision::Show | Decision::Update { .. } => {
                let mut popup = Popup::of_message(&message, &locale);
                if decision == (Decision::Update { quiet: true }) {
                    popup.urgency = Urgency::Low;
                }
                let critical = message.priority == Priority::MAX && !message.resolved && !acknowledged;
                let content = Content::Message { message: Box::new(message.clone()) };
                match self.put(&popup, content, on_screen).await {
                    Ok(()) => {
                        if critical {
                            self.screen.press(message.clone(), (self.clock)());
                        }
                        self.record(message.id, Shown::Shown).await;
                    }
                    Err(error) => self.fail(message, &error).await,
                }
            }
            Decision::Summary(summary) => {
                let popup = Popup::of_summary(&summary, &locale);
                self.put_summary(&popup, Content::Summary, message).await;
            }
            Decision::Storm { count } => {
                let popup = Popup::of_storm(count, &locale);
                self.put_summary(&popup, Content::Storm, message).await;
            }
        }
    }

    async fn put_summary(&mut self, popup: &Popup, content: Content, message: Message) {
        let replaces = self.screen.popup_with(&content);
        match self.put(popup, content, replaces).await {
            Ok(()) => self.record(message.id, Shown::Suppressed).await,
            Err(error) => self.fail(message, &error).await,
        }
    }

    /// One summary of what came while away; a single message is shown as itself.
    async fn show_absence(&mut self) {
        let absent = std::mem::take(&mut self.absence);
        let locale = Arc::clone(&self.wishes.borrow().locale);
        let Some(newest) = absent.last() else { return };
        let (popup, content, became) = if absent.len() == 1 {
            (
                Popup::of_message(newest, &locale),
                Content::Message { message: Box::new(newest.clone()) },
                Shown::Shown,
            )
        } else {
            let title = one_line(if newest.title.is_empty() { &newest.body } else { &newest.title }, 80);
            (Popup::of_absence(absent.len() as u64, &title, &locale), Content::Absence, Shown::Suppressed)
        };
        let replaces = self.screen.popup_with(&content);
        match self.put(&popup, content, replaces).await {
            Ok(()) => {
                for message in absent {
                    self.record(message.id, became).await;
                }
            }
            Err(error) => {
                for message in absent {
                    self.fail(message, &error).await;
                }
            }
        }
    }

    /// Shows critical messages again that nobody acknowledged.
    async fn repeat(&mut self) {
        let now = (self.clock)();
        for message in self.screen.due(now) {
            let (allowed, popup) = {
                let wishes = self.wishes.borrow();
                let about = circumstances(&wishes, now, false, false);
                (self.policy.repeat(&message, &about), Popup::of_message(&message, &wishes.locale))
            };
            if !allowed {
                continue;
            }
            // Daemons update in place without a sound: the old one goes, so that a new one comes up.
            if let Some(old) = self.screen.popup_of_thread(message.thread) {
                self.screen.remove(old);
                self.notifier.close(old).await;
            }
            let content = Content::Message { message: Box::new(message) };
            if let Err(error) = self.put(&popup, content, None).await {
                tracing::debug!(%error, "a critical message could not be repeated");
            }
        }
    }

    async fn put(&mut self, popup: &Popup, content: Content, replaces: Option<u32>) -> Result<(), ShowError> {
        if let Some(since) = self.down_since
            && since.elapsed() < TRY_AGAIN
        {
            return Err(ShowError::NoDaemon(Absence::NotRunning));
        }
        match self.notifier.show(popup, replaces).await {
            Ok(id) => {
                if let Some(old) = replaces {
                    self.screen.remove(old);
                }
                self.screen.insert(id, content);
                if self.down_since.take().is_some() {
                    self.tell(Outcome::Daemon(Ok(()))).await;
                }
                Ok(())
            }
            Err(error) => {
                if let ShowError::NoDaemon(why) = &error {
                    self.down_since = Some(Instant::now());
                    self.tell(Outcome::Daemon(Err(why.clone()))).await;
                }
                Err(error)
            }
        }
    }

    /// It waits for a daemon if there is none; one that was refused is not tried again.
    async fn fail(&mut self, message: Message, error: &ShowError) {
        self.record(message.id, Shown::Failed).await;
        if matches!(error, ShowError::NoDaemon(_)) {
            if self.waiting.len() == WAITING_MOST {
                self.waiting.pop_front();
            }
            self.waiting.push_back(message);
        } else {
            tracing::warn!(id = %message.id, %error, "a message could not be shown");
        }
    }

    async fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Up => {
                self.down_since = None;
                self.screen.clear();
                self.tell(Outcome::Daemon(Ok(()))).await;
                let waiting = std::mem::take(&mut self.waiting);
                let arrival = if waiting.len() > 1 { Arrival::Away } else { Arrival::Live };
                for message in waiting {
                    self.message(message, arrival, false).await;
                }
                self.show_absence().await;
            }
            Signal::Down(why) => {
                self.down_since = Some(Instant::now());
                self.screen.clear();
                self.tell(Outcome::Daemon(Err(why))).await;
            }
            Signal::Closed { id, dismissed } => {
                if let Some(Content::Message { message }) = self.screen.remove(id)
                    && dismissed
                {
                    self.tell(Outcome::Read(message.id)).await;
                }
            }
            Signal::Action { id, key, token } => self.action(id, &key, token).await,
        }
    }

    async fn action(&mut self, id: u32, key: &str, token: Option<String>) {
        let message = match self.screen.get(id) {
            Some(Content::Message { message }) => message.clone(),
            // Also a popup of a daemon that restarted: whoever presses it wants the window.
            _ => return self.tell(Outcome::Open { view: View::Inbox, token }).await,
        };
        match key {
            KEY_ACKNOWLEDGE => {
                self.screen.handled(message.id, true);
                self.tell(Outcome::Acknowledge(message.id)).await;
                self.notifier.close(id).await;
            }
            KEY_MUTE => {
                self.screen.remove(id);
                self.notifier.close(id).await;
                if let Some(topic) = message.topic {
                    self.tell(Outcome::Mute(topic)).await;
                }
            }
            _ if key.starts_with(KEY_URL) => {
                let index = key[KEY_URL.len()..].parse().unwrap_or(usize::MAX);
                if let Some(Action::OpenUrl { url, .. }) = message.actions.get(index) {
                    self.tell(Outcome::OpenUrl(url.clone())).await;
                    self.tell(Outcome::Read(message.id)).await;
                }
            }
            _ => {
                self.tell(Outcome::Read(message.id)).await;
                self.tell(Outcome::Open { view: View::Message { id: message.id }, token }).await;
            }
        }
    }

    async fn record(&self, id: MessageId, shown: Shown) {
        self.tell(Outcome::Recorded { id, shown, at: (self.clock)() }).await;
    }

    async fn tell(&self, outcome: Outcome) {
        // Nobody reads any more when the resident drains.
        let _ = self.outcomes.send(outcome).await;
    }
}

fn circumstances(wishes: &Wishes, now: Millis, on_screen: bool, acknowledged: bool) -> Circumstances<'_> {
    Circumstances {
        settings: &wishes.notifications,
        paused_until: wishes.paused_until,
        now,
        minute_of_day: Moment::from(now).minute_of_day(),
        on_screen,
        acknowledged,
    }
}

#[cfg(test)]
mod tests;

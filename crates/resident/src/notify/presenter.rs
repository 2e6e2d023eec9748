//! Puts messages before the person's eyes: runs the policy, speaks to the daemon, keeps what is on the screen, repeats
//! what is critical, and says what became of each.
//!
//! One task owns all of it, so nothing here is locked. It lives by what it is asked and by what the daemon reports;
//! its only timer is the next repetition of a critical message, so with nothing critical it never wakes by itself.
//! While no daemon runs, messages wait here (they count as failed until shown) and come when one does.

mod signals;

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use tocsin_locale::Locale;
use tocsin_protocol::{
    Message, MessageId, Millis, Priority, Shown,
    control::{Notifications, View},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    Absence, Notifier, Popup, ShowError, Signal, Urgency,
    memory::{Kept, Memory},
    policy::{Arrival, Circumstances, Decision, Policy, Why},
    screen::{Content, Kind, Screen},
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
    /// A message is to be shown again, whether or not it was read.
    Remind {
        /// The message.
        message: Box<Message>,
        /// How the reminder came.
        arrival: Arrival,
    },
    /// All that came while away is here (or the connection is gone again): show the summary.
    CaughtUp,
    /// A message was read, acknowledged or settled, here or elsewhere.
    Handled {
        /// The message.
        id: MessageId,
        /// Whether nobody is expected to do anything more: it was acknowledged or settled, not just read.
        over: bool,
    },
    /// All messages were read.
    AllRead,
    /// Something that is not a message.
    Notice(Popup),
    /// Which critical messages are on the screen or press on: some may be dealt with, which was not heard of here.
    Pressing {
        /// Takes the answer.
        to: mpsc::Sender<Vec<MessageId>>,
    },
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
    memory: Option<Memory>,
    /// Of the start before; until a daemon is there.
    left: Option<Kept>,
    owner: Option<String>,
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
            memory: None,
            left: None,
            owner: None,
        }
    }

    /// The same, and what is critical on the screen is noted in this file: a start after a kill takes it over.
    pub fn remembering(self, file: PathBuf) -> Self {
        let (memory, left) = Memory::open(file);
        Self { memory: Some(memory), left: Some(left), ..self }
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
            self.note();
        }
    }

    async fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Message { message, arrival, acknowledged } => {
                self.message(*message, arrival, acknowledged).await;
            }
            Ask::Remind { message, arrival } => self.remind(*message, arrival).await,
            Ask::CaughtUp => self.show_absence().await,
            Ask::Handled { id, over } => {
                self.forget(id);
                self.handled(id, over).await;
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
            Ask::Pressing { to } => {
                let critical = self.screen.critical().into_iter().map(|critical| critical.message.id);
                let _ = to.try_send(critical.collect());
            }
        }
    }

    /// Notes what is critical for the next start. What the start before left stays until it is taken over.
    fn note(&mut self) {
        if self.left.is_none()
            && let Some(memory) = &mut self.memory
        {
            memory.keep(Kept { owner: self.owner.clone(), messages: self.screen.critical() });
        }
    }

    async fn message(&mut self, message: Message, arrival: Arrival, acknowledged: bool) {
        let on_screen = self.screen.popup_of_thread(message.thread);
        self.screen.calm(message.thread);
        match self.decide(&message, arrival, on_screen.is_some(), acknowledged) {
            decision @ (Decision::Show | Decision::Update { .. }) => {
                let mut popup = Popup::of_message(&message, &self.locale());
                if decision == (Decision::Update { quiet: true }) {
                    popup.urgency = Urgency::Low;
                }
                let critical = presses(&message) && !acknowledged;
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
            decision => self.without_popup(decision, message).await,
        }
    }

    /// Shows a message anew, as if it had just come; what is on the screen of it goes.
    async fn remind(&mut self, message: Message, arrival: Arrival) {
        // In the summary or while no daemon runs it counts once.
        self.forget(message.id);
        match self.decide(&message, arrival, false, false) {
            Decision::Show | Decision::Update { .. } => {
                let popup = Popup::of_reminder(&message, &self.locale());
                match self.put_anew(&popup, message.clone()).await {
                    Ok(()) => {
                        self.record(message.id, Shown::Shown).await;
                        if presses(&message) {
                            self.screen.reminded(message, (self.clock)());
                        }
                    }
                    Err(error) => self.fail(message, &error).await,
                }
            }
            decision => self.without_popup(decision, message).await,
        }
    }

    fn decide(
        &mut self,
        message: &Message,
        arrival: Arrival,
        on_screen: bool,
        acknowledged: bool,
    ) -> Decision {
        let wishes = self.wishes.borrow();
        let about = circumstances(&wishes, (self.clock)(), on_screen, acknowledged);
        self.policy.decide(message, arrival, &about)
    }

    /// A message that gets no popup of its own.
    async fn without_popup(&mut self, decision: Decision, message: Message) {
        let locale = self.locale();
        match decision {
            Decision::Summary(summary) => {
                let popup = Popup::of_summary(&summary, &locale);
                self.put_summary(&popup, Kind::Burst, summary.count, message).await;
            }
            Decision::Storm { count } => {
                let popup = Popup::of_storm(count, &locale);
                self.put_summary(&popup, Kind::Storm, count, message).await;
            }
            Decision::Away => self.absence.push(message),
            Decision::Suppress(why) => {
                // What is on the screen of the thread says what is no longer so. While nothing may come up, a message that
                // is only to be shown again stays as it is.
                let stays = matches!(why, Why::Priority | Why::Paused | Why::QuietHours);
                if let Some(stale) = self.screen.popup_of_thread(message.thread).filter(|_| !stays) {
                    self.screen.remove(stale);
                    self.notifier.close(stale).await;
                }
                self.record(message.id, Shown::Suppressed).await;
            }
            Decision::Show | Decision::Update { .. } => self.record(message.id, Shown::Suppressed).await,
        }
    }

    async fn put_summary(&mut self, popup: &Popup, kind: Kind, count: u64, message: Message) {
        let standing = self.screen.summary(kind);
        let replaces = standing.as_ref().map(|(popup, _)| *popup);
        // A summary that begins anew speaks of nothing that came before.
        let mut messages = standing.filter(|_| count > 1).map(|(_, messages)| messages).unwrap_or_default();
        messages.push(message.id);
        match self.put(popup, Content::Many { kind, messages }, replaces).await {
            Ok(()) => self.record(message.id, Shown::Suppressed).await,
            Err(error) => self.fail(message, &error).await,
        }
    }

    /// One summary of what came while away; a single message is shown as itself.
    async fn show_absence(&mut self) {
        let absent = std::mem::take(&mut self.absence);
        let locale = self.locale();
        let Some(newest) = absent.last() else { return };
        let (put, became) = if absent.len() == 1 {
            (self.put_anew(&Popup::of_message(newest, &locale), newest.clone()).await, Shown::Shown)
        } else {
            let title = one_line(if newest.title.is_empty() { &newest.body } else { &newest.title }, 80);
            let popup = Popup::of_absence(absent.len() as u64, &title, &locale);
            let messages = absent.iter().map(|message| message.id).collect();
            let replaces = self.screen.summary(Kind::Absence).map(|(popup, _)| popup);
            let content = Content::Many { kind: Kind::Absence, messages };
            (self.put(&popup, content, replaces).await, Shown::Suppressed)
        };
        match put {
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
            if message.expires_at.is_some_and(|at| at <= now) {
                self.handled(message.id, true).await;
                continue;
            }
            let (allowed, popup) = {
                let wishes = self.wishes.borrow();
                let about = circumstances(&wishes, now, false, false);
                (self.policy.repeat(&message, &about), Popup::of_message(&message, &wishes.locale))
            };
            if !allowed {
                continue;
            }
            if let Err(error) = self.put_anew(&popup, message).await {
                tracing::debug!(%error, "a critical message could not be repeated");
            }
        }
    }

    /// Daemons update in place without a sound: an old popup of the thread goes, so that a new one comes up.
    async fn put_anew(&mut self, popup: &Popup, message: Message) -> Result<(), ShowError> {
        if let Some(old) = self.screen.popup_of_thread(message.thread) {
            self.screen.remove(old);
            self.notifier.close(old).await;
        }
        self.put(popup, Content::Message { message: Box::new(message) }, None).await
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

    /// It waits for nothing any more.
    fn forget(&mut self, id: MessageId) {
        self.waiting.retain(|waiting| waiting.id != id);
        self.absence.retain(|absent| absent.id != id);
    }

    async fn handled(&mut self, id: MessageId, over: bool) {
        for popup in self.screen.handled(id, over) {
            self.notifier.close(popup).await;
        }
    }

    fn locale(&self) -> Arc<Locale> {
        Arc::clone(&self.wishes.borrow().locale)
    }

    async fn record(&self, id: MessageId, shown: Shown) {
        self.tell(Outcome::Recorded { id, shown, at: (self.clock)() }).await;
    }

    async fn tell(&self, outcome: Outcome) {
        // Nobody reads any more when the resident drains.
        let _ = self.outcomes.send(outcome).await;
    }
}

/// Whether it is repeated until somebody acknowledges it.
fn presses(message: &Message) -> bool {
    message.priority == Priority::MAX && !message.resolved
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

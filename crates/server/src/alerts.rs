//! What the server itself has to tell its administrators: as a message of the reserved topic [`ALERTS_TOPIC`], so that it
//! reaches them like everything else, and a receipt says whether it did.
//!
//! - The audience is whoever is an administrator when it is raised; nobody else can publish there, because the name is none
//!   that a request may give.
//! - One alert per cause in ten minutes: a fault that repeats must not bury the rest. What is held back is the caller's to
//!   keep and to tell with the next.
//! - What goes wrong with alerts themselves raises none, or they would feed each other.
//! - The words are of the server's language: it makes one text for readers of several.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tocsin_locale::Locale;
use tocsin_protocol::{Format, Millis, NewTopic, Priority, Role, limits::ALERTS_TOPIC};
use tocsin_store::{Authority, Clock, Error, NewMessage, Result, Sender, Store, TokenId};

/// One alert per cause in this time.
pub const PAUSE_MS: Millis = 10 * 60_000;
/// People named in one alert: what a popup's body can be read for.
const NAMED_MOST: usize = 50;
/// No token has this id.
const NO_TOKEN: TokenId = TokenId(0);
/// Shown as the sender.
const SENDER: &str = "Tocsin";
/// The cause of alerts about what was pruned unreceived.
const LOST: &str = "lost_to_retention";

/// What the server itself has to tell its administrators.
pub struct Alerts {
    store: Arc<dyn Store>,
    clock: Clock,
    locale: Arc<Locale>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// When each cause was told last.
    told: HashMap<String, Millis>,
    /// How many messages each person lost that nobody was told of yet.
    lost: BTreeMap<String, u64>,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Names the cause: one alert of it in ten minutes.
    pub cause: String,
    /// Title, in the server's language.
    pub title: String,
    /// Markdown.
    pub body: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It is stored, for so many administrators.
    Told(u64),
    /// The same cause was told less than ten minutes ago.
    HeldBack,
}

impl Alerts {
    /// Nothing told yet.
    pub fn new(store: Arc<dyn Store>, clock: Clock, locale: Arc<Locale>) -> Self {
        Self { store, clock, locale, memory: Mutex::default() }
    }

    /// The language that alerts are written in.
    pub fn locale(&self) -> &Locale {
        &self.locale
    }

    /// Tells the administrators, unless the cause was told just now. After an error it may be raised again at once.
    pub async fn raise(&self, alert: Alert) -> Result<Raised> {
        let now = (self.clock)();
        // Taken before the store is asked, so that two at once do not both tell.
        let before = {
            let mut memory = self.memory();
            memory.told.retain(|_, at| (0..PAUSE_MS).contains(&(now - *at)));
            if memory.told.contains_key(&alert.cause) {
                return Ok(Raised::HeldBack);
            }
            memory.told.insert(alert.cause.clone(), now)
        };
        debug_assert!(before.is_none(), "it was looked for");
        let cause = alert.cause.clone();
        let told = self.tell(alert).await;
        if told.is_err() {
            self.memory().told.remove(&cause);
        }
        told.map(Raised::Told)
    }

    /// Messages were pruned before these people (by name) received them, so many each. What can not be told now is kept
    /// and told with the next.
    pub async fn lost(&self, missed: BTreeMap<String, u64>) -> Result<()> {
        let all = {
            let mut memory = self.memory();
            for (person, count) in missed {
                *memory.lost.entry(person).or_default() += count;
            }
            memory.lost.clone()
        };
        if all.is_empty() {
            return Ok(());
        }
        if self.raise(self.about_lost(&all)).await? == Raised::HeldBack {
            return Ok(());
        }
        let mut memory = self.memory();
        for (person, count) in all {
            // What was lost meanwhile stays to be told.
            if let Some(left) = memory.lost.get_mut(&person) {
                *left -= count;
            }
        }
        memory.lost.retain(|_, left| *left > 0);
        Ok(())
    }

    fn about_lost(&self, missed: &BTreeMap<String, u64>) -> Alert {
        let mut people = String::new();
        for (person, count) in missed.iter().take(NAMED_MOST) {
            _ = writeln!(people, "- `{person}`: {count}");
        }
        if let Some(more) = missed.len().checked_sub(NAMED_MOST).filter(|more| *more > 0) {
            people.push_str(&self.locale.t("alert.more", &[("count", &more.to_string())]));
        }
        let count: u64 = missed.values().sum();
        Alert {
            cause: LOST.into(),
            title: self.locale.t("alert.lostTitle", &[("count", &count.to_string())]),
            body: self.locale.t("alert.lostBody", &[("people", people.trim_end())]),
        }
    }

    async fn tell(&self, alert: Alert) -> Result<u64> {
        self.gather().await?;
        let message = NewMessage {
            sender: Sender { token: NO_TOKEN, user: None, name: SENDER.into(), authority: Authority::All },
            topic: Some(ALERTS_TOPIC.into()),
            to: Vec::new(),
            title: alert.title,
            body: alert.body,
            format: Format::Markdown,
            priority: Priority::HIGH,
            tags: vec![alert.cause],
            click: None,
            actions: Vec::new(),
            key: None,
            replaces: None,
            resolved: false,
            expires_in_ms: None,
            idempotency: None,
            twins: false,
            policy: None,
            report: None,
        };
        Ok(self.store.publish(message).await?.published.audience)
    }

    /// Makes the administrators, and nobody else, members of the topic, which is made when it is first needed.
    async fn gather(&self) -> Result<()> {
        let users = self.store.users().await?.into_iter();
        let admins: BTreeSet<_> =
            users.filter(|user| user.role == Role::Admin).map(|user| user.name).collect();
        match self.store.members(ALERTS_TOPIC).await {
            Ok(members) => {
                let members: BTreeSet<_> = members.into_iter().map(|user| user.name).collect();
                for name in admins.difference(&members) {
                    self.store.join_topic(ALERTS_TOPIC, name).await?;
                }
                for name in members.difference(&admins) {
                    self.store.leave_topic(ALERTS_TOPIC, name).await?;
                }
                Ok(())
            }
            Err(Error::UnknownTopic(_)) => {
                let topic = NewTopic {
                    name: ALERTS_TOPIC.into(),
                    description: Some(self.locale.t("alert.topic", &[])),
                    retention_days: None,
                    members: admins.into_iter().collect(),
                };
                match self.store.add_topic(topic).await {
                    // An alert that is raised inside the store was first: it gathered them.
                    Ok(_) | Err(Error::Conflict(_)) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Alerts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alerts").finish_non_exhaustive()
    }
}

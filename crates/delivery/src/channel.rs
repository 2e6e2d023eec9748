//! The seam for platforms.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use tocsin_protocol::{Millis, delivery::ChannelKind};
use tocsin_store::outbox::{Item, Limits};
use tokio::sync::watch;

/// One credential at a platform, ready to send.
///
/// `render` and `render_digest` are asked once per message; what they give is stored and then sent byte for byte, however
/// often. `send` refreshes its tokens and repeats once for them by itself; everything else that is tried again is the
/// courier's to decide. It must not log or return the credential.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// What stands behind it.
    fn kind(&self) -> ChannelKind;

    /// What the platform allows.
    fn limits(&self) -> Limits;

    /// What is sent for this message.
    fn render(&self, item: &Item) -> Result<String, Unfit>;

    /// What is sent for as many of these as fit, from the first on; at least one. Only asked where
    /// [`Limits::digest_over`] is set.
    fn render_digest(&self, items: &[Item]) -> Result<Rendered, Unfit> {
        let first = items.first().ok_or_else(|| Unfit("there is nothing to sum up".into()))?;
        Ok(Rendered { body: self.render(first)?, taken: 1 })
    }

    /// What had to be left out of what was rendered: said beside each try that is accepted.
    fn left_out(&self, _body: &str) -> Option<String> {
        None
    }

    /// Sends it.
    async fn send(&self, parcel: Parcel<'_>) -> Outcome;
}

/// This message can not be sent over this channel, and never will.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// A digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// What is sent.
    pub body: String,
    /// How many messages are in it.
    pub taken: usize,
}

/// One thing to send.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    /// Openid or userid; empty: the group.
    pub address: &'a str,
    /// For the platform to recognise a repetition: at most 32 characters `[0-9A-Za-z_-]`.
    pub key: &'a str,
    /// As rendered.
    pub body: &'a str,
}

/// What came of sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The platform took it, though perhaps not for everybody.
    Accepted {
        /// The platform's name for it.
        msgid: Option<String>,
        /// Recipients it did not take, and why.
        refused: Vec<(String, Refusal)>,
    },
    /// The platform refused it.
    Refused(Refusal),
    /// It was handed over, and no answer came.
    Unknown(String),
    /// It was handed over, and what came back is no answer of the platform.
    Unreadable(String),
    /// Not a byte of it left: no connection.
    NotSent(String),
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What to do about it.
    pub class: Class,
    /// The platform's code.
    pub code: String,
    /// The platform's words, or a sentence with the remedy.
    pub message: String,
    /// How long to leave the whole channel alone.
    pub retry_after_ms: Option<Millis>,
    /// The address is none any more.
    pub broken: bool,
    /// The address stands, but this channel does not reach the person at present.
    pub flagged: bool,
    /// This code is known to come for no reason: worth one more try.
    pub once_more: bool,
}

/// What to do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The token is refused even after it was refreshed.
    Token,
    /// Later.
    Busy,
    /// The other side broke down at it: later, for as long as it is tried at all.
    Trouble,
    /// Never, for this message or recipient.
    Permanent,
    /// Not before a human has changed something.
    Config,
    /// The platform has it already.
    Duplicate,
    /// We asked for something wrong.
    Bug,
}

/// The channels that can send now. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Channels {
    known: Arc<RwLock<BTreeMap<String, Arc<dyn Channel>>>>,
    changed: watch::Sender<u64>,
}

impl Default for Channels {
    fn default() -> Self {
        Self { known: Arc::default(), changed: watch::Sender::new(0) }
    }
}

impl Channels {
    /// Sends over this channel from now on, under the name that it has in the store.
    pub fn attach(&self, name: &str, channel: Arc<dyn Channel>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), channel);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Sends no more over it: what waits goes on waiting. For a credential that is locked away, replaced or removed.
    pub fn detach(&self, name: &str) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The channel of this name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Channel>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// What each allows.
    pub(crate) fn limits(&self) -> Vec<(String, Limits)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(name, channel)| (name.clone(), channel.limits())).collect()
    }

    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

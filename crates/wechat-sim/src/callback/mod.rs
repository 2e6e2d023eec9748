//! Callbacks: what the platforms tell an application by calling it.
//!
//! An event becomes a [`Push`], waits for its time in the world, is sealed for its target (signature, encryption, XML or
//! JSON) and sent with the platforms' patience: five seconds, three tries. Everything that went out is kept as it was,
//! so that it can be sent again byte for byte.

pub(crate) mod event;
pub mod history;
pub(crate) mod reply;
pub(crate) mod seal;
pub(crate) mod send;
pub mod target;

use serde::Deserialize;

use self::event::Event;

/// Whose callback it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// An official account, by appid.
    Oa(String),
    /// A WeCom app: corpid, agentid.
    App(String, i64),
}

/// One event on its way.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) whose: Whose,
    pub(crate) event: Event,
    pub(crate) bend: Bend,
}

/// What is wrong about it on purpose.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bend {
    /// The signature is of something else.
    pub(crate) forged: bool,
    /// Encrypted with the key that was valid before the last change.
    pub(crate) old_key: bool,
    /// Addressed to somebody else.
    pub(crate) receive_id: Option<String>,
    /// Its timestamp is so many seconds old.
    pub(crate) age_s: i64,
    /// Sent so often; 0: as the switch `callback_copies` says.
    pub(crate) copies: u32,
}

impl Push {
    pub(crate) fn oa(appid: &str, event: Event) -> Self {
        Self { whose: Whose::Oa(appid.into()), event, bend: Bend::default() }
    }

    pub(crate) fn app(corpid: &str, agentid: i64, event: Event) -> Self {
        Self { whose: Whose::App(corpid.into(), agentid), event, bend: Bend::default() }
    }
}

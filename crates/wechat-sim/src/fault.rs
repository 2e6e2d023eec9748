//! Faults that are put in on purpose: what, for which calls, how often.
//!
//! A fault is tried in the order it was put in; the first that fits a call is used up by one. `stage` tells whether
//! the platform did its work before it failed: `after` means that the message is on the phone although the client sees
//! an error, the one case that tells a client with idempotency keys from one without.

use serde::{Deserialize, Serialize};

use crate::{answer::Host, call::Call, random::Random};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Answers `code` (and `errmsg`).
    Errcode,
    /// Answers the HTTP `status` with an HTML page.
    Http,
    /// Never answers.
    Timeout,
    /// Resets the connection instead of answering.
    Reset,
    /// Sends half the answer, then closes.
    HalfBody,
    /// Sends the answer a byte at a time, one each `delay_ms`.
    Drip,
    /// Waits `delay_ms`, then goes on.
    Slow,
    /// The JSON is cut short.
    Malformed,
    /// `errcode` is a string.
    ErrcodeString,
    /// `errcode` and `errmsg` are missing.
    NoErrcode,
    /// Raw control characters inside a string.
    ControlChars,
    /// `bytes` of padding.
    HugeBody,
    /// No body at all.
    EmptyBody,
    /// The token of this call ends before the call is looked at.
    TokenExpire,
    /// Another client refreshes before the call is looked at: this call's token is not the latest any more.
    TokenStolen,
    /// `stable_token` gives the same token even within its last five minutes.
    SameToken,
    /// This recipient comes back in `invaliduser`.
    InvalidUser,
    /// This recipient comes back in `unlicenseduser`.
    UnlicensedUser,
}

/// Before or after the platform's own work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The message was not taken.
    Before,
    /// The message was taken.
    After,
}

/// A fault and the calls it hits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub fault: Kind,
    /// Only on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// Only for paths that end so, such as `message/send`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only for calls that name this openid, userid or robot key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// So many times; without it, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Each call with this probability (seeded).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Until this time of the simulator, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
    /// Before or after the platform's work; each kind has the sensible default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Of `errcode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Of `errcode`; without it the platform's usual words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errmsg: Option<String>,
    /// Of `http`; 502 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Real milliseconds of `slow` (30 s without it) and `drip` (200 ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Of `huge-body`; 16 MiB without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
}

impl Fault {
    /// A fault of every call.
    pub fn new(fault: Kind) -> Self {
        Self {
            fault,
            host: None,
            path: None,
            recipient: None,
            times: None,
            probability: None,
            until_ms: None,
            stage: None,
            code: None,
            errmsg: None,
            status: None,
            delay_ms: None,
            bytes: None,
        }
    }

    /// Answers this code.
    pub fn errcode(code: i64) -> Self {
        Self { code: Some(code), ..Self::new(Kind::Errcode) }
    }

    /// Answers this HTTP status.
    pub fn http(status: u16) -> Self {
        Self { status: Some(status), ..Self::new(Kind::Http) }
    }

    /// Only paths that end so.
    #[must_use]
    pub fn on(mut self, path: &str) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Only calls that name this recipient.
    #[must_use]
    pub fn to(mut self, recipient: &str) -> Self {
        self.recipient = Some(recipient.into());
        self
    }

    /// So many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Until a time of the simulator.
    #[must_use]
    pub fn until_ms(mut self, at: i64) -> Self {
        self.until_ms = Some(at);
        self
    }

    /// Before the platform's work: the message is not taken.
    #[must_use]
    pub fn before(mut self) -> Self {
        self.stage = Some(Stage::Before);
        self
    }

    /// After the platform's work: the message is taken.
    #[must_use]
    pub fn after(mut self) -> Self {
        self.stage = Some(Stage::After);
        self
    }

    /// Real milliseconds.
    #[must_use]
    pub fn delay_ms(mut self, delay: u64) -> Self {
        self.delay_ms = Some(delay);
        self
    }

    /// When it strikes.
    pub(crate) fn strikes(&self) -> Stage {
        self.stage.unwrap_or(match self.fault {
            Kind::Errcode | Kind::Http | Kind::Slow => Stage::Before,
            _ => Stage::After,
        })
    }

    /// Whether it changes what the platform holds, rather than how it answers.
    fn bends_state(&self) -> bool {
        matches!(
            self.fault,
            Kind::TokenExpire
                | Kind::TokenStolen
                | Kind::SameToken
                | Kind::InvalidUser
                | Kind::UnlicensedUser
        )
    }

    fn fits(&self, call: &Call, recipients: &[String]) -> bool {
        self.host.is_none_or(|host| host == call.host)
            && self.path.as_ref().is_none_or(|path| call.path.ends_with(path.as_str()))
            && self.until_ms.is_none_or(|until| call.now < until)
            && self
                .recipient
                .as_ref()
                .is_none_or(|wanted| recipients.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
    }
}

/// The faults that are in.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

/// The faults that hit one call: any number that bend what the platform holds, at most one that bends the answer.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    pub(crate) state: Vec<Fault>,
    pub(crate) answer: Option<Fault>,
}

impl Hits {
    pub(crate) fn names(&self) -> Vec<Kind> {
        self.state.iter().chain(&self.answer).map(|fault| fault.fault).collect()
    }
}

impl Faults {
    pub(crate) fn put(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.0
    }

    /// Uses up what hits this call.
    pub(crate) fn take(&mut self, call: &Call, random: &mut Random) -> Hits {
        let recipients = call.recipients();
        let mut hits = Hits::default();
        for fault in &mut self.0 {
            if !fault.fits(call, &recipients) || (!fault.bends_state() && hits.answer.is_some()) {
                continue;
            }
            if fault.probability.is_some_and(|probability| !random.chance(probability)) {
                continue;
            }
            match &mut fault.times {
                Some(0) => continue,
                Some(left) => *left -= 1,
                None => {}
            }
            if fault.bends_state() {
                hits.state.push(fault.clone());
            } else {
                hits.answer = Some(fault.clone());
            }
        }
        self.0.retain(|fault| fault.times != Some(0));
        hits
    }
}

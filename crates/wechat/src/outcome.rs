//! What became of a call.
//!
//! Four ends, kept apart because each is followed by something else: accepted (done, or waiting for its confirmation),
//! refused (the platform said no), unknown (it may have happened: only an idempotency key makes another try safe), not
//! sent (it has not happened: another try is safe).

use serde::{Deserialize, Serialize};

use crate::errcode::{Binding, Call, Class, Pause, Platform, Remedy, Verdict};

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The platform took it.
    Accepted(Accepted),
    /// The platform refused it.
    Refused(Refused),
    /// It may have been taken.
    Unknown(Unknown),
    /// It has not left, or nothing took it.
    NotSent(NotSent),
}

/// Why a call that asks for something has no answer to return.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The platform refused it.
    #[error("{0}")]
    Refused(Refused),
    /// It may have happened.
    #[error("{0}")]
    Unknown(Unknown),
    /// It has not happened.
    #[error("{0}")]
    NotSent(NotSent),
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refused) => Self::Refused(refused),
            Failure::Unknown(unknown) => Self::Unknown(unknown),
            Failure::NotSent(not_sent) => Self::NotSent(not_sent),
        }
    }
}

/// The platform took a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Its id, as text: it exceeds 2^53. Robots and customer-service messages have none.
    pub msgid: Option<String>,
    /// What a card's update needs, once, within 72 hours.
    pub response_code: Option<String>,
    /// Who does not get it although it was taken. Never send to the others again.
    pub failed: Vec<FailedRecipient>,
}

/// Somebody who does not get a message that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRecipient {
    /// What kind of recipient.
    pub kind: RecipientKind,
    /// Its id **in lower case**, as WeCom returns it: compare without case.
    pub id: String,
    /// Why.
    pub reason: RecipientFault,
}

impl FailedRecipient {
    /// What a person can do.
    pub fn remedy(&self) -> Remedy {
        match self.reason {
            RecipientFault::Invalid => Remedy::WidenVisibility,
            RecipientFault::Unlicensed => Remedy::AssignLicence,
        }
    }

    /// What it says about the binding. Flagged only: invisible and unknown cannot be told apart.
    pub fn binding(&self) -> Binding {
        Binding::Flagged
    }
}

/// Kinds of recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientKind {
    /// A member.
    User,
    /// A department.
    Department,
    /// A tag.
    Tag,
}

/// Why a recipient gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientFault {
    /// Unknown, or outside the app's visible range.
    Invalid,
    /// Without an interface licence.
    Unlicensed,
}

/// The platform said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("errcode {errcode} ({class:?}): {errmsg}")]
pub struct Refused {
    /// Which platform.
    pub platform: Platform,
    /// Which kind of call: a token call refused means that the message was not sent.
    pub call: Call,
    /// Its code.
    pub errcode: i64,
    /// Its text, cut, without secrets.
    pub errmsg: String,
    /// For a support ticket.
    pub trace: Option<String>,
    /// What to do.
    pub class: Class,
    /// How long to pause.
    pub pause: Option<Pause>,
    /// What a person can do.
    pub remedy: Remedy,
    /// What it says about the recipient.
    pub binding: Binding,
    /// Worth one more try after the pause although it is not busy.
    pub one_more_try: bool,
}

impl Refused {
    pub(crate) fn of(platform: Platform, call: Call, errcode: i64, errmsg: String, verdict: Verdict) -> Self {
        let trace = crate::errcode::Details::of(&errmsg).trace;
        let Verdict { class, pause, remedy, binding, one_more_try, .. } = verdict;
        Self { platform, call, errcode, errmsg, trace, class, pause, remedy, binding, one_more_try }
    }
}

/// It may have happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("outcome unknown ({cause:?}): {detail}")]
pub struct Unknown {
    /// What happened.
    pub cause: Cause,
    /// For a person and a log; without secrets.
    pub detail: String,
}

impl Unknown {
    /// How many more tries the cause is worth, where an idempotency key makes one safe. An answer that cannot be read
    /// is tried once more; after that it is a bug, of theirs or ours.
    pub const fn tries_left(&self) -> Option<u32> {
        match self.cause {
            Cause::Unreadable | Cause::TooLarge => Some(1),
            _ => None,
        }
    }
}

/// It has not happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sent ({cause:?}): {detail}")]
pub struct NotSent {
    /// What happened.
    pub cause: Cause,
    /// For a person and a log; without secrets.
    pub detail: String,
    /// What to do.
    pub class: Class,
    /// What a person can do.
    pub remedy: Remedy,
}

impl NotSent {
    pub(crate) fn of(cause: Cause, detail: String) -> Self {
        let (class, remedy) = match cause {
            Cause::Unreachable | Cause::Timeout | Cause::Broken => (Class::Busy, Remedy::CheckNetwork),
            Cause::Proxy => (Class::Busy, Remedy::CheckProxy),
            Cause::Certificate => (Class::Busy, Remedy::CheckCertificate),
            Cause::ProxyLogin => (Class::Config, Remedy::CheckProxyLogin),
            Cause::Status(500..=599 | 408 | 429) => (Class::Busy, Remedy::Wait),
            Cause::Status(_) => (Class::Config, Remedy::CheckBaseUrl),
            Cause::Unreadable | Cause::TooLarge => (Class::Busy, Remedy::CheckBaseUrl),
            Cause::TokenBudget => (Class::Config, Remedy::TokenContested),
            Cause::Unusable => (Class::Bug, Remedy::FixMessage { field: detail.clone() }),
        };
        Self { cause, detail, class, remedy }
    }
}

/// What kept a call from being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No connection: name, network, port.
    Unreachable,
    /// The proxy does not answer, or does not get through.
    Proxy,
    /// The proxy wants another login.
    ProxyLogin,
    /// The certificate is not to be trusted.
    Certificate,
    /// No answer in time.
    Timeout,
    /// The connection broke.
    Broken,
    /// An HTTP status that the platforms do not use.
    Status(u16),
    /// The answer is not the platform's JSON.
    Unreadable,
    /// The answer is longer than any answer of the platform.
    TooLarge,
    /// This program has fetched as many tokens today as it allows itself.
    TokenBudget,
    /// The request cannot be sent with this client.
    Unusable,
}

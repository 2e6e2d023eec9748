//! Why something failed and what a person can do, for administrators.

use std::collections::BTreeMap;

use tocsin_protocol::{
    channel::{Failing, FailingClass},
    delivery::ChannelKind,
};
use tocsin_store::outbox::codes;
use tocsin_wechat::errcode::Platform;

use crate::{Class, Outcome, Refusal, Unfit, webhook, wechat};

/// Code of a message that can not be rendered.
pub(crate) const UNFIT: &str = "unfit";

pub(crate) fn unfit(unfit: Unfit) -> Refusal {
    Refusal {
        class: Class::Bug,
        code: UNFIT.into(),
        message: unfit.0,
        retry_after_ms: None,
        broken: false,
        flagged: false,
        once_more: false,
    }
}

/// What became of a message that was sent by itself. `address` is whom it was for.
pub fn of_outcome(kind: ChannelKind, outcome: &Outcome, address: &str) -> Option<Failing> {
    match outcome {
        Outcome::Accepted { refused, .. } => {
            let mine = refused.iter().find(|(who, _)| who.eq_ignore_ascii_case(address))?;
            Some(about(kind, &mine.1.code, &mine.1.message))
        }
        Outcome::Refused(refusal) => Some(about(kind, &refusal.code, &refusal.message)),
        Outcome::Unknown(words) => Some(about(kind, "unknown", words)),
        Outcome::Unreadable(words) => {
            Some(Failing { class: FailingClass::Unknown, ..about(kind, codes::UNREADABLE, words) })
        }
        Outcome::NotSent(words) => Some(about(kind, "unreachable", words)),
    }
}

/// What a code that was stored with a delivery means, and what a person can do.
pub fn about(kind: ChannelKind, code: &str, words: &str) -> Failing {
    match kind {
        ChannelKind::Webhook => {
            let (class, remedy) = webhook::failing::about(code);
            let params = BTreeMap::from([("code".to_owned(), code.to_owned())]);
            Failing { class, code: code.into(), message: words.into(), remedy: remedy.into(), params }
        }
        ChannelKind::Wechat => wechat::failing::about(Platform::Official, code, words),
        ChannelKind::Wecom => wechat::failing::about(Platform::Wecom, code, words),
        ChannelKind::WecomRobot => wechat::failing::about(Platform::Robot, code, words),
    }
}

//! What the platforms' clients say, in the words of the courier and of administrators.

use tocsin_protocol::{
    Millis,
    channel::{Failing, FailingClass},
};
use tocsin_wechat::{
    Cause, FailedRecipient, Failure, NotSent, RecipientFault, RecipientKind, Refused,
    errcode::{self, Binding, Call, Class as Errclass, Pause, Platform, Remedy},
};

use crate::{Class, Outcome, Refusal, line::UNFIT};

/// Code of what was not sent because the minute is full.
const FULL: &str = "minute_full";

/// For the courier. `lasts` tells for how long a pause is meant.
pub(super) fn outcome(
    outcome: tocsin_wechat::Outcome,
    lasts: impl FnOnce(Pause) -> Option<Millis>,
) -> Outcome {
    use tocsin_wechat::Outcome as O;
    match outcome {
        O::Accepted(accepted) => Outcome::Accepted {
            msgid: accepted.msgid,
            refused: accepted
                .failed
                .iter()
                .filter(|who| who.kind == RecipientKind::User)
                .map(left_out)
                .collect(),
        },
        O::Refused(refused) => Outcome::Refused(refusal(refused, lasts)),
        O::Unknown(unknown) if unknown.tries_left().is_some() => Outcome::Unreadable(unknown.detail),
        O::Unknown(unknown) => Outcome::Unknown(unknown.detail),
        // What waiting does not mend must not be tried for a day: the channel is parked, and somebody is told.
        O::NotSent(not_sent) => match not_sent.class {
            Errclass::Config => Outcome::Refused(local(not_sent, Class::Config)),
            Errclass::Bug | Errclass::Permanent => Outcome::Refused(local(not_sent, Class::Bug)),
            _ => Outcome::NotSent(not_sent.detail),
        },
    }
}

fn left_out(who: &FailedRecipient) -> (String, Refusal) {
    let code = recipient_code(who.reason);
    let message = match who.reason {
        RecipientFault::Invalid => "unknown to the app, or outside its visible range",
        RecipientFault::Unlicensed => "has no interface licence",
    };
    let refusal = Refusal {
        class: Class::Permanent,
        code: code.into(),
        message: message.into(),
        retry_after_ms: None,
        broken: who.binding() == Binding::Broken,
        flagged: who.binding() == Binding::Flagged,
        once_more: false,
    };
    (who.id.clone(), refusal)
}

const fn recipient_code(fault: RecipientFault) -> &'static str {
    match fault {
        RecipientFault::Invalid => "invaliduser",
        RecipientFault::Unlicensed => "unlicenseduser",
    }
}

fn refusal(refused: Refused, lasts: impl FnOnce(Pause) -> Option<Millis>) -> Refusal {
    Refusal {
        class: match refused.class {
            Errclass::Token => Class::Token,
            Errclass::Busy => Class::Busy,
            Errclass::Permanent => Class::Permanent,
            Errclass::Config => Class::Config,
            Errclass::Duplicate => Class::Duplicate,
            Errclass::Bug | Errclass::Ok => Class::Bug,
        },
        code: refused.errcode.to_string(),
        retry_after_ms: refused.pause.and_then(lasts),
        broken: refused.binding == Binding::Broken,
        flagged: refused.binding == Binding::Flagged,
        once_more: refused.one_more_try,
        message: refused.errmsg,
    }
}

fn local(not_sent: NotSent, class: Class) -> Refusal {
    Refusal {
        class,
        code: cause(not_sent.cause).into(),
        message: not_sent.detail,
        retry_after_ms: None,
        broken: false,
        flagged: false,
        once_more: false,
    }
}

/// The platform's minute is full: room comes in so long.
pub(super) fn full(wait: Millis) -> Refusal {
    let seconds = wait.max(0).unsigned_abs().div_ceil(1000);
    Refusal {
        class: Class::Busy,
        code: FULL.into(),
        message: format!(
            "as many messages were sent as the platform takes in a minute: wait {seconds} seconds"
        ),
        retry_after_ms: Some(wait),
        broken: false,
        flagged: false,
        once_more: false,
    }
}

/// The code of what never was answered. None looks like a number.
const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Unreachable => "unreachable",
        Cause::Proxy => "proxy",
        Cause::ProxyLogin => "proxy_login",
        Cause::Certificate => "certificate",
        Cause::Timeout => "timeout",
        Cause::Broken => "broken",
        Cause::Status(_) => "status",
        Cause::Unreadable | Cause::TooLarge => "unreadable",
        Cause::TokenBudget => "token_budget",
        Cause::Unusable => UNFIT,
    }
}

/// For an administrator: why a call failed.
pub(super) fn failing(failure: &Failure) -> Failing {
    match failure {
        Failure::Refused(refused) => {
            said(class(refused.class), refused.errcode.to_string(), &refused.errmsg, &refused.remedy)
        }
        Failure::Unknown(unknown) => {
            said(FailingClass::Unknown, cause(unknown.cause).into(), &unknown.detail, &remedy(unknown.cause))
        }
        Failure::NotSent(not_sent) => {
            let class = match not_sent.class {
                Errclass::Config => FailingClass::Config,
                Errclass::Bug => FailingClass::Bug,
                _ => FailingClass::NotSent,
            };
            said(class, cause(not_sent.cause).into(), &not_sent.detail, &not_sent.remedy)
        }
    }
}

fn remedy(cause: Cause) -> Remedy {
    match cause {
        Cause::Proxy => Remedy::CheckProxy,
        Cause::Certificate => Remedy::CheckCertificate,
        Cause::Unreadable | Cause::TooLarge => Remedy::CheckBaseUrl,
        Cause::Status(_) => Remedy::Wait,
        _ => Remedy::CheckNetwork,
    }
}

fn class(class: Errclass) -> FailingClass {
    match class {
        Errclass::Token => FailingClass::Token,
        Errclass::Busy => FailingClass::Busy,
        Errclass::Permanent => FailingClass::Permanent,
        Errclass::Config => FailingClass::Config,
        Errclass::Duplicate => FailingClass::Duplicate,
        Errclass::Bug | Errclass::Ok => FailingClass::Bug,
    }
}

fn said(class: FailingClass, code: String, message: &str, remedy: &Remedy) -> Failing {
    let params = remedy.params().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Failing { class, code, message: message.to_owned(), remedy: remedy.name().to_owned(), params }
}

/// What a code that was stored with a delivery means, and what a person can do.
pub(crate) fn about(platform: Platform, code: &str, words: &str) -> Failing {
    if let Ok(number) = code.parse::<i64>() {
        let verdict = errcode::classify(platform, Call::Business, number, words);
        // 40001 after a fresh token: the secret is another account's, or the platform refuses it.
        let remedy = if verdict.class == Errclass::Token { Remedy::CheckSecret } else { verdict.remedy };
        return said(class(verdict.class), code.into(), words, &remedy);
    }
    let (class, remedy) = match code {
        "invaliduser" => (FailingClass::Permanent, Remedy::WidenVisibility),
        "unlicenseduser" => (FailingClass::Permanent, Remedy::AssignLicence),
        "unbound" => (FailingClass::Permanent, Remedy::Bind),
        "proxy" => (FailingClass::NotSent, Remedy::CheckProxy),
        "proxy_login" => (FailingClass::Config, Remedy::CheckProxyLogin),
        "certificate" => (FailingClass::NotSent, Remedy::CheckCertificate),
        "status" | "unreadable" => (FailingClass::Config, Remedy::CheckBaseUrl),
        "token_budget" => (FailingClass::Config, Remedy::TokenContested),
        FULL => (FailingClass::Busy, Remedy::Wait),
        UNFIT => (FailingClass::Bug, Remedy::FixMessage { field: words.into() }),
        "unknown" | "lost" => (FailingClass::Unknown, Remedy::CheckNetwork),
        "not_delivered" => (FailingClass::Permanent, Remedy::AllowMessages),
        _ => (FailingClass::NotSent, Remedy::CheckNetwork),
    };
    said(class, code.into(), words, &remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_to_allow_is_found_in_what_was_stored() {
        let words = "not allow to access from your ip, hint: [1700_5], from ip: 198.51.100.9, more info";
        let failing = about(Platform::Wecom, "60020", words);
        assert_eq!((failing.class, failing.remedy.as_str()), (FailingClass::Config, "trust_ip"));
        assert_eq!(failing.params["ip"], "198.51.100.9");
        assert_eq!(about(Platform::Wecom, "invaliduser", "").remedy, "widen_visibility");
    }
}

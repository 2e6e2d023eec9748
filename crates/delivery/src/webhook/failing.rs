//! What a code of a webhook means for an administrator. The sentences are in the locale files, under `remedy.<name>`.

use tocsin_protocol::channel::FailingClass;
use tocsin_store::outbox::codes;

use crate::line::UNFIT;

/// Code of a proxy that asks for another login.
pub(super) const PROXY_LOGIN: &str = "proxy_login";

/// Class and remedy of a status, or of a code of ours.
pub(crate) fn about(code: &str) -> (FailingClass, &'static str) {
    use FailingClass as C;
    if let Ok(status) = code.parse::<u16>() {
        return match status {
            300..=399 => (C::Config, "webhook_moved"),
            401 | 403 => (C::Permanent, "webhook_secret"),
            408 | 429 | 500..=599 => (C::Busy, "webhook_failing"),
            410 => (C::Config, "webhook_gone"),
            _ => (C::Permanent, "webhook_refused"),
        };
    }
    match code {
        codes::UNKNOWN | codes::LOST => (C::Unknown, "webhook_slow"),
        codes::GIVEN_UP => (C::Busy, "webhook_failing"),
        PROXY_LOGIN => (C::Config, "check_proxy_login"),
        UNFIT => (C::Bug, "webhook_refused"),
        _ => (C::NotSent, "webhook_unreachable"),
    }
}

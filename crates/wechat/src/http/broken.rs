//! What a broken call means: was anything sent?
//!
//! Everything up to the established connection (name, TCP, proxy, TLS) is safe to repeat. After that nothing is known:
//! the platform may have read the request before the connection broke.

use std::{error::Error as StdError, fmt::Write as _, io};

use crate::outcome::{Cause, Failure, NotSent, Unknown};

pub(super) fn failure(error: reqwest::Error, is_proxied: bool) -> Failure {
    // The address holds the token.
    let error = error.without_url();
    let detail = innermost(&error);
    if error.is_builder() {
        return Failure::NotSent(NotSent::of(Cause::Unusable, detail));
    }
    if error.is_connect() {
        return Failure::NotSent(NotSent::of(connecting(&error, is_proxied), detail));
    }
    let cause = if error.is_timeout() { Cause::Timeout } else { Cause::Broken };
    Failure::Unknown(Unknown { cause, detail })
}

fn connecting(error: &reqwest::Error, is_proxied: bool) -> Cause {
    if is_certificate(error) {
        return Cause::Certificate;
    }
    if !is_proxied {
        return Cause::Unreachable;
    }
    // The types of these errors are not public. A word that is missed only makes the remedy less exact.
    let chain = debug_chain(error);
    if chain.contains("ProxyAuthRequired") || chain.contains("Auth(") || chain.contains("AuthError") {
        return Cause::ProxyLogin;
    }
    Cause::Proxy
}

fn is_certificate(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        let tls = match cause.downcast_ref::<io::Error>() {
            // An `io::Error` hides what it wraps: its `source` is already that of the wrapped one.
            Some(io) => match io.get_ref() {
                Some(inner) if is_certificate(inner) => return true,
                _ => None,
            },
            None => cause.downcast_ref::<rustls::Error>(),
        };
        if matches!(tls, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
        {
            return true;
        }
        next = cause.source();
    }
    false
}

/// For matching only: it may hold a proxy's address.
fn debug_chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let _ = write!(text, "{cause:?} ");
        next = cause.source();
    }
    text
}

/// The innermost cause says most; the outer ones repeat the address.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    crate::errcode::excerpt(&last.to_string())
}

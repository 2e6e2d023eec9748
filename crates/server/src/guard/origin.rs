//! Which pages may speak to this server: its own. No CORS header is ever sent.
//!
//! - An `Origin` must be this page's, port included: another program's page on the same host is another origin.
//! - A cookie without an `Origin` is a navigation or a GET of the page itself, never something that changes state.

use axum::http::{
    Method,
    header::{AUTHORIZATION, ORIGIN},
    request::Parts,
};
use tocsin_protocol::Code;

use super::{Names, Seen};
use crate::{Failure, auth::cookie};

/// Refuses requests that another site's page made.
pub fn check(parts: &Parts, seen: &Seen<'_>, names: &Names, instance: &str) -> Result<(), Failure> {
    let mut origins = parts.headers.get_all(ORIGIN).iter();
    if let Some(origin) = origins.next() {
        let text = origin.to_str().ok().filter(|_| origins.next().is_none()).unwrap_or_default();
        let own = seen.origin().is_some_and(|own| own.eq_ignore_ascii_case(text));
        let public = names.public_origin().is_some_and(|public| public.eq_ignore_ascii_case(text));
        return if own || public { Ok(()) } else { Err(foreign(text)) };
    }
    let by_cookie =
        !parts.headers.contains_key(AUTHORIZATION) && cookie::find(&parts.headers, instance).is_some();
    if !by_cookie {
        return Ok(());
    }
    let site = parts.headers.get("sec-fetch-site").map(|site| site.to_str().unwrap_or_default());
    let same_site = matches!(site, None | Some("same-origin" | "none"));
    if parts.method == Method::GET && same_site {
        return Ok(());
    }
    Err(Failure::new(
        Code::WrongOrigin,
        "a request with the session cookie must come from this server's own page",
    )
    .hint("programs use a token: `Authorization: Bearer tcs_…`"))
}

fn foreign(origin: &str) -> Failure {
    Failure::new(Code::WrongOrigin, format!("pages of {origin:?} may not use this server"))
        .hint("behind a proxy set `public_url` to the address that people use, or name the proxy in `trusted_proxies`")
}

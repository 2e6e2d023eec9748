//! Settings of a webhook.

use serde::Deserialize;
use url::{Host, Url};

use crate::line::{BadSettings, Road};

/// Longest address, bytes: what every server and proxy on the way takes.
const URL_BYTES: usize = 2_048;
/// Where a mistake is.
const FIELD: &str = "config.url";

/// Of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    url: String,
    proxy: Option<String>,
    proxy_user: Option<String>,
}

impl Webhook {
    pub(crate) fn check(&self) -> Result<(), BadSettings> {
        self.url().map(drop)
    }

    pub(crate) fn road(&self) -> Road<'_> {
        Road { base_url: None, proxy: self.proxy.as_deref(), proxy_user: self.proxy_user.as_deref() }
    }

    /// Where requests go: https, or http to this computer. Messages would travel readable otherwise, and what is inside
    /// a network and speaks plain http (a cloud's metadata, a router) can not be reached by a slip.
    pub(super) fn url(&self) -> Result<Url, BadSettings> {
        let bad = |what: &str| BadSettings::of(FIELD, what);
        if self.url.len() > URL_BYTES {
            return Err(bad("too long"));
        }
        let url = Url::parse(self.url.trim()).map_err(|_| bad("expected https://host/path"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("without a login: it would be stored readable; requests are signed instead"));
        }
        if url.fragment().is_some() {
            return Err(bad("without #: it is never sent"));
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_loopback(&url) => Ok(url),
            "http" => Err(bad("an address beyond this computer has to be https: it sees messages")),
            _ => Err(bad("expected https://host/path")),
        }
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<(), BadSettings> {
        Webhook { url: url.into(), proxy: None, proxy_user: None }.check()
    }

    #[test]
    fn https_or_this_computer() {
        for good in [
            "https://ops.example/in?team=1",
            "https://203.0.113.7:8443",
            "http://127.0.0.1:9/x",
            "http://[::1]:9",
            "http://localhost:9",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "ops.example/in",
            "http://ops.example/in",
            "http://169.254.169.254/latest/meta-data",
            "http://localhost.example/in",
            "http://127.0.0.1.example/in",
            "https://ann:pass@ops.example/in",
            "https://ann@ops.example/in",
            "https://ops.example/in#part",
            "file:///etc/passwd",
            "javascript:alert(1)",
        ] {
            assert_eq!(check(bad).unwrap_err().field, "config.url", "{bad}");
        }
        assert!(check(&format!("https://ops.example/{}", "x".repeat(URL_BYTES))).is_err());
    }

    #[test]
    fn a_login_is_not_repeated() {
        let told = check("https://ann:canary@ops.example").unwrap_err().to_string();
        assert!(!told.contains("canary"), "{told}");
    }
}

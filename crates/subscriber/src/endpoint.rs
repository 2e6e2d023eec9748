//! Where the server is, how it is recognised and what opens it.
//!
//! Plain http is taken only to loopback: anywhere else it would hand the token to everybody on the way.

use std::net::IpAddr;

use reqwest::Url;
use tocsin_protocol::invite::InviteText;

use crate::{Error, Secret};

/// A server and this device's token for it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Scheme, host and port: `https://10.0.0.5:8723`, `http://127.0.0.1:8722`.
    pub origin: String,
    /// Base64url SHA-256 of the CA certificate to trust, and then of none other. Absent: the computer's own roots.
    pub ca_fingerprint: Option<String>,
    /// The client token. Empty only while joining.
    pub token: Secret,
}

impl Endpoint {
    /// A server as an invite names it, before there is a token.
    pub fn of_invite(invite: &InviteText) -> Self {
        Self {
            origin: invite.origin.clone(),
            ca_fingerprint: invite.ca_fingerprint.clone(),
            token: Secret::new(""),
        }
    }
}

/// An origin that has been looked at: what the transports build their addresses from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    base: Url,
}

impl Origin {
    /// Parses `text`; refuses anything but an origin, and plain http beyond loopback.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::Origin(text.into());
        let base = Url::parse(text).map_err(|_| bad())?;
        let plain = base.path() == "/" && base.query().is_none() && base.fragment().is_none();
        if !plain || !base.username().is_empty() || base.password().is_some() || base.host_str().is_none() {
            return Err(bad());
        }
        let origin = Self { base };
        match origin.base.scheme() {
            "https" => Ok(origin),
            "http" if origin.is_loopback() => Ok(origin),
            "http" => Err(Error::PlainHttp(text.into())),
            _ => Err(bad()),
        }
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Whether the host can only be this computer. The name is `localhost` alone: any other may resolve elsewhere.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Name or address, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let host = self.base.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.base.port_or_known_default().unwrap_or(443)
    }

    /// Address of `path` (which begins with a slash and may hold a query) with `query` added.
    pub fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, Error> {
        // Joined as text: `Url::join` would take `//elsewhere/…` for another host and carry the token there.
        if !path.starts_with('/') || path.starts_with("//") || path.contains('\\') {
            return Err(Error::Path(path.into()));
        }
        let text = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut url = Url::parse(&text).map_err(|_| Error::Path(path.into()))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_only_to_loopback() {
        for good in [
            "http://127.0.0.1:8722",
            "http://[::1]:8722",
            "http://localhost",
            "https://example.org",
            "https://10.0.0.5:8723/",
        ] {
            assert!(Origin::parse(good).is_ok(), "{good}");
        }
        for bad in ["http://10.0.0.5:8722", "http://localhost.example.org", "http://127.0.0.1.example.org"] {
            assert!(matches!(Origin::parse(bad), Err(Error::PlainHttp(_))), "{bad}");
        }
        for bad in [
            "",
            "ftp://x",
            "https://",
            "https://a@b",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "10.0.0.5:8722",
        ] {
            assert!(matches!(Origin::parse(bad), Err(Error::Origin(_))), "{bad}");
        }
    }

    #[test]
    fn an_address_never_leaves_the_origin() {
        let origin = Origin::parse("http://[::1]:8722").unwrap();
        assert_eq!(origin.host(), "::1");
        assert_eq!(origin.url("/poll", &[("a", "b c")]).unwrap().as_str(), "http://[::1]:8722/poll?a=b+c");
        assert_eq!(
            origin.url("/v1/messages?limit=2", &[]).unwrap().as_str(),
            "http://[::1]:8722/v1/messages?limit=2"
        );
        for bad in ["//evil.example/v1/me", "v1/me", "@evil.example/", "/\\evil.example"] {
            assert!(origin.url(bad, &[]).is_err(), "{bad}");
        }
    }
}

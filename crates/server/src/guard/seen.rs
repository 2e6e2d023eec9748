//! Where a request comes from, as far as that can be believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::{HeaderMap, header::HOST, request::Parts, uri::Authority};

use crate::Config;

/// The other end of the connection. The accept loop puts it into each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The connection is encrypted by this server.
    pub tls: bool,
}

/// Where a request comes from: the peer, or, behind a trusted proxy, what the proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// The client speaks https.
    pub secure: bool,
    /// Host and port as the client wrote them; `None` when absent, doubled or not text.
    pub host: Option<&'a str>,
    /// Some proxy stands between, trusted or not.
    pub forwarded: bool,
}

impl<'a> Seen<'a> {
    /// Looks at a request. Without a [`Peer`] (no socket) it comes from nowhere in particular, not from loopback.
    pub fn of(parts: &'a Parts, config: &Config) -> Self {
        let peer = parts.extensions.get::<Peer>().copied();
        let headers = &parts.headers;
        let direct = Self {
            address: peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address.ip().to_canonical()),
            secure: peer.is_some_and(|peer| peer.tls),
            host: parts.uri.authority().map(Authority::as_str).or_else(|| single(headers, HOST.as_str())),
            forwarded: ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded"]
                .iter()
                .any(|name| headers.contains_key(*name)),
        };
        let trusted = |address: IpAddr| {
            config.trusted_proxies.iter().any(|proxy| proxy.to_canonical() == address.to_canonical())
        };
        if !trusted(direct.address) {
            return direct;
        }
        // Proxies append: the rightmost address that is not itself a trusted proxy is the client.
        let client = headers
            .get_all("x-forwarded-for")
            .iter()
            .rev()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.rsplit(','))
            .map_while(|text| text.trim().parse::<IpAddr>().ok())
            .find(|address| !trusted(*address));
        Self {
            address: client.map_or(direct.address, |address| address.to_canonical()),
            secure: single(headers, "x-forwarded-proto")
                .map_or(direct.secure, |scheme| scheme.eq_ignore_ascii_case("https")),
            host: single(headers, "x-forwarded-host").or(direct.host),
            forwarded: true,
        }
    }

    /// The client runs on this very computer, with no proxy between.
    pub fn is_here(&self) -> bool {
        self.address.is_loopback() && !self.forwarded
    }

    /// Scheme, host and port of the page that a browser sees, default ports left out.
    pub fn origin(&self) -> Option<String> {
        let (scheme, port) = if self.secure { ("https", ":443") } else { ("http", ":80") };
        let host = self.host?;
        Some(format!("{scheme}://{}", host.strip_suffix(port).unwrap_or(host)).to_ascii_lowercase())
    }
}

/// A header that is there once and is text. Two of them are a smuggling attempt, not a choice.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(peer: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(Peer { address: peer.parse().unwrap(), tls: false });
        parts
    }

    #[test]
    fn forwarded_headers_count_only_from_trusted_proxies() {
        let headers = [
            ("host", "inside:8722"),
            ("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.0.0.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "push.example.com"),
        ];
        let config = Config {
            trusted_proxies: vec!["10.0.0.1".parse().unwrap(), "10.0.0.9".parse().unwrap()],
            ..Config::default()
        };

        let believed = parts("10.0.0.1:4000", &headers);
        let seen = Seen::of(&believed, &config);
        assert_eq!(
            seen.address,
            "198.51.100.7".parse::<IpAddr>().unwrap(),
            "what the client itself wrote is not believed"
        );
        assert_eq!(seen.origin().as_deref(), Some("https://push.example.com"));

        let liar = parts("10.0.0.2:4000", &headers);
        let seen = Seen::of(&liar, &config);
        assert_eq!(seen.address, "10.0.0.2".parse::<IpAddr>().unwrap());
        assert_eq!(seen.origin().as_deref(), Some("http://inside:8722"));
    }

    #[test]
    fn here_means_loopback_without_a_proxy() {
        let config = Config::default();
        assert!(Seen::of(&parts("127.0.0.1:1", &[]), &config).is_here());
        assert!(Seen::of(&parts("[::ffff:127.0.0.1]:1", &[]), &config).is_here());
        assert!(!Seen::of(&parts("127.0.0.1:1", &[("x-forwarded-for", "6.6.6.6")]), &config).is_here());
        assert!(!Seen::of(&parts("10.0.0.1:1", &[]), &config).is_here());
    }

    #[test]
    fn two_hosts_are_none() {
        assert_eq!(
            Seen::of(&parts("127.0.0.1:1", &[("host", "a"), ("host", "b")]), &Config::default()).host,
            None
        );
    }
}

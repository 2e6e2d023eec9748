//! Where a credential's calls go: base address, proxy, time limits. The same for token and business calls.

use std::{fmt, net::IpAddr, time::Duration};

use url::{Host, Url};

/// Name resolution, TCP, proxy and TLS: longer than a SYN retransmitted twice (3 s).
const CONNECT: Duration = Duration::from_secs(10);
/// A whole call. The platforms answer in well under a second; what takes longer has an unknown outcome.
const CALL: Duration = Duration::from_secs(15);

/// Not an address that calls may go to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// Not a base address.
    #[error("not a base address: expected https://host, without a query or a login")]
    Base,
    /// Tokens, secrets and messages would travel readable.
    #[error("a base address beyond this computer has to be https: it sees tokens, secrets and messages")]
    PlainHttp,
    /// Not a proxy's address.
    #[error("not a proxy: expected http://, https://, socks5:// or socks5h:// with a host")]
    Proxy,
    /// Not the address or key of a robot.
    #[error("not a robot: expected its webhook address, or the key at the end of it")]
    Robot,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Where calls go.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Base address.
    pub base: BaseUrl,
    /// Proxy.
    pub proxy: Proxy,
    /// Time limits.
    pub timings: Timings,
}

impl Endpoint {
    /// The platform of official accounts, without a proxy of its own.
    pub fn official() -> Self {
        Self::at(BaseUrl::known("https://api.weixin.qq.com/"))
    }

    /// The platform of WeCom, without a proxy of its own.
    pub fn wecom() -> Self {
        Self::at(BaseUrl::known("https://qyapi.weixin.qq.com/"))
    }

    /// Another base address.
    pub fn at(base: BaseUrl) -> Self {
        Self { base, proxy: Proxy::System, timings: Timings::default() }
    }

    /// With this proxy.
    #[must_use]
    pub fn through(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }
}

/// Time limits.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// Until connected.
    pub connect: Duration,
    /// Until the whole answer is there.
    pub call: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self { connect: CONNECT, call: CALL }
    }
}

/// A base address: https, or http to this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Parses an address. A path is kept: reverse proxies have one.
    pub fn parse(text: &str) -> Result<Self, BadEndpoint> {
        let mut url = Url::parse(text.trim()).map_err(|_| BadEndpoint::Base)?;
        let has_extras = url.query().is_some() || url.fragment().is_some();
        let has_login = !url.username().is_empty() || url.password().is_some();
        if has_extras || has_login || url.host().is_none() {
            return Err(BadEndpoint::Base);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(BadEndpoint::PlainHttp),
            _ => return Err(BadEndpoint::Base),
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self(url))
    }

    fn known(text: &str) -> Self {
        Self::parse(text).expect("a constant address")
    }

    /// Whether calls go to the platform itself. Anything else sees tokens, secrets and messages: the window says so.
    pub fn is_platform(&self) -> bool {
        matches!(self.0.host_str(), Some("api.weixin.qq.com" | "qyapi.weixin.qq.com"))
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address of a path that begins with a slash, without a query.
    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{}", self.0.path(), path.trim_start_matches('/')));
        url
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

/// How calls leave this computer.
#[derive(Clone, Debug, Default)]
pub enum Proxy {
    /// As the system or the environment says.
    #[default]
    System,
    /// None, whatever the system says.
    Direct,
    /// Through this one: a fixed address for the allow-lists.
    Via(ProxyUrl),
}

/// A proxy's address. It may hold a password: `Debug` and `Display` leave that out.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    /// Parses `http`, `https`, `socks5` (names resolved here) or `socks5h` (names resolved there).
    pub fn parse(text: &str) -> Result<Self, BadEndpoint> {
        let url = Url::parse(text.trim()).map_err(|_| BadEndpoint::Proxy)?;
        let known = matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h");
        if !known || url.host_str().is_none_or(str::is_empty) {
            return Err(BadEndpoint::Proxy);
        }
        Ok(Self(url))
    }

    /// With this login instead of the one in the address.
    pub fn with_login(mut self, user: &str, password: &crate::Secret) -> Result<Self, BadEndpoint> {
        self.0.set_username(user).map_err(|()| BadEndpoint::Proxy)?;
        self.0.set_password(Some(password.expose())).map_err(|()| BadEndpoint::Proxy)?;
        Ok(self)
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// With its login: for the HTTP client alone.
    pub(crate) fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "{}://{host}", self.0.scheme())?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_computer_only() {
        assert!(BaseUrl::parse("http://127.0.0.1:8080").is_ok());
        assert!(BaseUrl::parse("http://[::1]:8080").is_ok());
        assert!(BaseUrl::parse("http://localhost:1/x").is_ok());
        assert_eq!(BaseUrl::parse("http://relay.example").err(), Some(BadEndpoint::PlainHttp));
        assert_eq!(BaseUrl::parse("http://localhost.example").err(), Some(BadEndpoint::PlainHttp));
        for bad in ["", "relay.example", "ftp://x", "https://u:p@x", "https://x/?a=1", "https://x/#a"] {
            assert_eq!(BaseUrl::parse(bad).err(), Some(BadEndpoint::Base), "{bad}");
        }
    }

    #[test]
    fn a_base_path_is_kept() {
        let base = BaseUrl::parse("https://relay.example/wx").expect("a base");
        assert_eq!(base.join("/cgi-bin/token").as_str(), "https://relay.example/wx/cgi-bin/token");
        assert!(!base.is_platform());
        assert!(Endpoint::wecom().base.is_platform());
    }

    #[test]
    fn a_proxys_password_is_not_shown() {
        let proxy = ProxyUrl::parse("socks5://me:canary@relay.example:1080").expect("a proxy");
        assert_eq!(format!("{proxy} {proxy:?}"), "socks5://relay.example:1080 socks5://relay.example:1080");
        let proxy = ProxyUrl::parse("http://relay.example:3128").expect("a proxy");
        let proxy = proxy.with_login("me", &crate::Secret::new("p@ss")).expect("a login");
        assert_eq!(proxy.expose(), "http://me:p%40ss@relay.example:3128/");
        for bad in ["relay.example:3128", "ftp://x", "socks4://x", "http://"] {
            assert_eq!(ProxyUrl::parse(bad).err(), Some(BadEndpoint::Proxy), "{bad}");
        }
    }
}

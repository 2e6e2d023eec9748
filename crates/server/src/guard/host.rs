//! Which names this server answers to. A page of an attacker can make a browser resolve the attacker's own name to this
//! address (DNS rebinding), and then counts as same-origin; it can not do so with an IP literal or with a name that the
//! operator set. So any IP literal passes, and only known names do.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::Uri;
use tocsin_protocol::Code;

use crate::{Config, Failure};

/// The names, and the origin of the public address.
#[derive(Clone, Debug)]
pub struct Names {
    names: Vec<String>,
    public_origin: Option<String>,
}

impl Names {
    /// `localhost`, this host's name, its `.local` form, and what the operator set.
    pub fn new(config: &Config) -> Self {
        let public: Option<Uri> = config.public_url.as_deref().and_then(|url| url.parse().ok());
        let public_origin = config.public_url.as_deref().and_then(origin_of);
        let own = config.host_name.clone().or_else(own_name).map(|name| name.to_ascii_lowercase());
        let names = ["localhost".to_owned()]
            .into_iter()
            .chain(own.iter().cloned())
            .chain(own.iter().map(|name| format!("{}.local", name.split('.').next().unwrap_or(name))))
            .chain(public.as_ref().and_then(Uri::host).map(str::to_ascii_lowercase))
            .chain(config.hosts.iter().map(|name| name.to_ascii_lowercase()))
            .collect();
        Self { names, public_origin }
    }

    /// Scheme, host and port of `public_url`.
    pub fn public_origin(&self) -> Option<&str> {
        self.public_origin.as_deref()
    }

    /// Refuses a request for somebody else.
    pub fn check(&self, host: Option<&str>) -> Result<(), Failure> {
        let Some(host) = host else {
            return Err(Failure::new(Code::WrongHost, "the request has no Host header, or several"));
        };
        if self.is_ours(host) {
            return Ok(());
        }
        Err(Failure::new(Code::WrongHost, format!("this server does not answer to {host:?}"))
            .hint("add the name to `hosts` in the server's settings, or set `public_url` to the address that people use"))
    }

    fn is_ours(&self, host: &str) -> bool {
        if let Some(rest) = host.strip_prefix('[') {
            return rest.split_once(']').is_some_and(|(address, port)| {
                address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || is_port(port.strip_prefix(':')))
            });
        }
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        if port.is_some() && !is_port(port) {
            return false;
        }
        // A trailing dot names the same host.
        let name = name.strip_suffix('.').unwrap_or(name);
        name.parse::<Ipv4Addr>().is_ok() || self.names.iter().any(|ours| ours.eq_ignore_ascii_case(name))
    }
}

/// Scheme, host and port of an address, default ports left out.
pub fn origin_of(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    let scheme = url.scheme_str()?;
    let port = if scheme == "https" { ":443" } else { ":80" };
    let authority = url.authority()?.as_str();
    Some(format!("{scheme}://{}", authority.strip_suffix(port).unwrap_or(authority)).to_ascii_lowercase())
}

fn is_port(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.parse::<u16>().is_ok())
}

#[cfg(unix)]
fn own_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(not(unix))]
fn own_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ip_literals_and_known_names_pass() {
        let names = Names::new(&Config {
            public_url: Some("https://push.example.com/x".into()),
            hosts: vec!["alerts.lan".into()],
            host_name: Some("Desk-7.corp".into()),
            ..Config::default()
        });
        for good in [
            "127.0.0.1:80",
            "10.1.2.3",
            "[::1]:8722",
            "[fe80::1]",
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "desk-7.corp",
            "desk-7.local:8722",
            "push.example.com",
            "alerts.lan:1",
        ] {
            assert!(names.is_ours(good), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[::1",
            "[evil]",
            "localhost:x",
            "",
            "desk-7",
            "0x7f.1",
            "a@localhost",
        ] {
            assert!(!names.is_ours(bad), "{bad}");
        }
        assert_eq!(names.public_origin(), Some("https://push.example.com"));
    }

    proptest::proptest! {
        #[test]
        fn a_name_that_rebinding_could_use_never_passes(host in ".{0,40}") {
            let names = Names::new(&Config { host_name: Some("desk".into()), ..Config::default() });
            if names.is_ours(&host) {
                let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).trim_matches(['[', ']', '.']);
                let address = name.parse::<std::net::IpAddr>().is_ok() || host.trim_matches(['[', ']']).parse::<Ipv6Addr>().is_ok();
                assert!(address || ["localhost", "desk", "desk.local"].contains(&name.to_ascii_lowercase().as_str()), "{host}");
            }
        }
    }
}

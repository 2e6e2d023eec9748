//! What an operator or host can set, with the default and its reason beside each.

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use tocsin_locale::Locale;
use tocsin_protocol::control::Language;
use tocsin_wechat::Timings;

use crate::channels::{SecretStore, ThisRun};

/// Settings of one server. Hosts fill it from their file, flags and environment; tests shrink the times.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the team or host, shown to clients.
    pub name: String,
    /// Address under which people reach the page, when a proxy stands before it.
    pub public_url: Option<String>,
    /// Host names besides IP literals, localhost, this host's name and `.local` that the `Host` header may carry.
    pub hosts: Vec<String>,
    /// This host's name; `None`: ask the operating system.
    pub host_name: Option<String>,
    /// Proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Scheme, host and port that invites name; `None`: `public_url`, or else where the invite was asked for.
    pub advertised_origin: Option<String>,
    /// Fingerprint of the CA that signed this server's certificate, for invites (`tls::Identity`). `None`:
    /// plain http, or a certificate that everybody trusts.
    pub ca_fingerprint: Option<String>,
    /// How the host that embeds this server reaches it.
    pub local: Option<LocalAccess>,
    /// Pruning is done about this often. 1 h: retention is counted in days.
    pub prune_every: Duration,
    /// The language of what the server itself writes into messages: it makes one text for readers of several.
    pub locale: Arc<Locale>,
    /// Where the secrets of channels are kept.
    pub secrets: Arc<dyn SecretStore>,
    /// Where sealed access tokens of platforms wait for the next start. `None`: nowhere.
    pub token_dir: Option<PathBuf>,
    /// Time limits of calls to platforms.
    pub platform_timings: Timings,
    /// From a platform's push to the answer, its body and the work on it together. 4 s: the platforms wait five seconds, and
    /// one of them is for the way.
    pub answer_pushes_within: Duration,
    /// Times and sizes of streams.
    pub streams: Streams,
    /// Times and sizes of connections.
    pub connections: Connections,
    /// How fast one may go.
    pub rates: Rates,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "Tocsin".into(),
            public_url: None,
            hosts: Vec::new(),
            host_name: None,
            trusted_proxies: Vec::new(),
            advertised_origin: None,
            ca_fingerprint: None,
            local: None,
            prune_every: Duration::from_hours(1),
            locale: Arc::new(Locale::new(Language::En, "")),
            secrets: Arc::new(ThisRun::default()),
            token_dir: None,
            platform_timings: Timings::default(),
            answer_pushes_within: Duration::from_secs(4),
            streams: Streams::default(),
            connections: Connections::default(),
            rates: Rates::default(),
        }
    }
}

/// How the host that embeds this server reaches it: with a secret made at its start and kept in memory alone, so that a
/// locked keyring silences nothing. It counts as a client token of `user`, for whom it may do all that their role
/// allows; it is in no listing, and ends with the process.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalAccess {
    /// The bearer token: [`crate::auth::Secret::token`] makes one.
    pub secret: String,
    /// The person it acts for. Looked up when it is first used: the host may make them after the start.
    pub user: String,
    /// The device that its streams are booked on.
    pub device: String,
}

impl fmt::Debug for LocalAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalAccess")
            .field("user", &self.user)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// Times and sizes of streams.
#[derive(Clone, Debug)]
pub struct Streams {
    /// SSE and application-level WebSocket heartbeat. 15 s: what the EventSource specification suggests.
    pub heartbeat: Duration,
    /// A WebSocket that shows no sign of life for this long is dead. 30 s.
    pub pong_wait: Duration,
    /// WebSocket pings: 9/10 of the pong wait, so under every 60 s idle limit of proxies.
    pub ping_period: Duration,
    /// A write that takes longer ends the connection. 10 s.
    pub write_deadline: Duration,
    /// Queue of one connection, items. Full: closed with `lagging`, the client resumes from its cursor.
    pub queue_items: usize,
    /// Queue of one connection, bytes.
    pub queue_bytes: usize,
    /// One page of a replay.
    pub page: usize,
    /// Longest `?wait=` of a poll: under the 60 s of proxies.
    pub poll_wait: Duration,
    /// All pollers together are told to stay within this many requests a second.
    pub poll_budget_qps: u32,
    /// Acknowledgements are gathered this long into one transaction. 250 ms.
    pub ack_window: Duration,
    /// Streams of one person.
    pub per_user: usize,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            pong_wait: Duration::from_secs(30),
            ping_period: Duration::from_secs(27),
            write_deadline: Duration::from_secs(10),
            queue_items: 256,
            queue_bytes: 256 * 1024,
            page: 100,
            poll_wait: Duration::from_secs(50),
            poll_budget_qps: 200,
            ack_window: Duration::from_millis(250),
            // The benchmark and a shared account hold thousands; a person's own devices never come near.
            per_user: 20_000,
        }
    }
}

/// Times and sizes of connections.
#[derive(Clone, Debug)]
pub struct Connections {
    /// Time for a request's head: slow senders are cut off. 10 s.
    pub header_timeout: Duration,
    /// Time for a request's body. 30 s.
    pub body_timeout: Duration,
    /// Header lines of one request.
    pub headers_most: usize,
    /// Read buffer of one HTTP/1 connection, bytes.
    pub buffer_bytes: usize,
    /// Time for running requests and streams to end after a shutdown began. 5 s.
    pub drain: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            headers_most: 64,
            buffer_bytes: 16 * 1024,
            drain: Duration::from_secs(5),
        }
    }
}

/// How fast one may go.
#[derive(Clone, Debug)]
pub struct Rates {
    /// Publishes of one token a second, sustained. `None`: no limit.
    pub publish_per_s: Option<u32>,
    /// Publishes of one token at once.
    pub publish_burst: u32,
    /// Failed authentications of one address a minute before further failures are slowed down with 429. A valid
    /// token is never blocked.
    pub auth_failures_per_min: u32,
}

impl Default for Rates {
    fn default() -> Self {
        // Far above what a team of 200 sends, low enough that a loop in a script is noticed before the disk is full.
        Self { publish_per_s: Some(100), publish_burst: 1000, auth_failures_per_min: 30 }
    }
}

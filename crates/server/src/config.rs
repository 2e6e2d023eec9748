//! What an operator or host can set, with the default and its reason beside each.

use std::{net::IpAddr, time::Duration};

/// Settings of one server. Hosts fill it from their file, flags and environment; tests shrink the times.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the team or host, shown to clients.
    pub name: String,
    /// Address under which people reach the page, when a proxy stands before it.
    pub public_url: Option<String>,
    /// Host names besides IP literals, localhost, this host's name and `.local` that the `Host` header may carry.
    pub hosts: Vec<String>,
    /// Proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpAddr>,
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
            trusted_proxies: Vec::new(),
            streams: Streams::default(),
            connections: Connections::default(),
            rates: Rates::default(),
        }
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

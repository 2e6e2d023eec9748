//! `tocsin serve`: what an operator can set. One list for flags, environment and file, so that the three cannot drift.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::Args;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::parse;

/// How the server is run.
#[derive(Debug, Args)]
#[command(long_about = "\
Run a server without a desktop: on an always-on box, in a container, under systemd.

Every setting can be a flag, an environment variable (TOCSIN_ and its name in capitals) or a line of the configuration \
file (its name with underscores); a flag wins over the environment, that over the file. `tocsin check-config` shows what \
comes out.

On the first start a person with the role admin is made (--admin; default: your login name). Their token is \
printed if standard output is a terminal, and nowhere else; otherwise run `tocsin token create` on this computer.

Plain http is only spoken on loopback addresses. For other computers use --tls: a certificate authority of this \
installation is made, and invites carry its fingerprint; or bring a certificate with --tls-cert and --tls-key.")]
#[command(after_long_help = "\
Examples:
  tocsin serve
  tocsin serve --listen 0.0.0.0:8723 --tls --name \"Ops team\"
  tocsin serve --config /etc/tocsin/serve.toml

Example of a configuration file:
  listen = [\"127.0.0.1:8722\", \"10.0.0.5:8723\"]
  tls = true
  name = \"Ops team\"
  public_url = \"https://push.example.org\"
  trusted_proxies = [\"10.0.0.1\"]
  retention = \"14d\"
  publish_per_s = 50

On SIGTERM and SIGINT running requests end and streams are told to come back later; then it ends with 0.")]
pub struct Serve {
    /// The configuration file; default: serve.toml in the configuration directory, if it is there.
    #[arg(long, env = "TOCSIN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write a file with process id and addresses as JSON once the server takes requests.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Begin a new life of the log: clients learn that their positions mean nothing now.
    #[arg(long)]
    pub new_epoch: bool,
    /// The settings.
    #[command(flatten)]
    pub options: Options,
}

/// The settings; what is absent has its default.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where everything is kept; only in the file, a flag is --data-dir.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// Addresses to listen on; port 0 takes a free one.
    #[arg(long, env = "TOCSIN_LISTEN", value_name = "ADDRESS:PORT", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<SocketAddr>,
    /// Speak TLS on addresses that other computers can reach.
    #[arg(long, env = "TOCSIN_TLS", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
    /// Certificate chain (PEM) to use instead of one of this installation's authority.
    #[arg(long, env = "TOCSIN_TLS_CERT", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, env = "TOCSIN_TLS_KEY", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Name of the team or host, shown to clients.
    #[arg(long, env = "TOCSIN_NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Address under which people reach the page, when a proxy stands before it.
    #[arg(long, env = "TOCSIN_PUBLIC_URL", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// A host name, besides localhost and this computer's, under which it may be reached; may be given several times.
    #[arg(long = "host", env = "TOCSIN_HOSTS", value_name = "NAME", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// A proxy whose X-Forwarded headers are believed; may be given several times.
    #[arg(long = "trusted-proxy", env = "TOCSIN_TRUSTED_PROXIES", value_name = "IP", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<IpAddr>,
    /// The admin made on the first start.
    #[arg(long, env = "TOCSIN_ADMIN", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// File with the secrets of channels (TOML: a table for each channel), readable by this user alone.
    ///
    /// Variables named `TOCSIN_CHANNEL_<CHANNEL>_<PART>` win over it, for example `TOCSIN_CHANNEL_APP_SECRET`.
    #[arg(long, env = "TOCSIN_CHANNEL_SECRETS", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_secrets: Option<PathBuf>,
    /// Most operations of one commit; 1: every publish has a flush to disk of its own.
    #[arg(long, env = "TOCSIN_COMMIT_BATCH", value_name = "N", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_batch: Option<usize>,
    /// How long messages are kept; receipts are kept longer.
    #[arg(long, env = "TOCSIN_RETENTION", value_name = "DURATION", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Span>,
    /// Most MiB of messages that are kept.
    #[arg(long, env = "TOCSIN_RETENTION_MIB", value_name = "MIB", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_mib: Option<u64>,
    /// Publishes a second of one token, sustained; 0: no limit.
    #[arg(long, env = "TOCSIN_PUBLISH_PER_S", value_name = "N", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_per_s: Option<u32>,
    /// Publishes of one token at once.
    #[arg(long, env = "TOCSIN_PUBLISH_BURST", value_name = "N", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_burst: Option<u32>,
    /// Failed authentications of one address a minute before it is slowed down.
    #[arg(long, env = "TOCSIN_AUTH_FAILURES_PER_MIN", value_name = "N", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_failures_per_min: Option<u32>,
    /// Streams of one person.
    #[arg(long, env = "TOCSIN_STREAMS_PER_USER", value_name = "N", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams_per_user: Option<usize>,
    /// Messages that wait for one slow connection before it is closed.
    #[arg(long, env = "TOCSIN_QUEUE_ITEMS", value_name = "N", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_items: Option<usize>,
    /// KiB that wait for one slow connection before it is closed.
    #[arg(long, env = "TOCSIN_QUEUE_KIB", value_name = "KIB", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_kib: Option<usize>,
    /// Requests a second that all pollers together are asked to stay within.
    #[arg(long, env = "TOCSIN_POLL_BUDGET_QPS", value_name = "N", help_heading = "Limits")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_budget_qps: Option<u32>,
    /// A stream carries something at least this often.
    #[arg(long, env = "TOCSIN_HEARTBEAT", value_name = "DURATION", help_heading = "Times")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Span>,
    /// A WebSocket without a sign of life for this long is closed; pings go out at 9/10 of it.
    #[arg(long, env = "TOCSIN_PONG_WAIT", value_name = "DURATION", help_heading = "Times")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pong_wait: Option<Span>,
    /// A write that takes longer ends the connection.
    #[arg(long, env = "TOCSIN_WRITE_DEADLINE", value_name = "DURATION", help_heading = "Times")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_deadline: Option<Span>,
    /// Longest that a poll may ask to wait.
    #[arg(long, env = "TOCSIN_POLL_WAIT", value_name = "DURATION", help_heading = "Times")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_wait: Option<Span>,
    /// Time for a request's head.
    #[arg(long, env = "TOCSIN_HEADER_TIMEOUT", value_name = "DURATION", help_heading = "Times")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_timeout: Option<Span>,
    /// Time for a request's body.
    #[arg(long, env = "TOCSIN_BODY_TIMEOUT", value_name = "DURATION", help_heading = "Times")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_timeout: Option<Span>,
    /// Time for running requests and streams to end after a shutdown began.
    #[arg(long, env = "TOCSIN_DRAIN", value_name = "DURATION", help_heading = "Times")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<Span>,
}

/// A duration as people write it: `90s`, `15m`, `2h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse::duration(text).map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (number, unit) = match seconds {
            s if s > 0 && s % 86_400 == 0 => (s / 86_400, "d"),
            s if s > 0 && s % 3600 == 0 => (s / 3600, "h"),
            s if s > 0 && s % 60 == 0 => (s / 60, "m"),
            s => (s, "s"),
        };
        write!(f, "{number}{unit}")
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_as_it_was_written() {
        for text in ["7d", "2h", "15m", "90s", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("120s".parse::<Span>().unwrap().to_string(), "2m");
    }
}

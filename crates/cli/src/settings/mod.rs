//! The settings of `tocsin serve`: file, environment and flags laid over each other, checked as a whole, and turned into
//! what server and store take.
//!
//! Everything is checked before anything is opened: a typing error must not cost a migration or a port.

mod check;
mod file;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tocsin_control::Paths;
use tocsin_locale::{Locale, system_language};
use tocsin_protocol::{
    Millis,
    control::{DEFAULT_PORT, Language},
};
use tocsin_server::config::{Config, Connections, Rates, Streams};
use tocsin_store::sqlite;

use crate::{
    args::{
        Global,
        serve::{Options, Serve, Span},
    },
    exit::Failure,
    headless::ChannelSecrets,
};

pub use check::Mistake;

/// The configuration file's name in the configuration directory.
const FILE: &str = "serve.toml";
/// Most operations of one commit that can be asked for: far beyond where a batch gains anything.
const COMMIT_BATCH_MOST: usize = 10_000;

/// Settings that passed all checks.
#[derive(Debug)]
pub struct Settings {
    /// Where things are.
    pub paths: Paths,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// What was asked for.
    pub asked: Options,
}

/// Reads and checks everything. All mistakes are returned, not only the first.
pub fn read(global: &Global, serve: &Serve) -> Result<Settings, Vec<Mistake>> {
    let paths = Paths::resolve(global.data_dir.as_deref())
        .map_err(|error| vec![Mistake::general(error.to_string())])?;
    let named = serve.config.is_some();
    let path = serve.config.clone().unwrap_or_else(|| paths.config.join(FILE));
    let text = file::read(&path, named)?;
    let in_file = file::parse(&path, text.as_deref().unwrap_or_default())?;
    // A flag or variable wins over the file, as with every other setting.
    let data_dir = global.data_dir.clone().or_else(|| in_file.data_dir.clone());
    let paths =
        Paths::resolve(data_dir.as_deref()).map_err(|error| vec![Mistake::general(error.to_string())])?;
    let asked =
        overlay(&serve.options, &in_file).map_err(|error| vec![Mistake::general(error.to_string())])?;
    let origin = file::Origins { path: &path, text: text.as_deref(), flags: &serve.options };
    let mistakes = check::all(&asked, &origin);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(Settings { paths, file: text.is_some().then_some(path), asked })
}

/// Mistakes as one failure.
pub fn failure(mistakes: &[Mistake]) -> Failure {
    let text = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    Failure::new(
        crate::exit::Exit::Usage,
        "bad_configuration",
        format!("the configuration is wrong:\n{text}"),
    )
}

/// What `over` names wins over `under`. By name, so that a new setting needs no line here.
fn overlay(over: &Options, under: &Options) -> Result<Options, toml::de::Error> {
    let table = |options: &Options| toml::Table::try_from(options).map_err(serde::de::Error::custom);
    let mut all: toml::Table = table(under)?;
    all.extend(table(over)?);
    all.try_into()
}

impl Settings {
    /// Where to listen.
    pub fn listen(&self) -> Vec<SocketAddr> {
        if self.asked.listen.is_empty() {
            return vec![SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))];
        }
        self.asked.listen.clone()
    }

    /// Whether TLS is spoken on addresses that other computers can reach.
    pub fn tls(&self) -> bool {
        self.asked.tls.unwrap_or(false)
    }

    /// Own certificate and key.
    pub fn certificate(&self) -> Option<(&Path, &Path)> {
        Some((self.asked.tls_cert.as_deref()?, self.asked.tls_key.as_deref()?))
    }

    /// The server's configuration.
    pub fn server(&self) -> Config {
        let asked = &self.asked;
        let mut config = Config {
            hosts: asked.hosts.clone(),
            trusted_proxies: asked.trusted_proxies.clone(),
            locale: Arc::new(Locale::new(Language::System, &system_language())),
            secrets: Arc::new(ChannelSecrets::new(asked.channel_secrets.clone())),
            token_dir: Some(self.paths.platform_tokens()),
            ..Config::default()
        };
        config.public_url.clone_from(&asked.public_url);
        if let Some(name) = &asked.name {
            config.name.clone_from(name);
        }
        set_streams(asked, &mut config.streams);
        set_connections(asked, &mut config.connections);
        set_rates(asked, &mut config.rates);
        config
    }

    /// The store's options.
    pub fn store(&self) -> sqlite::Options {
        let mut options = sqlite::Options::new(&self.paths.data);
        if let Some(Span(keep)) = self.asked.retention {
            options.keep_bodies = Millis::try_from(keep.as_millis()).unwrap_or(Millis::MAX);
            options.keep_receipts = options.keep_receipts.max(options.keep_bodies);
        }
        if let Some(mib) = self.asked.retention_mib {
            options.keep_bytes = mib.saturating_mul(1024 * 1024);
        }
        if let Some(most) = self.asked.commit_batch {
            options.batch_most = most;
        }
        options
    }

    /// Everything with its value, defaults filled in: what `check-config` shows.
    pub fn effective(&self) -> Options {
        let (config, store) = (self.server(), self.store());
        let span = |time: Duration| Some(Span(time));
        let keep = u64::try_from(store.keep_bodies).unwrap_or_default();
        Options {
            data_dir: Some(self.paths.data.clone()),
            listen: self.listen(),
            tls: Some(self.tls()),
            name: Some(config.name),
            commit_batch: Some(store.batch_most),
            retention: span(Duration::from_millis(keep)),
            retention_mib: Some(store.keep_bytes / (1024 * 1024)),
            publish_per_s: Some(config.rates.publish_per_s.unwrap_or(0)),
            publish_burst: Some(config.rates.publish_burst),
            auth_failures_per_min: Some(config.rates.auth_failures_per_min),
            streams_per_user: Some(config.streams.per_user),
            queue_items: Some(config.streams.queue_items),
            queue_kib: Some(config.streams.queue_bytes / 1024),
            poll_budget_qps: Some(config.streams.poll_budget_qps),
            heartbeat: span(config.streams.heartbeat),
            pong_wait: span(config.streams.pong_wait),
            write_deadline: span(config.streams.write_deadline),
            poll_wait: span(config.streams.poll_wait),
            header_timeout: span(config.connections.header_timeout),
            body_timeout: span(config.connections.body_timeout),
            drain: span(config.connections.drain),
            ..self.asked.clone()
        }
    }
}

fn set<T>(asked: Option<T>, value: &mut T) {
    if let Some(asked) = asked {
        *value = asked;
    }
}

fn set_time(asked: Option<Span>, value: &mut Duration) {
    set(asked.map(|span| span.0), value);
}

fn set_streams(asked: &Options, streams: &mut Streams) {
    set_time(asked.heartbeat, &mut streams.heartbeat);
    set_time(asked.pong_wait, &mut streams.pong_wait);
    // 9/10, as the default has it.
    streams.ping_period = streams.pong_wait * 9 / 10;
    set_time(asked.write_deadline, &mut streams.write_deadline);
    set_time(asked.poll_wait, &mut streams.poll_wait);
    set(asked.queue_items, &mut streams.queue_items);
    set(asked.queue_kib.map(|kib| kib.saturating_mul(1024)), &mut streams.queue_bytes);
    set(asked.poll_budget_qps, &mut streams.poll_budget_qps);
    set(asked.streams_per_user, &mut streams.per_user);
}

fn set_connections(asked: &Options, connections: &mut Connections) {
    set_time(asked.header_timeout, &mut connections.header_timeout);
    set_time(asked.body_timeout, &mut connections.body_timeout);
    set_time(asked.drain, &mut connections.drain);
}

fn set_rates(asked: &Options, rates: &mut Rates) {
    set(asked.publish_per_s.map(|rate| (rate > 0).then_some(rate)), &mut rates.publish_per_s);
    set(asked.publish_burst, &mut rates.publish_burst);
    set(asked.auth_failures_per_min, &mut rates.auth_failures_per_min);
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn settings(file: &str, flags: &[&str]) -> Result<Settings, Vec<Mistake>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("serve.toml");
        std::fs::write(&path, file).unwrap();
        let (config, data) = (path.to_str().unwrap(), dir.path().to_str().unwrap());
        let words = ["tocsin", "serve", "--config", config, "--data-dir", data];
        let cli = Cli::try_parse_from(words.iter().chain(flags)).unwrap();
        let Some(Command::Serve(serve)) = cli.command else { panic!("not serve") };
        read(&cli.global, &serve)
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_rest_stays() {
        let file = "listen = [\"127.0.0.1:1\"]\nname = \"file\"\npong_wait = \"20s\"\npublish_per_s = 0\n";
        let settings = settings(file, &["--name", "flag", "--commit-batch", "1"]).unwrap();
        let config = settings.server();
        assert_eq!(config.name, "flag");
        assert_eq!(settings.listen(), ["127.0.0.1:1".parse().unwrap()]);
        assert_eq!(config.streams.ping_period, Duration::from_secs(18));
        assert_eq!(config.rates.publish_per_s, None);
        assert_eq!(settings.store().batch_most, 1);
    }

    #[test]
    fn what_check_config_shows_can_be_read_back() {
        let first = settings("retention = \"14d\"\n", &[]).unwrap();
        let text = toml::to_string(&first.effective()).unwrap();
        let again = settings(&text, &[]).unwrap();
        assert_eq!(again.asked.retention, Some(Span(Duration::from_hours(14 * 24))));
        assert_eq!(again.asked.poll_budget_qps, first.effective().poll_budget_qps);
    }

    #[test]
    fn every_mistake_is_told_with_place_and_way_out() {
        let file = "name = \"x\"\nlisten = [\"0.0.0.0:8723\"]\npublic_url = \"push.example.org\"\n";
        let mistakes = settings(file, &["--commit-batch", "0"]).unwrap_err();
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("serve.toml:2") && told[0].contains("--tls"), "{told:?}");
        assert!(told[1].contains("serve.toml:3") && told[1].contains("https://"), "{told:?}");
        assert!(told[2].contains("--commit-batch"), "{told:?}");
    }

    #[test]
    fn a_typing_error_has_its_line() {
        let told = settings("name = \"x\"\nlisten_on = 3\n", &[]).unwrap_err()[0].to_string();
        assert!(told.contains("line 2") && told.contains("listen_on"), "{told}");
        let told = settings("tls = \"yes\"\n", &[]).unwrap_err()[0].to_string();
        assert!(told.contains("line 1") && told.contains("boolean"), "{told}");
    }
}

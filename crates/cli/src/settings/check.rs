//! What can be wrong with settings that parsed: one check after the other, each with its way out.

use std::{fmt, time::Duration};

use tocsin_protocol::limits;

use super::{COMMIT_BATCH_MOST, file::Origins};
use crate::args::serve::{Options, Span};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    text: String,
    remedy: Option<String>,
}

impl Mistake {
    /// One that belongs to no setting.
    pub fn general(text: impl Into<String>) -> Self {
        Self { text: text.into(), remedy: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "- {}", self.text.replace('\n', "\n  "))?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "\n  {remedy}"))
    }
}

/// All mistakes, in the order of the settings.
pub fn all(asked: &Options, origins: &Origins<'_>) -> Vec<Mistake> {
    let mut found = Found { mistakes: Vec::new(), origins };
    addresses(asked, &mut found);
    certificate(asked, &mut found);
    names(asked, &mut found);
    limits(asked, &mut found);
    times(asked, &mut found);
    found.mistakes
}

struct Found<'a> {
    mistakes: Vec<Mistake>,
    origins: &'a Origins<'a>,
}

impl Found<'_> {
    fn wrong(&mut self, field: &str, what: &str, remedy: &str) {
        let text = format!("{}: {what}", self.origins.of(field));
        self.mistakes.push(Mistake::general(text).remedy(remedy));
    }
}

fn addresses(asked: &Options, found: &mut Found<'_>) {
    let tls = asked.tls.unwrap_or(false);
    for address in asked.listen.iter().filter(|address| !address.ip().is_loopback() && !tls) {
        let what = format!(
            "{address} can be reached by other computers, and plain http would show them every token"
        );
        found.wrong(
            "listen",
            &what,
            "add --tls (or tls = true), or listen on 127.0.0.1 behind a proxy that speaks TLS",
        );
    }
    let mut seen = std::collections::HashSet::new();
    for address in asked.listen.iter().filter(|address| address.port() != 0) {
        if !seen.insert(address) {
            found.wrong("listen", &format!("{address} is there twice"), "name each address once");
        }
    }
}

fn certificate(asked: &Options, found: &mut Found<'_>) {
    match (&asked.tls_cert, &asked.tls_key) {
        (Some(_), None) => {
            found.wrong("tls_cert", "a certificate needs its key", "name the key with --tls-key FILE");
        }
        (None, Some(_)) => {
            found.wrong("tls_key", "a key needs its certificate", "name the chain with --tls-cert FILE");
        }
        (Some(_), Some(_)) if asked.tls != Some(true) => {
            found.wrong("tls_cert", "a certificate is named but TLS is off", "add --tls (or tls = true)");
        }
        _ => {}
    }
    for (field, file) in [("tls_cert", &asked.tls_cert), ("tls_key", &asked.tls_key)] {
        if let Some(file) = file
            && let Err(error) = std::fs::File::open(file)
        {
            let what = format!("cannot read {}: {error}", file.display());
            found.wrong(field, &what, "mend the path, or the permissions for the user that runs this");
        }
    }
}

fn names(asked: &Options, found: &mut Found<'_>) {
    if let Some(url) = &asked.public_url
        && !limits::is_origin(url)
    {
        let what = format!("{url:?} is not the address of a page");
        found.wrong("public_url", &what, "write scheme and host, without a path: https://push.example.org");
    }
    for host in asked.hosts.iter().filter(|host| !is_host(host)) {
        let what = format!("{host:?} is not a host name");
        found.wrong("hosts", &what, "write the bare name, without scheme, port or path: push.example.org");
    }
    if let Some(name) = &asked.name
        && (name.trim().is_empty() || name.len() > limits::DISPLAY_BYTES)
    {
        let what = format!("a name has 1 to {} bytes", limits::DISPLAY_BYTES);
        found.wrong("name", &what, "choose a shorter one");
    }
    if let Some(admin) = &asked.admin
        && (!limits::is_name(admin) || admin.contains(|c: char| c.is_ascii_uppercase()))
    {
        let what = format!("{admin:?} cannot name a person");
        found.wrong("admin", &what, "use a-z, 0-9 and . _ -, a letter or digit first");
    }
}

fn limits(asked: &Options, found: &mut Found<'_>) {
    if let Some(batch) = asked.commit_batch
        && !(1..=COMMIT_BATCH_MOST).contains(&batch)
    {
        let what = format!("{batch} is out of range");
        found.wrong(
            "commit_batch",
            &what,
            &format!("use 1 (a flush for each publish) to {COMMIT_BATCH_MOST}"),
        );
    }
    let counts = [
        ("queue_items", asked.queue_items),
        ("queue_kib", asked.queue_kib),
        ("streams_per_user", asked.streams_per_user),
        ("publish_burst", asked.publish_burst.map(|n| n as usize)),
        ("poll_budget_qps", asked.poll_budget_qps.map(|n| n as usize)),
        ("auth_failures_per_min", asked.auth_failures_per_min.map(|n| n as usize)),
        ("retention_mib", asked.retention_mib.map(|n| usize::try_from(n).unwrap_or(usize::MAX))),
    ];
    for (field, _) in counts.iter().filter(|(_, count)| *count == Some(0)) {
        found.wrong(field, "0 would let nothing through", "use at least 1, or leave it out for the default");
    }
}

fn times(asked: &Options, found: &mut Found<'_>) {
    const HOUR: Duration = Duration::from_hours(1);
    let range = [
        ("retention", asked.retention, HOUR, 3650 * 24 * HOUR),
        ("heartbeat", asked.heartbeat, Duration::from_secs(1), HOUR),
        ("pong_wait", asked.pong_wait, Duration::from_secs(2), HOUR),
        ("write_deadline", asked.write_deadline, Duration::from_secs(1), HOUR),
        ("poll_wait", asked.poll_wait, Duration::from_secs(1), HOUR),
        ("header_timeout", asked.header_timeout, Duration::from_secs(1), HOUR),
        ("body_timeout", asked.body_timeout, Duration::from_secs(1), HOUR),
        ("drain", asked.drain, Duration::ZERO, HOUR),
    ];
    for (field, value, least, most) in range {
        if let Some(span) = value
            && !(least..=most).contains(&span.0)
        {
            let remedy = format!("use {} to {}", Span(least), Span(most));
            found.wrong(field, &format!("{span} is out of range"), &remedy);
        }
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

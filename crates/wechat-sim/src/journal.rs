//! Every request to the platforms, with its secrets struck out, and what tests count by it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    answer::Host,
    call::Call,
    fault::{Hits, Kind},
};

/// Parameters and fields that hold a secret.
const SECRET_NAMES: &[&str] = &["access_token", "secret", "corpsecret", "appsecret", "key"];
/// So many requests are kept; a storm must not fill the memory.
const KEPT: usize = 20_000;

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Number, from 1.
    pub id: u64,
    /// The simulator's time, milliseconds since 1970.
    pub at_ms: i64,
    /// Which platform.
    pub host: Host,
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Parameters, secrets struck out.
    pub query: BTreeMap<String, String>,
    /// Body, secrets struck out; null if it was no JSON.
    pub body: Value,
    /// The address that the platform saw.
    pub ip: String,
    /// Faults that hit it.
    pub faults: Vec<Kind>,
    /// What it was answered; absent while it runs or if no answer was made.
    pub errcode: Option<i64>,
    /// What was said.
    pub errmsg: String,
}

/// What runs at once on one path.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Flight {
    /// Now.
    pub now: u32,
    /// At most, so far.
    pub most: u32,
}

/// The requests, and counts that outlive them.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    next: u64,
    calls: BTreeMap<String, u64>,
    codes: BTreeMap<String, BTreeMap<i64, u64>>,
    flights: BTreeMap<String, Flight>,
}

impl Journal {
    pub(crate) fn begin(&mut self, call: &Call, hits: &Hits) -> u64 {
        self.next += 1;
        *self.calls.entry(call.path.clone()).or_default() += 1;
        if self.entries.len() == KEPT {
            self.entries.drain(..KEPT / 2);
        }
        self.entries.push(Entry {
            id: self.next,
            at_ms: call.now,
            host: call.host,
            method: call.method.clone(),
            path: call.path.clone(),
            query: struck_query(&call.query),
            body: call.peek().map_or(Value::Null, struck_body),
            ip: call.ip.to_string(),
            faults: hits.names(),
            errcode: None,
            errmsg: String::new(),
        });
        self.next
    }

    pub(crate) fn answered(&mut self, id: u64, answer: &Value) {
        let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.id == id) else { return };
        let code = answer["errcode"].as_i64().unwrap_or(0);
        entry.errcode = Some(code);
        entry.errmsg = answer["errmsg"].as_str().unwrap_or_default().into();
        *self.codes.entry(entry.path.clone()).or_default().entry(code).or_default() += 1;
    }

    pub(crate) fn enter(&mut self, path: &str) {
        let flight = self.flights.entry(path.into()).or_default();
        flight.now += 1;
        flight.most = flight.most.max(flight.now);
    }

    pub(crate) fn leave(&mut self, path: &str) {
        if let Some(flight) = self.flights.get_mut(path) {
            flight.now = flight.now.saturating_sub(1);
        }
    }

    /// The requests that are kept, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The requests whose path ends so.
    pub fn on<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.path.ends_with(path))
    }

    /// How many requests there were whose path ends so; never forgets.
    pub fn calls(&self, path: &str) -> u64 {
        self.calls.iter().filter(|(name, _)| name.ends_with(path)).map(|(_, count)| count).sum()
    }

    /// How many asked for a token, by any of the three ways.
    pub fn token_calls(&self) -> u64 {
        ["/cgi-bin/token", "/cgi-bin/stable_token", "/cgi-bin/gettoken"]
            .iter()
            .map(|path| self.calls(path))
            .sum()
    }

    /// At most so many ran at once on a path that ends so.
    pub fn most_in_flight(&self, path: &str) -> u32 {
        self.flights
            .iter()
            .filter(|(name, _)| name.ends_with(path))
            .map(|(_, flight)| flight.most)
            .max()
            .unwrap_or(0)
    }

    /// So many run now on paths that end so.
    pub fn in_flight(&self, path: &str) -> u32 {
        self.flights.iter().filter(|(name, _)| name.ends_with(path)).map(|(_, flight)| flight.now).sum()
    }

    /// The counts as JSON.
    pub(crate) fn counts(&self) -> Value {
        let paths = self.calls.iter().map(|(path, calls)| {
            let flight = self.flights.get(path).copied().unwrap_or_default();
            let codes: BTreeMap<String, u64> = self
                .codes
                .get(path)
                .map(|codes| codes.iter().map(|(code, count)| (code.to_string(), *count)).collect())
                .unwrap_or_default();
            (path.clone(), json!({"calls": calls, "errcodes": codes, "in_flight": flight}))
        });
        json!({"token_calls": self.token_calls(), "paths": paths.collect::<serde_json::Map<_, _>>()})
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { next: self.next, ..Self::default() };
    }
}

fn struck_query(query: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let strike = |(name, value): (&String, &String)| {
        let value = if SECRET_NAMES.contains(&name.as_str()) { "***" } else { value };
        (name.clone(), value.to_owned())
    };
    query.iter().map(strike).collect()
}

/// Secrets are fields of the top level only; `key` there is a card's, not a robot's.
fn struck_body(mut body: Value) -> Value {
    for name in ["secret", "appsecret"] {
        if let Some(value) = body.get_mut(name) {
            *value = "***".into();
        }
    }
    body
}

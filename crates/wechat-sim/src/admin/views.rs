//! Looking: what the phones show, what was asked, what was counted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Ask, Told, wrong};
use crate::{inbox::Item, shared::Shared};

/// `?all=1`: with what no phone shows. `?to=`, `?contains=`: only such.
pub(super) fn inbox(shared: &Shared, ask: &Ask) -> Value {
    let filter = |name: &str| ask.query.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (to, words, all) = (filter("to"), filter("contains"), ask.flag("all"));
    shared.world(|world| {
        let wanted = |item: &&Item| {
            (all || item.is_shown())
                && (to.is_empty() || item.to.eq_ignore_ascii_case(&to))
                && (words.is_empty() || item.contains(&words))
        };
        let items: Vec<&Item> = world.inbox.all().iter().filter(wanted).collect();
        let mut states: BTreeMap<String, usize> = BTreeMap::new();
        for item in world.inbox.all() {
            let state = serde_json::to_value(item.state).unwrap_or_default();
            *states.entry(state.as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        json!({"items": items, "states": states})
    })
}

pub(super) fn clear_inbox(shared: &Shared) -> Value {
    shared.world(|world| world.inbox.clear());
    json!({"cleared": "inbox"})
}

/// `?path=` ends so.
pub(super) fn journal(shared: &Shared, ask: &Ask) -> Value {
    let path = ask.query.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
    shared.world(|world| json!(world.journal.on(&path).collect::<Vec<_>>()))
}

pub(super) fn clear_journal(shared: &Shared) -> Value {
    shared.world(|world| world.journal.clear());
    json!({"cleared": "journal"})
}

/// Requests, error codes and most in flight by path; token calls; the shortest gap and the fullest minute of each
/// recipient.
pub(super) fn stats(shared: &Shared) -> Value {
    shared.world(|world| {
        let mut stats = world.journal.counts();
        let mut times: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for item in world.inbox.shown() {
            times.entry(&item.to).or_default().push(item.at_ms);
        }
        let recipients = times.into_iter().map(|(to, times)| (to.to_owned(), rhythm(&times)));
        stats["recipients"] = Value::Object(recipients.collect());
        stats
    })
}

fn rhythm(times: &[i64]) -> Value {
    let shortest = times.windows(2).map(|pair| pair[1] - pair[0]).min();
    // The minutes that begin with a message are the fullest ones.
    let fullest = times
        .iter()
        .enumerate()
        .map(|(first, start)| times[first..].partition_point(|time| *time < start + 60_000))
        .max();
    json!({"messages": times.len(), "shortest_gap_ms": shortest, "most_in_a_minute": fullest})
}

/// `{"text": "…"}`: which secrets it contains, by their first characters.
pub(super) fn leaks(shared: &Shared, ask: &Ask) -> Told {
    let Some(text) = ask.body["text"].as_str() else { return wrong("`text` is missing") };
    let secrets = shared.world(|world| world.secrets());
    let found: Vec<String> = secrets
        .iter()
        .filter(|secret| text.contains(secret.as_str()))
        .map(|secret| format!("{}…", &secret[..6]))
        .collect();
    Ok(json!({"leaks": found}))
}

pub(super) fn callbacks(shared: &Shared) -> Value {
    shared.world(|world| json!({"records": world.callbacks.records(), "held": world.callbacks.held()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rhythm_is_the_shortest_gap_and_the_fullest_minute() {
        let rhythm = rhythm(&[0, 3_000, 59_999, 60_000, 60_001]);
        assert_eq!(rhythm["shortest_gap_ms"], 1);
        assert_eq!(rhythm["most_in_a_minute"], 4);
        assert_eq!(super::rhythm(&[])["messages"], 0);
    }
}

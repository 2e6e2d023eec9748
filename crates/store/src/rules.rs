//! Decisions that do not depend on how things are stored.

use tocsin_protocol::{Action, Counts, MessageView, PersonReceipt, Priority, Shown, State};

use crate::InboxQuery;

/// Names of missing people in one receipt: a window shows no more; the count has the rest.
const MISSING_MOST: usize = 100;

/// Whether a row belongs on a page. `unread` and `unacknowledged` leave out what nobody waits for any more (expired,
/// superseded), so that the list agrees with the count of unread. What is acknowledged asks for no reading, also where that
/// carried over from an older version. `needle` is in lower case.
pub(crate) fn fits(row: &MessageView, query: &InboxQuery, needle: Option<&str>) -> bool {
    let message = &row.message;
    let waiting = !message.expired && message.superseded_by.is_none();
    let asks = message.priority >= Priority::HIGH
        || message.actions.iter().any(|action| matches!(action, Action::Acknowledge { .. }));
    (!query.unread || (waiting && row.read_at.is_none() && row.acknowledged_at.is_none()))
        && (!query.unacknowledged || (waiting && asks && row.acknowledged_at.is_none()))
        && needle.is_none_or(|needle| {
            message.title.to_lowercase().contains(needle) || message.body.to_lowercase().contains(needle)
        })
}

/// Names of those who wait for it.
pub(crate) fn missing(people: &[PersonReceipt]) -> Vec<String> {
    let missing = people.iter().filter(|person| person.state == State::Missing);
    missing.take(MISSING_MOST).map(|person| person.user.clone()).collect()
}

/// How many are how far.
pub(crate) fn counts(people: &[PersonReceipt]) -> Counts {
    let count =
        |which: fn(&PersonReceipt) -> bool| people.iter().filter(|person| which(person)).count() as u64;
    Counts {
        owed: people.len() as u64,
        sent: count(|person| person.state == State::Sent),
        received: count(|person| person.state >= State::Received),
        shown: count(|person| person.shown == Some(Shown::Shown)),
        read: count(|person| person.state >= State::Read),
        acknowledged: count(|person| person.state == State::Acknowledged),
        missing: count(|person| person.state == State::Missing),
        withdrawn: count(|person| person.state == State::Withdrawn),
    }
}

//! Decisions that do not depend on how things are stored.

use tocsin_protocol::{
    Action, Counts, Message, MessageView, Millis, Priority, Shown, State,
    escalation::EXPECT_S,
    limits::ALERTS_TOPIC,
    receipt::{NAMES_MOST, ReceiptFilter},
};

use crate::InboxQuery;

/// Whether a message asks to be acknowledged.
pub(crate) fn asks(message: &Message) -> bool {
    message.priority >= Priority::HIGH
        || message.actions.iter().any(|action| matches!(action, Action::Acknowledge { .. }))
}

/// How often a topic is expected to speak, milliseconds; 0: it is not.
pub(crate) fn expectation(topic: &str, every_s: u64) -> crate::Result<Option<Millis>> {
    match every_s {
        0 => Ok(None),
        _ if topic == ALERTS_TOPIC => Err(crate::Error::Invalid(format!(
            "{ALERTS_TOPIC} is the server's own topic: it is silent while all is well"
        ))),
        EXPECT_S.. => Ok(Some(Millis::try_from(every_s).unwrap_or(Millis::MAX).saturating_mul(1000))),
        _ => Err(crate::Error::Invalid(format!("{EXPECT_S} seconds is the shortest expect_every_s"))),
    }
}

/// Whether a row belongs on a page. `unread` and `unacknowledged` leave out what nobody waits for any more (expired,
/// superseded, taken care of by somebody else), so that the list agrees with the count of unread. What is acknowledged
/// asks for no reading, also where that carried over from an older version. `needle` is in lower case.
pub(crate) fn fits(row: &MessageView, query: &InboxQuery, needle: Option<&str>) -> bool {
    let message = &row.message;
    let waiting = !message.expired && message.superseded_by.is_none();
    let open = waiting && row.acknowledged_at.is_none() && row.settled.is_none();
    (!query.unread || (waiting && row.read_at.is_none() && row.acknowledged_at.is_none()))
        && (!query.unacknowledged || (open && asks(message)))
        && needle.is_none_or(|needle| {
            message.title.to_lowercase().contains(needle) || message.body.to_lowercase().contains(needle)
        })
}

/// Whether somebody is owed it still and is not as far as this: what is removed, expired, superseded or lost is owed to
/// nobody.
pub(crate) fn lacks(state: State, wanted: State) -> bool {
    let owed =
        !matches!(state, State::Withdrawn | State::Expired | State::Superseded | State::LostToRetention);
    owed && state < wanted
}

/// The first names, in the order given, of those who lack this.
pub(crate) fn names<'a>(
    people: impl Iterator<Item = (State, &'a str)>,
    lacks: impl Fn(State) -> bool,
) -> Vec<String> {
    let lacking = people.filter(|(state, _)| lacks(*state));
    lacking.take(NAMES_MOST).map(|(_, name)| name.to_owned()).collect()
}

/// How many are how far.
pub(crate) fn counts(people: impl Iterator<Item = (State, Option<Shown>)>) -> Counts {
    let mut counts = Counts::default();
    for (state, shown) in people {
        counts.owed += 1;
        counts.sent += u64::from(state == State::Sent);
        counts.received += u64::from(state >= State::Received);
        counts.shown += u64::from(shown == Some(Shown::Shown));
        counts.read += u64::from(state >= State::Read);
        counts.acknowledged += u64::from(state == State::Acknowledged);
        counts.missing += u64::from(state == State::Missing);
        counts.withdrawn += u64::from(state == State::Withdrawn);
        counts.given_up += u64::from(is_too_late(state));
        counts.unread += u64::from(lacks(state, State::Read));
        counts.unacknowledged += u64::from(lacks(state, State::Acknowledged));
    }
    counts
}

/// It was over before it arrived.
pub(crate) fn is_too_late(state: State) -> bool {
    matches!(state, State::Expired | State::Superseded | State::LostToRetention)
}

/// What a list of receipts decides by.
pub(crate) struct Listed<'a> {
    pub(crate) message: &'a Message,
    /// A newer version exists.
    pub(crate) superseded: bool,
    pub(crate) counts: Counts,
    /// People it expired for.
    pub(crate) expired: u64,
    pub(crate) failed: u64,
    pub(crate) unknown: u64,
    /// Somebody took care of it for all.
    pub(crate) settled: bool,
}

/// Whether a receipt belongs in a list.
pub(crate) fn is_listed(filter: ReceiptFilter, row: &Listed<'_>, now: Millis) -> bool {
    let over = row.superseded || row.message.expires_at.is_some_and(|at| at <= now);
    match filter {
        ReceiptFilter::All => true,
        ReceiptFilter::Undelivered => row.counts.missing > 0,
        ReceiptFilter::Unacknowledged => {
            !over && !row.settled && asks(row.message) && row.counts.unacknowledged > 0
        }
        ReceiptFilter::Failed => row.failed > 0,
        ReceiptFilter::Unknown => row.unknown > 0,
        ReceiptFilter::Expired => row.expired > 0,
    }
}

//! The outbox: what is to be sent over channels, when, and what became of it.
//!
//! [`Outbox`] stands beside [`Store`](crate::Store) and is implemented by the same stores: rows are written in the
//! transaction of the publish, and the failure of a delivery is recorded in the transaction that publishes its alert.
//!
//! Words: a *lane* is one recipient of one channel. A worker *claims* lanes whose time has come, *begins* a try (from
//! here on a crash means that it may have arrived), sends, and *settles* the result.
//!
//! Invariants every implementation keeps:
//! - At most one try of a lane runs at a time, however many workers there are. A lease ends by itself; its lane is then
//!   due again, and a try that had begun is `unknown` or, inside the time in which the platform recognises a
//!   repetition, tried again under the same key. A worker that lost its lease begins nothing.
//! - A try is booked before it is made. What is rendered for the first one is sent again byte for byte.
//! - The key of a delivery comes from message, person and channel, never from the try.
//! - Rate limits hold in every window, restarts and all: they are read off the booked tries.
//! - Times are wall clock. Finding what is due reads only what is due.
//! - A late answer is still believed: it turns `unknown` into what it says, never `accepted` into less.

pub mod health;
mod late;
pub(crate) mod routing;
mod work;

use async_trait::async_trait;
use tocsin_protocol::{
    Delivery, DeliveryState, MessageId, Millis,
    delivery::{
        Binding, Channel, ChannelHealth, ChannelKind, ChannelSettings, DeliveryDetail, Resend, Route,
    },
};
use tokio::sync::watch;

use crate::{Result, UserId};
pub(crate) use late::{NOWHERE, not_wanted, or_unknown, too_late};
pub use work::{
    Again, ClaimOrder, Claimed, Confirmation, Fall, Herald, History, Item, Job, Lease, Limits, Next, Noticed,
    Settled, Settlement, Start, StartOf, Started, Work,
};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);
    };
}

id! {
    /// A channel, for as long as the store lives.
    ChannelId
}
id! {
    /// One recipient of one channel.
    LaneId
}
id! {
    /// One message for one person (or a group) over one channel, or a digest.
    DeliveryId
}
id! {
    /// One try.
    AttemptId
}

/// The topic that tells of failed deliveries. It is made with the first of them, with all admins as members; its name
/// cannot be given to another.
pub const ALERTS: &str = tocsin_protocol::limits::ALERTS_TOPIC;
/// How long a delivery is tried, unless its message expires before: a channel that is repaired the next morning still
/// says what happened at night.
pub const GIVE_UP_AFTER: Millis = 24 * 3600 * 1000;
/// One alert per credential and cause in this time.
pub const ALERT_EVERY: Millis = 10 * 60 * 1000;
/// A confirmation without the platform's name of the message counts for the one delivery to that person in this time.
pub const CONFIRM_WITHIN: Millis = 10 * 60 * 1000;
/// How long a confirmation waits for the answer to the request it confirms: a request takes seconds.
pub const EARLY_KEEP: Millis = 24 * 3600 * 1000;
/// Deliveries that are given up in one claim: some milliseconds.
pub const GIVE_UP_MOST: usize = 200;
/// Waiting messages offered to one digest: more do not fit into 4096 bytes.
pub const DIGEST_OFFER: usize = 200;
/// Deliveries that are queued again in one call: some tens of milliseconds.
pub const RESEND_MOST: usize = 1000;
/// Bytes of a platform's words that are kept.
pub const REASON_BYTES: usize = 512;

/// Which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Only with a smaller id: they come newest first.
    pub before: Option<DeliveryId>,
    /// At most.
    pub limit: usize,
    /// In one of these states; empty: any.
    pub states: Vec<DeliveryState>,
    /// Of this channel.
    pub channel: Option<String>,
    /// For this person.
    pub user: Option<String>,
    /// Of this topic.
    pub topic: Option<String>,
    /// Of this message.
    pub message: Option<MessageId>,
    /// Queued at this time or later.
    pub since: Option<Millis>,
    /// Queued before this time.
    pub until: Option<Millis>,
}

/// Whose binding ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The person's.
    User(String),
    /// Of the person behind this address.
    Address(String),
}

/// The outbox.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Changes whenever something may be due earlier than was said.
    fn outbox_changed(&self) -> watch::Receiver<u64>;

    // ----- channels, addresses, routes -----------------------------------------------------------------------

    /// All channels, by name.
    async fn channels(&self) -> Result<Vec<Channel>>;
    /// How each channel does, by name.
    async fn channel_health(&self) -> Result<Vec<ChannelHealth>>;
    /// Makes or changes a channel. The kind of one that exists stays.
    async fn put_channel(&self, name: &str, settings: ChannelSettings) -> Result<Channel>;
    /// Removes a channel with its bindings and routes; what waits is cancelled, what is on its way is unknown, the past stays.
    async fn remove_channel(&self, name: &str) -> Result<()>;
    /// Closes the breaker of a channel: somebody changed what was wrong. What it put off is due at once.
    async fn reopen_channel(&self, name: &str) -> Result<()>;
    /// Addresses of one channel, by person.
    async fn bindings(&self, channel: &str) -> Result<Vec<Binding>>;
    /// Gives a person an address; what waits for them goes there. An address of another is [`Error::Conflict`](crate::Error::Conflict),
    /// at WeCom however it is spelled.
    async fn bind(&self, channel: &str, user: &str, address: &str) -> Result<Binding>;
    /// Takes it away; what waits for it fails with the next claim. Nothing there: nothing happens, `None`.
    async fn unbind(&self, channel: &str, who: Bound) -> Result<Option<Binding>>;
    /// All routes, by channel, topic, person.
    async fn routes(&self) -> Result<Vec<Route>>;
    /// Sets one route, replacing that of the same channel, topic and person.
    async fn put_route(&self, route: Route) -> Result<()>;
    /// Removes the route of this channel, topic and person.
    async fn remove_route(&self, channel: &str, topic: Option<&str>, user: Option<&str>) -> Result<()>;

    // ----- sending -------------------------------------------------------------------------------------------

    /// Leases lanes whose time has come, and ends what waited for too long or has no address any more. Leases that are over are
    /// taken back whatever their channel, also one that is not served.
    async fn claim_lanes(&self, order: ClaimOrder) -> Result<Claimed>;
    /// The clock was set back: what waits since a time that has not come yet is due now, no lease is longer than this, and a
    /// channel that was closed by the later clock is tried.
    /// Reads all that waits, so it is for the start and for when it is noticed. How many it was about.
    async fn mend_times(&self, lease_ms: Millis) -> Result<u64>;
    /// Books a try. A lease that is over, or a delivery that no longer waits, is [`Error::Gone`](crate::Error::Gone):
    /// then nothing must be sent.
    async fn begin(&self, lease: Lease, start: Start) -> Result<Started>;
    /// Books how it ended and gives the lane back. Repeating it changes nothing.
    async fn settle(&self, settlement: Settlement) -> Result<Settled>;
    /// Books what the platform says later. Whether it was about a delivery of ours; if not, it is kept for a while.
    async fn confirm(&self, confirmation: Confirmation, herald: Option<Herald>) -> Result<bool>;

    // ----- looking and acting --------------------------------------------------------------------------------

    /// Deliveries, newest first.
    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>>;
    /// How these messages fare with these people and, without one, with groups, in the order in which they were queued.
    /// Reports on a message are not the message.
    async fn ways(
        &self,
        messages: Vec<MessageId>,
        people: Vec<UserId>,
    ) -> Result<Vec<(Option<UserId>, Delivery)>>;
    /// One with its tries.
    async fn delivery(&self, id: DeliveryId) -> Result<DeliveryDetail>;
    /// Queues what failed, again: the oldest [`RESEND_MOST`] of what can be sent. How many; where there may be more, it is
    /// called again until there is none.
    async fn resend(&self, what: Resend) -> Result<u64>;
    /// Cancels what of a message waits; how many. What is on its way is not tried again.
    async fn cancel_deliveries(&self, message: MessageId) -> Result<u64>;
}

/// Whether two spellings of an address are one: WeCom does not tell the case of userids apart, though it shows it.
pub(crate) fn same_address(kind: ChannelKind, one: &str, other: &str) -> bool {
    if folds_case(kind) { one.eq_ignore_ascii_case(other) } else { one == other }
}

/// Whether addresses are userids of WeCom.
pub(crate) fn folds_case(kind: ChannelKind) -> bool {
    matches!(kind, ChannelKind::Wecom | ChannelKind::WecomRobot)
}

/// The key by which a platform recognises a repetition: at most 32 characters `[0-9A-Za-z_-]`.
/// `what` is 0 for the message itself, and the number of a milestone for a report about it.
pub(crate) fn key(message: MessageId, (user, what): (i64, i64), channel: ChannelId, intent: i64) -> String {
    // No number begins with 0 but 0 itself: a report's key is no person's.
    let who = if what == 0 { short(user) } else { format!("0r{}", short(what)) };
    let mut key = format!("{message}-{who}-{}", short(channel.0));
    if intent > 0 {
        key.push('-');
        key.push_str(&short(intent));
    }
    key
}

/// The same for a digest.
pub(crate) fn digest_key(instance: &str, digest: DeliveryId) -> String {
    let instance: String = instance.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    format!("d{instance}-{}", short(digest.0))
}

/// A number in base 36.
fn short(number: i64) -> String {
    let mut rest = number.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize]));
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    digits.iter().rev().collect()
}

/// What a person would see, as a number: two messages with the same one look the same.
pub(crate) fn content(title: &str, body: &str) -> i64 {
    use sha2::{Digest as _, Sha256};
    let hash = Sha256::new().chain_update(title).chain_update([0]).chain_update(body).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_le_bytes(first)
}

/// When a delivery is given up, and whether that means that its message expired.
pub(crate) fn give_up_at(now: Millis, expires_at: Option<Millis>) -> (Millis, bool) {
    let horizon = now.saturating_add(GIVE_UP_AFTER);
    expires_at.filter(|at| *at <= horizon).map_or((horizon, false), |at| (at, true))
}

/// As much of a platform's words as is kept.
pub(crate) fn cut(mut words: String) -> String {
    if words.len() > REASON_BYTES {
        let mut end = REASON_BYTES;
        while !words.is_char_boundary(end) {
            end -= 1;
        }
        words.truncate(end);
    }
    words
}

/// Codes of ours, beside the platforms'. None looks like a number.
pub mod codes {
    /// No answer came.
    pub const UNKNOWN: &str = "unknown";
    /// It was accepted, but not all of it fitted: what was shortened or not mentioned.
    pub const FITTED: &str = "fitted";
    /// An answer came that is none of the platform's.
    pub const UNREADABLE: &str = "unreadable";
    /// The program ended meanwhile.
    pub const LOST: &str = "lost";
    /// It waited or was tried for too long.
    pub const GIVEN_UP: &str = "given_up";
    /// The message expired.
    pub const EXPIRED: &str = "expired";
    /// The person has no address any more.
    pub const UNBOUND: &str = "unbound";
    /// Its message was pruned.
    pub const PRUNED: &str = "pruned";
    /// The platform said later that it did not arrive.
    pub const NOT_DELIVERED: &str = "not_delivered";
    /// A newer version came.
    pub const SUPERSEDED: &str = "superseded";
    /// The person left.
    pub const WITHDRAWN: &str = "withdrawn";
    /// Somebody stopped it.
    pub const STOPPED: &str = "stopped";
    /// The channel was removed.
    pub const REMOVED: &str = "removed";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_the_strictest_platform_and_are_of_the_message_not_the_try() {
        let id: MessageId = "ABCDEFGHIJKL".parse().unwrap();
        let plain = key(id, (41, 0), ChannelId(3), 0);
        assert_eq!(plain, "ABCDEFGHIJKL-15-3");
        assert_ne!(plain, key(id, (41, 0), ChannelId(3), 1));
        assert_eq!(key(id, (0, 6), ChannelId(3), 0), "ABCDEFGHIJKL-0r6-3");
        let long = key(id, (i64::from(u32::MAX), 0), ChannelId(1_000_000), 99);
        assert!(long.len() <= 32, "{long}");
        assert!(digest_key("0123456789abcdef-z", DeliveryId(i64::from(u32::MAX))).len() <= 32);
    }

    #[test]
    fn words_are_cut_between_characters() {
        let cut = cut("警".repeat(400));
        assert!(cut.len() <= REASON_BYTES && cut.len() > REASON_BYTES - 3);
    }
}

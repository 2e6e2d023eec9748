//! What every implementation of [`Outbox`] must do.

mod acts;
mod breaker;
mod digests;
mod ends;
mod pace;
mod routing;
mod tries;

use std::sync::Arc;

use tocsin_protocol::{
    MessageId, Millis, NewUser, Priority, Role,
    delivery::{AttemptResult, ChannelKind, ChannelSettings, Delivery, Route},
};

pub use super::in_flight::*;
pub use super::parked::*;
pub use super::reach::*;
pub use super::unreachable::*;
use super::{Bench, to_topic};
use crate::{
    Error, NewMessage,
    outbox::{
        ALERTS, Again, ClaimOrder, Claimed, DeliveryQuery, Herald, Item, Job, Limits, Next, Outbox, Settled,
        Settlement, Start, StartOf, Started, Work, codes, health::Omen,
    },
};
pub use acts::*;
pub use breaker::*;
pub use digests::*;
pub use ends::*;
pub use pace::*;
pub use routing::*;
pub use tries::*;

/// Longer than any try in these cases.
pub const LEASE: Millis = 90_000;

/// A store with its outbox.
pub struct Post {
    /// The store.
    pub bench: Bench,
    /// The same one.
    pub outbox: Arc<dyn Outbox>,
}

/// Nothing is limited.
pub fn free() -> Limits {
    Limits { windows: Vec::new(), same_content_ms: 0, digest_over: None, at_once: 8, repeat_safe_ms: 0 }
}

/// Writes plain alerts.
pub fn herald() -> Herald {
    Arc::new(|fall| NewMessage {
        title: format!("{} {}", fall.channel, fall.code),
        body: fall.reason.clone(),
        ..to_topic("")
    })
}

impl Post {
    /// An app with a route for everything, and a topic with people who have an address there.
    pub async fn desk(&self, people: &[&str]) {
        for name in people {
            self.bench.user(name).await;
        }
        self.bench.topic("ops", people).await;
        self.channel("app", ChannelKind::Wecom).await;
        for name in people {
            self.outbox.bind("app", name, &format!("id-{name}")).await.unwrap();
        }
        self.route("app", None, None, 1).await;
    }

    /// A robot for the topic `ops`.
    pub async fn robot(&self) {
        self.bench.user("ann").await;
        self.bench.topic("ops", &["ann"]).await;
        self.channel("robot", ChannelKind::WecomRobot).await;
        self.route("robot", Some("ops"), None, 1).await;
    }

    /// Adds a channel.
    pub async fn channel(&self, name: &str, kind: ChannelKind) {
        let settings =
            ChannelSettings { kind, display_name: None, enabled: None, config: serde_json::json!({}) };
        self.outbox.put_channel(name, settings).await.unwrap();
    }

    /// Sets a route; from 0: never.
    pub async fn route(&self, channel: &str, topic: Option<&str>, user: Option<&str>, from: u8) {
        let route = Route {
            channel: channel.into(),
            topic: topic.map(str::to_owned),
            user: user.map(str::to_owned),
            from_priority: Priority::try_from(from).ok(),
        };
        self.outbox.put_route(route).await.unwrap();
    }

    /// Claims for one channel.
    pub async fn claim(&self, channel: &str, limits: Limits) -> Claimed {
        let order = ClaimOrder {
            channels: vec![(channel.into(), limits)],
            most: 100,
            lease_ms: LEASE,
            herald: Some(herald()),
        };
        self.outbox.claim_lanes(order).await.unwrap()
    }

    /// The only job there is.
    pub async fn job(&self, channel: &str, limits: Limits) -> Job {
        let mut jobs = self.claim(channel, limits).await.jobs;
        assert_eq!(jobs.len(), 1);
        jobs.remove(0)
    }

    /// Begins a job of one message.
    pub async fn begin(&self, job: &Job) -> Result<Started, Error> {
        let what = match &job.work {
            Work::One(item) => StartOf::One(item.id),
            Work::Again { id, .. } => StartOf::One(*id),
            Work::Digest(items) => StartOf::Digest(items.iter().map(|item| item.id).collect()),
        };
        self.outbox.begin(job.lease, Start { what, body: "body".into() }).await
    }

    /// Settles a try.
    pub async fn settle(&self, job: &Job, started: &Started, next: Next, omen: Omen) -> Settled {
        self.outbox.settle(said(job, started, next, omen)).await.unwrap()
    }

    /// Begins a job and settles it.
    pub async fn run(&self, job: &Job, next: Next) -> Settled {
        let started = self.begin(job).await.unwrap();
        let omen = if matches!(next, Next::Accepted | Next::Failed) { Omen::Good } else { Omen::Fault };
        self.settle(job, &started, next, omen).await
    }

    /// All deliveries, oldest first.
    pub async fn all(&self) -> Vec<Delivery> {
        let mut all = self
            .outbox
            .deliveries(DeliveryQuery { limit: 10_000, ..DeliveryQuery::default() })
            .await
            .unwrap();
        all.reverse();
        all
    }

    /// The only delivery there is.
    pub async fn only(&self) -> Delivery {
        let mut all = self.all().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Titles of the alerts, as an admin's device gets them.
    pub async fn alerts(&self) -> Vec<String> {
        let entries = self.bench.store.log(0, 100_000).await.unwrap();
        let titles = entries.into_iter().filter_map(|entry| match entry.entry {
            crate::Entry::Message(Some(stored)) if stored.message.topic.as_deref() == Some(ALERTS) => {
                Some(stored.message.title.clone())
            }
            _ => None,
        });
        titles.collect()
    }
}

/// How a try ended.
pub fn said(job: &Job, started: &Started, next: Next, omen: Omen) -> Settlement {
    let (result, code) = match next {
        Next::Accepted => (AttemptResult::Accepted, None),
        Next::Failed => (AttemptResult::Refused, Some("40003")),
        Next::Unknown | Next::Retry { why: Again::Unsure, .. } => {
            (AttemptResult::Unknown, Some(codes::UNKNOWN))
        }
        Next::Retry { why: Again::NotSent, .. } => (AttemptResult::NotSent, Some("connect")),
        Next::Retry { .. } => (AttemptResult::Refused, Some("-1")),
    };
    Settlement {
        lease: job.lease,
        attempt: Some(started.attempt),
        delivery: started.delivery,
        result,
        next,
        code: code.map(str::to_owned),
        reason: code.map(|_| "words".to_owned()),
        msgid: (next == Next::Accepted).then(|| format!("m{}", started.attempt.0)),
        omen,
        broken: None,
        flagged: None,
        roll: 0.0,
        herald: Some(herald()),
    }
}

fn item(job: &Job) -> &Item {
    match &job.work {
        Work::One(item) => item,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn admin(post: &Post) {
    let boss = NewUser { name: "boss".into(), display_name: None, role: Role::Admin };
    post.bench.store.add_user(boss).await.unwrap();
}

pub(super) async fn publish(post: &Post, message: NewMessage) -> MessageId {
    post.bench.publish(message).await.0
}

/// One `#[tokio::test]` per case, as [`conformance_cases!`](crate::conformance_cases).
#[macro_export]
macro_rules! outbox_cases {
    ($make:path) => {
        $crate::outbox_cases! { @ $make:
            routes_choose_by_person_then_topic only_the_audience_with_an_address a_group_takes_topics_only
            the_way_of_a_delivery a_lease_ends_by_itself a_lost_try_is_repeated_while_that_is_safe
            a_repetition_that_comes_too_late_is_not_made
            an_accepted_first_try_outweighs_a_second_that_failed a_rate_limit_queues
            a_clock_set_back_delays_by_a_window_at_most a_clock_set_back_is_mended
            a_clock_set_back_leaves_no_channel_closed the_same_content_keeps_its_distance
            a_flood_becomes_digests a_lost_digest_is_unknown_with_all_it_carries
            the_breaker_opens_probes_and_closes a_tripped_channel_waits_for_a_human alerts_raise_none
            what_waits_too_long_ends what_is_over_is_not_sent a_broken_address_is_not_sent_to
            addresses_are_one_persons resending_is_once_per_click confirmations_find_their_delivery
            deliveries_are_listed a_disabled_channel_waits
            who_is_not_reached_is_shown_until_they_are a_new_address_is_not_flagged
            what_the_platform_lost_is_sent_once_more what_is_not_wanted_any_more_is_not_sent_once_more
            what_waits_for_a_lost_address_fails_and_is_told what_was_claimed_for_a_lost_address_is_not_begun
            an_address_that_comes_back_takes_what_comes_then what_cannot_be_sent_again_is_not_in_the_way
            what_is_over_is_not_tried_again what_is_over_and_may_have_arrived_is_unknown what_comes_back_follows_its_person
            a_removed_channel_leaves_nothing_on_its_way a_removed_channel_leaves_no_digest_on_its_way
            a_lease_ends_at_a_channel_that_is_not_served
            a_userid_is_one_however_it_is_spelled
            what_a_pause_put_off_is_sent_when_it_is_reopened reopening_shortens_no_other_wait
            a_long_pause_is_told_once an_outage_is_told_once
        }
    };
    (@ $make:path: $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let hand = $crate::conformance::Hand::default();
                let (store, _guard) = $make(&hand);
                let store = std::sync::Arc::new(store);
                let bench = $crate::conformance::Bench { store: store.clone(), hand };
                $crate::conformance::outbox::$case($crate::conformance::outbox::Post { bench, outbox: store }).await;
            }
        )*
    };
}

//! What every implementation of [`Outbox`] must do.

use std::sync::Arc;

use tocsin_protocol::{
    DeliveryState as S, MessageId, Millis, NewUser, Priority, Role,
    delivery::{AttemptResult, ChannelKind, ChannelSettings, Delivery, Flow, Resend, Route},
};

pub use super::in_flight::*;
pub use super::parked::*;
pub use super::reach::*;
pub use super::unreachable::*;
use super::{Bench, DAY, MINUTE, keyed, to_people, to_topic, urgent};
use crate::{
    Error, NewMessage,
    outbox::{
        ALERTS, Again, Bound, ClaimOrder, Claimed, Confirmation, DeliveryId, DeliveryQuery, GIVE_UP_AFTER,
        Herald, Item, Job, Limits, Next, Outbox, Settled, Settlement, Start, StartOf, Started, Work, codes,
        health::{FAULTS, Omen, TRIP_OPEN},
    },
};

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

/// The most particular rule counts.
pub async fn routes_choose_by_person_then_topic(post: Post) {
    post.desk(&["ann", "bob", "cid"]).await;
    post.bench.topic("dev", &["ann", "bob", "cid"]).await;
    post.route("app", None, None, 5).await;
    post.route("app", Some("dev"), None, 2).await;
    post.route("app", None, Some("bob"), 4).await;
    post.route("app", Some("dev"), Some("cid"), 0).await;
    publish(&post, urgent(3, to_topic("dev"))).await;
    publish(&post, urgent(4, to_topic("ops"))).await;
    publish(&post, urgent(5, to_people(&["ann", "cid"]))).await;
    let who: Vec<_> = post.all().await.into_iter().map(|row| row.user.unwrap()).collect();
    assert_eq!(who, ["ann", "bob", "ann", "cid"]);
    assert_eq!(post.outbox.routes().await.unwrap().len(), 4);
    post.outbox.remove_route("app", Some("dev"), Some("cid")).await.unwrap();
    assert!(post.outbox.remove_route("app", Some("dev"), Some("cid")).await.is_err());
}

/// Rows stand with the message: not more for a repetition, none for who has no address or left.
pub async fn only_the_audience_with_an_address(post: Post) {
    post.desk(&["ann", "bob"]).await;
    post.bench.user("cid").await;
    post.bench.store.join_topic("ops", "cid").await.unwrap();
    post.bench.store.leave_topic("ops", "bob").await.unwrap();
    let again = super::repeatable("k", 1, to_topic("ops"));
    publish(&post, again.clone()).await;
    publish(&post, again).await;
    assert_eq!(post.only().await.user.as_deref(), Some("ann"));
}

/// What names people is not told to a group, and a group has no person.
pub async fn a_group_takes_topics_only(post: Post) {
    post.robot().await;
    publish(&post, to_people(&["ann"])).await;
    assert!(post.all().await.is_empty());
    publish(&post, to_topic("ops")).await;
    assert_eq!(post.only().await.user, None);
    for (topic, user) in [(None, None), (Some("ops"), Some("ann"))] {
        let route = Route {
            channel: "robot".into(),
            topic: topic.map(str::to_owned),
            user: user.map(str::to_owned),
            from_priority: None,
        };
        assert!(matches!(post.outbox.put_route(route).await, Err(Error::Conflict(_))));
    }
    post.outbox.bind("robot", "ann", "ann-id").await.unwrap();
    assert_eq!(item(&post.job("robot", free()).await).mentions, ["ann-id"]);
}

/// From queued to confirmed, with every try on record.
pub async fn the_way_of_a_delivery(post: Post) {
    post.desk(&["ann"]).await;
    let id = publish(&post, to_topic("ops")).await;
    let row = post.only().await;
    assert_eq!((row.state, row.message), (S::Queued, Some(id)));
    let job = post.job("app", free()).await;
    assert_eq!((job.address.as_str(), item(&job).key.len()), ("id-ann", id.as_str().len() + 4));
    assert!(post.claim("app", free()).await.jobs.is_empty(), "it is leased");
    let started = post.begin(&job).await.unwrap();
    assert_eq!(post.only().await.state, S::Sending);
    let settled = post.settle(&job, &started, Next::Accepted, Omen::Good).await;
    assert!(!settled.late && settled.carried == 1);
    let again = post.settle(&job, &started, Next::Failed, Omen::None).await;
    assert!(again.late, "an answer is booked once");
    let said = Confirmation {
        channel: "app".into(),
        msgid: post.only().await.msgid,
        address: "id-ann".into(),
        failed: None,
        again: None,
    };
    assert_eq!(post.only().await.state, S::Accepted);
    assert!(post.outbox.confirm(said.clone(), None).await.unwrap());
    post.outbox.confirm(Confirmation { failed: Some("late".into()), ..said }, None).await.unwrap();
    assert_eq!(post.only().await.state, S::Confirmed);
    let detail = post.outbox.delivery(started.delivery).await.unwrap();
    assert_eq!(detail.attempts.len(), 1);
    assert_eq!(detail.attempts[0].address, "id-ann");
    assert_eq!(detail.attempts[0].result, AttemptResult::Accepted);
    assert_eq!(post.claim("app", free()).await.next, None, "nothing waits");
}

/// A try that had begun may have arrived; one that had not is made.
pub async fn a_lease_ends_by_itself(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let first = post.job("app", free()).await;
    assert_eq!(post.claim("app", free()).await.next, Some(post.bench.hand.now() + LEASE));
    post.bench.hand.step(LEASE);
    let second = post.job("app", free()).await;
    assert!(matches!(post.begin(&first).await, Err(Error::Gone)), "it has another lease now");
    let started = post.begin(&second).await.unwrap();
    post.bench.hand.step(LEASE);
    let claimed = post.claim("app", free()).await;
    assert!(claimed.jobs.is_empty());
    assert_eq!(claimed.noticed.unknown, 1);
    let row = post.only().await;
    assert_eq!((row.state, row.code.as_deref()), (S::Unknown, Some(codes::LOST)));
    assert!(post.settle(&second, &started, Next::Accepted, Omen::Good).await.late);
    assert_eq!(post.only().await.state, S::Accepted, "a late answer is believed");
}

/// Where the platform recognises a repetition, it is made under the same key and with the same bytes; only for so long.
pub async fn a_lost_try_is_repeated_while_that_is_safe(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let limits = Limits { repeat_safe_ms: 2 * LEASE, ..free() };
    let first = post.job("app", limits.clone()).await;
    let started = post.begin(&first).await.unwrap();
    post.bench.hand.step(LEASE);
    let second = post.job("app", limits.clone()).await;
    assert_eq!(item(&second).key, item(&first).key);
    assert_eq!(item(&second).body.as_deref(), Some("body"));
    assert_eq!(item(&second).history.unsure_at, Some(started.at));
    post.begin(&second).await.unwrap();
    post.bench.hand.step(LEASE);
    assert_eq!(post.claim("app", limits).await.noticed.unknown, 1, "counted from the first try");
    assert_eq!(post.only().await.state, S::Unknown);
}

/// A repetition that was put off until the platform would not recognise it is not made.
pub async fn a_repetition_that_comes_too_late_is_not_made(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let limits = Limits { repeat_safe_ms: MINUTE, ..free() };
    let job = post.job("app", limits.clone()).await;
    let started = post.begin(&job).await.unwrap();
    let retry = Next::Retry { at: post.bench.hand.now() + MINUTE, why: Again::Unsure };
    post.settle(&job, &started, retry, Omen::None).await;
    post.bench.hand.step(MINUTE);
    let claimed = post.claim("app", limits.clone()).await;
    assert!(claimed.jobs.is_empty());
    let row = post.only().await;
    assert_eq!((row.state, claimed.noticed.unknown), (S::Unknown, 1));
    // A person may: they know that it could be seen twice. What then gets lost is not repeated without them.
    post.outbox.resend(Resend::One { id: row.id, round: 0 }).await.unwrap();
    let job = post.job("app", limits.clone()).await;
    assert!(item(&job).history.resent);
    post.begin(&job).await.unwrap();
    post.bench.hand.step(LEASE);
    let long = Limits { repeat_safe_ms: DAY, ..free() };
    assert_eq!(post.claim("app", long).await.noticed.unknown, 1);
}

/// Two tries: the first is thought lost, and its answer comes while the second fails.
pub async fn an_accepted_first_try_outweighs_a_second_that_failed(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let limits = Limits { repeat_safe_ms: 10 * LEASE, ..free() };
    let first = post.job("app", limits.clone()).await;
    let one = post.begin(&first).await.unwrap();
    post.bench.hand.step(LEASE);
    let second = post.job("app", limits).await;
    let two = post.begin(&second).await.unwrap();
    post.settle(&first, &one, Next::Accepted, Omen::Good).await;
    assert_eq!(post.only().await.state, S::Sending, "the second is on its way");
    post.settle(&second, &two, Next::Unknown, Omen::Fault).await;
    assert_eq!(post.only().await.state, S::Accepted);
}

/// The limit holds in every window and drops nothing.
pub async fn a_rate_limit_queues(post: Post) {
    post.desk(&["ann", "bob"]).await;
    let limits = Limits { windows: vec![(2, MINUTE), (3, 10 * MINUTE)], ..free() };
    for _ in 0..4 {
        publish(&post, to_people(&["ann"])).await;
    }
    let start = post.bench.hand.now();
    let mut times = Vec::new();
    while times.len() < 4 {
        let claimed = post.claim("app", limits.clone()).await;
        for job in &claimed.jobs {
            times.push(post.bench.hand.now() - start);
            post.run(job, Next::Accepted).await;
        }
        if claimed.jobs.is_empty() {
            let next = claimed.next.unwrap();
            assert!(next > post.bench.hand.now());
            post.bench.hand.step(next - post.bench.hand.now());
        }
    }
    assert_eq!(times, [0, 0, MINUTE, 10 * MINUTE]);
    publish(&post, to_people(&["bob"])).await;
    assert_eq!(post.claim("app", limits).await.jobs.len(), 1, "each recipient has its own");
}

/// A clock that was ahead does not stop a lane for as long as it was ahead.
pub async fn a_clock_set_back_delays_by_a_window_at_most(post: Post) {
    post.desk(&["ann"]).await;
    let limits = Limits { windows: vec![(1, MINUTE)], ..free() };
    publish(&post, to_topic("ops")).await;
    post.bench.hand.step(DAY / 2);
    let job = post.job("app", limits.clone()).await;
    post.run(&job, Next::Accepted).await;
    post.bench.hand.step(-DAY / 2);
    publish(&post, to_topic("ops")).await;
    let next = post.claim("app", limits.clone()).await.next.unwrap();
    assert!(next <= post.bench.hand.now() + MINUTE, "{}", next - post.bench.hand.now());
}

/// What was put off on a clock that was ahead does not wait until it is there again.
pub async fn a_clock_set_back_is_mended(post: Post) {
    post.desk(&["ann", "bob"]).await;
    publish(&post, to_topic("ops")).await;
    post.bench.hand.step(DAY / 2);
    let mut jobs = post.claim("app", free()).await.jobs;
    let retry = Next::Retry { at: post.bench.hand.now() + MINUTE, why: Again::Busy };
    post.run(&jobs.remove(0), retry).await;
    let held = jobs.remove(0);
    post.begin(&held).await.unwrap();
    post.bench.hand.step(-DAY / 2);
    assert_eq!(post.outbox.mend_times(LEASE).await.unwrap(), 1);
    assert_eq!(post.outbox.mend_times(LEASE).await.unwrap(), 0);
    let job = post.job("app", free()).await;
    post.run(&job, Next::Accepted).await;
    let next = post.claim("app", free()).await.next.unwrap();
    assert_eq!(next, post.bench.hand.now() + LEASE, "a lease is no longer than that");
}

/// The same content again to the same person waits; another's, and a repetition of the same delivery, do not.
pub async fn the_same_content_keeps_its_distance(post: Post) {
    post.desk(&["ann"]).await;
    let limits = Limits { same_content_ms: MINUTE, repeat_safe_ms: DAY, ..free() };
    publish(&post, to_topic("ops")).await;
    publish(&post, to_topic("ops")).await;
    publish(&post, NewMessage { title: "other".into(), ..to_topic("ops") }).await;
    let job = post.job("app", limits.clone()).await;
    let retry = Next::Retry { at: post.bench.hand.now(), why: Again::Unsure };
    let started = post.begin(&job).await.unwrap();
    post.settle(&job, &started, retry, Omen::None).await;
    let job = post.job("app", limits.clone()).await;
    assert_eq!(item(&job).history.attempts, 1, "the same delivery again");
    post.run(&job, Next::Accepted).await;
    let job = post.job("app", limits.clone()).await;
    assert_eq!(item(&job).message.title, "other");
    post.run(&job, Next::Accepted).await;
    assert!(post.claim("app", limits.clone()).await.jobs.is_empty());
    post.bench.hand.step(MINUTE);
    let job = post.job("app", limits).await;
    post.run(&job, Next::Accepted).await;
}

/// A flood becomes digests, and the ledger says which carried what.
pub async fn a_flood_becomes_digests(post: Post) {
    post.robot().await;
    let limits = Limits { digest_over: Some(2), ..free() };
    for n in 0..5 {
        publish(&post, NewMessage { title: format!("t{n}"), ..to_topic("ops") }).await;
    }
    let job = post.job("robot", limits.clone()).await;
    let Work::Digest(items) = &job.work else { panic!("{job:?}") };
    assert_eq!(
        items.iter().map(|i| i.message.title.as_str()).collect::<Vec<_>>(),
        ["t0", "t1", "t2", "t3", "t4"]
    );
    let what = StartOf::Digest(items[..4].iter().map(|item| item.id).collect());
    let started = post.outbox.begin(job.lease, Start { what, body: "four".into() }).await.unwrap();
    let states = |rows: &[Delivery]| rows.iter().map(|row| row.state).collect::<Vec<_>>();
    assert_eq!(
        states(&post.all().await),
        [S::Merged, S::Merged, S::Merged, S::Merged, S::Queued, S::Sending]
    );
    let busy = Next::Retry { at: post.bench.hand.now(), why: Again::Busy };
    post.settle(&job, &started, busy, Omen::None).await;
    // The fifth was queued before it.
    let fifth = post.job("robot", limits.clone()).await;
    post.run(&fifth, Next::Accepted).await;
    let job = post.job("robot", limits).await;
    let Work::Again { id, body, history } = &job.work else { panic!("{job:?}") };
    assert_eq!((*id, body.as_str(), history.busy), (started.delivery, "four", 1));
    let settled = post.run(&job, Next::Accepted).await;
    assert_eq!(settled.carried, 4);
    let all = post.all().await;
    assert!(all.iter().all(|row| row.state == S::Accepted), "{all:?}");
    assert!(all[..4].iter().all(|row| row.digest == Some(started.delivery.0.unsigned_abs())));
    let detail = post.outbox.delivery(started.delivery).await.unwrap();
    assert_eq!((detail.carries.len(), detail.attempts.len()), (4, 2));
    assert_eq!(post.outbox.delivery(DeliveryId(1)).await.unwrap().attempts.len(), 2, "those of its digest");
}

/// A digest of which nobody knows is not sent again, and so says each message in it.
pub async fn a_lost_digest_is_unknown_with_all_it_carries(post: Post) {
    post.robot().await;
    admin(&post).await;
    let limits = Limits { digest_over: Some(1), ..free() };
    for _ in 0..3 {
        publish(&post, to_topic("ops")).await;
    }
    let job = post.job("robot", limits.clone()).await;
    let started = post.begin(&job).await.unwrap();
    post.bench.hand.step(LEASE);
    assert!(post.claim("robot", limits.clone()).await.jobs.is_empty());
    assert!(post.all().await.iter().all(|row| row.state == S::Unknown));
    assert_eq!(post.alerts().await, ["robot lost"]);
    post.settle(&job, &started, Next::Accepted, Omen::Good).await;
    assert!(post.all().await.iter().all(|row| row.state == S::Accepted));
}

/// Faults open the breaker, one probe goes out, its success closes it.
pub async fn the_breaker_opens_probes_and_closes(post: Post) {
    let people: Vec<String> = (0..FAULTS + 2).map(|n| format!("u{n}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    post.desk(&people).await;
    publish(&post, to_topic("ops")).await;
    let later = post.bench.hand.now() + 1;
    let jobs = post.claim("app", Limits { at_once: FAULTS as usize, ..free() }).await.jobs;
    assert_eq!(jobs.len(), FAULTS as usize);
    for job in &jobs {
        let settled = post.run(job, Next::Retry { at: later, why: Again::NotSent }).await;
        assert!(!settled.alerted);
    }
    let claimed = post.claim("app", free()).await;
    assert!(claimed.jobs.is_empty());
    let health = post.outbox.channel_health().await.unwrap().remove(0);
    assert_eq!(
        (health.flow, health.until, health.queued),
        (Flow::Parked, claimed.next, u64::from(FAULTS) + 2)
    );
    post.bench.hand.step(claimed.next.unwrap() - post.bench.hand.now());
    let probe = post.job("app", free()).await;
    assert!(post.claim("app", free()).await.jobs.is_empty(), "one probe at a time");
    post.run(&probe, Next::Accepted).await;
    assert_eq!(post.claim("app", free()).await.jobs.len(), FAULTS as usize + 1);
}

/// What needs a human stops the channel; what was told once is not told again for a while; reopening is at once.
pub async fn a_tripped_channel_waits_for_a_human(post: Post) {
    post.desk(&["ann", "bob"]).await;
    admin(&post).await;
    publish(&post, to_topic("ops")).await;
    let job = post.claim("app", Limits { at_once: 1, ..free() }).await.jobs.remove(0);
    let started = post.begin(&job).await.unwrap();
    let settled = post.settle(&job, &started, Next::Failed, Omen::Trip).await;
    assert!(settled.opened && settled.alerted);
    assert_eq!(post.claim("app", free()).await.next, Some(post.bench.hand.now() + TRIP_OPEN.0));
    post.outbox.reopen_channel("app").await.unwrap();
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    assert!(!post.settle(&job, &started, Next::Failed, Omen::Trip).await.alerted);
    assert_eq!(post.alerts().await, ["app 40003"]);
    let members = post.bench.store.members(ALERTS).await.unwrap();
    assert_eq!(members.into_iter().map(|user| user.name).collect::<Vec<_>>(), ["boss"]);
    post.bench.hand.step(10 * MINUTE);
    post.outbox.reopen_channel("app").await.unwrap();
    publish(&post, to_people(&["ann"])).await;
    let job = post.job("app", free()).await;
    post.run(&job, Next::Failed).await;
    assert_eq!(post.alerts().await.len(), 2, "ten minutes later it is told again");
}

/// An alert that cannot be delivered makes no other one.
pub async fn alerts_raise_none(post: Post) {
    post.desk(&["ann"]).await;
    admin(&post).await;
    post.outbox.bind("app", "boss", "id-boss").await.unwrap();
    publish(&post, to_topic("ops")).await;
    let job = post.job("app", free()).await;
    assert!(post.run(&job, Next::Failed).await.alerted);
    let job = post.job("app", free()).await;
    assert_eq!((job.address.as_str(), item(&job).message.topic.as_deref()), ("id-boss", Some(ALERTS)));
    post.bench.hand.step(10 * MINUTE);
    assert!(!post.run(&job, Next::Failed).await.alerted);
    assert_eq!(post.alerts().await.len(), 1);
}

/// Expired before it was sent, and given up.
pub async fn what_waits_too_long_ends(post: Post) {
    post.desk(&["ann"]).await;
    admin(&post).await;
    publish(&post, NewMessage { expires_in_ms: Some(MINUTE), ..to_topic("ops") }).await;
    publish(&post, to_topic("ops")).await;
    let nothing = ClaimOrder { channels: Vec::new(), most: 1, lease_ms: LEASE, herald: Some(herald()) };
    let next = post.outbox.claim_lanes(nothing.clone()).await.unwrap().next.unwrap();
    assert_eq!(next, post.bench.hand.now() + MINUTE);
    post.bench.hand.step(MINUTE);
    assert_eq!(post.outbox.claim_lanes(nothing.clone()).await.unwrap().noticed.expired, 1);
    post.bench.hand.step(GIVE_UP_AFTER);
    let changed = post.outbox.outbox_changed();
    let before = *changed.borrow();
    let noticed = post.outbox.claim_lanes(nothing).await.unwrap().noticed;
    assert_eq!((noticed.given_up, noticed.alerts), (1, 1));
    assert_ne!(*changed.borrow(), before, "who shows what failed hears of it");
    let states: Vec<_> = post.all().await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, [S::Expired, S::Failed]);
    assert_eq!(post.alerts().await, ["app given_up"]);
}

/// A newer version, leaving, stopping: nothing more is sent.
pub async fn what_is_over_is_not_sent(post: Post) {
    post.desk(&["ann", "bob"]).await;
    publish(&post, keyed("ops", "k")).await;
    publish(&post, keyed("ops", "k")).await;
    post.bench.store.leave_topic("ops", "bob").await.unwrap();
    let id = publish(&post, to_topic("ops")).await;
    assert_eq!(post.outbox.cancel_deliveries(id).await.unwrap(), 1);
    let ends: Vec<_> = post.all().await.into_iter().map(|row| (row.state, row.code)).collect();
    let because = |code: &str| (S::Cancelled, Some(code.to_owned()));
    assert_eq!(
        ends,
        [
            because(codes::SUPERSEDED),
            because(codes::SUPERSEDED),
            (S::Queued, None),
            because(codes::WITHDRAWN),
            because(codes::STOPPED)
        ]
    );
    let job = post.job("app", free()).await;
    let last = item(&job).message.id;
    post.outbox.cancel_deliveries(last).await.unwrap();
    assert!(matches!(post.begin(&job).await, Err(Error::Gone)), "stopped between claim and begin");
    publish(&post, to_topic("ops")).await;
    post.job("app", free()).await;
    post.bench.store.remove_user("ann").await.unwrap();
    assert!(post.outbox.bindings("app").await.unwrap().iter().all(|binding| binding.user != "ann"));
}

/// The platform does not know somebody any more.
pub async fn a_broken_address_is_not_sent_to(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    publish(&post, to_topic("ops")).await;
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    let broken = Some("unsubscribed".to_owned());
    let end = Settlement { broken, ..said(&job, &started, Next::Failed, Omen::Good) };
    post.outbox.settle(end).await.unwrap();
    publish(&post, to_topic("ops")).await;
    assert!(post.claim("app", free()).await.jobs.is_empty(), "nothing is sent there");
    let rows = post.all().await;
    let ends: Vec<_> = rows.iter().map(|row| (row.state, row.code.as_deref().unwrap())).collect();
    assert_eq!(ends, [(S::Failed, "40003"), (S::Failed, codes::UNBOUND), (S::Failed, codes::UNBOUND)]);
    assert_eq!(post.outbox.bindings("app").await.unwrap()[0].broken.as_deref(), Some("unsubscribed"));
    let resend = Resend::One { id: rows[2].id, round: 0 };
    assert!(matches!(post.outbox.resend(resend.clone()).await, Err(Error::Conflict(_))));
    post.outbox.bind("app", "ann", "id-new").await.unwrap();
    assert_eq!(post.outbox.resend(resend).await.unwrap(), 1);
    assert_eq!(post.job("app", free()).await.address, "id-new");
}

/// Addresses are one person's, move with what waits, and end.
pub async fn addresses_are_one_persons(post: Post) {
    post.desk(&["ann", "bob"]).await;
    assert!(matches!(post.outbox.bind("app", "ann", "id-bob").await, Err(Error::Conflict(_))));
    publish(&post, to_people(&["ann"])).await;
    post.outbox.bind("app", "ann", "id-2").await.unwrap();
    assert_eq!(post.job("app", free()).await.address, "id-2");
    publish(&post, to_people(&["bob"])).await;
    let gone = post.outbox.unbind("app", Bound::Address("id-bob".into())).await.unwrap().unwrap();
    assert_eq!(gone.user, "bob");
    assert!(post.outbox.unbind("app", Bound::User("bob".into())).await.unwrap().is_none());
    assert_eq!(post.claim("app", free()).await.noticed.unbound, 1);
    assert_eq!(post.all().await[1].code.as_deref(), Some(codes::UNBOUND));
    post.outbox.remove_channel("app").await.unwrap();
    assert_eq!(post.all().await[0].code.as_deref(), Some(codes::REMOVED));
    assert!(post.outbox.channels().await.unwrap().is_empty());
    assert!(post.outbox.routes().await.unwrap().is_empty());
    publish(&post, to_people(&["ann"])).await;
    assert_eq!(post.all().await.len(), 2);
}

/// One click, two clicks, all at once.
pub async fn resending_is_once_per_click(post: Post) {
    post.desk(&["ann", "bob"]).await;
    publish(&post, to_topic("ops")).await;
    let mut keys = Vec::new();
    for job in post.claim("app", free()).await.jobs {
        keys.push(item(&job).key.clone());
        post.run(&job, Next::Failed).await;
    }
    let rows = post.all().await;
    let one = Resend::One { id: rows[0].id, round: rows[0].round };
    assert_eq!(post.outbox.resend(one.clone()).await.unwrap(), 1);
    assert_eq!(post.outbox.resend(one.clone()).await.unwrap(), 0);
    let job = post.job("app", free()).await;
    assert!(keys.contains(&item(&job).key), "what never arrived keeps its key");
    post.bench.hand.step(1);
    post.run(&job, Next::Failed).await;
    assert_eq!(post.outbox.resend(one).await.unwrap(), 0, "that click was for the round before");
    let seen = post.bench.hand.now() - 1;
    let all = |until| Resend::Failed { until, channel: Some("app".into()), message: None, unknown: false };
    assert_eq!(post.outbox.resend(all(seen)).await.unwrap(), 1, "not what failed after the click");
    assert_eq!(post.outbox.resend(all(seen)).await.unwrap(), 0);
    assert_eq!(post.outbox.resend(all(seen + 1)).await.unwrap(), 1);
    for job in post.claim("app", free()).await.jobs {
        post.run(&job, Next::Accepted).await;
    }
    let row = post.all().await.remove(0);
    assert_eq!(post.outbox.resend(Resend::One { id: row.id, round: row.round }).await.unwrap(), 1);
    let job = post.job("app", free()).await;
    assert!(!keys.contains(&item(&job).key), "what arrived rings again under another key");
}

/// A confirmation may overtake the answer, name nothing, or say that it failed.
pub async fn confirmations_find_their_delivery(post: Post) {
    post.desk(&["ann"]).await;
    admin(&post).await;
    let confirm = |msgid: Option<&str>, failed: Option<&str>| Confirmation {
        channel: "app".into(),
        msgid: msgid.map(str::to_owned),
        address: "id-ann".into(),
        failed: failed.map(str::to_owned),
        again: None,
    };
    publish(&post, to_topic("ops")).await;
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    let early = format!("m{}", started.attempt.0);
    assert!(!post.outbox.confirm(confirm(Some(&early), None), None).await.unwrap());
    post.settle(&job, &started, Next::Accepted, Omen::Good).await;
    assert_eq!(post.all().await[0].state, S::Confirmed);
    publish(&post, to_topic("ops")).await;
    let job = post.job("app", free()).await;
    post.run(&job, Next::Accepted).await;
    let failed = confirm(Some("0"), Some("failed:user block"));
    assert!(post.outbox.confirm(failed, Some(herald())).await.unwrap());
    let row = post.all().await.remove(1);
    assert_eq!((row.state, row.reason.as_deref()), (S::Failed, Some("failed:user block")));
    assert_eq!(post.alerts().await, ["app not_delivered"]);
    for _ in 0..2 {
        publish(&post, to_topic("ops")).await;
        let job = post.job("app", free()).await;
        post.run(&job, Next::Accepted).await;
    }
    assert!(!post.outbox.confirm(confirm(None, None), None).await.unwrap(), "it may be either");
}

/// A list in pages, and each filter.
pub async fn deliveries_are_listed(post: Post) {
    post.desk(&["ann", "bob"]).await;
    let id = publish(&post, to_topic("ops")).await;
    publish(&post, to_people(&["bob"])).await;
    let job = post.claim("app", Limits { at_once: 1, ..free() }).await.jobs.remove(0);
    post.run(&job, Next::Failed).await;
    let count = async |query: DeliveryQuery| {
        post.outbox.deliveries(DeliveryQuery { limit: 10, ..query }).await.unwrap().len()
    };
    let none = DeliveryQuery::default;
    assert_eq!(count(none()).await, 3);
    assert_eq!(count(DeliveryQuery { before: Some(DeliveryId(3)), ..none() }).await, 2);
    assert_eq!(count(DeliveryQuery { states: vec![S::Failed, S::Unknown], ..none() }).await, 1);
    assert_eq!(count(DeliveryQuery { user: Some("bob".into()), ..none() }).await, 2);
    assert_eq!(count(DeliveryQuery { topic: Some("ops".into()), ..none() }).await, 2);
    assert_eq!(count(DeliveryQuery { channel: Some("none".into()), ..none() }).await, 0);
    assert_eq!(count(DeliveryQuery { message: Some(id), ..none() }).await, 2);
    assert_eq!(count(DeliveryQuery { since: Some(post.bench.hand.now() + 1), ..none() }).await, 0);
    assert_eq!(count(DeliveryQuery { until: Some(post.bench.hand.now() + 1), ..none() }).await, 3);
}

/// What is disabled keeps its queue; what somebody changes is looked at anew.
pub async fn a_disabled_channel_waits(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let set = |enabled, kind| ChannelSettings {
        kind,
        display_name: Some("App".into()),
        enabled: Some(enabled),
        config: serde_json::json!({"agent": 7}),
    };
    let channel = post.outbox.put_channel("app", set(false, ChannelKind::Wecom)).await.unwrap();
    assert_eq!(channel.config["agent"], 7);
    assert!(post.claim("app", free()).await.jobs.is_empty());
    publish(&post, to_topic("ops")).await;
    assert_eq!(post.all().await.len(), 1, "nothing is queued for it");
    let other = post.outbox.put_channel("app", set(true, ChannelKind::Wechat)).await;
    assert!(matches!(other, Err(Error::Conflict(_))));
    let changed = post.outbox.outbox_changed();
    let before = *changed.borrow();
    post.outbox.put_channel("app", set(true, ChannelKind::Wecom)).await.unwrap();
    assert_ne!(*changed.borrow(), before);
    post.job("app", free()).await;
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
            a_clock_set_back_delays_by_a_window_at_most a_clock_set_back_is_mended the_same_content_keeps_its_distance
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

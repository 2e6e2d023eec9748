//! A courier that is left running, and what each answer leads to.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

mod support;

use std::{sync::Arc, time::Duration};

use prometheus_client::{encoding::text::encode, registry::Registry};
use support::{Fate, Platform, courier, drain, in_memory, on_disk, refusal};
use tocsin_delivery::{BUSY_TRIES, Class, Outcome, Refusal};
use tocsin_protocol::{
    DeliveryState as S, NewUser, Role,
    delivery::{AttemptResult, ChannelKind, Flow},
};
use tocsin_store::{
    NewMessage,
    conformance::{
        DAY, MINUTE,
        outbox::{Post, free},
        to_topic,
    },
    outbox::{DeliveryId, Limits},
};
use tokio_util::sync::CancellationToken;

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), wait).await.is_ok(), "{what}");
}

async fn publish(post: &Post, title: &str) {
    let message = NewMessage { title: title.into(), ..to_topic("ops") };
    post.bench.store.publish(message).await.unwrap();
}

#[tokio::test]
async fn left_running_it_sends_at_once_and_ends_when_told() {
    let (post, _dir) = on_disk();
    post.desk(&["ann", "bob"]).await;
    let platform = Platform::new(ChannelKind::Wecom, free(), &post.bench.hand);
    let courier = courier(&post, post.outbox.clone());
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (courier, stop) = (courier.clone(), stop.clone());
        async move { courier.run(stop).await }
    });
    publish(&post, "before").await;
    // Its credential is locked away: it waits.
    assert!(platform.shown().is_empty());
    courier.channels().attach("app", platform.clone());
    until("attached, it sends what waited", async || platform.shown().len() == 2).await;
    publish(&post, "after").await;
    until("and what comes", async || platform.shown().len() == 4).await;
    stop.cancel();
    running.await.unwrap();
    publish(&post, "late").await;
    assert_eq!(platform.shown().len(), 4);
    assert!(post.all().await.iter().filter(|row| row.title != "late").all(|row| row.state == S::Accepted));
}

#[tokio::test]
async fn what_hangs_is_unknown_and_holds_up_nobody() {
    let post = in_memory();
    post.desk(&["ann", "bob"]).await;
    let platform = Platform::new(ChannelKind::Wecom, free(), &post.bench.hand);
    platform.fate(|parcel, _| if parcel.address == "id-ann" { Fate::Hang } else { Fate::Take });
    let pace =
        tocsin_delivery::Pace { send_timeout: Duration::from_millis(50), trouble_pause: Duration::ZERO };
    let courier = courier(&post, post.outbox.clone()).pace(pace);
    courier.channels().attach("app", platform.clone());
    publish(&post, "m").await;
    drain(&post, &courier).await;
    let states: Vec<_> = post.all().await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, [S::Unknown, S::Accepted]);
}

#[tokio::test]
async fn a_busy_platform_is_asked_three_times_and_then_somebody_is_told() {
    let post = in_memory();
    post.desk(&["ann"]).await;
    let boss = NewUser { name: "boss".into(), display_name: None, role: Role::Admin };
    post.bench.store.add_user(boss).await.unwrap();
    let platform = Platform::new(ChannelKind::Wecom, free(), &post.bench.hand);
    platform.fate(|_, _| Fate::Refuse(refusal(Class::Busy)));
    let courier = courier(&post, post.outbox.clone());
    courier.channels().attach("app", platform.clone());
    publish(&post, "m").await;
    drain(&post, &courier).await;
    assert_eq!(platform.requests(), BUSY_TRIES);
    assert_eq!(post.all().await[0].state, S::Failed);
    assert_eq!(post.alerts().await, ["app Busy"]);
    let mut registry = Registry::default();
    courier.metrics().register(&mut registry);
    courier.metrics().observe(&post.outbox.channel_health().await.unwrap());
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for line in [
        "outbox_attempts_total{kind=\"Wecom\",result=\"Refused\"} 3",
        "outbox_ended_total{state=\"Failed\"} 1",
        "outbox_retries_total{why=\"Busy\"} 2",
        "outbox_alerts_total 1",
        "outbox_failed 1",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn a_daily_quota_parks_the_channel_and_it_goes_on_by_itself() {
    let post = in_memory();
    post.desk(&["ann", "bob", "cid"]).await;
    let platform = Platform::new(ChannelKind::Wechat, Limits { at_once: 1, ..free() }, &post.bench.hand);
    let until = post.bench.hand.now() + DAY / 2;
    let hand = post.bench.hand.clone();
    platform.fate(move |_, _| {
        let left = until - hand.now();
        if left > 0 {
            Fate::Refuse(Refusal { retry_after_ms: Some(left), ..refusal(Class::Busy) })
        } else {
            Fate::Take
        }
    });
    let courier = courier(&post, post.outbox.clone());
    courier.channels().attach("app", platform.clone());
    publish(&post, "m").await;
    courier.turn().await.unwrap();
    let health = post.outbox.channel_health().await.unwrap().remove(0);
    assert_eq!((health.flow, health.until, health.queued), (Flow::Parked, Some(until), 3));
    drain(&post, &courier).await;
    assert!(post.all().await.iter().all(|row| row.state == S::Accepted));
    assert_eq!(platform.requests(), 4, "one refusal, three messages");
}

#[tokio::test]
async fn a_wrong_secret_fails_one_and_parks_the_rest_until_it_is_right() {
    let post = in_memory();
    let people: Vec<String> = (0..20).map(|n| format!("u{n}")).collect();
    post.desk(&people.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let platform = Platform::new(ChannelKind::Wecom, Limits { at_once: 1, ..free() }, &post.bench.hand);
    platform.fate(|_, _| Fate::Refuse(refusal(Class::Config)));
    let courier = courier(&post, post.outbox.clone());
    courier.channels().attach("app", platform.clone());
    publish(&post, "m").await;
    for _ in 0..14 {
        courier.turn().await.unwrap();
        post.bench.hand.step(MINUTE / 2);
    }
    assert_eq!(platform.requests(), 2, "one at once, one probe after five minutes");
    platform.fate(|_, _| Fate::Take);
    post.outbox.reopen_channel("app").await.unwrap();
    drain(&post, &courier).await;
    let failed = post.all().await.into_iter().filter(|row| row.state == S::Failed).count();
    assert_eq!((failed, platform.shown().len()), (2, 18));
}

#[tokio::test]
async fn a_long_outage_costs_few_requests_and_no_message() {
    let post = in_memory();
    let people: Vec<String> = (0..50).map(|n| format!("u{n}")).collect();
    post.desk(&people.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let platform = Platform::new(ChannelKind::Wecom, free(), &post.bench.hand);
    let (hand, until) = (post.bench.hand.clone(), post.bench.hand.now() + 60 * MINUTE);
    platform.fate(move |_, _| if hand.now() < until { Fate::NotSent } else { Fate::Take });
    let courier = courier(&post, post.outbox.clone());
    courier.channels().attach("app", platform.clone());
    publish(&post, "m").await;
    drain(&post, &courier).await;
    assert_eq!(platform.shown().len(), 50);
    assert!(platform.requests() <= 50 + 25, "{} requests", platform.requests());
}

#[tokio::test]
async fn what_cannot_be_rendered_fails_without_a_request() {
    let post = in_memory();
    post.desk(&["ann"]).await;
    let platform = Platform::new(ChannelKind::Wecom, free(), &post.bench.hand);
    let courier = courier(&post, post.outbox.clone());
    courier.channels().attach("app", platform.clone());
    publish(&post, "unfit").await;
    drain(&post, &courier).await;
    let row = post.all().await.remove(0);
    assert_eq!((row.state, row.code.as_deref(), row.attempts), (S::Failed, Some("unfit"), 0));
    assert_eq!(platform.requests(), 0);
}

/// A channel with a bug, and one that names somebody it did not take.
struct Odd(bool);

#[async_trait::async_trait]
impl tocsin_delivery::Channel for Odd {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Wecom
    }

    fn limits(&self) -> Limits {
        free()
    }

    fn render(&self, item: &tocsin_store::outbox::Item) -> Result<String, tocsin_delivery::Unfit> {
        Ok(item.message.title.clone())
    }

    async fn send(&self, parcel: tocsin_delivery::Parcel<'_>) -> Outcome {
        assert!(!self.0, "a bug");
        let invalid = Refusal { broken: true, ..refusal(Class::Permanent) };
        Outcome::Accepted { msgid: Some("1".into()), refused: vec![(parcel.address.to_uppercase(), invalid)] }
    }
}

#[tokio::test]
async fn a_success_that_names_the_person_as_invalid_is_their_failure() {
    let post = in_memory();
    post.desk(&["ann"]).await;
    let courier = courier(&post, post.outbox.clone());
    courier.channels().attach("app", Arc::new(Odd(false)));
    publish(&post, "m").await;
    drain(&post, &courier).await;
    assert_eq!(post.all().await[0].state, S::Failed);
    assert_eq!(post.outbox.bindings("app").await.unwrap()[0].broken.as_deref(), Some("no"));
}

#[tokio::test]
async fn a_channel_that_breaks_down_takes_nothing_with_it() {
    let post = in_memory();
    post.desk(&["ann", "bob"]).await;
    let courier = courier(&post, post.outbox.clone());
    courier.channels().attach("app", Arc::new(Odd(true)));
    publish(&post, "m").await;
    drain(&post, &courier).await;
    assert!(post.all().await.iter().all(|row| row.state == S::Unknown));
    let detail = post.outbox.delivery(DeliveryId(1)).await.unwrap();
    assert_eq!(detail.attempts[0].result, AttemptResult::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_couriers_at_once_send_each_message_once() {
    let (post, _dir) = on_disk();
    let people: Vec<String> = (0..20).map(|n| format!("u{n}")).collect();
    post.desk(&people.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let platform = Platform::new(ChannelKind::Wecom, free(), &post.bench.hand);
    let stop = CancellationToken::new();
    let running: Vec<_> = (0..4)
        .map(|_| {
            let (courier, stop) = (courier(&post, post.outbox.clone()), stop.clone());
            courier.channels().attach("app", platform.clone());
            tokio::spawn(async move { courier.run(stop).await })
        })
        .collect();
    for n in 0..15 {
        publish(&post, &format!("m{n}")).await;
    }
    until("all of them", async || post.all().await.iter().all(|row| row.state == S::Accepted)).await;
    stop.cancel();
    for task in running {
        task.await.unwrap();
    }
    let mut shown: Vec<_> = platform.shown().into_iter().map(|got| (got.address, got.body)).collect();
    assert_eq!(shown.len(), 300);
    shown.sort();
    shown.dedup();
    assert_eq!(shown.len(), 300);
}

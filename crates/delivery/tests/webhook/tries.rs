//! What the courier makes of the answers.

use std::sync::Arc;

use serde_json::{Value, json};
use tocsin_delivery::{Courier, line::Ground};
use tocsin_protocol::{
    DeliveryState as S, MessageId,
    delivery::{ChannelKind, Flow},
};
use tocsin_store::{
    NewMessage,
    conformance::{outbox::Post, to_topic},
    outbox::codes,
};

use crate::{
    desk::{KEY, Time, ground, hook_of},
    receiver::{Answer, Receiver},
    support::{courier, drain, in_memory},
};

/// A desk whose topic `ops` goes to a webhook, with a courier by the desk's clock.
async fn desk(url: &str, ground: Ground) -> (Post, Courier) {
    let post = in_memory();
    post.bench.user("ann").await;
    post.bench.topic("ops", &["ann"]).await;
    post.channel("hook", ChannelKind::Webhook).await;
    post.route("hook", Some("ops"), None, 1).await;
    post.outbox.bind("hook", "ann", "ann-id").await.unwrap();
    let ground = Ground { clock: Arc::new(Time(post.bench.hand.clock())), ..ground };
    let courier = courier(&post, post.outbox.clone());
    courier.channels().attach("hook", hook_of(&json!({ "url": url }), KEY, &ground).channel());
    (post, courier)
}

async fn publish(post: &Post, title: &str) -> MessageId {
    let message = NewMessage { title: title.into(), ..to_topic("ops") };
    post.bench.store.publish(message).await.unwrap().published.id
}

#[tokio::test]
async fn a_message_says_what_it_is_and_whom_it_is_for() {
    let receiver = Receiver::start(|_| Answer::Status(200, "")).await;
    let (post, courier) = desk(&receiver.url, ground()).await;
    let id = publish(&post, "磁盘满了 🔔").await;
    drain(&post, &courier).await;
    let request = receiver.requests().remove(0);
    let said: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(said["type"], "message.published");
    let at: jiff::Timestamp = said["timestamp"].as_str().unwrap().parse().unwrap();
    let data = &said["data"];
    assert_eq!(data["created_at"], at.as_millisecond());
    assert_eq!((&data["id"], &data["topic"]), (&json!(id), &json!("ops")));
    assert_eq!((&data["title"], &data["mentions"]), (&json!("磁盘满了 🔔"), &json!(["ann-id"])));
    assert!(request.header("webhook-id").starts_with(id.as_str()));
    assert_eq!(post.only().await.state, S::Accepted);
}

#[tokio::test]
async fn every_try_has_the_same_id_and_bytes_and_a_time_of_its_own() {
    let answers = [Answer::HangUp, Answer::Status(500, ""), Answer::HangUp, Answer::Status(204, "")];
    let receiver = Receiver::start(move |number| answers[number].clone()).await;
    let (post, courier) = desk(&receiver.url, ground()).await;
    publish(&post, "m").await;
    drain(&post, &courier).await;
    assert_eq!(post.only().await.state, S::Accepted);
    let tries = receiver.requests();
    assert_eq!(tries.len(), 4);
    for part in tries.windows(2) {
        let [before, after] = part else { unreachable!() };
        assert_eq!(before.header("webhook-id"), after.header("webhook-id"));
        assert_eq!(before.body, after.body);
        let at = |request: &crate::receiver::Request| -> i64 {
            request.header("webhook-timestamp").parse().unwrap()
        };
        assert!(at(before) <= at(after));
    }
    assert_ne!(tries[0].header("webhook-timestamp"), tries[3].header("webhook-timestamp"));
    assert_ne!(tries[0].header("webhook-signature"), tries[3].header("webhook-signature"));
}

#[tokio::test]
async fn one_that_breaks_down_is_tried_for_a_day() {
    let receiver = Receiver::start(|_| Answer::Status(500, "")).await;
    let (post, courier) = desk(&receiver.url, ground()).await;
    publish(&post, "m").await;
    drain(&post, &courier).await;
    let delivery = post.only().await;
    assert_eq!((delivery.state, delivery.code.as_deref()), (S::Failed, Some(codes::GIVEN_UP)));
    assert!(receiver.requests().len() > 100, "{}", receiver.requests().len());
}

#[tokio::test]
async fn one_that_asks_for_time_gets_it() {
    let answers = [Answer::Status(503, "retry-after: 600"), Answer::Status(204, "")];
    let receiver = Receiver::start(move |number| answers[number].clone()).await;
    let (post, courier) = desk(&receiver.url, ground()).await;
    publish(&post, "m").await;
    let began = post.bench.hand.now();
    courier.turn().await.unwrap();
    let health = post.outbox.channel_health().await.unwrap().remove(0);
    assert_eq!((health.flow, health.until), (Flow::Parked, Some(began + 600_000)));
    drain(&post, &courier).await;
    assert!(post.bench.hand.now() >= began + 600_000);
    assert_eq!(post.only().await.state, S::Accepted);
}

#[tokio::test]
async fn one_that_is_gone_parks_the_channel_and_the_rest_waits() {
    let receiver = Receiver::start(|_| Answer::Status(410, "")).await;
    let (post, courier) = desk(&receiver.url, ground()).await;
    publish(&post, "first").await;
    courier.turn().await.unwrap();
    publish(&post, "second").await;
    courier.turn().await.unwrap();
    let states: Vec<_> = post.all().await.into_iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [S::Failed, S::Queued]);
    let health = post.outbox.channel_health().await.unwrap().remove(0);
    assert_eq!((health.flow, health.code.as_deref()), (Flow::Parked, Some("410")));
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn what_one_message_is_refused_for_is_not_the_next_ones_fault() {
    let answers = [Answer::Status(422, ""), Answer::Status(204, "")];
    let receiver = Receiver::start(move |number| answers[number].clone()).await;
    let (post, courier) = desk(&receiver.url, ground()).await;
    publish(&post, "first").await;
    publish(&post, "second").await;
    drain(&post, &courier).await;
    let states: Vec<_> = post.all().await.into_iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [S::Failed, S::Accepted]);
}

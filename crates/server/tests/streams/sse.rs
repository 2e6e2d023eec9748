//! `GET /events` and `POST /v1/ack`.

use std::time::Duration;

use tocsin_protocol::{Cursor, State};

use crate::{
    desk::{Desk, until},
    http::{self, EventStream},
};

#[tokio::test]
async fn first_bytes_come_at_once_with_the_documented_headers() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let mut stream = EventStream::open(desk.address, "/events", &ann, &[]).await;
    assert_eq!(stream.status, 200);
    for header in [
        "content-type: text/event-stream",
        "cache-control: no-cache",
        "connection: keep-alive",
        "x-accel-buffering: no",
        "transfer-encoding: chunked",
    ] {
        assert!(stream.head.contains(header), "{header} is missing in {}", stream.head);
    }
    let first = stream.next().await.unwrap();
    assert!((1_000..5_000).contains(&first.retry.unwrap()));
    let start: Cursor = first.id.unwrap().parse().unwrap();
    assert_eq!(start.epoch, desk.store.epoch());
    assert!(first.data.is_none() && first.event.is_none());
}

#[tokio::test]
async fn it_resumes_after_the_last_event_id_which_wins_over_the_address() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let mut stream = EventStream::open(desk.address, "/events", &ann, &[]).await;
    let start = stream.next().await.unwrap().id.unwrap();
    desk.publish("ops", "one").await;
    let (title, last) = stream.message().await;
    assert_eq!(title, "one");
    drop(stream);
    desk.publish("ops", "two").await;
    let path = format!("/events?cursor={start}");
    let mut stream = EventStream::open(desk.address, &path, &ann, &[("Last-Event-ID", &last)]).await;
    assert_eq!(stream.message().await.0, "two");
    let mut stream = EventStream::open(desk.address, &path, &ann, &[]).await;
    assert_eq!(stream.message().await.0, "one");
    assert_eq!(stream.message().await.0, "two");
    desk.publish("ops", "line one\nline two").await;
    assert_eq!(stream.message().await.0, "line one\nline two", "one event, whatever is in it");
}

#[tokio::test]
async fn an_acknowledgement_covers_what_this_devices_stream_sent() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let mut stream = EventStream::open(desk.address, "/events?device=tab", &ann, &[]).await;
    let start: Cursor = stream.next().await.unwrap().id.unwrap().parse().unwrap();
    let (sent, _) = desk.publish("ops", "one").await;
    let (_, at) = stream.message().await;
    drop(stream);
    desk.until_connections(0).await;
    let (unsent, seq) = desk.publish("ops", "two").await;
    // It claims more at both ends than it was sent.
    let zero = Cursor::new(start.epoch.clone(), 0);
    let far = Cursor::new(start.epoch.clone(), seq);
    let body = format!(r#"{{"from":"{zero}","cursor":"{far}"}}"#);
    let answer = http::post(desk.address, "/v1/ack?device=tab", &ann, &body).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(desk.state_of(sent, &ann).await, State::Received, "answered when it is durable");
    assert_eq!(desk.state_of(unsent, &ann).await, State::Missing);
    let body = format!(r#"{{"from":"{start}","cursor":"{at}"}}"#);
    assert_eq!(
        http::post(desk.address, "/v1/ack?device=tab", &ann, &body).await.status,
        204,
        "again is fine"
    );
}

#[tokio::test]
async fn the_heartbeat_moves_the_position_of_quiet_people() {
    let desk = Desk::with(|config| config.streams.heartbeat = Duration::from_millis(30)).await;
    let (ann, bob) = (desk.person("ann").await, desk.person("bob").await);
    desk.topic("ops", &[&ann]).await;
    let mut quiet = EventStream::open(desk.address, "/events", &bob, &[]).await;
    quiet.next().await.unwrap();
    let (_, seq) = desk.publish("ops", "not for bob").await;
    loop {
        let block = quiet.next().await.unwrap();
        assert!(block.data.is_none() && block.event.is_none(), "an id alone: {block:?}");
        let at: Cursor = block.id.unwrap().parse().unwrap();
        if at.seq >= seq {
            break;
        }
    }
}

#[tokio::test]
async fn states_and_resets_are_named_events() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let (id, _) = desk.publish("ops", "one").await;
    let mut stream = EventStream::open(desk.address, "/events?cursor=zzzzzzzz-9", &ann, &[]).await;
    let first = stream.next().await.unwrap();
    let reset = stream.next().await.unwrap();
    assert_eq!((reset.event.as_deref(), &reset.id), (Some("reset"), &first.id));
    assert_eq!(stream.message().await.0, "one");
    let press =
        tocsin_store::Press { user: ann.id, message: id, pressed: tocsin_store::Pressed::Read, at: 1 };
    desk.store.press(press).await.unwrap();
    let state = stream.next().await.unwrap();
    assert_eq!(state.event.as_deref(), Some("state"));
    assert!(state.data.unwrap().contains(id.as_str()));
}

#[tokio::test]
async fn the_body_ends_properly_when_the_server_does() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let mut stream = EventStream::open(desk.address, "/events", &ann, &[]).await;
    stream.next().await.unwrap();
    desk.stop();
    let mut last = None;
    while let Some(block) = stream.next().await {
        last = Some(block);
    }
    assert!(last.unwrap().retry.is_some(), "it is told when to come back");
    desk.close().await;
}

#[tokio::test]
async fn a_temporary_refusal_is_200_with_a_retry_and_a_clean_end() {
    let desk = Desk::with(|config| config.streams.per_user = 1).await;
    let ann = desk.person("ann").await;
    let mut held = EventStream::open(desk.address, "/events", &ann, &[]).await;
    held.next().await.unwrap();
    let answer = http::get(desk.address, "/events", &ann, &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"));
    assert!(answer.body.starts_with("retry: ") && answer.body.ends_with("\n\n"), "{}", answer.body);
}

#[tokio::test]
async fn bad_credentials_and_bad_cursors_are_refused() {
    let desk = Desk::open().await;
    let mut ann = desk.person("ann").await;
    let answer = http::get(desk.address, "/events?cursor=yesterday", &ann, &[]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("bad_cursor"), "{}", answer.body);
    assert_eq!(http::get(desk.address, "/events", &ann, &[("Last-Event-ID", "7")]).await.status, 400);
    assert_eq!(http::get(desk.address, "/events?device=a/b", &ann, &[]).await.status, 422);
    ann.token = "tcs_wrong".into();
    assert_eq!(http::get(desk.address, "/events", &ann, &[]).await.status, 401);
}

#[tokio::test]
async fn a_revoked_token_ends_its_stream() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    let mut stream = EventStream::open(desk.address, "/events", &ann, &[]).await;
    desk.store.revoke_token(&ann.token_id, None).await.unwrap();
    while stream.next().await.is_some() {}
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_broken_off() {
    let desk = Desk::with(|config| {
        config.streams.heartbeat = Duration::from_millis(50);
        config.streams.write_deadline = Duration::from_millis(100);
        config.streams.queue_bytes = 64 * 1024;
    })
    .await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let stream = EventStream::open(desk.address, "/events", &ann, &[]).await;
    desk.until_connections(1).await;
    let body = "x".repeat(16 * 1024);
    // More than both sockets' buffers hold; published until the server gives up on it.
    until("the end of the stuck stream", async || {
        desk.publish_body("ops", "big", &body).await;
        desk.state.hub.connections() == 0
    })
    .await;
    drop(stream);
}

//! `GET /poll`.

use std::{collections::BTreeSet, time::Duration};

use tocsin_protocol::{Cursor, Poll, Role, State};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    desk::Desk,
    http::{self, get, post},
    socket::Socket,
};

fn titles(poll: &Poll) -> Vec<&str> {
    poll.messages.iter().map(|message| message.title.as_str()).collect()
}

#[tokio::test]
async fn a_cursor_gives_what_comes_after_it_and_acknowledges_what_came_before() {
    let desk = Desk::with(|config| config.streams.page = 2).await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let start = Cursor::new(desk.store.epoch(), desk.head());
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(desk.publish("ops", &n.to_string()).await.0);
    }
    let answer = get(desk.address, &format!("/poll?cursor={start}"), &ann, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-cache, no-store, private");
    assert_eq!(answer.header("x-poll-interval"), "1");
    let first: Poll = answer.json();
    assert_eq!((titles(&first), first.more), (vec!["0", "1"], true));
    assert_eq!(desk.state_of(ids[0], &ann).await, State::Missing, "not yet acknowledged");
    let second: Poll = get(desk.address, &format!("/poll?cursor={}", first.cursor), &ann, &[]).await.json();
    assert_eq!((titles(&second), second.more), (vec!["2"], false));
    desk.until_state(ids[1], &ann, State::Received).await;
    assert_eq!(desk.state_of(ids[2], &ann).await, State::Missing);
    let third: Poll = get(desk.address, &format!("/poll?cursor={}", second.cursor), &ann, &[]).await.json();
    assert_eq!(titles(&third), Vec::<&str>::new());
    desk.until_state(ids[2], &ann, State::Received).await;
}

#[tokio::test]
async fn nothing_new_is_304_and_still_acknowledges() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let start = Cursor::new(desk.store.epoch(), desk.head());
    let (id, _) = desk.publish("ops", "one").await;
    let answer = get(desk.address, &format!("/poll?cursor={start}"), &ann, &[]).await;
    let (etag, poll): (String, Poll) = (answer.header("etag").into(), answer.json());
    assert_eq!(etag, format!("\"{}\"", poll.messages[0].cursor));
    let path = format!("/poll?cursor={}", poll.cursor);
    let nothing = get(desk.address, &path, &ann, &[("If-None-Match", &etag)]).await;
    assert_eq!((nothing.status, nothing.body.as_str()), (304, ""));
    assert_eq!(nothing.header("etag"), etag);
    desk.until_state(id, &ann, State::Received).await;
    assert_eq!(get(desk.address, &path, &ann, &[]).await.status, 200, "only if it is asked for");
    desk.publish("ops", "two").await;
    let news = get(desk.address, &path, &ann, &[("If-None-Match", &etag)]).await;
    assert_eq!(news.status, 200);
    assert_eq!(titles(&news.json()), ["two"]);
}

#[tokio::test]
async fn without_a_cursor_a_batch_is_handed_out_once_and_counts_as_sent() {
    let desk = Desk::open().await;
    let ann = desk.person("123").await;
    desk.topic("ops", &[&ann]).await;
    let (id, _) = desk.publish("ops", "one").await;
    let first: Poll = get(desk.address, "/poll?user_id=123", &ann, &[]).await.json();
    assert_eq!(titles(&first), ["one"]);
    desk.until_state(id, &ann, State::Sent).await;
    let second: Poll = get(desk.address, "/poll?user_id=123", &ann, &[]).await.json();
    assert_eq!(titles(&second), Vec::<&str>::new());
}

#[tokio::test]
async fn a_claim_whose_answer_was_not_written_is_undone() {
    let desk = Desk::with(|config| config.streams.page = 200).await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let body = "x".repeat(16 * 1024);
    let mut ids = Vec::new();
    // More than both sockets' buffers hold, so that the answer cannot be written whole.
    for n in 0..200 {
        ids.push(desk.publish_body("ops", &n.to_string(), &body).await.0);
    }
    let small = tokio::net::TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4096).unwrap();
    let mut socket = small.connect(desk.address).await.unwrap();
    socket.write_all(http::head("GET", "/poll", Some(&ann), &[]).as_bytes()).await.unwrap();
    desk.until_state(ids[0], &ann, State::Sent).await;
    socket.set_zero_linger().unwrap();
    drop(socket);
    desk.until_state(ids[0], &ann, State::Missing).await;
    let again: Poll = get(desk.address, "/poll", &ann, &[]).await.json();
    assert_eq!(again.messages.len(), 200);
    desk.until_state(ids[199], &ann, State::Sent).await;
}

#[tokio::test]
async fn a_wait_ends_with_the_message_and_without_one_when_the_server_does() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    for with_cursor in [false, true] {
        let cursor = format!("&cursor={}-{}", desk.store.epoch(), desk.head());
        let path = format!("/poll?wait=50{}", if with_cursor { &cursor } else { "" });
        let waiting = tokio::spawn({
            let (address, ann, path) = (desk.address, ann.clone(), path.clone());
            async move { get(address, &path, &ann, &[]).await }
        });
        desk.until_connections(1).await;
        desk.publish("ops", "one").await;
        let poll: Poll = waiting.await.unwrap().json();
        assert_eq!(titles(&poll), ["one"], "{path}");
        desk.until_connections(0).await;
    }
    let waiting = tokio::spawn({
        let (address, ann) = (desk.address, ann.clone());
        let path = format!("/poll?wait=50&cursor={}-{}", desk.store.epoch(), desk.head());
        async move { get(address, &path, &ann, &[]).await }
    });
    desk.until_connections(1).await;
    desk.stop();
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 200);
    desk.close().await;
}

/// Its client asks again whatever the answer: if it replaced, it would end the better stream that it climbs to.
#[tokio::test]
async fn a_poll_replaces_no_stream_of_its_client_and_none_replaces_it() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let (query, cursor) = ("?device=page&instance=aaaa", Cursor::new(desk.store.epoch(), desk.head()));
    let poll = || {
        let (address, ann, path) =
            (desk.address, ann.clone(), format!("/poll{query}&cursor={cursor}&wait=50"));
        tokio::spawn(async move { get(address, &path, &ann, &[]).await })
    };
    let before = poll();
    desk.until_connections(1).await;
    let (mut climbed, _) = Socket::resume(desk.address, query, &ann, Some(cursor.clone())).await;
    let after = poll();
    desk.until_connections(3).await;
    desk.publish("ops", "one").await;
    assert_eq!(climbed.message().await.title, "one");
    for waiting in [before, after] {
        assert_eq!(titles(&waiting.await.unwrap().json()), ["one"]);
    }
}

#[tokio::test]
async fn somebody_else_is_forbidden_and_an_administrator_only_looks() {
    let desk = Desk::open().await;
    let (ann, bob) = (desk.person("ann").await, desk.person("bob").await);
    let root = desk.person_as("root", Role::Admin).await;
    desk.topic("ops", &[&ann]).await;
    let (id, _) = desk.publish("ops", "one").await;
    assert_eq!(get(desk.address, "/poll?user_id=ann", &bob, &[]).await.status, 403);
    let peek: Poll = get(desk.address, "/poll?user_id=ann", &root, &[]).await.json();
    assert_eq!(titles(&peek), ["one"]);
    assert_eq!(desk.state_of(id, &ann).await, State::Missing);
    let own: Poll = get(desk.address, "/poll", &ann, &[]).await.json();
    assert_eq!(titles(&own), ["one"], "nothing was taken");
    assert_eq!(get(desk.address, "/poll?user_id=nobody", &root, &[]).await.status, 422);
}

#[tokio::test]
async fn a_reset_comes_with_the_answer() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    desk.publish("ops", "one").await;
    let poll: Poll = get(desk.address, "/poll?cursor=zzzzzzzz-3", &ann, &[]).await.json();
    assert_eq!(
        poll.reset.as_ref().map(|reset| reset.reason),
        Some(tocsin_protocol::stream::ResetReason::Epoch)
    );
    assert_eq!(titles(&poll), ["one"]);
    let next: Poll = get(desk.address, &format!("/poll?cursor={}", poll.cursor), &ann, &[]).await.json();
    assert!(next.reset.is_none());
    assert_eq!(get(desk.address, "/poll?cursor=3", &ann, &[]).await.status, 400);
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_leaves_nothing_behind() {
    let desk = Desk::with(|config| config.streams.poll_wait = Duration::from_hours(1)).await;
    let ann = desk.person("ann").await;
    let mut socket = TcpStream::connect(desk.address).await.unwrap();
    socket.write_all(http::head("GET", "/poll?wait=3600", Some(&ann), &[]).as_bytes()).await.unwrap();
    desk.until_connections(1).await;
    drop(socket);
    desk.until_connections(0).await;
}

/// The client leaves at every moment of the request. What it could still read is delivered; everything else comes again.
#[tokio::test]
async fn a_client_that_leaves_at_any_moment_takes_nothing_with_it() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let mut lost: BTreeSet<String> = BTreeSet::new();
    for n in 0..40 {
        let title = format!("message-{n}-");
        desk.publish("ops", &title).await;
        lost.insert(title);
        let mut socket = TcpStream::connect(desk.address).await.unwrap();
        socket.set_zero_linger().unwrap();
        socket.write_all(http::head("GET", "/poll", Some(&ann), &[]).as_bytes()).await.unwrap();
        for _ in 0..n * 8 {
            tokio::task::yield_now().await;
        }
        // On this one thread nothing is written between this read and the reset.
        let mut socket = socket.into_std().unwrap();
        let mut bytes = vec![0; 1 << 20];
        let read = std::io::Read::read(&mut socket, &mut bytes).unwrap_or(0);
        drop(socket);
        let read = String::from_utf8_lossy(&bytes[..read]);
        lost.retain(|title| !read.contains(title.as_str()));
    }
    tokio::time::timeout(Duration::from_secs(30), async {
        while !lost.is_empty() {
            let poll: Poll = get(desk.address, "/poll", &ann, &[]).await.json();
            lost.retain(|title| poll.messages.iter().all(|message| message.title != *title));
        }
    })
    .await
    .unwrap_or_else(|_| panic!("lost: {lost:?}"));
}

#[tokio::test]
async fn a_device_that_was_not_sent_a_message_does_not_receive_it_by_its_cursor() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    let (one, _) = desk.publish("ops", "one").await;
    let first: Poll = get(desk.address, "/poll?device=a", &ann, &[]).await.json();
    assert_eq!(titles(&first), ["one"]);
    let other: Poll = get(desk.address, "/poll?device=b", &ann, &[]).await.json();
    assert_eq!(titles(&other), Vec::<&str>::new());
    let path = format!("/poll?device=b&cursor={}", other.cursor);
    let (two, _) = desk.publish("ops", "two").await;
    let sent: Poll = get(desk.address, &path, &ann, &[]).await.json();
    assert_eq!(titles(&sent), ["two"]);
    // By the other way, too: one range that begins before everything.
    let ack = format!(r#"{{"from":"{0}-0","cursor":"{1}"}}"#, desk.store.epoch(), sent.cursor);
    assert_eq!(post(desk.address, "/v1/ack?device=b", &ann, &ack).await.status, 204);
    desk.until_state(two, &ann, State::Received).await;
    assert_eq!(desk.state_of(one, &ann).await, State::Sent);
}

#[tokio::test]
async fn a_new_device_with_the_cursor_of_another_acknowledges_only_what_it_is_sent() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    desk.store.open_device(ann.id, "b").await.unwrap();
    let (one, seq) = desk.publish("ops", "one").await;
    let path = format!("/poll?device=b&cursor={}-{seq}", desk.store.epoch());
    assert_eq!(titles(&get(desk.address, &path, &ann, &[]).await.json()), Vec::<&str>::new());
    let (two, _) = desk.publish("ops", "two").await;
    let sent: Poll = get(desk.address, &path, &ann, &[]).await.json();
    let path = format!("/poll?device=b&cursor={}", sent.cursor);
    get(desk.address, &path, &ann, &[]).await;
    desk.until_state(two, &ann, State::Received).await;
    assert_eq!(desk.state_of(one, &ann).await, State::Missing);
}

#[tokio::test]
async fn a_poll_is_a_sign_of_life_and_ones_own_name_is_in_any_case() {
    let desk = Desk::open().await;
    let ann = desk.person("ann").await;
    desk.topic("ops", &[&ann]).await;
    desk.publish("ops", "one").await;
    let poll: Poll = get(desk.address, "/poll?user_id=ANN&device=script", &ann, &[]).await.json();
    assert_eq!(titles(&poll), ["one"]);
    let devices = desk.store.devices(Some(ann.id)).await.unwrap();
    let script = devices.iter().find(|device| device.name == "script").unwrap();
    assert!(script.last_seen_at.is_some());
}

//! Proxies that break a transport: the client falls back to the next one, and climbs when it can.

mod peer;

use std::time::Duration;

use futures_util::SinkExt as _;
use peer::{Client, Peer, cursor, drain, hello, id, message, message_event, message_frame, quick, refuse};
use tocsin_protocol::{
    Shown,
    control::Transport::{Poll, Sse, Websocket},
};
use tocsin_subscriber::{Arrival, Connection, Event, Reason, Timings};
use tokio::io::AsyncWriteExt as _;

#[tokio::test]
async fn proxy_that_refuses_upgrade() {
    let peer = Peer::start(|call, n| async move {
        match call.asked.route() {
            "/ws" => refuse(call).await,
            "/events" if n == 0 => {
                let mut stream = call.event_stream().await;
                let text = format!("retry: 1000\n\nid: {}\n\n{}", cursor(4), message_event(5));
                stream.write_all(text.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            }
            _ => call.json(serde_json::json!({})).await,
        }
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    assert_eq!(client.until_online().await, Sse);
    client.until_stored(5).await;
    let ack = peer.wait_for("/v1/ack", 1).await;
    assert_eq!(ack.json(), serde_json::json!({ "from": cursor(4), "cursor": cursor(5) }));
    assert_eq!(ack.header("authorization").unwrap(), "Bearer tcs_test");
    client.inbox.set_shown(vec![(id(5), Shown::Shown)]).await.unwrap();
    let report = peer.wait_for("/v1/ack", 2).await.json();
    assert_eq!(report["cursor"], cursor(5).to_string());
    assert_eq!(report["shown"][0]["shown"], "shown");
}

#[tokio::test]
async fn proxy_that_buffers_event_streams() {
    let peer = Peer::start(|call, n| async move {
        match call.asked.route() {
            "/ws" => refuse(call).await,
            "/events" => {
                let _held = call.event_stream().await;
                std::future::pending::<()>().await;
            }
            "/v1/me" => {
                let server = serde_json::json!({ "name": "x", "version": "1", "instance": "i", "epoch": "k3v9x0ab" });
                call.json(serde_json::json!({ "kind": "client", "server": server })).await;
            }
            "/poll" if n == 0 => {
                let page = serde_json::json!({ "messages": [message(1), message(2)], "cursor": cursor(2), "more": true });
                call.json(page).await;
            }
            "/poll" if n == 1 => {
                call.json(serde_json::json!({ "messages": [message(3)], "cursor": cursor(3), "more": false })).await;
            }
            "/poll" => std::future::pending().await,
            _ => call.json(serde_json::json!({})).await,
        }
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    assert_eq!(client.until_online().await, Poll);
    for seq in 1..=3 {
        client.until_stored(seq).await;
    }
    // Each poll asks from what is stored, which acknowledges it.
    assert_eq!(peer.wait_for("/poll", 1).await.query("cursor"), Some("k3v9x0ab-0"));
    assert_eq!(peer.wait_for("/poll", 2).await.query("cursor"), Some("k3v9x0ab-2"));
    let third = peer.wait_for("/poll", 3).await;
    assert_eq!((third.query("cursor"), third.query("wait")), (Some("k3v9x0ab-3"), Some("1")));
    client.inbox.set_shown(vec![(id(3), Shown::Failed)]).await.unwrap();
    let report = peer.wait_for("/v1/ack", 1).await.json();
    assert_eq!((&report["from"], &report["cursor"]), (&report["cursor"], &cursor(3).to_string().into()));
    assert_eq!(report["shown"][0]["shown"], "failed");
}

#[tokio::test]
async fn temporary_refusal_of_an_event_stream() {
    let peer = Peer::start(|call, n| async move {
        match call.asked.route() {
            "/ws" => refuse(call).await,
            "/events" if n == 0 => {
                let mut stream = call.event_stream().await;
                stream.write_all(b"retry: 300\n\n").await.unwrap();
            }
            "/events" => {
                let mut stream = call.event_stream().await;
                stream.write_all(format!("id: {}\n\n", cursor(9)).as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            }
            route => panic!("{route}"),
        }
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    let busy = client.until(|e| match e {
        Event::Connection(Connection::Offline { reason: Reason::Busy, .. }) => Some(()),
        _ => None,
    });
    busy.await;
    assert_eq!(client.until_online().await, Sse);
}

#[tokio::test]
async fn climbs_back_when_the_proxy_is_gone() {
    let timings = Timings { stable: Duration::from_millis(200), ..quick() };
    let peer = Peer::start(|call, n| async move {
        match call.asked.route() {
            "/ws" if n < 2 => refuse(call).await,
            "/ws" => {
                assert_eq!(call.asked.query("cursor"), Some("k3v9x0ab-1"));
                let mut socket = call.websocket().await;
                socket.send(hello(1)).await.unwrap();
                socket.send(message_frame(2)).await.unwrap();
                drain(socket).await;
            }
            "/events" => {
                let mut stream = call.event_stream().await;
                let text = format!("id: {}\n\n{}", cursor(0), message_event(1));
                stream.write_all(text.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            }
            _ => call.json(serde_json::json!({})).await,
        }
    })
    .await;
    let mut client = Client::start(&peer.origin, timings);
    assert_eq!(client.until_online().await, Sse);
    client.until_stored(1).await;
    assert_eq!(client.until_online().await, Websocket);
    assert_eq!(client.until_stored(2).await.arrival, Arrival::Live, "a climb is no absence");
    assert_eq!(client.times_stored(1), 1);
    let offline =
        client.passed.iter().filter(|e| matches!(e, Event::Connection(Connection::Offline { .. }))).count();
    assert_eq!(offline, 1, "only while falling back");
    let instances: Vec<_> =
        peer.asked("/ws").iter().map(|a| a.query("instance").unwrap().to_owned()).collect();
    assert!(instances.windows(2).all(|w| w[0] == w[1]));
}

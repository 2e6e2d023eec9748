//! What a person does without a connection reaches the server later, once, with the time it was done.

mod peer;

use futures_util::SinkExt as _;
use peer::{Client, Peer, drain, hello, id, message_frame, quick};
use tocsin_protocol::Publish;
use tocsin_subscriber::{Connection, Event, Reason};
use tokio::net::TcpListener;

#[tokio::test]
async fn pressed_and_published_while_offline() {
    // A port that nobody listens on, until somebody does.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let first = Peer::on(listener, |call, _| async move {
        let mut socket = call.websocket().await;
        socket.send(hello(0)).await.unwrap();
        socket.send(message_frame(1)).await.unwrap();
        drain(socket).await;
    });
    let mut client = Client::start(&first.origin, quick());
    client.until_stored(1).await;
    drop(first);
    let dir = client.close().await;
    let mut client = Client::start_in(dir, &format!("http://{address}"), quick());
    let offline = client.until(|e| match e {
        Event::Connection(Connection::Offline { reason: Reason::Unreachable(_), .. }) => Some(()),
        _ => None,
    });
    offline.await;
    let change = client.handle.acknowledge(id(1)).await.unwrap();
    let announced =
        client.until(|e| if let Event::State(change) = e { Some(change.clone()) } else { None }).await;
    assert_eq!(announced, change);
    let publish = Publish { topic: Some("ops".into()), title: Some("hi".into()), ..Publish::default() };
    client.inbox.spool("key-1".into(), publish).await.unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    let acknowledge = format!("/v1/messages/{}/acknowledge", id(1));
    let peer = failing_first(listener, acknowledge.clone());
    let pressed = peer.wait_for(&acknowledge, 2).await.json();
    assert_eq!(pressed["at"], change.acknowledged_at.unwrap());
    let published = peer.wait_for("/v1/messages", 2).await;
    assert_eq!(published.header("idempotency-key").as_deref(), Some("key-1"));
    let (key, result) = client
        .until(|e| match e {
            Event::Sent { key, result } => Some((key.clone(), result.as_ref().as_ref().unwrap().id)),
            _ => None,
        })
        .await;
    assert_eq!((key.as_str(), result), ("key-1", id(9)));
    assert!(client.inbox.spooled().await.unwrap().is_empty());
}

/// A server whose first answer to an acknowledgement is lost, and to a publish a refusal for now.
fn failing_first(listener: TcpListener, acknowledge: String) -> Peer {
    Peer::on(listener, move |call, n| {
        let acknowledge = acknowledge.clone();
        async move {
            match call.asked.route() {
                "/ws" => {
                    let mut socket = call.websocket().await;
                    socket.send(hello(1)).await.expect("the stream is open");
                    drain(socket).await;
                }
                route if n == 0 && route == acknowledge => {}
                "/v1/messages" if n == 0 => {
                    call.answer("503 Service Unavailable", "Retry-After: 0\r\n", "").await;
                }
                "/v1/messages" => {
                    call.json(serde_json::json!({ "id": id(9), "seq": 9, "audience": 1 })).await;
                }
                _ => call.json(serde_json::json!({})).await,
            }
        }
    })
}

#[tokio::test]
async fn publish_refused_for_good() {
    let peer = Peer::start(|call, _| async move {
        if call.asked.route() == "/ws" {
            let mut socket = call.websocket().await;
            socket.send(hello(1)).await.unwrap();
            drain(socket).await;
        } else {
            let error = r#"{"error":{"code":"unknown_topic","message":"no topic nope"}}"#;
            call.answer("404 Not Found", "Content-Type: application/json\r\n", error).await;
        }
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    client.inbox.spool("key-1".into(), Publish::default()).await.unwrap();
    let error = client
        .until(|e| match e {
            Event::Sent { result, .. } => Some(result.as_ref().as_ref().unwrap_err().to_string()),
            _ => None,
        })
        .await;
    assert!(error.contains("no topic nope"), "{error}");
    assert!(client.inbox.spooled().await.unwrap().is_empty());
}

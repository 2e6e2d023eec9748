//! What goes wrong between a server and a device, one test each: nothing lost, nothing twice, and the host knows why.
//! What is wrong with a transport is in `transports.rs`.

#![expect(clippy::unwrap_used, reason = "a test")]

mod peer;

use futures_util::{SinkExt as _, StreamExt};
use peer::{Client, Peer, cursor, drain, hello, hello_of, id, message, message_frame, quick};
use tocsin_protocol::{Shown, control::Transport::Websocket, stream::close};
use tocsin_subscriber::{Arrival, Connection, Event, Reason};
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::{
    Message as Frame,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// The next acknowledgement that came as a frame.
async fn ack<S>(socket: &mut S) -> serde_json::Value
where
    S: StreamExt<Item = Result<Frame, tokio_tungstenite::tungstenite::Error>> + Unpin,
{
    loop {
        let frame = socket.next().await.expect("a frame").unwrap();
        let Frame::Text(text) = frame else { continue };
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        if value["type"] == "ack" {
            return value;
        }
    }
}

async fn closed_with(code: u16) -> Connection {
    let peer = Peer::start(move |call, _| async move {
        let mut socket = call.websocket().await;
        socket.send(hello(0)).await.unwrap();
        socket.close(Some(CloseFrame { code: CloseCode::from(code), reason: "".into() })).await.unwrap();
        drain(socket).await;
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    client.until_online().await;
    client
        .until(|e| match e {
            Event::Connection(c) if !c.is_online() => Some(c.clone()),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn half_open_connection() {
    let peer = Peer::start(|call, n| async move {
        if call.asked.route() != "/ws" {
            return call.json(serde_json::json!({})).await;
        }
        let mut socket = call.websocket().await;
        socket.send(hello_of("ana", 3, 1)).await.unwrap();
        if n == 0 {
            socket.send(message_frame(4)).await.unwrap();
            // Reads nothing and says nothing, as behind a router that forgot the connection.
            std::future::pending::<()>().await;
        }
        drain(socket).await;
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    client.until_stored(4).await;
    let reason = client
        .until(|e| match e {
            Event::Connection(Connection::Offline { reason, .. }) => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert_eq!(reason, Reason::Silent);
    client.until_online().await;
    assert_eq!(peer.asked("/ws")[1].query("cursor"), Some("k3v9x0ab-4"));
    // Nobody confirmed the acknowledgement that went into the dead connection.
    let again = peer.wait_for("/v1/ack", 1).await.json();
    assert_eq!(again, serde_json::json!({ "from": cursor(3), "cursor": cursor(4) }));
}

#[tokio::test]
async fn connection_cut_in_the_middle_of_a_frame() {
    let peer = Peer::start(|call, n| async move {
        if call.asked.route() != "/ws" {
            return call.json(serde_json::json!({})).await;
        }
        if n == 0 {
            let mut socket = call.websocket().await;
            socket.send(hello(0)).await.unwrap();
            socket.send(message_frame(1)).await.unwrap();
            let stream = socket.get_mut();
            // A text frame of 100 bytes of which ten come.
            stream.write_all(&[0x81, 100]).await.unwrap();
            stream.write_all(b"{\"type\":\"m").await.unwrap();
            return;
        }
        let mut socket = call.websocket().await;
        socket.send(hello(1)).await.unwrap();
        // As a server does that saw no acknowledgement.
        for seq in [1, 2] {
            socket.send(message_frame(seq)).await.unwrap();
        }
        drain(socket).await;
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    client.until_stored(2).await;
    assert_eq!((client.times_stored(1), client.times_stored(2)), (1, 1));
    assert_eq!(peer.asked("/ws")[1].query("cursor"), Some("k3v9x0ab-1"));
}

#[tokio::test]
async fn acknowledged_once_stored_and_shown_reported() {
    let (tell, mut told) = tokio::sync::mpsc::channel(16);
    let peer = Peer::start(move |call, _| {
        let tell = tell.clone();
        async move {
            let mut socket = call.websocket().await;
            socket.send(hello(0)).await.unwrap();
            for seq in [1, 2, 2, 3] {
                socket.send(message_frame(seq)).await.unwrap();
            }
            loop {
                tell.send(ack(&mut socket).await).await.unwrap();
            }
        }
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    let mut last = told.recv().await.unwrap();
    while last["cursor"] != cursor(3).to_string() {
        assert_eq!(last["type"], "ack");
        last = told.recv().await.unwrap();
    }
    let page = client.inbox.list(tocsin_subscriber::InboxQuery::default()).await.unwrap();
    assert_eq!(page.items.len(), 3, "what is acknowledged is stored");
    client.until_stored(3).await;
    assert_eq!(client.times_stored(2), 1);
    client.inbox.set_shown(vec![(id(2), Shown::Shown)]).await.unwrap();
    let report = told.recv().await.unwrap();
    assert_eq!(
        (&report["cursor"], &report["shown"][0]["id"]),
        (&cursor(3).to_string().into(), &id(2).to_string().into())
    );
}

#[tokio::test]
async fn a_new_device_says_that_it_has_no_position() {
    let peer = Peer::start(|call, n| async move {
        assert_eq!(call.asked.query("cursor").is_some(), n > 0);
        let mut socket = call.websocket().await;
        if n == 0 {
            // As the server does: it waits for a word before it says hello.
            let first = socket.next().await.unwrap().unwrap().into_text().unwrap();
            assert_eq!(first.as_str(), r#"{"type":"resume"}"#);
        }
        socket.send(hello(3)).await.unwrap();
        drain(socket).await;
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    assert_eq!(client.until_online().await, Websocket);
    client.until(|e| matches!(e, Event::CaughtUp { .. }).then_some(())).await;
    let dir = client.close().await;
    let mut client = Client::start_in(dir, &peer.origin, quick());
    assert_eq!(client.until_online().await, Websocket);
    assert_eq!(peer.asked("/ws").len(), 2);
}

#[tokio::test]
async fn something_else_answers() {
    for case in ["html", "no hello", "not json", "binary"] {
        let peer = Peer::start(move |call, _| async move {
            match (call.asked.route(), case) {
                ("/ws", "html") => {
                    call.answer("200 OK", "Content-Type: text/html\r\n", "<p>Log in to the Wi-Fi</p>").await;
                }
                ("/ws", _) => {
                    let mut socket = call.websocket().await;
                    let frames = match case {
                        "no hello" => vec![message_frame(1)],
                        "not json" => vec![hello(0), Frame::text("{")],
                        _ => vec![hello(0), Frame::binary(vec![0xFF])],
                    };
                    for frame in frames {
                        socket.send(frame).await.unwrap();
                    }
                    drain(socket).await;
                }
                _ => call.answer("200 OK", "Content-Type: text/html\r\n", "<p>Log in</p>").await,
            }
        })
        .await;
        let mut client = Client::start(&peer.origin, quick());
        let garbage = client.until(|e| match e {
            Event::Connection(Connection::Offline {
                reason: Reason::Garbage(_), retry_at: Some(_), ..
            }) => Some(()),
            _ => None,
        });
        garbage.await;
        assert_eq!(client.inbox.position().await.unwrap().map_or(0, |c| c.seq), 0, "{case}");
        assert!(client.inbox.pending().await.unwrap().is_empty(), "{case}");
    }
}

#[tokio::test]
async fn revoked_token() {
    assert!(matches!(
        closed_with(close::UNAUTHORISED).await,
        Connection::Refused { reason: Reason::Unauthorised, .. }
    ));
    let peer = Peer::start(|call, _| async move { call.answer("401 Unauthorized", "", "").await }).await;
    let mut client = Client::start(&peer.origin, quick());
    let refused = client.until(|e| matches!(e, Event::Connection(Connection::Refused { .. })).then_some(()));
    refused.await;
    assert_eq!(peer.asked("/ws").len(), 1);
}

#[tokio::test]
async fn close_codes() {
    assert!(matches!(
        closed_with(close::REPLACED).await,
        Connection::Offline { reason: Reason::Replaced, retry_at: None, .. }
    ));
    assert!(matches!(
        closed_with(close::BAD_FRAME).await,
        Connection::Offline { reason: Reason::NotUnderstood(4102), retry_at: None, .. }
    ));
    for (code, expected) in [
        (close::LAGGING, Reason::Lagging),
        (close::GOING_AWAY, Reason::GoingAway),
        (close::BUSY, Reason::Busy),
        (close::SILENT, Reason::Silent),
        (1000, Reason::Ended),
    ] {
        let Connection::Offline { reason, retry_at: Some(_), .. } = closed_with(code).await else {
            panic!("{code}")
        };
        assert_eq!(reason, expected);
    }
}

#[tokio::test]
async fn token_of_somebody_else() {
    let peer = Peer::start(|call, _| async move {
        let mut socket = call.websocket().await;
        socket.send(hello_of("bob", 0, 30)).await.unwrap();
        socket.send(message_frame(1)).await.unwrap();
        drain(socket).await;
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    let reason = client
        .until(|e| match e {
            Event::Connection(Connection::Refused { reason, .. }) => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert_eq!(reason, Reason::OtherUser("bob".into()));
    assert!(client.inbox.pending().await.unwrap().is_empty());
}

#[tokio::test]
async fn restored_database() {
    let peer = Peer::start(|call, _| async move {
        match call.asked.route() {
            "/ws" => {
                let mut socket = call.websocket().await;
                let at = "restored-2";
                let first = hello(0).into_text().unwrap().replace(&cursor(0).to_string(), at);
                socket.send(Frame::text(first)).await.unwrap();
                let reset =
                    serde_json::json!({ "type": "reset", "cursor": at, "reason": "epoch", "lost": 0 });
                socket.send(Frame::text(reset.to_string())).await.unwrap();
                drain(socket).await;
            }
            "/v1/messages" => {
                let known = message(1);
                let read = serde_json::json!({ "read_at": 1 });
                let mut second = serde_json::to_value(message(2)).unwrap();
                second.as_object_mut().unwrap().extend(read.as_object().unwrap().clone());
                if call.asked.query("before").is_none() {
                    call.json(serde_json::json!({ "items": [message(3), second], "next": 2 })).await;
                } else {
                    call.json(serde_json::json!({ "items": [known] })).await;
                }
            }
            _ => call.json(serde_json::json!({})).await,
        }
    })
    .await;
    // This device has message 1 of the life before.
    let before = Peer::start(|call, _| async move {
        let mut socket = call.websocket().await;
        socket.send(hello(0)).await.unwrap();
        socket.send(message_frame(1)).await.unwrap();
        drain(socket).await;
    })
    .await;
    let mut client = Client::start(&before.origin, quick());
    client.until_stored(1).await;
    let mut client = Client::start_in(client.close().await, &peer.origin, quick());
    let reset = client.until(|e| if let Event::Reset(reset) = e { Some(reset.clone()) } else { None }).await;
    assert_eq!(reset.cursor.to_string(), "restored-2");
    let second = client.until_stored(2).await;
    assert_eq!(
        (second.arrival, second.silent),
        (Arrival::Restored, Some(tocsin_subscriber::Silent::Handled))
    );
    assert_eq!(client.until_stored(3).await.silent, None);
    let count = client.until(|e| if let Event::CaughtUp { count } = e { Some(*count) } else { None }).await;
    assert_eq!(count, 2);
    assert_eq!(client.times_stored(1), 0);
    assert_eq!(client.inbox.position().await.unwrap().unwrap().to_string(), "restored-2");
}

#[tokio::test]
async fn missed_ones_are_counted_until_caught_up() {
    let peer = Peer::start(|call, _| async move {
        let mut socket = call.websocket().await;
        socket.send(hello(0)).await.unwrap();
        for seq in 1..=40 {
            socket.send(message_frame(seq)).await.unwrap();
        }
        drain(socket).await;
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    let count = client.until(|e| if let Event::CaughtUp { count } = e { Some(*count) } else { None }).await;
    assert_eq!(count, 40);
    let missed = client
        .passed
        .iter()
        .filter(|e| matches!(e, Event::Stored(s) if s.arrival == Arrival::Missed))
        .count();
    assert_eq!(missed, 40);
}

#[tokio::test]
async fn stop_ends_everything() {
    let peer = Peer::start(|call, _| async move {
        let mut socket = call.websocket().await;
        socket.send(hello(0)).await.unwrap();
        drain(socket).await;
    })
    .await;
    let mut client = Client::start(&peer.origin, quick());
    client.until_online().await;
    tokio::time::timeout(peer::PATIENCE, client.handle.stop()).await.unwrap();
    assert!(matches!(
        &*client.handle.connection().borrow(),
        Connection::Offline { reason: Reason::Stopped, retry_at: None, .. }
    ));
    while client.events.recv().await.is_some() {}
    client.inbox.close().await.unwrap();
}

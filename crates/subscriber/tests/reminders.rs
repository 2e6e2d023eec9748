//! A message that is told of again, and one that somebody settled, over every transport: each once, however often the
//! peer says it. A scripted peer, since the real server says nothing twice.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod peer;

use std::{sync::Arc, time::Duration};

use futures_util::SinkExt as _;
use peer::{Call, Client, Peer, cursor, drain, hello, id, message, message_frame, quick, refuse};
use serde_json::{Value, json};
use tocsin_protocol::{
    Millis, Shown,
    control::Transport::{self, Poll, Sse, Websocket},
};
use tocsin_subscriber::{Arrival, Clock as _, Event, Stored, SystemClock, Timings};
use tokio::{io::AsyncWriteExt as _, sync::Semaphore};
use tokio_tungstenite::tungstenite::Message as Frame;

const MINUTE: Millis = 60_000;

/// What a change of the message 1 at `seq` says.
fn state(seq: u64, what: &Value) -> Value {
    let mut change = json!({ "cursor": cursor(seq), "id": id(1) });
    change.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    change
}

fn reminder(seq: u64, at: Millis) -> Value {
    state(seq, &json!({ "remind_at": at }))
}

fn settled(seq: u64) -> Value {
    state(seq, &json!({ "settled": { "by": "bob", "at": 1 } }))
}

fn frame(change: &Value) -> Frame {
    let mut frame = change.clone();
    frame["type"] = "state".into();
    Frame::text(frame.to_string())
}

/// Says message 1, and then a step each time that `gate` lets one pass, over this transport alone.
async fn say(call: Call, n: usize, over: Transport, steps: Arc<Vec<Vec<Value>>>, gate: Arc<Semaphore>) {
    let pass = async || gate.acquire().await.unwrap().forget();
    match call.asked.route() {
        "/ws" if over == Websocket => {
            let mut socket = call.websocket().await;
            socket.send(hello(0)).await.unwrap();
            socket.send(message_frame(1)).await.unwrap();
            for step in steps.iter() {
                pass().await;
                for change in step {
                    socket.send(frame(change)).await.unwrap();
                }
            }
            drain(socket).await;
        }
        "/ws" => refuse(call).await,
        "/events" => {
            let mut stream = call.event_stream().await;
            if over == Sse {
                let first = format!("id: {}\n\n{}", cursor(0), peer::message_event(1));
                stream.write_all(first.as_bytes()).await.unwrap();
                for step in steps.iter() {
                    pass().await;
                    for change in step {
                        let id = change["cursor"].as_str().unwrap();
                        let event = format!("id: {id}\nevent: state\ndata: {change}\n\n");
                        stream.write_all(event.as_bytes()).await.unwrap();
                    }
                }
            }
            std::future::pending::<()>().await;
        }
        "/v1/me" => {
            let server = json!({ "name": "x", "version": "1", "instance": "i", "epoch": "k3v9x0ab" });
            call.json(json!({ "kind": "client", "server": server })).await;
        }
        "/poll" if n == 0 => {
            call.json(json!({ "messages": [message(1)], "cursor": cursor(1), "more": true })).await;
        }
        "/poll" if n <= steps.len() => {
            pass().await;
            let last = &steps[n - 1].last().unwrap()["cursor"];
            call.json(json!({ "messages": [], "states": steps[n - 1], "cursor": last, "more": true })).await;
        }
        "/poll" => std::future::pending().await,
        _ => call.json(json!({})).await,
    }
}

async fn stored(client: &mut Client) -> Stored {
    client.until(|e| if let Event::Stored(stored) = e { Some((**stored).clone()) } else { None }).await
}

#[tokio::test]
async fn told_again_once_and_then_settled_over_every_transport() {
    for over in [Websocket, Sse, Poll] {
        let now = SystemClock.now();
        let steps =
            Arc::new(vec![vec![reminder(2, now), reminder(2, now), reminder(3, now)], vec![settled(4)]]);
        let gate = Arc::new(Semaphore::new(0));
        let peer = {
            let (steps, gate) = (steps.clone(), gate.clone());
            Peer::start(move |call, n| say(call, n, over, steps.clone(), gate.clone())).await
        };
        let mut client = Client::start(&peer.origin, quick());
        assert_eq!(stored(&mut client).await.reminded_at, None, "{over:?}");
        client.inbox.set_shown(vec![(id(1), Shown::Shown)]).await.unwrap();
        client.handle.read(id(1)).await.unwrap();
        client.until(|e| matches!(e, Event::State(_)).then_some(())).await;

        gate.add_permits(1);
        let again = stored(&mut client).await;
        assert_eq!((again.reminded_at, again.arrival), (Some(now), Arrival::Live), "{over:?}");
        assert_eq!(client.inbox.pending().await.unwrap().len(), 1, "{over:?}");
        assert_eq!(*client.inbox.unread().borrow(), 0, "{over:?}: what is read stays read");
        client.inbox.set_shown(vec![(id(1), Shown::Shown)]).await.unwrap();

        gate.add_permits(1);
        let change = client
            .until(|e| match e {
                Event::State(change) => Some(change.clone()),
                Event::Stored(again) => panic!("{over:?}: told twice: {again:?}"),
                _ => None,
            })
            .await;
        assert_eq!(change.settled.unwrap().by, "bob", "{over:?}");
        assert_eq!(client.inbox.message(id(1)).await.unwrap().settled.unwrap().by, "bob", "{over:?}");
        client.close().await;
    }
}

#[tokio::test]
async fn what_was_asked_for_long_before_the_device_was_back_was_missed() {
    let now = SystemClock.now();
    for (at, arrival, pending) in [(now - 10 * MINUTE, Arrival::Missed, 0), (now - MINUTE, Arrival::Live, 1)]
    {
        let peer = Peer::start(move |call, n| async move {
            if call.asked.route() != "/ws" {
                return call.json(json!({})).await;
            }
            let mut socket = call.websocket().await;
            socket.send(hello(n as u64)).await.unwrap();
            let what = if n == 0 { message_frame(1) } else { frame(&reminder(2, at)) };
            socket.send(what).await.unwrap();
            drain(socket).await;
        })
        .await;
        let mut client = Client::start(&peer.origin, quick());
        stored(&mut client).await;
        client.inbox.set_shown(vec![(id(1), Shown::Shown)]).await.unwrap();
        let timings = Timings { caught_up: Duration::from_mins(1), ..quick() };
        let mut client = Client::start_in(client.close().await, &peer.origin, timings);
        let again = stored(&mut client).await;
        assert_eq!((again.arrival, again.reminded_at), (arrival, Some(at)));
        assert_eq!(client.inbox.pending().await.unwrap().len(), pending);
    }
}

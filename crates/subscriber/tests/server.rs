//! The subscriber against the real server: from publish to receipt, over every transport, through restarts and losses.
#![expect(clippy::unwrap_used, reason = "a test")]

mod peer;
mod real;

use std::{collections::BTreeMap, time::Duration};

use peer::Client;
use real::{Front, Lets, Server, patient, subscribe, to_ops};
use tocsin_protocol::{
    Shown, State, StateChange,
    control::Transport::{Poll, Sse, Websocket},
    stream::ResetReason,
};
use tocsin_store::EpochReason;
use tocsin_subscriber::{Arrival, Endpoint, Event, Silent, Stored, Timings, http::Api};

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

async fn stored(client: &mut Client, title: &str) -> Stored {
    client
        .until(|e| match e {
            Event::Stored(stored) if stored.message.title == title => Some((**stored).clone()),
            _ => None,
        })
        .await
}

/// From publish to receipt over whatever transport `lets` leaves.
async fn the_whole_way(lets: Lets, transport: tocsin_protocol::control::Transport) {
    let server = Server::start().await;
    let front = Front::before(server.address).await;
    front.lets(lets);
    let endpoint = Endpoint { origin: front.origin.clone(), ..server.endpoint() };
    let mut client = subscribe(dir(), &endpoint, "ana", "desk", patient());
    assert_eq!(client.until_online().await, transport);
    client.until(|e| matches!(e, Event::CaughtUp { .. }).then_some(())).await;
    let published = server.publish("disk full").await;
    assert_eq!(published.audience, 1);
    let message = stored(&mut client, "disk full").await;
    assert_eq!((message.arrival, message.silent), (Arrival::Live, None));
    let receipt = server.receipt_says(published.id, |r| r.counts.received == 1).await;
    assert_eq!((receipt.counts.shown, receipt.people[0].device.as_deref()), (0, Some("desk")));
    client.inbox.set_shown(vec![(published.id, Shown::Shown)]).await.unwrap();
    server.receipt_says(published.id, |r| r.counts.shown == 1).await;
    client.handle.acknowledge(published.id).await.unwrap();
    let receipt = server.receipt_says(published.id, |r| r.counts.acknowledged == 1).await;
    assert_eq!(receipt.people[0].state, State::Acknowledged);
    assert!(receipt.missing.is_empty());
    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn from_publish_to_receipt_over_a_websocket() {
    the_whole_way(Lets::Everything, Websocket).await;
}

#[tokio::test]
async fn from_publish_to_receipt_over_an_event_stream() {
    the_whole_way(Lets::NoUpgrade, Sse).await;
}

#[tokio::test]
async fn from_publish_to_receipt_by_polling() {
    the_whole_way(Lets::NoStreams, Poll).await;
}

#[tokio::test]
async fn down_the_ladder_and_up_again_without_a_loss() {
    let server = Server::start().await;
    let front = Front::before(server.address).await;
    let endpoint = Endpoint { origin: front.origin.clone(), ..server.endpoint() };
    let timings = Timings { stable: Duration::from_millis(300), ..patient() };
    let mut client = subscribe(dir(), &endpoint, "ana", "desk", timings);
    let mut sent = Vec::new();
    let steps = [
        (Lets::Everything, Websocket),
        (Lets::NoUpgrade, Sse),
        (Lets::NoStreams, Poll),
        (Lets::NoUpgrade, Sse),
        (Lets::Everything, Websocket),
    ];
    for (lets, transport) in steps {
        front.lets(lets);
        while client.until_online().await != transport {}
        for _ in 0..5 {
            let title = format!("message {}", sent.len());
            server.publish(&title).await;
            sent.push(title);
        }
        stored(&mut client, sent.last().unwrap()).await;
    }
    assert_eq!(titles(&client), sent, "every one, once, in order");
    server.receipt_says(server.publish("the last").await.id, |r| r.counts.received == 1).await;
}

/// Titles announced so far, in order.
fn titles(client: &Client) -> Vec<String> {
    let title = |e: &Event| if let Event::Stored(s) = e { Some(s.message.title.clone()) } else { None };
    client.passed.iter().filter_map(title).collect()
}

#[tokio::test]
async fn a_server_that_restarts_while_messages_are_sent() {
    let server = Server::start().await;
    let mut client = subscribe(dir(), &server.endpoint(), "ana", "desk", patient());
    client.until_online().await;
    let api = server.api();
    let sending = tokio::spawn(async move {
        let mut ids = BTreeMap::new();
        for n in 0..60 {
            let title = format!("message {n}");
            let published = api.publish(&to_ops(&title), &format!("key-{n}"), peer::PATIENCE).await.unwrap();
            ids.insert(published.seq, (title, published.id));
        }
        ids
    });
    let mut server = server;
    for after in [10, 25, 40] {
        stored(&mut client, &format!("message {after}")).await;
        server = server.stop().await.start().await;
    }
    let sent = sending.await.unwrap();
    let last = sent.values().last().unwrap();
    stored(&mut client, &last.0).await;
    let expected: Vec<_> = sent.values().map(|(title, _)| title.clone()).collect();
    assert_eq!(titles(&client), expected, "every 201 once, in order");
    for (_, id) in sent.values() {
        server.receipt_says(*id, |r| r.counts.received == 1).await;
    }
}

/// Waits until the inbox counts so many unread.
async fn counts_unread(client: &Client, count: u64) {
    let mut unread = client.inbox.unread();
    let counted = tokio::time::timeout(peer::PATIENCE, unread.wait_for(|now| *now == count)).await;
    assert!(counted.is_ok(), "{} are unread, not {count}", *client.inbox.unread().borrow());
}

async fn changed(client: &mut Client) -> StateChange {
    client.until(|e| if let Event::State(change) = e { Some(change.clone()) } else { None }).await
}

/// One device by WebSocket, the other over whatever transport `lets` leaves; each hears of what is done on the other,
/// and what it then counts and lists is what tray, window and popups go by.
async fn what_one_device_does_the_other_knows(lets: Lets, transport: tocsin_protocol::control::Transport) {
    let server = Server::start().await;
    let front = Front::before(server.address).await;
    front.lets(lets);
    let through = Endpoint { origin: front.origin.clone(), ..server.endpoint() };
    let mut here = subscribe(dir(), &server.endpoint(), "ana", "desk", patient());
    let mut there = subscribe(dir(), &through, "ana", "laptop", patient());
    here.until_online().await;
    assert_eq!(there.until_online().await, transport);
    let read = server.publish("read here").await.id;
    let acknowledged = server.publish("acknowledged there").await.id;
    for client in [&mut here, &mut there] {
        stored(client, "acknowledged there").await;
        counts_unread(client, 2).await;
    }
    here.handle.read(read).await.unwrap();
    let change = changed(&mut there).await;
    assert_eq!((change.id, change.acknowledged_at), (read, None));
    assert!(change.read_at.is_some());
    counts_unread(&there, 1).await;
    assert_eq!(changed(&mut here).await.id, read, "its own");
    there.handle.acknowledge(acknowledged).await.unwrap();
    let change = changed(&mut here).await;
    assert_eq!(change.id, acknowledged);
    assert!(change.acknowledged_at.is_some());
    counts_unread(&here, 0).await;
    for client in [&here, &there] {
        let view = client.inbox.message(acknowledged).await.unwrap();
        assert!(view.acknowledged_at.is_some() && view.read_at.is_some(), "{view:?}");
        assert!(client.inbox.message(read).await.unwrap().read_at.is_some());
        assert!(client.inbox.pending().await.unwrap().is_empty(), "no popup for it at the next start");
    }
}

#[tokio::test]
async fn what_one_device_does_the_other_knows_over_a_websocket() {
    what_one_device_does_the_other_knows(Lets::Everything, Websocket).await;
}

#[tokio::test]
async fn what_one_device_does_the_other_knows_over_an_event_stream() {
    what_one_device_does_the_other_knows(Lets::NoUpgrade, Sse).await;
}

#[tokio::test]
async fn what_one_device_does_the_other_knows_by_polling() {
    what_one_device_does_the_other_knows(Lets::NoStreams, Poll).await;
}

/// A device that was away hears of a message and of what became of it together, and pops nothing up.
#[tokio::test]
async fn what_was_dealt_with_while_a_device_was_away_pops_up_nothing_there() {
    let server = Server::start().await;
    let mut desk = subscribe(dir(), &server.endpoint(), "ana", "desk", patient());
    let mut laptop = subscribe(dir(), &server.endpoint(), "ana", "laptop", patient());
    desk.until_online().await;
    laptop.until_online().await;
    let away = laptop.close().await;
    let id = server.publish("dealt with").await.id;
    stored(&mut desk, "dealt with").await;
    desk.handle.acknowledge(id).await.unwrap();
    server.receipt_says(id, |r| r.counts.acknowledged == 1).await;
    let front = Front::before(server.address).await;
    front.lets(Lets::NoStreams);
    let through = Endpoint { origin: front.origin.clone(), ..server.endpoint() };
    let mut laptop = subscribe(away, &through, "ana", "laptop", patient());
    // One answer of a poll is one batch.
    let came = stored(&mut laptop, "dealt with").await;
    assert_eq!(came.silent, Some(Silent::Handled));
    assert!(came.acknowledged_at.is_some());
    assert_eq!(*laptop.inbox.unread().borrow(), 0);
}

#[tokio::test]
async fn a_log_that_begins_a_new_life() {
    let server = Server::start().await;
    let mut client = subscribe(dir(), &server.endpoint(), "ana", "desk", patient());
    server.publish("before").await;
    stored(&mut client, "before").await;
    let dir = client.close().await;
    server.publish("missed").await;
    server.state.store.new_epoch(EpochReason::Asked).await.unwrap();
    let mut client = subscribe(dir, &server.endpoint(), "ana", "desk", patient());
    let reset = client.until(|e| if let Event::Reset(reset) = e { Some(reset.clone()) } else { None }).await;
    assert_eq!(reset.reason, ResetReason::Epoch);
    assert_eq!(stored(&mut client, "missed").await.arrival, Arrival::Restored);
    server.publish("after").await;
    stored(&mut client, "after").await;
    assert_eq!(titles(&client), ["missed", "after"]);
    assert_eq!(client.inbox.position().await.unwrap().unwrap().epoch, server.state.store.epoch());
}

#[tokio::test]
async fn a_new_device_by_poll_alone_gets_what_is_owed() {
    let server = Server::start().await;
    server.publish("waiting").await;
    let front = Front::before(server.address).await;
    front.lets(Lets::NoStreams);
    let endpoint = Endpoint { origin: front.origin.clone(), ..server.endpoint() };
    let mut client = subscribe(dir(), &endpoint, "ana", "desk", patient());
    assert_eq!(client.until_online().await, Poll);
    assert_eq!(stored(&mut client, "waiting").await.arrival, Arrival::Missed);
    let cursorless = front.seen().iter().filter(|l| l.contains("/poll?") && !l.contains("cursor=")).count();
    assert_eq!(cursorless, 0, "a poll without a position would count as merely sent: {:#?}", front.seen());
}

#[tokio::test]
async fn killed_between_acknowledging_and_hearing_of_it() {
    let server = Server::start().await;
    let mut client = subscribe(dir(), &server.endpoint(), "ana", "desk", patient());
    client.until_online().await;
    let id = server.publish("hello").await.id;
    stored(&mut client, "hello").await;
    // The state that a kill leaves behind: stored, pending, and no word of it from here again.
    server.receipt_says(id, |r| r.counts.received == 1).await;
    let dir = client.close().await;
    let mut client = subscribe(dir, &server.endpoint(), "ana", "desk", patient());
    let pending = client.inbox.pending().await.unwrap();
    assert_eq!(pending.iter().map(|p| p.message.id).collect::<Vec<_>>(), [id]);
    client.until_online().await;
    client.inbox.set_shown(vec![(id, Shown::Shown)]).await.unwrap();
    server.receipt_says(id, |r| r.counts.shown == 1).await;
    assert!(titles(&client).is_empty(), "announced once in its life");
}

#[tokio::test]
async fn publish_gives_up_when_patience_ends() {
    let server = Server::start().await;
    let (endpoint, api) = (server.endpoint(), server.api());
    server.stop().await;
    let error = api.publish(&to_ops("x"), "k", Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, tocsin_subscriber::Error::Unreachable(_)), "{error}");
    assert!(Api::new(&Endpoint { origin: "http://10.0.0.1".into(), ..endpoint }).is_err());
}

//! After a sleep: wall time is ahead of monotonic time, connections are dead without a word, and messages were sent
//! meanwhile. The real server, the real socket; a process cannot move the computer's clocks, so the wall time that is
//! passed in jumps.

#![expect(clippy::unwrap_used, reason = "a test")]

mod peer;
mod real;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use peer::Client;
use real::{Front, Lets, Server};
use tocsin_protocol::{Millis, control::Transport};
use tocsin_subscriber::{
    Clock, Connection, Event, Inbox, Options, Owner, Slept, Subscriber, SystemClock, Timings,
};

/// The computer's clock, set forward by as long as it slept.
#[derive(Clone, Debug, Default)]
struct Waking(Arc<AtomicI64>);

impl Clock for Waking {
    fn now(&self) -> Millis {
        SystemClock.now() + self.0.load(Ordering::Relaxed)
    }
}

const HOUR: Millis = 3_600_000;

/// A subscriber that looks at its clocks often, behind `front`.
fn start(server: &Server, front: &Front, clock: &Waking, probe: Duration) -> Client {
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner { server: "test".into(), user: "ana".into() };
    let inbox = Inbox::open(dir.path(), owner, Arc::new(clock.clone())).unwrap();
    let timings = Timings { sleep_check: Duration::from_millis(100), probe, ..real::patient() };
    let options = Options { timings, clock: Arc::new(clock.clone()), ..Options::default() };
    let mut endpoint = server.endpoint();
    endpoint.origin.clone_from(&front.origin);
    let (handle, events) = Subscriber::start(&endpoint, "desk", inbox.clone(), options).unwrap();
    Client { handle, events, inbox, passed: std::collections::VecDeque::new(), dir }
}

async fn until_slept(client: &mut Client) -> Slept {
    client.until(|e| if let Event::Slept(slept) = e { Some(*slept) } else { None }).await
}

async fn until_titled(client: &mut Client, title: &str) {
    client.until(|e| matches!(e, Event::Stored(s) if s.message.title == title).then_some(())).await;
}

#[tokio::test]
async fn after_a_sleep_a_dead_connection_is_found_and_what_was_missed_arrives() {
    let server = Server::start().await;
    let front = Front::before(server.address).await;
    let clock = Waking::default();
    let mut client = start(&server, &front, &clock, Duration::from_millis(500));
    assert_eq!(client.until_online().await, Transport::Websocket);
    server.publish("before").await;
    until_titled(&mut client, "before").await;

    // Asleep: packets are lost, others forget the connection, time goes on.
    front.lets(Lets::Nothing);
    server.publish("meanwhile").await;
    clock.0.fetch_add(HOUR, Ordering::Relaxed);
    let slept = until_slept(&mut client).await;
    assert!((slept.to - slept.from - HOUR).abs() < 60_000, "{slept:?}");
    client.until(|e| matches!(e, Event::Connection(Connection::Offline { .. })).then_some(())).await;

    // The network is back a moment after the computer.
    front.lets(Lets::Everything);
    client.until_online().await;
    until_titled(&mut client, "meanwhile").await;
    server.publish("after").await;
    until_titled(&mut client, "after").await;
}

#[tokio::test]
async fn a_connection_that_outlived_a_sleep_is_kept() {
    let server = Server::start().await;
    let front = Front::before(server.address).await;
    let clock = Waking::default();
    let mut client = start(&server, &front, &clock, Duration::from_secs(10));
    client.until_online().await;
    clock.0.fetch_add(HOUR, Ordering::Relaxed);
    until_slept(&mut client).await;
    server.publish("after").await;
    until_titled(&mut client, "after").await;
    let streams = front.seen().iter().filter(|line| line.contains("/ws")).count();
    assert_eq!(streams, 1, "{:?}", front.seen());
    let lost = client.passed.iter().any(|e| matches!(e, Event::Connection(Connection::Offline { .. })));
    assert!(!lost, "it was probed, and answered");
}

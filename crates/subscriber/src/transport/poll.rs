//! `GET /poll`: what gets through everything.

use std::time::Duration;

use http::Method;
use tocsin_protocol::{Cursor, Poll, account::Me};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Dial, Item, Order, dial::not_reached, say};
use crate::{
    Error,
    connection::{Failure, Kind, Reason},
    http::Answer,
};

/// Longest pause that `X-Poll-Interval` may ask for: beyond it messages would be later than a person expects.
const INTERVAL_MOST: Duration = Duration::from_mins(1);

/// Polls until it fails.
pub(super) async fn run(
    dial: &Dial,
    items: &mpsc::Sender<Item>,
    mut orders: mpsc::Receiver<Order>,
) -> Failure {
    match poll(dial, items, &mut orders).await {
        Ok(()) => Failure::broken(),
        Err(failure) => failure,
    }
}

async fn poll(
    dial: &Dial,
    items: &mpsc::Sender<Item>,
    orders: &mut mpsc::Receiver<Order>,
) -> Result<(), Failure> {
    let mut cursor = match dial.cursor.clone() {
        Some(cursor) => cursor,
        None => beginning(dial).await?,
    };
    let mut opened = false;
    loop {
        let asked_at = Instant::now();
        // The first is answered at once: it says whether polling works, and fetches what waits.
        let wait = if opened { dial.timings.poll_wait } else { Duration::ZERO };
        let answer = ask(dial, &cursor, wait).await?;
        let interval = answer.poll_interval.unwrap_or_default().min(INTERVAL_MOST);
        let poll: Poll = serde_json::from_slice(&answer.body).map_err(|error| Failure::garbage(&error))?;
        if !std::mem::replace(&mut opened, true) {
            let heartbeat = dial.timings.poll_wait + dial.timings.heartbeat;
            say(items, Item::Opened { heartbeat, user: None }).await?;
            if poll.reset.is_none() {
                say(items, Item::Position(cursor.clone())).await?;
            }
        }
        let more = poll.more;
        cursor = deliver(poll, items).await?;
        // Asking with the new position acknowledges it: not before it is stored.
        loop {
            match orders.recv().await {
                Some(Order::Ack { cursor: stored, .. }) if stored == cursor => break,
                Some(_) => {}
                None => return Ok(()),
            }
        }
        if !more {
            sleep_until(asked_at + interval).await;
        }
    }
}

async fn deliver(poll: Poll, items: &mpsc::Sender<Item>) -> Result<Cursor, Failure> {
    if let Some(reset) = poll.reset {
        say(items, Item::Reset(reset)).await?;
    }
    for message in poll.messages {
        say(items, Item::Message(Box::new(message))).await?;
    }
    for change in poll.states {
        say(items, Item::State(change)).await?;
    }
    say(items, Item::Position(poll.cursor.clone())).await?;
    Ok(poll.cursor)
}

/// A poll without a position is the habit of simple scripts and claims messages as merely sent; a device that never
/// had one asks from before everything.
async fn beginning(dial: &Dial) -> Result<Cursor, Failure> {
    let request = dial.api.prepare(Method::GET, "/v1/me", &[]).map_err(not_reached)?;
    let answer = settle(Answer::of(request.timeout(dial.timings.connect + dial.timings.first_byte)).await)?;
    let me: Me = serde_json::from_slice(&answer.body).map_err(|error| Failure::garbage(&error))?;
    Ok(Cursor::new(me.server.epoch, 0))
}

async fn ask(dial: &Dial, cursor: &Cursor, wait: Duration) -> Result<Answer, Failure> {
    let (cursor, seconds) = (cursor.to_string(), wait.as_secs().to_string());
    let query = [("device", &*dial.device), ("cursor", &cursor), ("wait", &seconds)];
    let request = dial.api.prepare(Method::GET, "/poll", &query).map_err(not_reached)?;
    settle(Answer::of(request.timeout(wait + dial.timings.connect + dial.timings.first_byte)).await)
}

fn settle(answer: Result<Answer, Error>) -> Result<Answer, Failure> {
    let answer = answer.map_err(not_reached)?;
    if !answer.status.is_success() {
        return Err(Failure::status(answer.status.as_u16(), answer.retry_after));
    }
    if answer.content_type.as_deref().is_none_or(|t| !t.starts_with("application/json")) {
        return Err(Failure::new(Kind::Blocked, Reason::Garbage("no JSON".into())));
    }
    Ok(answer)
}

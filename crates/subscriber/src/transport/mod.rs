//! The three transports. Each is a task that owns one connection, says what comes as [`Item`]s and takes [`Order`]s;
//! it decides nothing. A dropped [`Wire`] ends its task and closes the connection.

mod dial;
mod event_stream;
mod poll;
mod proxy;
mod sse;
mod websocket;

use std::{sync::Arc, time::Duration};

use tocsin_protocol::{Cursor, Message, Reset, StateChange, control::Transport, stream::ShownReport};
use tokio::sync::mpsc;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{Timings, connection::Failure, http::Api};

/// Items that wait for the inbox. Beyond them the connection is not read, and TCP tells the server.
const QUEUE: usize = 256;

/// What comes.
#[derive(Debug)]
pub(crate) enum Item {
    /// It works. Once, before everything else but a failure.
    Opened {
        /// Something comes at least this often.
        heartbeat: Duration,
        /// Whose inbox this is, if the transport says.
        user: Option<String>,
    },
    Message(Box<Message>),
    State(StateChange),
    /// Nothing owed up to here. The first one on a stream is where it started.
    Position(Cursor),
    Reset(Reset),
    /// A sign of life without content.
    Alive,
    /// It is no more. The last item.
    Failed(Failure),
}

/// What is to be done on a connection.
#[derive(Debug)]
pub(crate) enum Order {
    /// Everything up to here is stored. A poll waits for it before it asks again.
    Ack { cursor: Cursor, shown: Vec<ShownReport> },
    /// Make the other side answer.
    Probe,
}

/// What a transport needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub api: Api,
    pub device: Arc<str>,
    /// Random name of this subscriber: a newer connection with the same one replaces the older.
    pub instance: Arc<str>,
    pub timings: Timings,
    /// Where to go on from.
    pub cursor: Option<Cursor>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pub transport: Transport,
    pub items: mpsc::Receiver<Item>,
    pub orders: mpsc::Sender<Order>,
    _end: DropGuard,
}

/// Opens a connection in a task of `tasks`.
pub(crate) fn open(transport: Transport, dial: Dial, tasks: &TaskTracker) -> Wire {
    let (items_tx, items) = mpsc::channel(QUEUE);
    let (orders, orders_rx) = mpsc::channel(QUEUE);
    let end = CancellationToken::new();
    let ended = end.clone();
    tasks.spawn(async move {
        let failure = match transport {
            Transport::Websocket => websocket::run(&dial, &items_tx, orders_rx, &ended).await,
            Transport::Sse => ended.run_until_cancelled(event_stream::run(&dial, &items_tx)).await,
            Transport::Poll => ended.run_until_cancelled(poll::run(&dial, &items_tx, orders_rx)).await,
        };
        if let Some(failure) = failure {
            // Nobody listens any more if the wire was dropped.
            let _ = items_tx.send(Item::Failed(failure)).await;
        }
    });
    Wire { transport, items, orders, _end: end.drop_guard() }
}

/// Hands an item over; `Err` when the wire was dropped, which ends the transport without a word.
async fn say(items: &mpsc::Sender<Item>, item: Item) -> Result<(), Failure> {
    items.send(item).await.map_err(|_| Failure::broken())
}

//! `GET /ws`, subprotocol `tocsin.v1`.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, header};
use serde::Deserialize;
use tocsin_protocol::{ClientFrame, ServerFrame, stream::close};
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message as Frame,
        client::IntoClientRequest as _,
        handshake::client::Request,
        protocol::{CloseFrame, WebSocketConfig},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    Dial, Item, Order,
    dial::{self, Pipe},
    say,
};
use crate::{
    connection::{Failure, Kind, Reason},
    http::retry_after,
};

const SUBPROTOCOL: &str = "tocsin.v1";
/// A message within the server's bounds whose body is all control characters, escaped, and some room.
const FRAME_BYTES: usize = 256 * 1024;
/// Enough for a handful of frames; the default of 128 KiB is for servers of files.
const BUFFER_BYTES: usize = 8 * 1024;
/// The kinds of frames that this version knows.
const KINDS: [&str; 5] = ["hello", "message", "state", "position", "reset"];
/// A peer that takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(10);
/// For saying goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<Pin<Box<dyn Pipe>>>;

/// Runs the connection. `None` when it was ended from this side.
pub(super) async fn run(
    dial: &Dial,
    items: &mpsc::Sender<Item>,
    mut orders: mpsc::Receiver<Order>,
    end: &CancellationToken,
) -> Option<Failure> {
    let mut socket = match end.run_until_cancelled(handshake(dial)).await? {
        Ok(socket) => socket,
        Err(failure) => return Some(failure),
    };
    let ended = end.run_until_cancelled(serve(dial, &mut socket, items, &mut orders)).await;
    if ended.is_none() {
        let _ = timeout(GOODBYE, socket.close(None)).await;
    }
    ended.and_then(Result::err)
}

async fn handshake(dial: &Dial) -> Result<Socket, Failure> {
    let request = request(dial).map_err(|e| Failure::new(Kind::Halted, Reason::Endpoint(e.to_string())))?;
    let pipe = dial::connect(dial).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(FRAME_BYTES)
        .max_message_size(Some(FRAME_BYTES))
        .max_frame_size(Some(FRAME_BYTES));
    let answered = timeout(dial.timings.first_byte, client_async_with_config(request, pipe, Some(config)));
    match answered.await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(refused(&error)),
        Err(_) => Err(Failure::nothing_came()),
    }
}

fn request(dial: &Dial) -> Result<Request, Box<dyn std::error::Error + Send + Sync>> {
    let cursor = dial.cursor.as_ref().map(ToString::to_string);
    let mut query = vec![("device", &*dial.device), ("instance", &*dial.instance)];
    if let Some(cursor) = &cursor {
        query.push(("cursor", cursor));
    }
    let url = dial.api.origin.url("/ws", &query)?;
    // http → ws, https → wss.
    let mut request = format!("ws{}", url.as_str().trim_start_matches("http")).into_client_request()?;
    let headers = request.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(crate::http::USER_AGENT));
    if let Some(bearer) = dial.api.bearer() {
        headers.insert(header::AUTHORIZATION, bearer);
    }
    Ok(request)
}

/// Reads a handshake that failed.
fn refused(error: &tungstenite::Error) -> Failure {
    match error {
        tungstenite::Error::Http(response) => {
            Failure::status(response.status().as_u16(), retry_after(response.headers()))
        }
        tungstenite::Error::Io(_) | tungstenite::Error::ConnectionClosed => Failure::broken(),
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::HandshakeIncomplete) => {
            Failure::broken()
        }
        // An answer that is no WebSocket's: a proxy that took the Upgrade header away, or another program.
        _ => Failure::garbage(error),
    }
}

async fn serve(
    dial: &Dial,
    socket: &mut Socket,
    items: &mpsc::Sender<Item>,
    orders: &mut mpsc::Receiver<Order>,
) -> Result<(), Failure> {
    if dial.cursor.is_none() {
        // Without a cursor in the address the server waits for this frame before it says hello.
        send(socket, text(&ClientFrame::Resume { cursor: None })?).await?;
    }
    let first = timeout(dial.timings.first_byte, first_frame(socket))
        .await
        .map_err(|_| Failure::nothing_came())??;
    let ServerFrame::Hello { cursor, user, heartbeat_s, .. } = first else {
        return Err(Failure::garbage("the first frame is no hello"));
    };
    // A heartbeat of nothing would end every connection at once.
    let heartbeat = Duration::from_secs(u64::from(heartbeat_s.max(1)));
    say(items, Item::Opened { heartbeat, user: Some(user) }).await?;
    say(items, Item::Position(cursor)).await?;
    loop {
        tokio::select! {
            frame = socket.next() => {
                let item = match frame {
                    Some(Ok(Frame::Text(text))) => parse(&text)?.map_or(Some(Item::Alive), item),
                    Some(Ok(Frame::Close(frame))) => return Err(closed(frame.as_ref())),
                    Some(Ok(Frame::Binary(_))) => return Err(Failure::garbage("a binary frame")),
                    Some(Ok(_)) => Some(Item::Alive),
                    Some(Err(error)) => return Err(ended(&error)),
                    None => return Err(Failure::new(Kind::Ended, Reason::Ended)),
                };
                if let Some(item) = item {
                    say(items, item).await?;
                }
            }
            order = orders.recv() => {
                let Some(order) = order else { return Ok(()) };
                let frame = match order {
                    Order::Ack { cursor, shown } => text(&ClientFrame::Ack { cursor, shown })?,
                    Order::Probe => Frame::Ping(Bytes::new()),
                };
                send(socket, frame).await?;
            }
        }
    }
}

async fn send(socket: &mut Socket, frame: Frame) -> Result<(), Failure> {
    match timeout(WRITE, socket.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(ended(&error)),
        Err(_) => Err(Failure::new(Kind::Ended, Reason::Silent)),
    }
}

async fn first_frame(socket: &mut Socket) -> Result<ServerFrame, Failure> {
    loop {
        match socket.next().await {
            Some(Ok(Frame::Text(text))) => {
                return parse(&text)?.ok_or_else(|| Failure::garbage("the first frame is no hello"));
            }
            Some(Ok(Frame::Close(frame))) => return Err(closed(frame.as_ref())),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
            Some(Ok(_)) => return Err(Failure::garbage("the first frame is no hello")),
            Some(Err(_)) | None => return Err(Failure::broken()),
        }
    }
}

/// A frame; `None` for one of a kind that only later versions know.
fn parse(text: &str) -> Result<Option<ServerFrame>, Failure> {
    #[derive(Deserialize)]
    struct Kind {
        r#type: String,
    }
    match serde_json::from_str(text) {
        Ok(frame) => Ok(Some(frame)),
        Err(error) => match serde_json::from_str::<Kind>(text) {
            Ok(kind) if !KINDS.contains(&kind.r#type.as_str()) => Ok(None),
            _ => Err(Failure::garbage(&error)),
        },
    }
}

fn item(frame: ServerFrame) -> Option<Item> {
    match frame {
        // A second hello says nothing new.
        ServerFrame::Hello { .. } => None,
        ServerFrame::Message(message) => Some(Item::Message(Box::new(message))),
        ServerFrame::State(change) => Some(Item::State(change)),
        ServerFrame::Position { cursor } => Some(Item::Position(cursor)),
        ServerFrame::Reset(reset) => Some(Item::Reset(reset)),
    }
}

fn text(frame: &ClientFrame) -> Result<Frame, Failure> {
    serde_json::to_string(frame).map(Frame::text).map_err(|error| Failure::garbage(&error))
}

fn ended(error: &tungstenite::Error) -> Failure {
    match error {
        tungstenite::Error::Io(_)
        | tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            Failure::new(Kind::Ended, Reason::Ended)
        }
        _ => Failure::garbage(error),
    }
}

/// What a close code means; see [`close`].
fn closed(frame: Option<&CloseFrame>) -> Failure {
    let Some(frame) = frame else { return Failure::new(Kind::Ended, Reason::Ended) };
    match u16::from(frame.code) {
        close::LAGGING => Failure::new(Kind::Server, Reason::Lagging),
        // 1001 and 1012 are what other servers and proxies say when they restart.
        close::GOING_AWAY | 1001 | 1012 => Failure::new(Kind::Server, Reason::GoingAway),
        close::BUSY | 1013 => Failure::new(Kind::Server, Reason::Busy),
        close::SILENT => Failure::new(Kind::Ended, Reason::Silent),
        close::UNAUTHORISED => Failure::new(Kind::Refused, Reason::Unauthorised),
        close::REPLACED => Failure::new(Kind::Halted, Reason::Replaced),
        code @ close::BAD_FRAME.. => Failure::new(Kind::Halted, Reason::NotUnderstood(code)),
        _ => Failure::new(Kind::Ended, Reason::Ended),
    }
}

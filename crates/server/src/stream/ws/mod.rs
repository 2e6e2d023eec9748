//! `GET /ws`, subprotocol `tocsin.v1`.
//!
//! The handshake is HTTP; then the raw socket is taken out of the HTTP machinery, whose buffers are freed, and
//! [`Connection`] owns it. A refusal that only time can heal is a close code, because a browser's script cannot see the
//! status of a failed handshake.

mod connection;
mod outgoing;
mod parse;

use std::time::Duration;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{
            AsHeaderName, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
            SEC_WEBSOCKET_VERSION, UPGRADE,
        },
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use rand::Rng;
use tocsin_protocol::{ClientFrame, Code, ServerFrame, stream::close};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::{
    connection::{Connection, Phase, Times},
    outgoing::Outgoing,
    parse::{Inbound, Reader},
};
use super::{
    ledger::Ledger,
    opening::{NotNow, Opening},
    start::{Start, start},
};
use crate::{
    AppState, Failure,
    hub::{Frame, Refused},
    listen::Tracked,
    metrics::Transport,
};

/// The subprotocol.
pub const PROTOCOL: &str = "tocsin.v1";
/// A client that gives no `?cursor=` may say where it is in its first frame; one that says nothing begins where its
/// device last acknowledged. Long enough for one round trip over a bad line.
const RESUME_WAIT: Duration = Duration::from_secs(2);
/// Time for a refused client to take its close frame.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);

/// `GET /ws`.
pub async fn ws(State(state): State<AppState>, request: Request) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    let accept = match handshake(&parts.method, &parts.headers) {
        Ok(accept) => accept,
        Err(answer) => return Ok(*answer),
    };
    let opening = Opening::from_request_parts(&mut parts, &state).await?;
    // Refused while there still is a way to say why and what to do: a close code has no room for it.
    state.store.open_device(opening.user, &opening.device).await?;
    let Some(upgrade) = parts.extensions.remove::<OnUpgrade>() else {
        return Err(Failure::new(Code::BadRequest, "this connection cannot be upgraded"));
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if offers(&parts.headers).next().is_some() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    let tracker = state.connections.clone();
    tracker.spawn(upgraded(upgrade, opening, state));
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

fn offers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
}

fn says(headers: &HeaderMap, name: impl AsHeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|list| list.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
}

/// The answer to the client's key, or what is wrong with its handshake.
fn handshake(method: &Method, headers: &HeaderMap) -> Result<HeaderValue, Box<Response>> {
    let upgrade = |message: &str| {
        let failure = Failure::new(Code::BadRequest, message)
            .hint("this address speaks WebSocket 13; for plain HTTP use /events or /poll");
        let mut answer = failure.into_response();
        *answer.status_mut() = StatusCode::UPGRADE_REQUIRED;
        answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        Box::new(answer)
    };
    if method != Method::GET || !says(headers, CONNECTION, "upgrade") || !says(headers, UPGRADE, "websocket")
    {
        return Err(upgrade("not a WebSocket handshake"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(upgrade("not a WebSocket handshake of version 13"));
    }
    if offers(headers).next().is_some() && !offers(headers).any(|offer| offer == PROTOCOL) {
        return Err(Box::new(
            Failure::new(Code::BadRequest, "none of the offered subprotocols is tocsin.v1").into_response(),
        ));
    }
    let accept = headers.get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    accept.and_then(|accept| HeaderValue::try_from(accept).ok()).ok_or_else(|| {
        Box::new(Failure::new(Code::BadRequest, "Sec-WebSocket-Key is missing").into_response())
    })
}

/// The task of one WebSocket. What is only needed to open it is boxed, so that the task is as large as an open
/// connection and no larger.
async fn upgraded(upgrade: OnUpgrade, opening: Opening, state: AppState) {
    let io = match upgrade.await {
        Ok(io) => io,
        Err(error) => return tracing::debug!(%error, "a WebSocket ended before it began"),
    };
    match taken::<TcpStream>(io) {
        Ok(Some((io, early))) => run(io, early, opening, state).await,
        Ok(None) => {}
        Err(io) => Box::pin(encrypted(io, opening, state)).await,
    }
}

async fn encrypted(io: Upgraded, opening: Opening, state: AppState) {
    match taken::<TlsStream<TcpStream>>(io) {
        Ok(Some((io, early))) => run(Box::new(io), early, opening, state).await,
        Ok(None) => {}
        // Whatever else a host serves on.
        Err(io) => run(TokioIo::new(io), Bytes::new(), opening, state).await,
    }
}

/// The socket itself, and what was read from it already.
fn taken<T>(io: Upgraded) -> Result<Option<(T, Bytes)>, Upgraded>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let parts = io.downcast::<TokioIo<Tracked<T>>>()?;
    Ok(parts.io.into_inner().into_inner().map(|io| (io, parts.read_buf)))
}

async fn run<T>(io: T, early: Bytes, opening: Opening, state: AppState)
where
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    if let Some(connection) = Box::pin(open(io, early, opening, state)).await {
        connection.await;
    }
}

async fn open<T>(mut io: T, early: Bytes, mut opening: Opening, state: AppState) -> Option<Connection<T>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut reader = Reader::default();
    reader.extend(&early);
    let mut first = None;
    if opening.cursor.is_none() {
        // Silence is an answer too.
        first = match tokio::time::timeout(RESUME_WAIT, first_frame(&mut io, &mut reader)).await {
            Ok(Some(Ok(ClientFrame::Resume { cursor }))) => {
                opening.cursor = cursor;
                None
            }
            Ok(Some(Ok(other))) => Some(other),
            Ok(Some(Err((code, reason)))) => {
                refuse(io, code, reason).await;
                return None;
            }
            Ok(None) => return None,
            Err(_) => None,
        };
    }
    let begun = match begin(&state, &opening).await {
        Ok(begun) => begun,
        Err(refusal) => {
            let (code, reason) = refused(&refusal);
            refuse(io, code, reason).await;
            return None;
        }
    };
    let mut connection = assemble(io, reader, begun, &opening, state);
    if let Some(frame) = first {
        connection.frame(frame);
    }
    connection.take_inbound();
    connection.arm();
    Some(connection)
}

async fn begin(state: &AppState, opening: &Opening) -> Result<(Start, super::feed::Feed), NotNow> {
    let start = start(state, opening, opening.cursor.as_ref()).await?;
    let feed = opening.feed(state, &start, Transport::WebSocket).await?;
    state.store.touch(Some(start.device.id), opening.identity.principal.token)?;
    Ok((start, feed))
}

fn assemble<T>(
    io: T,
    reader: Reader,
    (start, feed): (Start, super::feed::Feed),
    opening: &Opening,
    state: AppState,
) -> Connection<T> {
    let mut out = Outgoing::default();
    let hello = ServerFrame::Hello {
        cursor: start.cursor(),
        user: opening.name.clone(),
        device: start.device.name.clone(),
        heartbeat_s: u32::try_from(state.config.streams.heartbeat.as_secs().max(1)).unwrap_or(u32::MAX),
    };
    // Plain fields: it has no way to fail.
    let hello = serde_json::to_vec(&hello).unwrap_or_default();
    let mut frame = Vec::with_capacity(hello.len() + 4);
    crate::hub::frame::put_header(&mut frame, 0x1, hello.len());
    frame.extend_from_slice(&hello);
    out.push(frame.into());
    if let Some(reset) = &start.reset {
        out.push(Frame::reset(reset.clone()).ws().clone());
    }
    let now = Instant::now();
    // Connections that were opened together must not all beat together.
    let spread = rand::rng().random_range(0.0..0.5);
    let times = Times {
        heard: now,
        pinged: now - state.config.streams.ping_period.mul_f32(spread),
        written: now - state.config.streams.heartbeat.mul_f32(spread),
        stalled: None,
    };
    let ledger = Ledger::new(start.epoch.clone(), start.device.id, start.acked, start.at);
    let expires = opening.expires(&state);
    Connection {
        io,
        state,
        feed,
        ledger,
        epoch: start.epoch,
        reader,
        out,
        expires,
        times,
        phase: Phase::Open,
    }
}

/// The first frame of the protocol; `None` when the client is gone.
async fn first_frame(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    reader: &mut Reader,
) -> Option<Result<ClientFrame, (u16, &'static str)>> {
    let mut bytes = [0; 512];
    loop {
        match reader.next() {
            Ok(Some(Inbound::Text(text))) => {
                return Some(
                    serde_json::from_str(&text).map_err(|_| (close::BAD_FRAME, "not a frame of tocsin.v1")),
                );
            }
            Ok(Some(Inbound::Ping(payload))) => {
                let mut out = Outgoing::default();
                out.control(0xA, &payload);
                std::future::poll_fn(|cx| out.poll_write(io, cx)).await.ok()?;
            }
            Ok(Some(Inbound::Pong)) => {}
            Ok(Some(Inbound::Close)) => return Some(Err((1000, ""))),
            Err(violation) => return Some(Err((violation.code(), "not a valid WebSocket message"))),
            Ok(None) => match io.read(&mut bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => reader.extend(&bytes[..read]),
            },
        }
    }
}

fn refused(refusal: &NotNow) -> (u16, &'static str) {
    match refusal {
        NotNow::Hub(Refused::GoingAway) => (close::GOING_AWAY, "the server is going away"),
        NotNow::Hub(Refused::TooMany) => (close::BUSY, "too many streams of this person"),
        NotNow::Ended(_) => (close::UNAUTHORISED, "the token or session has ended"),
        NotNow::Store(error) => {
            tracing::warn!(%error, "a WebSocket was refused for now");
            (close::BUSY, "the store does not answer")
        }
    }
}

/// Says why, and waits a little for the client to have heard it.
async fn refuse(mut io: impl AsyncRead + AsyncWrite + Unpin, code: u16, reason: &str) {
    let farewell = async {
        let mut out = Outgoing::default();
        out.close(Some(code), reason);
        std::future::poll_fn(|cx| out.poll_write(&mut io, cx)).await?;
        io.shutdown().await?;
        let mut rest = [0; 512];
        while io.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    _ = tokio::time::timeout(REFUSAL_WAIT, farewell).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each open WebSocket is one task of this size, whatever it needed to be opened.
    #[test]
    fn an_open_websocket_is_small() {
        let connection = size_of::<Connection<TcpStream>>();
        assert!(connection <= 640, "{connection}");
        let task = task_size(upgraded);
        assert!(task <= 1280, "{task}");
    }

    fn task_size<F, A, B, C>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }
}

//! `GET /events`: what an `EventSource` or `curl -N` reads.
//!
//! - The first bytes come at once: `retry:` and an id-only block with the position that the stream begins after.
//! - A temporary refusal is 200, `retry:` and a clean end, because any other status stops an `EventSource` for good.
//! - The body always ends properly, so that `curl -N` exits 0.
//! - The body is fed from the connection's queue with bytes that were encoded once; the heartbeat is an id-only block,
//!   which moves the position of people who are sent nothing.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{FromRequestParts, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Version,
        header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame as BodyFrame};
use rand::Rng;
use tocsin_protocol::Cursor;
use tokio::time::Instant;

use super::{
    feed::{Ended, Event, Feed},
    opening::{NotNow, Opening, cursor},
    start::{Start, start},
};
use crate::{
    AppState, Failure,
    auth::Identity,
    hub::{End, Frame},
    metrics::Transport,
};

/// Time after which an `EventSource` comes back, milliseconds: spread, so that a restart is no storm.
const RETRY_MS: std::ops::Range<u32> = 1_000..5_000;
/// The same after a refusal.
const REFUSED_RETRY_MS: std::ops::Range<u32> = 5_000..30_000;

/// `GET /events`.
pub async fn events(State(state): State<AppState>, request: Request) -> Result<Response, Failure> {
    let version = request.version();
    let (mut parts, _) = request.into_parts();
    let mut opening = Opening::from_request_parts(&mut parts, &state).await?;
    // What the browser stored last is newer than what the page wrote into the address.
    if let Some(last) = last_event_id(&parts.headers)? {
        opening.cursor = Some(last);
    }
    let body = match open(&state, opening).await {
        Ok(events) => Body::new(events),
        Err(NotNow::Ended(failure)) => return Err(failure),
        // Time does not heal it: any other status than 200 stops an `EventSource`, which is right here.
        Err(NotNow::Store(error @ tocsin_store::Error::TooManyDevices(_))) => return Err(error.into()),
        Err(refusal) => {
            tracing::debug!(?refusal, "an event stream was refused for now");
            Body::from(format!("retry: {}\n\n", rand::rng().random_range(REFUSED_RETRY_MS)))
        }
    };
    Ok((headers(version), body).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Cursor>, Failure> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().unwrap_or("?");
    if text.is_empty() { Ok(None) } else { cursor(text).map(Some) }
}

fn headers(version: Version) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if version == Version::HTTP_11 {
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
    }
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    headers
}

async fn open(state: &AppState, opening: Opening) -> Result<Events, NotNow> {
    let start = start(state, &opening, opening.cursor.as_ref()).await?;
    let feed = opening.feed(state, &start, Transport::Sse).await?;
    state.store.touch(Some(start.device.id), opening.identity.principal.token)?;
    let now = Instant::now();
    let heartbeat = state.config.streams.heartbeat;
    // Streams that were opened together must not all beat together.
    let written = now - heartbeat.mul_f32(rand::rng().random_range(0.0..0.5));
    let events = Events {
        first: Some(greeting(&start)),
        expires: opening.expires(state),
        identity: opening.identity,
        epoch: start.epoch,
        feed: Some(feed),
        frames: Vec::new(),
        heartbeat,
        written,
    };
    events.arm();
    Ok(events)
}

fn greeting(start: &Start) -> Bytes {
    let retry = rand::rng().random_range(RETRY_MS);
    let mut greeting = format!("retry: {retry}\nid: {}\n\n", start.cursor()).into_bytes();
    if let Some(reset) = &start.reset {
        greeting.extend_from_slice(Frame::reset(reset.clone()).sse());
    }
    greeting.into()
}

/// The body of one event stream.
struct Events {
    first: Option<Bytes>,
    /// `None`: it is over.
    feed: Option<Feed>,
    /// Empty between calls; owns no heap then.
    frames: Vec<Arc<Frame>>,
    epoch: tocsin_protocol::Epoch,
    expires: Option<Instant>,
    heartbeat: Duration,
    /// When something was last written.
    written: Instant,
    #[expect(dead_code, reason = "held: a ticket's time to come back begins when the stream is dropped")]
    identity: Identity,
}

impl Events {
    fn arm(&self) {
        let beat = self.written + self.heartbeat;
        if let Some(feed) = &self.feed {
            feed.arm(self.expires.map_or(beat, |at| at.min(beat)));
        }
    }

    fn end(&mut self, why: &str) -> Poll<Option<Bytes>> {
        tracing::debug!(why, "event stream ends");
        self.feed = None;
        Poll::Ready(Some(format!("retry: {}\n\n", rand::rng().random_range(RETRY_MS)).into()))
    }

    fn on_time(&mut self, feed_position: u64) -> Option<Bytes> {
        let now = Instant::now();
        let due = now.saturating_duration_since(self.written) >= self.heartbeat;
        if due {
            self.written = now;
        }
        self.arm();
        due.then(|| format!("id: {}\n\n", Cursor::new(self.epoch.clone(), feed_position)).into())
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        loop {
            let Some(feed) = &mut self.feed else { return Poll::Ready(None) };
            let position = match std::task::ready!(feed.poll(cx, true, &mut self.frames)) {
                Event::Frames => {
                    self.written = Instant::now();
                    return Poll::Ready(Some(join(&mut self.frames)));
                }
                Event::Time => feed.position(),
                Event::End(Ended::ByHub(End::Unauthorised)) => return self.end("credential ended"),
                Event::End(Ended::ByHub(end)) => {
                    return self.end(match end {
                        End::Lagging => "lagging",
                        End::Replaced => "replaced",
                        End::GoingAway | End::Unauthorised => "going away",
                    });
                }
                Event::End(Ended::Store(error)) => {
                    tracing::warn!(%error, "an event stream ends: its messages cannot be read now");
                    return self.end("store");
                }
            };
            if self.expires.is_some_and(|at| at <= Instant::now()) {
                return self.end("token expired");
            }
            if let Some(bytes) = self.on_time(position) {
                return Poll::Ready(Some(bytes));
            }
        }
    }
}

/// One chunk for all that is there: the bytes themselves when it is one event.
fn join(frames: &mut Vec<Arc<Frame>>) -> Bytes {
    let frames = std::mem::take(frames);
    if let [only] = frames.as_slice() {
        return only.sse().clone();
    }
    let mut joined = BytesMut::with_capacity(frames.iter().map(|frame| frame.sse().len()).sum());
    for frame in &frames {
        joined.extend_from_slice(frame.sse());
    }
    joined.freeze()
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        self.get_mut().poll_bytes(cx).map(|bytes| bytes.map(|bytes| Ok(BodyFrame::data(bytes))))
    }
}

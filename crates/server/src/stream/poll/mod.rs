//! `GET /poll`: for scripts, and for clients whose proxy breaks everything else.
//!
//! - With `?cursor=`: what comes after it, and everything up to it is acknowledged, also when the answer is 304.
//! - Without: the next messages are claimed, once each, and count as sent. If the answer is not written whole the claim
//!   is undone.
//! - `?user_id=` must be one's own; an administrator who names somebody else looks and takes nothing.
//! - `?wait=` holds the answer until there is something to say.

mod body;
mod pollers;

use std::{sync::Arc, time::Duration};

use axum::{
    RequestPartsExt,
    body::Body,
    extract::{FromRequestParts, Query, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tocsin_protocol::{Code, Cursor, Poll, Reset, Role, Seq, limits};
use tocsin_store::{AckRange, Claim, DeviceId, InboxQuery, OwedItem, Store};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use self::body::Revocable;
pub use self::pollers::Pollers;
use super::{
    opening::Opening,
    start::{Start, start},
};
use crate::{
    AppState, Failure,
    hub::{End, Gulp, Link, Refused, Who, Word},
    listen::Undo,
    metrics::Transport,
};

/// Seconds after which a refused poll may come again.
const REFUSED_RETRY_S: u64 = 5;

#[derive(Debug, Deserialize)]
struct Asked {
    user_id: Option<String>,
    /// Seconds.
    wait: Option<u64>,
}

/// One poll.
struct Polling {
    state: AppState,
    opening: Opening,
    wait: Duration,
    if_none_match: Option<String>,
}

/// `GET /poll`.
pub async fn poll(State(state): State<AppState>, request: Request) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    let opening = Opening::from_request_parts(&mut parts, &state).await?;
    let Query(asked) = parts
        .extract::<Query<Asked>>()
        .await
        .map_err(|error| Failure::new(Code::BadRequest, error.body_text()))?;
    let if_none_match =
        parts.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let wait = Duration::from_secs(asked.wait.unwrap_or(0)).min(state.config.streams.poll_wait);
    let other = asked.user_id.filter(|user| !user.eq_ignore_ascii_case(&opening.name));
    let polling = Polling { state, opening, wait, if_none_match };
    match other {
        Some(user) => polling.peek(&user).await,
        None if polling.opening.cursor.is_some() => polling.follow().await,
        None => polling.claim().await,
    }
}

impl Polling {
    /// What comes after a cursor.
    async fn follow(self) -> Result<Response, Failure> {
        let deadline = self.deadline();
        let start = self.begin(self.opening.cursor.as_ref()).await?;
        if start.reset.is_none() {
            self.acknowledge(&start);
        }
        let mark = self.state.hub.mark(start.device.id);
        let link = self.enter(&start).await?;
        let gate = link.gate();
        let mut upto = gate.open(start.at, start.device.filter.clone()).max(start.head);
        let page = self.state.config.streams.page;
        let replay = loop {
            let replay = self.state.store.replay(start.device.id, start.at, upto, page).await?;
            if !replay.items.is_empty() || start.reset.is_some() || !self.woken(&link, deadline).await? {
                break replay;
            }
            upto = *self.state.store.head().borrow();
        };
        if self.state.store.lost(start.device.id, start.at).await?.count > start.lost {
            // Pruned since it was looked at: asked again with the same cursor, it is told.
            return Err(Failure::new(Code::Busy, "messages were pruned while they were read")
                .retry_after(REFUSED_RETRY_S));
        }
        let last = replay.items.last().map(seq_of);
        let message = replay.items.iter().rev().find(|item| matches!(item, OwedItem::Message(_))).map(seq_of);
        mark.restart(start.at);
        mark.sent(replay.reached, message);
        let newest = Cursor::new(start.epoch.clone(), last.unwrap_or(start.at));
        if last.is_none() && start.reset.is_none() && self.knows(&newest) {
            let headers = self.headers(&start, self.if_none_match.as_deref().unwrap_or_default());
            return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
        }
        let headers = self.headers(&start, &format!("\"{newest}\""));
        let more = replay.reached < upto;
        let answer =
            answer(replay.items, Cursor::new(start.epoch.clone(), replay.reached), more, start.reset);
        self.count(answer.messages.len());
        Ok((headers, axum::Json(answer)).into_response())
    }

    /// Everything up to the cursor is on the device: its poll before began at `from`.
    fn acknowledge(&self, start: &Start) {
        let sent = self.state.hub.mark(start.device.id).get();
        let (from, upto) = match sent.from {
            // Nothing that could be acknowledged was sent since.
            Some(from) if sent.message <= from.max(start.device.position.unwrap_or(0)) => return,
            Some(from) => (from.min(start.at), sent.upto),
            // This server did not send it: what a crash took is acknowledged again. Nothing, if it never was before.
            None => (start.acked, start.at),
        };
        let to = start.at.min(upto);
        if from < to {
            let range = AckRange { device: start.device.id, from, to, at: (self.state.clock)() };
            self.state.acks.book(Some(range), Vec::new());
        }
    }

    /// The client has everything up to `newest`, by its own word.
    fn knows(&self, newest: &Cursor) -> bool {
        self.if_none_match.iter().flat_map(|list| list.split(',')).any(|tag| {
            let tag = tag.trim();
            let known: Option<Cursor> = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').parse().ok();
            // Nothing is owed after `newest`, so a tag of before it names the newest owed, too.
            known.is_some_and(|known| known.epoch == newest.epoch && known.seq <= newest.seq)
        })
    }

    /// The next messages, for a client that keeps no cursor.
    async fn claim(self) -> Result<Response, Failure> {
        let deadline = self.deadline();
        let start = self.begin(None).await?;
        let link = self.enter(&start).await?;
        let applied = link.gate().open(start.head, start.device.filter.clone());
        debug_assert!(applied <= *self.state.store.head().borrow(), "the hub follows the store");
        let (claim, undo) = loop {
            let (claim, undo) = self.take(start.device.id).await?;
            if !claim.messages.is_empty() || !self.woken(&link, deadline).await? {
                break (claim, undo);
            }
        };
        // The cursor that it is told says nothing about what other devices claimed before it.
        self.state.hub.mark(start.device.id).told(claim.upto);
        let cursor = Cursor::new(start.epoch.clone(), claim.upto);
        let newest = claim.messages.last().map_or_else(|| cursor.clone(), |message| message.cursor.clone());
        let mut headers = self.headers(&start, &format!("\"{newest}\""));
        self.count(claim.messages.len());
        let answer =
            Poll { messages: claim.messages, states: Vec::new(), cursor, more: claim.more, reset: None };
        let Some(undo) = undo else {
            return Ok((headers, axum::Json(answer)).into_response());
        };
        let bytes =
            serde_json::to_vec(&answer).map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, bytes.len().into());
        let body = Revocable::new(bytes.into(), undo, self.opening.wire.clone());
        Ok((headers, Body::new(body)).into_response())
    }

    /// The next messages, and what takes them back. In a task of its own: when the client leaves, the handler is dropped
    /// where it stands, but the store still commits what it was asked. Then the task's answer is dropped, and with it
    /// the undo.
    async fn take(&self, device: DeviceId) -> Result<(Claim, Option<Undo>), Failure> {
        let (store, tasks) = (self.state.store.clone(), self.state.tasks.clone());
        let page = self.state.config.streams.page;
        let taking = self.state.tasks.spawn(async move {
            let claim = store.claim(device, page).await?;
            let undo = (!claim.messages.is_empty()).then(|| take_back(store, tasks, claim.id));
            Ok::<_, tocsin_store::Error>((claim, undo))
        });
        let taken = taking.await.map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        Ok(taken?)
    }

    /// What somebody else has not read yet; nothing changes by it.
    async fn peek(self, user: &str) -> Result<Response, Failure> {
        let (_, _, role) = self.opening.identity.user()?;
        if role != Role::Admin {
            return Err(Failure::new(Code::Forbidden, "user_id is somebody else")
                .hint("leave it out, or use your own name"));
        }
        let (id, _) = self.state.store.user(user).await?;
        let query = InboxQuery { limit: limits::PAGE_MOST, unread: true, ..InboxQuery::default() };
        let head = Cursor::new(self.state.store.epoch(), *self.state.store.head().borrow());
        let page = self.state.store.inbox(id, query).await?;
        let after = self
            .opening
            .cursor
            .as_ref()
            .filter(|cursor| cursor.epoch == head.epoch)
            .map_or(0, |cursor| cursor.seq);
        let mut messages: Vec<_> = page
            .items
            .into_iter()
            .map(|view| view.message)
            .filter(|message| message.cursor.seq > after)
            .collect();
        messages.reverse();
        let answer =
            Poll { messages, states: Vec::new(), cursor: head, more: page.next.is_some(), reset: None };
        Ok((caching(), axum::Json(answer)).into_response())
    }

    async fn begin(&self, cursor: Option<&Cursor>) -> Result<Start, Failure> {
        let start = start(&self.state, &self.opening, cursor).await?;
        self.state.store.touch(Some(start.device.id), self.opening.identity.principal.token)?;
        Ok(start)
    }

    /// A place in the hub, to be woken.
    async fn enter(&self, start: &Start) -> Result<Link, Failure> {
        // It replaces no stream and none replaces it: its client would ask again, and so end the stream it climbs to.
        let who = Who { instance: None, ..self.opening.who(start.device.id, Transport::Poll) };
        let link = self.state.hub.enter(who, start.at, None).map_err(|refused| {
            let why = match refused {
                Refused::TooMany => "too many streams of this person",
                Refused::GoingAway => "the server is going away",
            };
            Failure::new(Code::Busy, why).retry_after(REFUSED_RETRY_S)
        })?;
        // A revocation between the check of the credential and the line above would be missed by both.
        self.opening.identity.recheck(&self.state).await?;
        Ok(link)
    }

    /// Until when it may be held.
    fn deadline(&self) -> Instant {
        let asked = Instant::now() + self.wait;
        self.opening.expires(&self.state).map_or(asked, |expires| expires.min(asked))
    }

    /// Waits for something new; `false` when the time is up or the server is to end. A token that ended meanwhile is
    /// refused: nothing more is given to it.
    async fn woken(&self, link: &Link, deadline: Instant) -> Result<bool, Failure> {
        let mut frames = Vec::new();
        let news = std::future::poll_fn(|cx| {
            link.poll(cx, true, Gulp { items: usize::MAX, bytes: usize::MAX }, &mut frames)
        });
        // A wait of 0 is not a wait, but what is queued already counts.
        let word = tokio::time::timeout_at(deadline, news).await;
        if matches!(word, Ok(Word::End(End::Unauthorised))) {
            return Err(ended());
        }
        if word.is_err() {
            self.opening.identity.recheck(&self.state).await?;
        }
        Ok(matches!(word, Ok(Word::Frames)))
    }

    fn headers(&self, start: &Start, etag: &str) -> HeaderMap {
        let mut headers = caching();
        let seconds = self.state.pollers.interval(start.device.id, Instant::now());
        headers.insert(HeaderName::from_static("x-poll-interval"), seconds.into());
        if let Ok(etag) = HeaderValue::from_str(etag) {
            headers.insert(ETAG, etag);
        }
        headers
    }

    fn count(&self, messages: usize) {
        if messages > 0 {
            self.state.metrics.delivered(Transport::Poll, messages as u64);
        }
    }
}

fn take_back(store: Arc<dyn Store>, tasks: TaskTracker, claim: u64) -> Undo {
    Undo::new(move || {
        // Dropped with the runtime: the claim stands, which the receipt shows as `sent`, not as received.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        tasks.spawn_on(
            async move {
                if let Err(error) = store.undo_claim(claim).await {
                    tracing::warn!(%error, "a batch that was not fully written could not be taken back");
                }
            },
            &runtime,
        );
    })
}

fn caching() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, private"));
    headers
}

fn answer(items: Vec<OwedItem>, cursor: Cursor, more: bool, reset: Option<Reset>) -> Poll {
    let (mut messages, mut states) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            OwedItem::Message(message) => messages.push(*message),
            OwedItem::State(change) => states.push(change),
        }
    }
    Poll { messages, states, cursor, more, reset }
}

fn seq_of(item: &OwedItem) -> Seq {
    match item {
        OwedItem::Message(message) => message.cursor.seq,
        OwedItem::State(change) => change.cursor.seq,
    }
}

fn ended() -> Failure {
    Failure::new(Code::Unauthorised, "the token or session has ended")
        .hint("ask for a new token; the cursor stays good")
}

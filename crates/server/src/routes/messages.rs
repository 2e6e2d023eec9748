//! A person's inbox, and single messages.

#![expect(unused_qualifications, reason = "utoipa spells out the types of parameters")]

use axum::{Json as Answer, extract::State};
use serde::Deserialize;
use tocsin_protocol::{
    MessageId, MessageView, Page, Seq,
    limits::{PAGE_DEFAULT, PAGE_MOST},
    stream::Pressed,
};
use tocsin_store::{InboxQuery, Press};
use utoipa::IntoParams;

use super::{
    check::{self, invalid},
    input::{MaybeJson, Path, Query, flag},
};
use crate::{AppState, Failure, auth::Identity};

/// Text searched for, bytes.
const SEARCH_BYTES: usize = 256;

/// Which page of the inbox.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only messages with a smaller `seq`: the `next` of the page before.
    before: Option<Seq>,
    /// 1 to 200, default 50.
    limit: Option<usize>,
    /// Only of this topic.
    topic: Option<String>,
    /// Only unread ones.
    #[serde(default, deserialize_with = "flag")]
    unread: bool,
    /// Only unacknowledged ones that ask for it.
    #[serde(default, deserialize_with = "flag")]
    unacknowledged: bool,
    /// Only those whose title or body contains this.
    q: Option<String>,
}

/// One page of the asking person's inbox, newest first.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", params(ListQuery), responses((status = 200, body = super::openapi::MessagePage)))]
pub async fn list(
    State(state): State<AppState>,
    identity: Identity,
    Query(query): Query<ListQuery>,
) -> Result<Answer<Page<MessageView>>, Failure> {
    let (user, ..) = identity.user()?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MOST).contains(&limit) {
        return Err(invalid("limit", format!("1 to {PAGE_MOST} are taken")));
    }
    if let Some(text) = &query.q {
        check::text("q", text, SEARCH_BYTES)?;
    }
    let query = InboxQuery {
        before: query.before,
        limit,
        topic: query.topic,
        unread: query.unread,
        unacknowledged: query.unacknowledged,
        search: query.q.filter(|text| !text.is_empty()),
    };
    Ok(Answer(state.store.inbox(user, query).await?))
}

/// One message, with what the asking person did with it.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "messages", params(("id" = String, Path)), responses((status = 200, body = MessageView)))]
pub async fn one(
    State(state): State<AppState>,
    identity: Identity,
    Path(id): Path<MessageId>,
) -> Result<Answer<MessageView>, Failure> {
    Ok(Answer(state.store.message(identity.viewer(), id).await?))
}

/// The asking person opened or dismissed it.
#[utoipa::path(post, path = "/v1/messages/{id}/read", tag = "messages", params(("id" = String, Path)), request_body(content = Option<Pressed>), responses((status = 200, body = MessageView)))]
pub async fn read(
    state: State<AppState>,
    identity: Identity,
    id: Path<MessageId>,
    body: MaybeJson<Pressed>,
) -> Result<Answer<MessageView>, Failure> {
    press(state, identity, id, body, tocsin_store::Pressed::Read).await
}

/// The asking person acknowledges it.
#[utoipa::path(post, path = "/v1/messages/{id}/acknowledge", tag = "messages", params(("id" = String, Path)), request_body(content = Option<Pressed>), responses((status = 200, body = MessageView)))]
pub async fn acknowledge(
    state: State<AppState>,
    identity: Identity,
    id: Path<MessageId>,
    body: MaybeJson<Pressed>,
) -> Result<Answer<MessageView>, Failure> {
    press(state, identity, id, body, tocsin_store::Pressed::Acknowledge).await
}

async fn press(
    State(state): State<AppState>,
    identity: Identity,
    Path(message): Path<MessageId>,
    MaybeJson(body): MaybeJson<Pressed>,
    pressed: tocsin_store::Pressed,
) -> Result<Answer<MessageView>, Failure> {
    let (user, ..) = identity.user()?;
    let at = body.at.unwrap_or_else(|| (state.clock)());
    Ok(Answer(state.store.press(Press { user, message, pressed, at }).await?))
}

//! `/v1/hooks/wechat/{channel}` and `/v1/hooks/wecom/{channel}`: what the WeChat platforms push. Public, because the
//! platform has no token of ours: its signature is what lets it in.

use axum::{
    body::{Body, to_bytes},
    extract::{RawQuery, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use tocsin_protocol::{Code, delivery::ChannelKind};
use tocsin_wechat::callback::{BODY_BYTES, Rejected};
use tokio::time::{Instant, timeout_at};

use crate::{
    AppState, Failure,
    channels::callback::Refusal,
    routes::{channels::outside, input::Path},
};

/// The console of an official account verifies the address.
#[utoipa::path(get, path = "/v1/hooks/wechat/{channel}", tag = "hooks", params(("channel" = String, Path)), responses((status = 200, body = String)), security(()))]
pub async fn verify_wechat(state: State<AppState>, name: Path<String>, query: RawQuery) -> Response {
    verify(&state, ChannelKind::Wechat, &name.0, query)
}

/// The console of WeCom verifies the address.
#[utoipa::path(get, path = "/v1/hooks/wecom/{channel}", tag = "hooks", params(("channel" = String, Path)), responses((status = 200, body = String)), security(()))]
pub async fn verify_wecom(state: State<AppState>, name: Path<String>, query: RawQuery) -> Response {
    verify(&state, ChannelKind::Wecom, &name.0, query)
}

/// An official account pushes a message or an event.
#[utoipa::path(post, path = "/v1/hooks/wechat/{channel}", tag = "hooks", params(("channel" = String, Path)), request_body = String, responses((status = 200, body = String)), security(()))]
pub async fn wechat(state: State<AppState>, name: Path<String>, query: RawQuery, body: Body) -> Response {
    push(&state, ChannelKind::Wechat, &name.0, query, body).await
}

/// A WeCom app pushes an event.
#[utoipa::path(post, path = "/v1/hooks/wecom/{channel}", tag = "hooks", params(("channel" = String, Path)), request_body = String, responses((status = 200, body = String)), security(()))]
pub async fn wecom(state: State<AppState>, name: Path<String>, query: RawQuery, body: Body) -> Response {
    push(&state, ChannelKind::Wecom, &name.0, query, body).await
}

fn verify(state: &AppState, kind: ChannelKind, name: &str, RawQuery(query): RawQuery) -> Response {
    let outside = match outside(state) {
        Ok(outside) => outside,
        Err(failure) => return failure.into_response(),
    };
    if outside.line(name).is_none_or(|line| line.kind() != kind) {
        return refused(Refusal::NotHere);
    }
    match outside.verify(name, &query.unwrap_or_default()) {
        Ok(echo) => ([(CONTENT_TYPE, "text/plain")], echo).into_response(),
        Err(refusal) => refused(refusal),
    }
}

async fn push(
    state: &AppState,
    kind: ChannelKind,
    name: &str,
    RawQuery(query): RawQuery,
    body: Body,
) -> Response {
    // What the body takes is not there for the work: the platform waits for both together.
    let deadline = Instant::now() + state.config.answer_pushes_within;
    let outside = match outside(state) {
        Ok(outside) => outside,
        Err(failure) => return failure.into_response(),
    };
    if outside.line(name).is_none_or(|line| line.kind() != kind) {
        return refused(Refusal::NotHere);
    }
    let bytes = match timeout_at(deadline, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return refused(Refusal::Rejected(Rejected::TooLong)),
        Err(_) => return Failure::new(Code::BadRequest, "the body did not arrive in time").into_response(),
    };
    match outside.pushed(&state.store, name, &query.unwrap_or_default(), &bytes, deadline).await {
        Ok(answer) => ([(CONTENT_TYPE, answer.content_type)], answer.body).into_response(),
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::NotHere => {
            Failure::new(Code::NotFound, "no channel takes pushes at this address").into_response()
        }
        Refusal::Rejected(rejected) => {
            tracing::warn!(%rejected, "a push was refused");
            let status = StatusCode::from_u16(rejected.status()).unwrap_or(StatusCode::BAD_REQUEST);
            (status, rejected.to_string()).into_response()
        }
        Refusal::Store(error) => Failure::from(error).into_response(),
    }
}

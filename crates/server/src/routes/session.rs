//! How the page in a browser gets in: a one-time code in its address, or a pasted token, becomes a cookie.

use axum::{
    Json as Answer,
    extract::State,
    http::{StatusCode, header::SET_COOKIE, request::Parts},
    response::{AppendHeaders, IntoResponse},
};
use tocsin_protocol::{
    Code, TokenKind,
    account::{LoginCode, NewSession},
};
use tocsin_store::{Entry, SessionOrder, TokenId, UserId};

use super::input::Json;
use crate::{
    AppState, Failure,
    auth::{self, Identity, Proof, Secret, cookie, secret},
    guard::Seen,
};

/// Makes a one-time way into the page for oneself.
#[utoipa::path(post, path = "/v1/login-codes", tag = "sessions", responses((status = 201, body = LoginCode)))]
pub async fn code(
    State(state): State<AppState>,
    identity: Identity,
    parts: Parts,
) -> Result<(StatusCode, Answer<LoginCode>), Failure> {
    let (user, ..) = identity.user()?;
    let (secret, expires_at) = state.credentials.codes.make(user, identity.token(), (state.clock)());
    let origin = Seen::of(&parts, &state.config).origin().unwrap_or_default();
    Ok((
        StatusCode::CREATED,
        Answer(LoginCode { url: format!("{origin}/#code={}", secret.expose()), expires_at }),
    ))
}

/// Exchanges a one-time code or a client token for a cookie.
#[utoipa::path(post, path = "/v1/session", tag = "sessions", request_body = NewSession, responses((status = 204)), security(()))]
pub async fn open(
    State(state): State<AppState>,
    parts: Parts,
    Json(order): Json<NewSession>,
) -> Result<impl IntoResponse, Failure> {
    let (user, token) = match order {
        NewSession::Code(code) => by_code(&state, &parts, &code)?,
        NewSession::Token(token) => by_token(&state, &parts, &token).await?,
    };
    let secret = Secret::code();
    let order = SessionOrder { secret: secret.hash(), user, token, idle_ms: cookie::IDLE_S * 1000 };
    state.store.add_session(order).await?;
    let secure = Seen::of(&parts, &state.config).secure;
    let cookie = cookie::set(state.store.instance(), &secret, secure);
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, cookie)])))
}

/// Ends the session of the cookie that comes with it.
#[utoipa::path(delete, path = "/v1/session", tag = "sessions", responses((status = 204)))]
pub async fn close(State(state): State<AppState>, identity: Identity) -> Result<impl IntoResponse, Failure> {
    let session = identity.session().ok_or_else(|| {
        Failure::new(Code::BadRequest, "this request comes with a token, not with a session")
            .hint("tokens are revoked: DELETE /v1/tokens/{id}")
    })?;
    state.store.end_session(&session).await?;
    state.credentials.forget(&Entry::SessionEnded { session });
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, cookie::clear(state.store.instance()))])))
}

fn by_code(state: &AppState, parts: &Parts, code: &str) -> Result<(UserId, Option<TokenId>), Failure> {
    let grant = state.credentials.codes.take(&secret::hash(code), (state.clock)());
    let grant = grant.ok_or_else(|| {
        let counted = auth::failed(parts, state, "the code was used already, or its time is over");
        if counted.error.code == Code::RateLimited {
            return counted;
        }
        Failure::new(Code::Gone, counted.error.message)
            .hint("ask for a new one: `tocsin login`, or the tray's menu")
    })?;
    Ok((grant.user, grant.token))
}

async fn by_token(
    state: &AppState,
    parts: &Parts,
    token: &str,
) -> Result<(UserId, Option<TokenId>), Failure> {
    let proof = Proof::Token(secret::hash(token.trim()));
    let principal = state.credentials.check(&proof).await?;
    let principal =
        principal.ok_or_else(|| auth::failed(parts, state, "the token is unknown, expired or revoked"))?;
    match &principal.user {
        Some((user, ..)) if principal.kind == TokenKind::Client => {
            Ok((*user, Some(principal.token).filter(|token| token.0 > 0)))
        }
        _ => {
            Err(Failure::new(Code::Forbidden, "a sender token can not open the page")
                .hint("use a client token"))
        }
    }
}

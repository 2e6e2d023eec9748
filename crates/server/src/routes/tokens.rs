//! Tokens. A secret is shown once, when it is made; only its hash is kept.

use axum::{Json as Answer, extract::State, http::StatusCode};
use tocsin_protocol::{
    Code, Millis, NewToken, Token, TokenKind,
    account::MadeToken,
    limits::{DISPLAY_BYTES, RECIPIENTS, is_name},
};
use tocsin_store::{Entry, TokenOrder};

use super::{
    check::{self, invalid},
    input::{Json, Path},
};
use crate::{
    AppState, Failure,
    auth::{Identity, Secret},
};

/// Longest life, seconds: ten years. Leave it out for a token without an end.
const EXPIRES_IN_MOST_S: u64 = 10 * 365 * 24 * 3600;

/// The asking person's tokens; an administrator sees all.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", responses((status = 200, body = Vec<Token>)))]
pub async fn list(State(state): State<AppState>, identity: Identity) -> Result<Answer<Vec<Token>>, Failure> {
    let (user, ..) = identity.user()?;
    let whose = if identity.is_admin() { None } else { Some(user) };
    Ok(Answer(state.store.tokens(whose).await?))
}

/// Makes a token: a client token for oneself; for others, and sender tokens, as an administrator. A client token ends
/// with the token that made it, at the latest.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", request_body = NewToken, responses((status = 201, body = MadeToken)))]
pub async fn add(
    State(state): State<AppState>,
    identity: Identity,
    Json(mut token): Json<NewToken>,
) -> Result<(StatusCode, Answer<MadeToken>), Failure> {
    let (_, own, _) = identity.user()?;
    check::some_text("name", &token.name, DISPLAY_BYTES)?;
    check::span_s("expires_in", token.expires_in, EXPIRES_IN_MOST_S)?;
    match token.kind {
        TokenKind::Client => {
            if !token.topics.is_empty() {
                return Err(invalid(
                    "topics",
                    "belong to sender tokens; a client token has the rights of its person",
                ));
            }
            let user = token.user.get_or_insert_with(|| own.to_owned());
            if user != own {
                identity.admin()?;
            }
            token.expires_in = within(token.expires_in, identity.principal.expires_at, (state.clock)());
        }
        TokenKind::Sender => {
            identity.admin()?;
            if token.user.is_some() {
                return Err(invalid("user", "belongs to client tokens; a sender token is a program's"));
            }
            if token.topics.is_empty() {
                return Err(
                    invalid("topics", "is empty").hint("name the topics that the token may publish to")
                );
            }
            if token.topics.len() > RECIPIENTS {
                return Err(invalid("topics", format!("at most {RECIPIENTS}")));
            }
        }
    }
    let secret = Secret::token();
    // A client token called "phone" is the device "phone", unless a stream says otherwise.
    let device = (token.kind == TokenKind::Client && is_name(&token.name)).then(|| token.name.clone());
    let token = state.store.add_token(TokenOrder { token, secret: secret.hash(), device }).await?;
    Ok((StatusCode::CREATED, Answer(MadeToken { token, secret: secret.expose().to_owned() })))
}

/// A life of `asked` seconds, or less if `until` comes before: who is let in for a while cannot stay for good.
fn within(asked: Option<u64>, until: Option<Millis>, now: Millis) -> Option<u64> {
    let left = until.map(|until| u64::try_from(until.saturating_sub(now) / 1000).unwrap_or(0));
    match (asked, left) {
        (Some(asked), Some(left)) => Some(asked.min(left)),
        (asked, left) => asked.or(left),
    }
}

/// Names the token that a request comes with: who leaves does not know its number.
const OWN: &str = "own";

/// Revokes a token: it stops working at once, live streams included. `own` is the one that the request comes with.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path)), responses((status = 204)))]
pub async fn revoke(
    State(state): State<AppState>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let (user, ..) = identity.user()?;
    let whose = if identity.is_admin() { None } else { Some(user) };
    let id = if id == OWN {
        identity
            .token()
            .ok_or_else(|| Failure::new(Code::NotFound, "this request comes with no token"))?
            .0
            .to_string()
    } else {
        id
    };
    state.store.revoke_token(&id, whose).await.map_err(|error| match error {
        // Whether somebody else has such a token is not told.
        tocsin_store::Error::Forbidden(_) => Failure::new(Code::NotFound, "no such token"),
        other => other.into(),
    })?;
    // The store names tokens by an id of its own; what is remembered of any is asked for again.
    state.credentials.forget(&Entry::AccountsChanged);
    Ok(StatusCode::NO_CONTENT)
}

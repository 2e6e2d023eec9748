//! Invites: how a device joins a server it has never met.

use axum::{
    Json as Answer,
    extract::State,
    http::{StatusCode, request::Parts},
};
use tocsin_protocol::{
    Code, Invite, Millis, NewUser,
    account::{Join, Joined, NewInvite},
    invite::InviteText,
    limits::RECIPIENTS,
};
use tocsin_store::JoinOrder;

use super::{
    check::{self, invalid},
    input::Json,
};
use crate::{
    AppState, Failure,
    auth::{self, Identity, Secret, secret},
    guard::{Seen, origin_of},
};

/// An invite without `expires_in` lasts this long, seconds: handed over in a chat, used at once.
const EXPIRES_IN_S: u64 = 3600;
/// Longest life of an invite, seconds.
const EXPIRES_IN_MOST_S: u64 = 7 * 24 * 3600;

/// Makes an invite (admin). Its text is shown once.
#[utoipa::path(post, path = "/v1/invites", tag = "invites", request_body = NewInvite, responses((status = 201, body = Invite)))]
pub async fn make(
    State(state): State<AppState>,
    _: Identity,
    parts: Parts,
    Json(order): Json<NewInvite>,
) -> Result<(StatusCode, Answer<Invite>), Failure> {
    if let Some(user) = &order.user {
        check::user_name("user", user)?;
    }
    if order.topics.len() > RECIPIENTS {
        return Err(invalid("topics", format!("at most {RECIPIENTS}")));
    }
    for topic in &order.topics {
        state.store.topic(topic, None).await?;
    }
    check::span_s("expires_in", order.expires_in, EXPIRES_IN_MOST_S)?;
    let seconds = order.expires_in.unwrap_or(EXPIRES_IN_S);
    let expires_at = (state.clock)() + Millis::try_from(seconds * 1000).unwrap_or(Millis::MAX / 2);
    let origin = origin(&state, &parts).ok_or_else(|| {
        Failure::new(Code::WrongHost, "the address of this server is not known").hint("set `public_url`")
    })?;
    let code = Secret::code();
    let grant = JoinOrder { user: order.user, role: order.role, topics: order.topics, expires_at };
    state.store.add_invite(code.hash(), grant).await?;
    let ca_fingerprint = state.config.ca_fingerprint.clone().filter(|_| origin.starts_with("https://"));
    let text = InviteText { origin, code: code.expose().to_owned(), ca_fingerprint };
    Ok((StatusCode::CREATED, Answer(Invite { invite: text.to_string(), expires_at })))
}

/// Where the invited device is to connect: as set, or where this invite was asked for.
fn origin(state: &AppState, parts: &Parts) -> Option<String> {
    let set = state.config.advertised_origin.as_deref().or(state.config.public_url.as_deref());
    set.and_then(origin_of).or_else(|| Seen::of(parts, &state.config).origin())
}

/// Uses an invite up: the one-time code is the credential.
#[utoipa::path(post, path = "/v1/join", tag = "invites", request_body = Join, responses((status = 201, body = Joined), (status = 410, body = tocsin_protocol::error::ErrorBody)), security(()))]
pub async fn join(
    State(state): State<AppState>,
    parts: Parts,
    Json(join): Json<Join>,
) -> Result<(StatusCode, Answer<Joined>), Failure> {
    check::name("device", &join.device)?;
    if let Some(user) = &join.user {
        check::user_name("user", user)?;
    }
    check::display_name("display_name", join.display_name.as_deref())?;
    let user = join.user.map(|name| NewUser {
        name,
        display_name: join.display_name,
        role: tocsin_protocol::Role::Member,
    });
    let token = Secret::token();
    let made = state.store.redeem_invite(&secret::hash(&join.code), &join.device, user, token.hash()).await;
    let made = made.map_err(|error| match error {
        tocsin_store::Error::Gone => guessed(&parts, &state, error.into()),
        other => other.into(),
    })?;
    tracing::info!(user = %made.user.name, device = %made.device, "a device joined by invite");
    let joined = Joined { user: made.user, device: made.device, secret: token.expose().to_owned() };
    Ok((StatusCode::CREATED, Answer(joined)))
}

/// A wrong code counts as a failed attempt; the answer stays what it is until there are too many.
fn guessed(parts: &Parts, state: &AppState, failure: Failure) -> Failure {
    let counted = auth::failed(parts, state, "the code is not known");
    if counted.error.code == Code::RateLimited { counted } else { failure }
}

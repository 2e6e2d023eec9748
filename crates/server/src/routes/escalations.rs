//! Policies, what they would do, and what a person does by hand: stop the steps of a message, send it again.

use std::sync::Arc;

use axum::{Json as Answer, extract::State, http::StatusCode};
use tocsin_protocol::{
    Code, MessageId, Policy,
    escalation::{Cancelled, DryRun, PolicySettings, ResendMessage, ResentMessage, Timeline},
    limits::RECIPIENTS,
};
use tocsin_store::escalation::{BACK_MS, Escalations};

use super::{
    check::{self, invalid},
    input::{Json, Path},
};
use crate::{AppState, Failure, auth::Identity};

/// All policies, by name.
#[utoipa::path(get, path = "/v1/policies", tag = "escalation", responses((status = 200, body = Vec<Policy>)))]
pub async fn list(State(state): State<AppState>) -> Result<Answer<Vec<Policy>>, Failure> {
    Ok(Answer(escalations(&state)?.policies().await?))
}

/// Makes or changes a policy. What is under way goes on as it began (admin).
#[utoipa::path(put, path = "/v1/policies/{name}", tag = "escalation", params(("name" = String, Path)), request_body = PolicySettings, responses((status = 200, body = Policy)))]
pub async fn put(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Json(settings): Json<PolicySettings>,
) -> Result<Answer<Policy>, Failure> {
    check::name("name", &name)?;
    check::display_name("display_name", settings.display_name.as_deref())?;
    Ok(Answer(escalations(&state)?.put_policy(&name, settings).await?))
}

/// Removes a policy and takes it off its topics. What is under way goes on (admin).
#[utoipa::path(delete, path = "/v1/policies/{name}", tag = "escalation", params(("name" = String, Path)), responses((status = 204)))]
pub async fn remove(State(state): State<AppState>, Path(name): Path<String>) -> Result<StatusCode, Failure> {
    escalations(&state)?.remove_policy(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a policy, saved or not, would do if nobody ever answered (admin).
#[utoipa::path(post, path = "/v1/policies/dry-run", tag = "escalation", request_body = DryRun, responses((status = 200, body = Timeline)))]
pub async fn dry_run(
    State(state): State<AppState>,
    Json(what): Json<DryRun>,
) -> Result<Answer<Timeline>, Failure> {
    Ok(Answer(escalations(&state)?.dry_run(what).await?))
}

/// Stops the steps of a message and what of it waits to be sent. For its sender and administrators.
#[utoipa::path(post, path = "/v1/messages/{id}/cancel", tag = "escalation", params(("id" = String, Path)), responses((status = 200, body = Cancelled)))]
pub async fn cancel(
    State(state): State<AppState>,
    identity: Identity,
    Path(id): Path<MessageId>,
) -> Result<Answer<Cancelled>, Failure> {
    Ok(Answer(escalations(&state)?.cancel(identity.viewer(), id).await?))
}

/// Shows a message again on people's devices, or sends it over channels again. For its sender and administrators.
/// Repeating the request does nothing: see `until`.
#[utoipa::path(post, path = "/v1/messages/{id}/resend", tag = "escalation", params(("id" = String, Path)), request_body = ResendMessage, responses((status = 200, body = ResentMessage)))]
pub async fn resend(
    State(state): State<AppState>,
    identity: Identity,
    Path(id): Path<MessageId>,
    Json(what): Json<ResendMessage>,
) -> Result<Answer<ResentMessage>, Failure> {
    if what.via.is_empty() {
        return Err(invalid("via", "names no way").hint("`desktop`, or names of channels: GET /v1/channels"));
    }
    if what.people.as_ref().is_some_and(|people| people.len() > RECIPIENTS) {
        return Err(invalid("people", format!("at most {RECIPIENTS} at once")));
    }
    let now = (state.clock)();
    if what.until > now.saturating_add(BACK_MS) {
        return Err(invalid("until", "is in the future").hint("give the receipt's `as_of_ms`"));
    }
    // It reaches as many people as a message does.
    state.pace.take(identity.principal.token, now)?;
    Ok(Answer(escalations(&state)?.resend_message(identity.viewer(), id, what).await?))
}

fn escalations(state: &AppState) -> Result<&Arc<dyn Escalations>, Failure> {
    let none = || Failure::new(Code::NotFound, "this server's store keeps no escalations");
    state.escalations.as_ref().ok_or_else(none)
}

//! From which priority which channel carries what.

#![expect(unused_qualifications, reason = "utoipa spells out the types of parameters")]

use axum::{Json as Answer, extract::State, http::StatusCode};
use serde::Deserialize;
use tocsin_protocol::delivery::Route;
use utoipa::IntoParams;

use super::{
    channels::outside,
    input::{Json, Query},
};
use crate::{AppState, Failure};

/// Which route.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Its channel.
    channel: String,
    /// Its topic, if it has one.
    topic: Option<String>,
    /// Its person, if it has one.
    user: Option<String>,
}

/// All routes (admin).
#[utoipa::path(get, path = "/v1/routes", tag = "channels", responses((status = 200, body = Vec<Route>)))]
pub async fn list(State(state): State<AppState>) -> Result<Answer<Vec<Route>>, Failure> {
    Ok(Answer(outside(&state)?.outbox.routes().await?))
}

/// Sets a route, replacing that of the same channel, topic and person (admin).
#[utoipa::path(put, path = "/v1/routes", tag = "channels", request_body = Route, responses((status = 204)))]
pub async fn set(State(state): State<AppState>, Json(route): Json<Route>) -> Result<StatusCode, Failure> {
    outside(&state)?.outbox.put_route(route).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a route (admin).
#[utoipa::path(delete, path = "/v1/routes", tag = "channels", params(Which), responses((status = 204)))]
pub async fn remove(
    State(state): State<AppState>,
    Query(which): Query<Which>,
) -> Result<StatusCode, Failure> {
    let outbox = &outside(&state)?.outbox;
    outbox.remove_route(&which.channel, which.topic.as_deref(), which.user.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

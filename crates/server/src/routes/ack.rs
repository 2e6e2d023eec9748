//! `POST /v1/ack`: what clients of an event stream send in place of an `ack` frame. Answered when it is durable.

#![expect(unused_qualifications, reason = "utoipa spells out the types of parameters")]

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use tocsin_protocol::stream::Ack;
use utoipa::IntoParams;

use super::{
    check::invalid,
    input::{Json, Query},
};
use crate::{
    AppState, Failure,
    auth::Identity,
    stream::{ack::acknowledge, device_name},
};

/// Which device.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeviceQuery {
    /// Name of the device that the stream is booked on; default: the token's.
    device: Option<String>,
}

/// Acknowledges a stretch of a stream.
#[utoipa::path(post, path = "/v1/ack", tag = "streams", params(DeviceQuery), request_body = Ack, responses((status = 204)))]
pub async fn ack(
    State(state): State<AppState>,
    identity: Identity,
    Query(query): Query<DeviceQuery>,
    Json(ack): Json<Ack>,
) -> Result<StatusCode, Failure> {
    let (user, ..) = identity.user()?;
    let device = device_name(&identity, query.device.as_deref())?;
    if ack.from.epoch == ack.cursor.epoch && ack.from.seq > ack.cursor.seq {
        return Err(invalid("from", "lies after `cursor`"));
    }
    acknowledge(&state, user, &device, &ack).await?;
    Ok(StatusCode::NO_CONTENT)
}

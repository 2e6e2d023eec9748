//! Devices: what streams and acknowledgements are booked on.

#![expect(unused_qualifications, reason = "utoipa spells out the types of parameters")]

use std::collections::HashMap;

use axum::{Json as Answer, extract::State, http::StatusCode};
use serde::Deserialize;
use tocsin_protocol::{Code, Device, limits::RECIPIENTS};
use tocsin_store::UserId;
use utoipa::{IntoParams, ToSchema};

use super::{
    check::invalid,
    input::{Json, Path, Query},
};
use crate::{AppState, Failure, auth::Identity};

/// Whose devices.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DevicesQuery {
    /// A person's (admin); default: one's own, for an administrator everybody's.
    user: Option<String>,
}

/// Which topics a device takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Names of topics; left out: all, and what is sent to the person by name. An empty list: nothing but that.
    #[serde(default)]
    topics: Option<Vec<String>>,
}

/// Devices and when they were last seen.
#[utoipa::path(get, path = "/v1/devices", tag = "devices", params(DevicesQuery), responses((status = 200, body = Vec<Device>)))]
pub async fn list(
    State(state): State<AppState>,
    identity: Identity,
    Query(query): Query<DevicesQuery>,
) -> Result<Answer<Vec<Device>>, Failure> {
    let (own, name, _) = identity.user()?;
    let whose = match &query.user {
        Some(user) if user == name => Some(own),
        Some(user) => {
            identity.admin()?;
            Some(state.store.user(user).await?.0)
        }
        None if identity.is_admin() => None,
        None => Some(own),
    };
    let mut devices = state.store.devices(whose).await?;
    online(&state, &mut devices).await?;
    Ok(Answer(devices))
}

/// Sets which topics a device of one's own takes, from the next message on.
#[utoipa::path(put, path = "/v1/devices/{name}/filter", tag = "devices", params(("name" = String, Path)), request_body = Filter, responses((status = 204)))]
pub async fn filter(
    State(state): State<AppState>,
    identity: Identity,
    Path(name): Path<String>,
    Json(filter): Json<Filter>,
) -> Result<StatusCode, Failure> {
    let (user, ..) = identity.user()?;
    if filter.topics.as_ref().is_some_and(|topics| topics.len() > RECIPIENTS) {
        return Err(invalid("topics", format!("at most {RECIPIENTS}")));
    }
    // A filter must not make a device that nobody has: it would be owed messages for ever.
    if !state.store.devices(Some(user)).await?.iter().any(|device| device.name == name) {
        return Err(Failure::new(Code::NotFound, format!("you have no device named {name:?}")));
    }
    let device = state.store.open_device(user, &name).await?;
    state.store.set_filter(device.id, filter.topics).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a device that is not used any more. What it stored stays received, and its name is free again.
#[utoipa::path(delete, path = "/v1/devices/{name}", tag = "devices", params(("name" = String, Path), DevicesQuery), responses((status = 204), (status = 409, body = tocsin_protocol::error::ErrorBody)))]
pub async fn remove(
    State(state): State<AppState>,
    identity: Identity,
    Path(name): Path<String>,
    Query(query): Query<DevicesQuery>,
) -> Result<StatusCode, Failure> {
    let (own, own_name, _) = identity.user()?;
    let user = match &query.user {
        Some(user) if user != own_name => {
            identity.admin()?;
            state.store.user(user).await?.0
        }
        _ => own,
    };
    let mut devices = state.store.devices(Some(user)).await?;
    devices.retain(|device| device.name == name);
    online(&state, &mut devices).await?;
    if devices.iter().any(|device| device.online) {
        return Err(Failure::new(
            Code::Conflict,
            format!("{name:?} is connected, and would come back at once"),
        )
        .hint("end its program first, or revoke its token: DELETE /v1/tokens/{id}"));
    }
    // What it acknowledged a moment ago is not to be passed over.
    state.acks.flush().await?;
    let id = state.store.remove_device(user, &name).await?;
    // One that came meanwhile begins anew, as the new device that it is.
    state.hub.send_away_device(id);
    Ok(StatusCode::NO_CONTENT)
}

/// Only the hub knows which devices have a stream open, and it knows them by number. Asked only for people who have any.
async fn online(state: &AppState, devices: &mut [Device]) -> Result<(), Failure> {
    let mut people: HashMap<String, Option<UserId>> = HashMap::new();
    for device in devices {
        let user = if let Some(known) = people.get(&device.user) {
            *known
        } else {
            let (id, _) = state.store.user(&device.user).await?;
            let streaming = (state.hub.connections_of(id) > 0).then_some(id);
            people.insert(device.user.clone(), streaming);
            streaming
        };
        if let Some(user) = user {
            device.online = state.hub.online(state.store.open_device(user, &device.name).await?.id);
        }
    }
    Ok(())
}

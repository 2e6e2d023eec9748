//! `POST /v1/tickets`: a way into a stream for clients with neither header nor cookie.

use axum::{Json as Answer, extract::State, http::StatusCode};
use tocsin_protocol::account::{NewTicket, Ticket};

use super::input::Json;
use crate::{AppState, Failure, auth::Identity};

/// Makes a ticket, to be passed as `?ticket=`.
#[utoipa::path(post, path = "/v1/tickets", tag = "streams", request_body = NewTicket, responses((status = 201, body = Ticket)))]
pub async fn make(
    State(state): State<AppState>,
    identity: Identity,
    Json(order): Json<NewTicket>,
) -> Result<(StatusCode, Answer<Ticket>), Failure> {
    let (secret, expires_at) = state.credentials.tickets.make(order.transport, identity.proof())?;
    Ok((StatusCode::CREATED, Answer(Ticket { ticket: secret.expose().to_owned(), expires_at })))
}

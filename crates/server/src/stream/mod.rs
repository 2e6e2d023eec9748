//! The three transports: `/ws`, `/events`, `/poll`. All carry the same messages and the same cursor; they differ in how
//! frames are written and how acknowledgements come back.

pub mod ack;
pub mod feed;
mod ledger;
mod opening;
pub mod poll;
mod sse;
pub mod start;
pub mod ws;

use axum::{Router, routing::get};

pub use opening::device_name;

use crate::AppState;

/// Routes of the transports.
pub fn router() -> Router<AppState> {
    Router::new().route("/ws", get(ws::ws)).route("/events", get(sse::events)).route("/poll", get(poll::poll))
}

//! The three transports: `/ws`, `/events`, `/poll`.

use axum::Router;

use crate::AppState;

/// Routes of the transports.
pub fn router() -> Router<AppState> {
    Router::new()
}

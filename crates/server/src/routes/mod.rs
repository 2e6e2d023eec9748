//! Every route, a file per noun.

use axum::Router;

use crate::{AppState, stream};

/// All routes, with their guards.
pub fn router(state: AppState) -> Router {
    Router::new().merge(stream::router()).with_state(state)
}

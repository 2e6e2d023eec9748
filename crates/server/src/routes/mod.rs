//! Every route, a file per noun.

use axum::{Router, middleware::from_fn_with_state};

use crate::{
    AppState,
    guard::{Guard, guard},
    stream,
};

/// All routes, with their guards.
pub fn router(state: AppState) -> Router {
    Router::new().merge(stream::router()).layer(from_fn_with_state(Guard::new(state.clone()), guard)).with_state(state)
}

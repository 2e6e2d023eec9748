//! The push server: HTTP in, durable log in the middle, three transports out.
//!
//! A host (the resident, or `tocsin serve`) opens a store, calls [`AppState::start`], and gives a bound listener to
//! [`serve`]. [`router`] stands alone so that most tests need no socket.
//!
//! The way of a message, top to bottom: `routes/publish` → store (commit) → `hub/tail` → `hub` → `stream/{ws,sse,poll}`
//! → the client stores it → `stream/ack` or `routes/ack` → `acks` (coalesced) → store → `routes/receipt`.

pub mod acks;
pub mod alerts;
pub mod auth;
pub mod channels;
pub mod config;
pub mod error;
pub mod escalation;
pub mod guard;
pub mod hub;
pub mod listen;
pub mod metrics;
pub mod page;
pub mod routes;
mod state;
pub mod stream;
pub mod tls;
pub mod upkeep;
pub mod waiting;

pub use config::Config;
pub use error::Failure;
pub use listen::serve;
pub use state::AppState;

/// All routes, with their guards.
pub fn router(state: AppState) -> axum::Router {
    routes::router(state)
}

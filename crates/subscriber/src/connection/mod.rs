//! The life of a connection, decided without sockets.

mod backoff;
mod reason;
mod state;

pub(crate) use backoff::Backoff;
pub use reason::Reason;
pub use state::Connection;

//! The life of a connection, decided without sockets.
//!
//! [`Machine`] takes what happened ([`Input`]) and says what to do ([`Action`]); it opens nothing and reads no clock, so
//! its tests replay hours in microseconds. `run` carries the actions out.

mod backoff;
mod failure;
mod ladder;
mod machine;
#[cfg(test)]
mod machine_tests;
mod reason;
mod sleep;
mod state;

pub(crate) use backoff::Backoff;
pub(crate) use failure::{Failure, Kind};
pub(crate) use machine::{Action, Input, Machine, Now};
pub use reason::Reason;
pub use sleep::Slept;
pub use state::Connection;

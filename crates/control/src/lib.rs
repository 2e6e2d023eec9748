//! The client side of the control socket: where it is, what is said through it, and how the resident is found.
//!
//! The window and the command line depend on this crate and on nothing else of the resident, so it stays small: no
//! server, no storage, no tray. Invariants:
//!
//! - One data directory has one runtime directory and therefore one resident; two residents with separate data
//!   directories never meet.
//! - The runtime directory belongs to this user alone (owner and mode checked by both sides) and is never in a
//!   shared temporary directory: whoever can open the socket is this user.

mod build;
mod client;
mod connect;
mod error;
mod events;
mod launch;
mod paths;
mod program;
mod target;

pub use build::{VERSION, build_of, own_build};
pub use client::{Client, Request, Response};
pub use error::{Error, Unsafe};
pub use events::Events;
pub use launch::{DETACHED_ENV, ensure_resident, spawn_resident};
pub use paths::{DATA_DIR_ENV, Paths};
pub use program::{DESKTOP_PROGRAM, RESIDENT_PROGRAM, find_desktop, find_program, find_resident};
pub use target::is_api_path;

/// Result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

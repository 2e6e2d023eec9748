//! The client side of Tocsin: connects, resumes, falls back, and keeps an inbox of its own.
//!
//! ```text
//! server ══ WebSocket │ SSE │ poll ══► transport ──► run ──► inbox (one transaction) ──► ack ──► server
//!                                                     │                └──► events ──► host (popups, tray, window)
//!                    connection: pure state machine ◄─┘
//! ```
//!
//! - [`Endpoint`]: where the server is, how it is recognised, what opens it.
//! - [`Inbox`]: what this device has; works without a connection.
//! - [`Subscriber::start`]: keeps one stream open and the inbox up to date; returns a [`Handle`] and the [`Event`]s.
//! - [`http`]: the API as a typed client, and [`http::redeem`] for invites.
//!
//! Invariants: only what is committed is acknowledged; every stored message, and every reminder of one, is announced in
//! one [`Event::Stored`] or, after a crash in between, found in [`Inbox::pending`]; a message is stored once however
//! often it comes; nothing is sent in plain text beyond loopback.
//!
//! What a host does:
//!
//! 1. `Inbox::open(dir, owner, clock)`; tell the person if [`Inbox::damaged`].
//! 2. Show what [`Inbox::pending`] returns ([`Pending::is_shown_singly`] or in one summary); [`Inbox::set_shown`].
//! 3. `Subscriber::start`, then for each [`Event::Stored`] decide, show, and `set_shown`. [`Arrival::Missed`] and
//!    [`Arrival::Restored`] are collected into one summary until [`Event::CaughtUp`].
//! 4. At the end `handle.stop().await`, then `inbox.close().await`.

mod clock;
mod connection;
mod endpoint;
mod error;
mod event;
mod handle;
pub mod http;
mod inbox;
mod options;
mod run;
mod secret;
mod tls;
mod transport;

pub use clock::{Clock, SystemClock};
pub use connection::{Connection, Reason, Slept};
pub use endpoint::Endpoint;
pub use error::{Error, Result};
pub use event::{Arrival, Event, Silent, Stored};
pub use handle::Handle;
pub use inbox::{Inbox, InboxQuery, Owner, PENDING_FRESH_MS, Pending, Spooled};
pub use options::{Options, Timings};
pub use run::Subscriber;
pub use secret::Secret;

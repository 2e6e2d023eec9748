//! The three transports over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;
mod http;
mod socket;

mod ends;
mod lost;
mod poll;
mod quiet;
mod sse;
mod stalled;
mod tls;
mod ws;

//! The three transports over real sockets.

mod desk;
mod http;
mod socket;

mod poll;
mod sse;
mod tls;
mod ws;

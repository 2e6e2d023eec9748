//! Clients that do as little as possible, so that the generator does not measure itself.

pub mod http;
pub mod sse;
pub mod ws;

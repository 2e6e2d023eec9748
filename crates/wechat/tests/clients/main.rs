//! The clients against a server that plays one answer or one fault at a time.

#![allow(missing_docs, reason = "a test program")]

mod outcomes;
mod proxies;
mod quiet;
mod reads;
mod refusals;
mod setup;
mod simulated;
mod stage;
mod tokens;
mod transport;
mod tunnels;
mod wecom_tokens;

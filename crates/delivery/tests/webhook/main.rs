//! Webhooks over real sockets: what is sent, what each answer means, and what the courier makes of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

mod answers;
mod desk;
mod independent;
mod receiver;
mod road;
#[path = "../support/mod.rs"]
mod support;
mod tries;

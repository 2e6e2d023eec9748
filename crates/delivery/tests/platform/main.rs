//! The courier with the production channels against the simulator of the platforms, on one virtual clock: what a person's
//! phone shows, what the ledger says, and what it cost the platform.
//!
//! What is slow or withheld is real time, as a client's patience is; everything else moves by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]
#![expect(clippy::print_stdout, reason = "what a fault costs is shown to whoever asks for it")]

mod cost;
mod desk;
mod limits;
mod rows;
mod storm;
#[path = "../support/mod.rs"]
mod support;

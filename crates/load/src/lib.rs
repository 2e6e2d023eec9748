//! Load generator and benchmarks.
//!
//! `tocsin-load bench` drives a release `tocsin serve` with default settings over TCP and writes one JSON object.
//! The server has no path of its own for benchmarks. Rules of the method:
//!
//! - What is compared on a shared two-core machine is the server's CPU time, not wall time, and every ceiling (raw
//!   `send()` loop, bare SQLite batches, a request without a store) is measured again in the same run.
//! - The server runs on one core, the generator on the other.
//! - Latency is open-loop: send times are fixed in advance and latency is counted from the intended time, so that a
//!   stalled server cannot hide by slowing the generator down.
//!
//! `client/` speaks the protocols with as little work as possible, `ceiling/` holds what is compared with,
//! `point/` one file per figure, `report.rs` the table.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a development program: its report is its output"
)]

pub mod ceiling;
pub mod client;
pub mod crowd;
pub mod point;
pub mod process;
pub mod report;
pub mod subject;

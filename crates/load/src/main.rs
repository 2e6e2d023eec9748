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
    reason = "a command-line program: its report is its output"
)]

mod ceiling;
mod client;
mod point;
mod process;
mod report;
mod subject;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Load generator and benchmarks of Tocsin.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Measures every figure and prints the table.
    Bench(BenchArgs),
    /// Ceiling: accepts connections and writes to them with bare `send()`; started by `bench`.
    SendLoop {
        /// How many connections to wait for.
        connections: usize,
    },
    /// Ceiling: the server's own routes over a store that keeps nothing; started by `bench`.
    WithoutStore,
}

/// What to measure.
#[derive(clap::Args)]
struct BenchArgs {
    /// The release `tocsin` to measure.
    #[arg(long, env = "TOCSIN_BIN")]
    tocsin: PathBuf,
    /// The release `tocsin-desktop`, for the time until the window is painted.
    #[arg(long, env = "TOCSIN_DESKTOP_BIN")]
    desktop: Option<PathBuf>,
    /// The same points with fewer repetitions.
    #[arg(long)]
    quick: bool,
    /// Writes the figures as one JSON object.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measures only the points whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match args.verb {
        Verb::Bench(bench) => runtime.block_on(point::run(&bench)),
        Verb::SendLoop { connections } => ceiling::send_loop::run(connections),
        Verb::WithoutStore => runtime.block_on(ceiling::without_store::run()),
    }
}

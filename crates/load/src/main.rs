//! `tocsin-load`: see the library.

use anyhow::Result;
use clap::{Parser, Subcommand};
use tocsin_load::{ceiling, crowd, point};

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
    Bench(point::Bench),
    /// Opens many WebSockets, holds them, and waits for a message on each.
    Hold(crowd::Hold),
    /// Opens connections and resets them, again and again.
    Reset(crowd::Reset),
    /// Ceiling: accepts connections and writes to them with bare `send()`; started by `bench`.
    SendLoop {
        /// How many connections to wait for.
        connections: usize,
    },
    /// Ceiling: the server's own routes over a store that keeps nothing; started by `bench`.
    WithoutStore,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match args.verb {
        Verb::Bench(bench) => runtime.block_on(point::run(&bench)),
        Verb::Hold(hold) => runtime.block_on(crowd::hold(&hold)),
        Verb::Reset(reset) => runtime.block_on(crowd::reset(&reset)),
        Verb::SendLoop { connections } => ceiling::send_loop::run(connections),
        Verb::WithoutStore => runtime.block_on(ceiling::without_store::run()),
    }
}

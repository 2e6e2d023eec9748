//! One file per figure.

mod ackrows;
mod fanout;
mod latency;
mod memory;
mod publish;
mod receipt;
mod resident;
mod restart;
mod timers;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{process, report::Report};

/// What to measure.
#[derive(clap::Args)]
pub struct Bench {
    /// The release `tocsin` to measure.
    #[arg(long, env = "TOCSIN_BIN")]
    pub tocsin: PathBuf,
    /// The release `tocsin-desktop`, for the time until the window is painted.
    #[arg(long, env = "TOCSIN_DESKTOP_BIN")]
    pub desktop: Option<PathBuf>,
    /// The same points with fewer repetitions.
    #[arg(long)]
    pub quick: bool,
    /// Writes the figures as one JSON object.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Measures only the points whose name contains this.
    #[arg(long)]
    pub only: Option<String>,
}

/// The generator's core; the server has the other.
const GENERATOR_CORE: usize = 1;
/// Measurements of a ratio, in turn with its ceiling: the median of an odd number is one of them.
const PAIRS: usize = 7;
/// See [`PAIRS`].
const QUICK_PAIRS: usize = 3;
/// The share of a measurement's time that the hypervisor may take away before it is made again.
const STEAL_MOST: f64 = 0.02;
/// A machine that is disturbed all the time is measured as it is.
const TRIES_PER_PAIR: usize = 3;

/// Measures `pair` several times, those that were disturbed again.
async fn undisturbed<T, F: Future<Output = Result<T>>>(
    args: &Bench,
    mut pair: impl FnMut() -> F,
) -> Result<Vec<T>> {
    let pairs = if args.quick { QUICK_PAIRS } else { PAIRS };
    let mut kept = Vec::with_capacity(pairs);
    while kept.len() < pairs {
        for left in (0..TRIES_PER_PAIR).rev() {
            let before = process::machine_time();
            let measured = pair().await?;
            let stolen = process::stolen_since(before);
            if stolen <= STEAL_MOST || left == 0 {
                kept.push(measured);
                break;
            }
            eprintln!("  again: {:.0} % of the time was taken away", stolen * 100.0);
        }
    }
    Ok(kept)
}

/// Measures everything that was asked for and reports it.
pub async fn run(args: &Bench) -> Result<()> {
    raise_descriptor_limit()?;
    process::pin_self(GENERATOR_CORE);
    let mut report = Report::new(args);
    let wanted = |name: &str| args.only.as_deref().is_none_or(|only| name.contains(only));
    for name in
        ["memory", "fanout", "publish", "latency", "restart", "ackrows", "receipt", "timers", "resident"]
    {
        if wanted(name)
            && let Err(error) = point(name, args, &mut report).await
        {
            report.failure(name, &error);
        }
    }
    report.finish(args.json.as_deref())
}

async fn point(name: &str, args: &Bench, report: &mut Report) -> Result<()> {
    match name {
        "memory" => memory::run(args, report).await,
        "fanout" => fanout::run(args, report).await,
        "publish" => publish::run(args, report).await,
        "latency" => latency::run(args, report).await,
        "restart" => restart::run(args, report).await,
        "ackrows" => ackrows::run(args, report).await,
        "receipt" => receipt::run(args, report).await,
        "timers" => timers::run(args, report).await,
        _ => resident::run(args, report).await,
    }
}

/// Ten thousand connections need as many descriptors; children inherit the limit.
pub(crate) fn raise_descriptor_limit() -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

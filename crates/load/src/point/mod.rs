//! One file per figure.

mod fanout;
mod latency;
mod memory;
mod publish;
mod resident;
mod restart;

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

/// Measures everything that was asked for and reports it.
pub async fn run(args: &Bench) -> Result<()> {
    raise_descriptor_limit()?;
    process::pin_self(GENERATOR_CORE);
    let mut report = Report::new(args);
    let wanted = |name: &str| args.only.as_deref().is_none_or(|only| name.contains(only));
    if wanted("memory") {
        memory::run(args, &mut report).await.context("memory per connection")?;
    }
    if wanted("fanout") {
        fanout::run(args, &mut report).await.context("fan-out")?;
    }
    if wanted("publish") {
        publish::run(args, &mut report).await.context("publishing")?;
    }
    if wanted("latency") {
        latency::run(args, &mut report).await.context("latency")?;
    }
    if wanted("restart") {
        restart::run(args, &mut report).await.context("restart")?;
    }
    if wanted("resident") {
        resident::run(args, &mut report).await.context("resident")?;
    }
    report.finish(args.json.as_deref())
}

/// Ten thousand connections need as many descriptors; children inherit the limit.
pub(crate) fn raise_descriptor_limit() -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

//! From a kill -9 to ready, with a hundred thousand messages stored.

use anyhow::Result;

use crate::{
    point::Bench,
    report::{Bound, Report},
    subject::Subject,
};

/// Stored messages.
const STORED: usize = 100_000;
/// Restarts; the median counts.
const TRIES: usize = 5;

pub async fn run(args: &Bench, report: &mut Report) -> Result<()> {
    let mut subject = Subject::start(&args.tocsin, &[]).await?;
    subject.populate().await?;
    subject.store(STORED, &["all".to_owned()]).await?;
    let mut times = Vec::with_capacity(TRIES);
    for _ in 0..TRIES {
        subject.kill();
        times.push(subject.spawn().await?.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    report.figure("restart_ready_ms", times[TRIES / 2], Bound::AtMost(1000.0));
    Ok(())
}

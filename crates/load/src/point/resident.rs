//! The resident while it hosts with one joined device and no window: memory, CPU, wake-ups, start.

use anyhow::Result;

use crate::{BenchArgs, report::Report};

pub async fn run(_args: &BenchArgs, _report: &mut Report) -> Result<()> {
    anyhow::bail!("not measured yet")
}

//! `cargo xtask check`: format, lints, policy. Also the first part of `test`.

use anyhow::{Result, bail};

use crate::{
    build,
    debian::Scope,
    policy, setup,
    step::{self, cargo, npm},
    totals::Totals,
};

/// The verb.
pub fn check() -> Result<()> {
    setup::setup(Scope::Build)?;
    build::ui()?;
    close(all())
}

/// The part that needs nothing built.
pub fn policy_only() -> Result<()> {
    close(policy())
}

fn close(totals: Totals) -> Result<()> {
    println!("\n{} passed, {} failed", totals.passed, totals.failed);
    if totals.failed > 0 {
        bail!("{} checks failed", totals.failed);
    }
    Ok(())
}

/// Runs every check to its end, each counted as one test.
pub fn all() -> Totals {
    let mut totals = policy();
    totals += one(step::run(
        "Checking the format",
        cargo().args(["fmt", "--all", "--check"]),
        "Run: cargo fmt --all",
    ));
    totals += one(step::run(
        "Checking the lints of every crate",
        cargo().args(["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        "The messages above name the lines.",
    ));
    totals += one(step::run(
        "Checking the UI's types",
        npm().args(["run", "check"]),
        "The messages above name the lines; by hand: cd ui && npm run check",
    ));
    totals
}

/// Counts one step, and says why it failed.
pub fn one(outcome: Result<()>) -> Totals {
    match outcome {
        Ok(()) => Totals { passed: 1, failed: 0 },
        Err(error) => {
            eprintln!("  FAILED: {error:#}");
            Totals { passed: 0, failed: 1 }
        }
    }
}

fn policy() -> Totals {
    step::say("Checking the dependency policy");
    let findings = match policy::findings() {
        Ok(findings) => findings,
        Err(error) => return one(Err(error)),
    };
    let mut totals = Totals::default();
    for finding in findings {
        println!("  {} {}", if finding.broken.is_empty() { "ok    " } else { "BROKEN" }, finding.rule);
        for broken in &finding.broken {
            println!("         {broken}");
        }
        totals += Totals {
            passed: u64::from(finding.broken.is_empty()),
            failed: u64::from(!finding.broken.is_empty()),
        };
    }
    totals
}

//! `cargo xtask bench`: builds the release server and hands over to the load generator, which measures and reports.

use anyhow::Result;

use crate::{
    build::{self, Profile},
    debian::Scope,
    setup,
    step::{self, cargo},
};

/// The verb: its arguments go to the load generator as they are.
pub fn bench(arguments: &[String]) -> Result<()> {
    setup::setup(Scope::All)?;
    build::ui()?;
    let programs = build::programs(Profile::Release)?;
    step::run(
        "Building the load generator (release)",
        cargo().args(["build", "--locked", "--release", "-p", "tocsin-load", "--bins"]),
        "The messages above name the cause.",
    )?;
    step::run(
        "Measuring",
        cargo()
            .args(["run", "--locked", "--release", "--quiet", "-p", "tocsin-load", "--", "bench"])
            .args(arguments)
            .env("TOCSIN_BIN", &programs.tocsin)
            .env("TOCSIN_DESKTOP_BIN", &programs.desktop),
        "The messages above name the point that failed. More open files may be needed: ulimit -n 65536.",
    )
}

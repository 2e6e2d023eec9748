//! `cargo xtask build`: the UI, then both programs, which embed it.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{
    debian::Scope,
    repo, setup,
    step::{self, cargo, npm},
};

/// The two programs that make the app.
pub struct Programs {
    /// The resident, the server and the command line.
    pub tocsin: PathBuf,
    /// The window.
    pub desktop: PathBuf,
}

/// How to compile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Debug,
    /// What is shipped and measured.
    Release,
}

impl Profile {
    /// Reads `--release`; any other argument is refused.
    pub fn from_arguments(arguments: &[String]) -> Result<Self> {
        match arguments {
            [] => Ok(Self::Debug),
            [only] if only == "--release" => Ok(Self::Release),
            other => bail!("unknown arguments {other:?}: only --release is taken"),
        }
    }

    fn directory(self) -> &'static str {
        if self == Self::Release { "release" } else { "debug" }
    }
}

/// The verb.
pub fn build(arguments: &[String]) -> Result<()> {
    let profile = Profile::from_arguments(arguments)?;
    setup::setup(Scope::Build)?;
    ui()?;
    let programs = programs(profile)?;
    println!("\n{}\n{}", programs.tocsin.display(), programs.desktop.display());
    Ok(())
}

/// Builds `ui/dist`, which the server and the window embed at compile time: always before cargo.
pub fn ui() -> Result<()> {
    step::run(
        "Building the UI",
        npm().args(["run", "build"]),
        "The messages above name the file. If a package is missing: rm -r ui/node_modules target/xtask, then again.",
    )
}

/// Builds both programs.
pub fn programs(profile: Profile) -> Result<Programs> {
    let mut command = cargo();
    command.args(["build", "--locked", "-p", "tocsin-cli", "-p", "tocsin-desktop", "--bins"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    step::run(
        &format!("Building both programs ({}; the first time takes some minutes)", profile.directory()),
        &mut command,
        "The messages above name the cause. If a library is missing: cargo xtask setup.",
    )?;
    let directory = repo::target().join(profile.directory());
    Ok(Programs { tocsin: directory.join("tocsin"), desktop: directory.join("tocsin-desktop") })
}

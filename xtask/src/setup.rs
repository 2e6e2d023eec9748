//! `cargo xtask setup`: installs what is missing. A second run does nothing and takes no time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    debian::{self, Scope},
    repo,
    step::{self, npm},
};

/// Oldest Node.js that Vite of the lockfile runs on (`engines` in `ui/package.json`).
const NODE: (u32, u32) = (20, 19);

/// Installs what `scope` needs.
pub fn setup(scope: Scope) -> Result<()> {
    debian_packages(scope)?;
    node()?;
    npm_packages()?;
    if scope == Scope::All { independent_clients() } else { Ok(()) }
}

/// The programs of other people that the simulator of the WeChat platforms and webhooks are checked with.
fn independent_clients() -> Result<()> {
    for (krate, what) in [
        ("wechat-sim", "clients that check the WeChat simulator (wechatpy, @wecom/crypto)"),
        ("delivery", "library that checks webhooks (standardwebhooks)"),
    ] {
        let script = repo::root().join("crates").join(krate).join("tests/independent/setup.sh");
        step::run(
            &format!("Installing the independent {what}"),
            Command::new("sh").arg(script).env("TOCSIN_TARGET", repo::target()),
            "Check the network (pip download six; npm ping) and the free disk space, then run this again.",
        )?;
    }
    Ok(())
}

fn debian_packages(scope: Scope) -> Result<()> {
    if !debian::is_debian() {
        println!(
            "  not a Debian system: install the counterparts of these yourself\n  {}",
            debian::packages(scope).join(" ")
        );
        return Ok(());
    }
    let missing = debian::missing(&debian::packages(scope));
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("{}", only_root(&missing));
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    step::run(
        "Updating the list of Debian packages",
        apt().args(["update", "-q"]),
        "Check the network and /etc/apt/sources.list, then run this again.",
    )?;
    step::run(
        &format!("Installing {} Debian packages", missing.len()),
        apt().args(["install", "-y", "--no-install-recommends"]).args(&missing),
        &format!("If another apt runs, wait for it. Otherwise try it by hand: {}", by_hand(&missing)),
    )
}

/// The line that installs them.
fn by_hand(missing: &[&str]) -> String {
    format!("apt-get install -y --no-install-recommends {}", missing.join(" "))
}

/// What somebody without root can do.
fn only_root(missing: &[&str]) -> String {
    format!(
        "{} Debian packages are missing and only root can install them. Run this, then the same command again:\n\n  \
         sudo apt-get update && sudo {}\n",
        missing.len(),
        by_hand(missing)
    )
}

fn node() -> Result<()> {
    let remedy = "Install Node.js 20.19 or newer with npm: https://nodejs.org, or the packages of https://deb.nodesource.com";
    let version = step::output(Command::new("node").arg("--version")).context(remedy)?;
    if node_version(&version).is_none_or(|version| version < NODE) {
        bail!("Node.js {} is too old. {remedy}", version.trim());
    }
    step::output(npm().arg("--version")).context(remedy)?;
    Ok(())
}

/// Major and minor of `v20.19.1`.
fn node_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// `npm ci`, unless the packages of this very lockfile are there.
fn npm_packages() -> Result<()> {
    let lock = repo::ui().join("package-lock.json");
    if is_fresh(&stamp(), &lock)? && repo::ui().join("node_modules").is_dir() {
        return Ok(());
    }
    step::run(
        "Installing the UI's npm packages from the lockfile",
        npm().args(["ci", "--no-audit", "--no-fund"]),
        "Check the network (npm ping) and the free disk space, then run this again.",
    )?;
    let stamp = stamp();
    if let Some(parent) = stamp.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(&lock, stamp)?;
    Ok(())
}

/// A copy of the lockfile that `node_modules` was made from.
fn stamp() -> PathBuf {
    repo::target().join("xtask").join("package-lock.json")
}

fn is_fresh(stamp: &Path, source: &Path) -> Result<bool> {
    let wanted = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
    Ok(fs::read(stamp).is_ok_and(|made_from| made_from == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_root_there_is_one_line_to_paste() {
        let told = only_root(&["xvfb", "dunst"]);
        let line = "  sudo apt-get update && sudo apt-get install -y --no-install-recommends xvfb dunst";
        assert!(told.starts_with("2 Debian packages") && told.lines().any(|told| told == line), "{told}");
    }

    #[test]
    fn node_versions_compare_as_numbers() {
        assert!(node_version("v20.2.0\n").unwrap() < NODE);
        assert!(node_version("v20.20.2\n").unwrap() >= NODE);
        assert!(node_version("v22.1.0\n").unwrap() >= NODE);
        assert_eq!(node_version("nonsense"), None);
    }

    #[test]
    fn a_changed_or_absent_stamp_is_not_fresh() {
        let dir = tempfile::tempdir().unwrap();
        let (stamp, lock) = (dir.path().join("stamp"), dir.path().join("lock"));
        assert!(is_fresh(&stamp, &lock).is_err(), "no lockfile is an error, not a reason to skip");
        fs::write(&lock, "1").unwrap();
        assert!(!is_fresh(&stamp, &lock).unwrap());
        fs::write(&stamp, "1").unwrap();
        assert!(is_fresh(&stamp, &lock).unwrap());
        fs::write(&lock, "2").unwrap();
        assert!(!is_fresh(&stamp, &lock).unwrap());
    }
}

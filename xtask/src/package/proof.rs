//! Shows that the package works: installed into a clean root, started, upgraded while it runs, removed.
//!
//! The root has dpkg's database and nothing else; the libraries are the machine's. The desktop is a virtual one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tocsin_virtual_desktop::{Home, Running, VirtualDesktop, wait_for};

use super::{Compression, make};
use crate::{
    build::Programs,
    repo,
    resident::{Resident, runs_from},
    step,
};

/// A debug build on a busy machine included.
const PATIENCE: Duration = Duration::from_mins(1);

/// The proof, with these programs.
pub fn prove(programs: &Programs) -> Result<()> {
    let directory = repo::target().join("package-proof");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    let version = repo::version()?;
    let first = make(programs, &version, &directory, Compression::Quick)?;
    let second = make(programs, &format!("{version}+upgrade"), &directory, Compression::Quick)?;
    let root = Root::new(directory.join("clean"))?;
    let mut home = Home::new(directory.join("home"))?;
    let _desktop = VirtualDesktop::start(&mut home)?;
    let _end = EndsResident(&home);

    root.dpkg(&[Path::new("--install"), &first])?;
    println!("  installed {version}");
    let before = start(&root, &home)?;
    println!("  started: process {}, build {}", before.process, before.build);
    let window = window_by_resident(&root, &home)?;
    println!("  asked as a click in the tray asks: the resident started the window, process {window}");
    root.dpkg(&[Path::new("--install"), &second])?;
    ensure!(hello(&home)?["pid"] == before.process, "the upgrade ended the running resident");
    println!("  upgraded while it runs");
    let after = start(&root, &home)?;
    println!("  started again: process {}, build {}", after.process, after.build);
    ensure!(after.process != before.process && after.build != before.build, "the old resident still runs");
    ensure!(after.instance == before.instance, "the upgrade lost the data: another installation answers");
    root.dpkg(&[Path::new("--remove"), Path::new("tocsin")])?;
    wait_for("the resident to end on removal", PATIENCE, || hello(&home).is_err().then_some(()))?;
    ensure!(
        !root.program("tocsin").exists() && !root.program("tocsin-desktop").exists(),
        "removal left a program"
    );
    ensure!(after.data.is_dir(), "removal took the data in {}", after.data.display());
    println!("  removed; the data is still there");
    Ok(())
}

/// A clean root for dpkg.
struct Root(PathBuf);

impl Root {
    fn new(path: PathBuf) -> Result<Self> {
        let database = path.join("var/lib/dpkg");
        for directory in ["info", "updates", "triggers"] {
            fs::create_dir_all(database.join(directory))?;
        }
        for file in ["status", "available"] {
            fs::write(database.join(file), "")?;
        }
        Ok(Self(path))
    }

    fn dpkg(&self, arguments: &[&Path]) -> Result<()> {
        // No shell in the root to run a script in, no libraries to depend on; everything else is as usual.
        let mut command = Command::new("dpkg");
        command
            .arg(format!("--root={}", self.0.display()))
            .args(["--force-script-chrootless", "--force-depends", "--force-not-root", "--force-bad-path"])
            .args(arguments);
        step::output(&mut command).map(drop)
    }

    fn program(&self, name: &str) -> PathBuf {
        self.0.join("usr/bin").join(name)
    }
}

/// The resident has a session of its own and would outlive a proof that fails.
struct EndsResident<'a>(&'a Home);

impl Drop for EndsResident<'_> {
    fn drop(&mut self) {
        if let Ok((resident, _)) = Resident::find(self.0) {
            // The proof has failed already; its error is the one to tell.
            let _ = resident.ask("POST", "/native/quit", None);
        }
    }
}

/// What answers after a start.
struct Started {
    process: Value,
    build: Value,
    /// Name of the installation, kept in the server's database.
    instance: Value,
    data: PathBuf,
}

/// Starts the app as a person does, and waits until its server answers. The window is closed again.
fn start(root: &Root, home: &Home) -> Result<Started> {
    let mut command = home.command(root.program("tocsin-desktop"), "window")?;
    // The programs must find each other as they do when installed.
    command.env_remove("TOCSIN_BIN").env_remove("TOCSIN_DESKTOP_BIN");
    let mut window = Running::start("tocsin-desktop", &mut command)?;
    let (resident, hello) = wait_for("the resident that was started with the window", PATIENCE, || {
        let (resident, hello) = Resident::find(home).ok()?;
        // The old one answers until it has drained.
        runs_from(&hello, &root.program("tocsin")).then_some((resident, hello))
    })
    .with_context(|| {
        if window.has_ended() { "the window ended at once" } else { "the window is still there" }
    })?;
    resident.host()?;
    let me = wait_for("the server", PATIENCE, || resident.ask("GET", "/v1/me", None).ok())?;
    let status = resident.ask("GET", "/native/status", None)?;
    let data = PathBuf::from(status["data_dir"].as_str().context("the status names no data directory")?);
    Ok(Started {
        process: hello["pid"].clone(),
        build: hello["build"].clone(),
        instance: me["server"]["instance"].clone(),
        data,
    })
}

/// Lets the resident start the window, which must find its program as it does when installed: it was started without
/// variables that name it. The window is closed again.
fn window_by_resident(root: &Root, home: &Home) -> Result<u32> {
    let (resident, _) = Resident::find(home)?;
    wait_for("the first window to go", PATIENCE, || window(home).is_none().then_some(()))?;
    resident.ask("POST", "/native/window", Some(&json!({})))?;
    let (id, process) = wait_for("the window that the resident started", PATIENCE, || window(home))?;
    let program = fs::read_link(format!("/proc/{process}/exe"))?;
    ensure!(program == root.program("tocsin-desktop"), "the window runs from {}", program.display());
    step::output(home.command("wmctrl", "wmctrl")?.args(["-i", "-c", &id]))?;
    wait_for("that window to close", PATIENCE, || window(home).is_none().then_some(()))?;
    Ok(process)
}

/// The app's window and its process.
fn window(home: &Home) -> Option<(String, u32)> {
    let mut wmctrl = home.command("wmctrl", "wmctrl").ok()?;
    let list = step::output(wmctrl.args(["-l", "-p", "-x"]).stdout(Stdio::piped())).ok()?;
    // Window, desktop, process, class, computer, title.
    let line = list.lines().find(|line| line.contains("tocsin-desktop"))?;
    let mut words = line.split_whitespace();
    Some((words.next()?.to_owned(), words.nth(1)?.parse().ok()?))
}

fn hello(home: &Home) -> Result<Value> {
    Resident::find(home).map(|(_, hello)| hello)
}

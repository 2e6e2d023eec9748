//! Shows that the package works: installed into a clean root, started, upgraded while it runs, removed.
//!
//! The root has dpkg's database and nothing else; the libraries are the machine's. The desktop is a virtual one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tocsin_virtual_desktop::{Home, Running, VirtualDesktop, wait_for};

use super::{Compression, make};
use crate::{build::Programs, http, repo, run::control_socket, step};

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

    root.dpkg(&[Path::new("--install"), &first])?;
    println!("  installed {version}");
    let before = start(&root, &home)?;
    println!("  started: process {}, build {}", before.process, before.build);
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

/// What answers after a start.
struct Resident {
    process: Value,
    build: Value,
    /// Name of the installation, kept in the server's database.
    instance: Value,
    data: PathBuf,
}

/// Starts the app as a person does, and waits until its server answers. The window is closed again.
fn start(root: &Root, home: &Home) -> Result<Resident> {
    let mut command = home.command(root.program("tocsin-desktop"), "window")?;
    // The programs must find each other as they do when installed.
    command.env_remove("TOCSIN_BIN").env_remove("TOCSIN_DESKTOP_BIN");
    let mut window = Running::start("tocsin-desktop", &mut command)?;
    let hello = wait_for("the resident that was started with the window", PATIENCE, || {
        let hello = hello(home).ok()?;
        // The old one answers until it has drained.
        runs_from(&hello, &root.program("tocsin")).then_some(hello)
    })
    .with_context(|| {
        if window.has_ended() { "the window ended at once" } else { "the window is still there" }
    })?;
    let socket = control_socket(home.runtime()).context("no control socket")?;
    let status = http::expect(&socket, "GET", "/native/status", None)?;
    if status["mode"]["mode"] == "unset" {
        http::expect(&socket, "POST", "/native/host", Some(&serde_json::json!({})))?;
    }
    let me = wait_for("the server", PATIENCE, || http::expect(&socket, "GET", "/v1/me", None).ok())?;
    let data = PathBuf::from(status["data_dir"].as_str().context("the status names no data directory")?);
    Ok(Resident {
        process: hello["pid"].clone(),
        build: hello["build"].clone(),
        instance: me["server"]["instance"].clone(),
        data,
    })
}

fn hello(home: &Home) -> Result<Value> {
    http::expect(&control_socket(home.runtime()).context("no control socket")?, "GET", "/native/hello", None)
}

/// Whether the process of `hello` runs the file that is at `program` now.
fn runs_from(hello: &Value, program: &Path) -> bool {
    fs::read_link(format!("/proc/{}/exe", hello["pid"])).is_ok_and(|exe| exe == program)
}

//! Makes sure that a resident of the installed build runs.
//!
//! The resident must outlive the window and the terminal it was started from, so it gets a session of its own: the
//! variable [`DETACHED_ENV`] asks it to call `setsid` first thing (a child cannot be put into a session from outside
//! without unsafe code). Two starts at once are fine: the resident takes a lock, the second one ends and both clients
//! find the first.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};

use crate::{Client, DATA_DIR_ENV, Error, Paths, Result, build_of};

/// Asks the resident to leave the session of whoever started it.
pub const DETACHED_ENV: &str = "TOCSIN_DETACHED";

/// How long a start may take on a slow disk before it counts as failed.
const START_WAIT: Duration = Duration::from_secs(15);
/// How long an old resident may drain: its own deadline is 10 s.
const DRAIN_WAIT: Duration = Duration::from_secs(12);
/// Between two looks at the socket while waiting: below what a person notices.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Starts `program tray` for these paths, in its own session, with no terminal.
pub fn spawn_resident(program: &Path, paths: &Paths) -> Result<()> {
    let mut command = Command::new(program);
    command
        .arg("tray")
        .env(DETACHED_ENV, "1")
        // The token belongs to the window that is about to open, not to the resident.
        .env_remove("XDG_ACTIVATION_TOKEN")
        .env_remove("DESKTOP_STARTUP_ID")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if paths.is_overridden() {
        // Whether it came as a flag or as a relative path: the resident has neither.
        command.env(DATA_DIR_ENV, &paths.data);
    }
    let mut child = command.spawn().map_err(Error::io(format!("cannot start {}", program.display())))?;
    // Collected when it ends, or it would stay a zombie for as long as this program runs.
    let reaper = std::thread::Builder::new().name("reaper".into()).stack_size(64 * 1024);
    reaper.spawn(move || child.wait()).map_err(Error::io("cannot start a thread"))?;
    Ok(())
}

/// A client of a running resident of the build in `program`: starts one if there is none, and lets one of another
/// build drain first.
pub async fn ensure_resident(program: &Path, paths: &Paths) -> Result<Client> {
    let client = Client::resident(paths);
    match client.hello().await {
        Ok(hello) if build_of(program).is_none_or(|build| build == hello.build) => return Ok(client),
        Ok(hello) => {
            tracing::info!(old = %hello.build, "another build is running: asking it to end");
            replace(&client).await?;
        }
        Err(error) if error.is_not_running() => {}
        Err(error) => return Err(error),
    }
    spawn_resident(program, paths)?;
    wait_until_running(&client).await?;
    Ok(client)
}

async fn replace(client: &Client) -> Result<()> {
    client.quit().await?;
    let deadline = Instant::now() + DRAIN_WAIT;
    while !matches!(timeout_at(deadline, client.hello()).await, Ok(Err(error)) if error.is_not_running()) {
        if Instant::now() >= deadline {
            return Err(Error::Timeout(DRAIN_WAIT.as_secs()));
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

async fn wait_until_running(client: &Client) -> Result<()> {
    let deadline = Instant::now() + START_WAIT;
    loop {
        match timeout_at(deadline, client.hello()).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.is_not_running() && Instant::now() < deadline => sleep(LOOK_AGAIN).await,
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(Error::Timeout(START_WAIT.as_secs())),
        }
    }
}

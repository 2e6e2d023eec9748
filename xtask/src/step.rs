//! One step of a verb: an announced command, and what to do when it fails.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

/// Says what comes next.
pub fn say(what: &str) {
    println!("\n▸ {what}");
}

/// Runs `command` with its output on the terminal; on failure the error ends with `remedy`.
pub fn run(what: &str, command: &mut Command, remedy: &str) -> Result<()> {
    say(what);
    let started = Instant::now();
    // No step may wait for an answer: CI has nobody at its standard input.
    let status = command.stdin(Stdio::null()).status().with_context(|| {
        format!("{what}: cannot start {}\n  {remedy}", command.get_program().to_string_lossy())
    })?;
    if !status.success() {
        bail!("{what}: {} ended with {status}\n  {remedy}", command.get_program().to_string_lossy());
    }
    println!("  done in {} s", started.elapsed().as_secs());
    Ok(())
}

/// Runs `command` quietly and returns what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `program` is found on the PATH.
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// The cargo that runs this program, in the root of the repository.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::repo::root());
    command
}

/// npm in the UI's directory.
pub fn npm() -> Command {
    let mut command = Command::new("npm");
    command.current_dir(crate::repo::ui());
    command
}

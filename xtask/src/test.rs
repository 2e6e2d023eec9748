//! `cargo xtask test`: every test there is, and at the very end one line `N passed, N failed`.
//!
//! Nothing stops at the first failure: a person wants the whole list. A runner that crashes, or ends well without
//! having counted a single test, is a failure. Needs neither a display nor a session bus: the desktop tests bring
//! their own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    build::{self, Profile, Programs},
    check,
    debian::Scope,
    package, repo, setup,
    step::{self, cargo, npm},
    totals::{self, Count, Totals},
};

/// The verb.
pub fn test(arguments: &[String]) -> Result<()> {
    let fast = match arguments {
        [] => false,
        [only] if only == "--fast" => true,
        other => bail!("unknown arguments {other:?}: only --fast is taken"),
    };
    let started = Instant::now();
    // Without these nothing else can run, so their failure ends the run; it still closes with a total.
    let prepared = setup::setup(if fast { Scope::Build } else { Scope::All }).and_then(|()| build::ui());
    let totals = match prepared {
        Ok(()) => everything(fast),
        Err(error) => check::one(Err(error)),
    };
    println!("\nafter {} min", started.elapsed().as_secs().div_ceil(60));
    println!("{} passed, {} failed", totals.passed, totals.failed);
    std::io::stdout().flush()?;
    // The total is the last line: no error message after it.
    std::process::exit(i32::from(totals.failed > 0));
}

fn everything(fast: bool) -> Totals {
    let mut totals = Totals::default();
    totals += counted("Testing the UI", npm().args(["test"]), totals::vitest);
    if !fast {
        totals += check::all();
    }
    // Built before any test: some tests of `crates/` start the other program too.
    let programs = match if fast { Ok(built()) } else { build::programs(Profile::Debug) } {
        Ok(programs) => programs,
        Err(error) => {
            totals += check::one(Err(error));
            built()
        }
    };
    totals += check::one(examples());
    totals += counted("Testing every crate, without GTK and WebKit", &mut crates(&programs), totals::cargo);
    if !fast {
        totals += counted("Testing the app on a desktop", &mut desktop(&programs), totals::cargo);
        totals += check::one(page_behind_proxies(&programs));
        totals += check::one(every_view());
        step::say("Testing the package: install, start, upgrade while it runs, remove");
        totals += check::one(package::prove(&programs));
    }
    totals
}

fn built() -> Programs {
    let directory = repo::target().join("debug");
    Programs { tocsin: directory.join("tocsin"), desktop: directory.join("tocsin-desktop") }
}

/// Doc tests are left out: the examples of this project are its tests.
fn cargo_test(programs: &Programs) -> Command {
    let mut command = cargo();
    command
        .args(["test", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"])
        .env("TOCSIN_BIN", &programs.tocsin)
        .env("TOCSIN_DESKTOP_BIN", &programs.desktop);
    command
}

fn crates(programs: &Programs) -> Command {
    let mut command = cargo_test(programs);
    without_system_libraries(&mut command);
    command
}

/// Programs that tests start. `cargo test` builds them by itself only when it is asked for doc tests too, and with
/// `--examples` it builds test harnesses in their place.
fn examples() -> Result<()> {
    let mut command = cargo();
    command.args(["build", "--locked", "--examples"]);
    without_system_libraries(&mut command);
    step::run(
        "Building the programs that the tests of the crates start",
        &mut command,
        "read the compiler's message",
    )
}

/// Every crate, with a `pkg-config` that finds nothing: the proof that nothing here needs a system library.
fn without_system_libraries(command: &mut Command) {
    command.args(["--workspace", "--exclude", "tocsin-desktop"]).env("PKG_CONFIG", "/bin/false");
}

/// One after the other: each brings a whole desktop, and CI has two cores.
fn desktop(programs: &Programs) -> Command {
    let mut command = cargo_test(programs);
    command.args(["-p", "tocsin-desktop", "--", "--test-threads=1"]);
    for inherited in ["DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"] {
        // A test must not reach the desktop of the person who runs it.
        command.env_remove(inherited);
    }
    command
}

/// One long story, so it counts as one test.
fn page_behind_proxies(programs: &Programs) -> Result<()> {
    let mut story = npm();
    story.args(["run", "--silent", "test:browser"]).env("TOCSIN_BIN", &programs.tocsin);
    let remedy = "the last step that it printed is the one that waited in vain";
    step::run("Testing the page behind proxies that break its streams", &mut limited(&story), remedy)
}

/// Every view in both languages, over a server in memory: no complaint of the browser, nothing too wide, accessible by
/// axe's rules. Counts as one test; what it saw stays in `tests/output/views` to be looked at.
fn every_view() -> Result<()> {
    let remedy = "each line above names a picture; by hand: cd ui && npm run demo && npm run look";
    step::run("Building the page with a server in memory", npm().args(["run", "--silent", "demo"]), remedy)?;
    let mut look = npm();
    look.args(["run", "--silent", "look"]).env("TOCSIN_PICTURES", repo::root().join("tests/output/views"));
    step::run("Looking at every view in both languages", &mut limited(&look), remedy)
}

/// A runner that takes longer hangs. Far above what the slowest needs on two cores, well below CI's own limit, so that
/// the total is still printed.
const RUNNER_MINUTES: u32 = 30;

/// The same command, ended with all its children when it hangs. Only where nobody can press Ctrl+C: `timeout` takes the
/// command out of the terminal's process group.
fn limited(command: &Command) -> Command {
    let mut limited = Command::new("timeout");
    limited.args(["--kill-after=10", &format!("{RUNNER_MINUTES}m")]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        limited.current_dir(directory);
    }
    limited
}

/// Runs a test runner, passing on what it prints, and counts.
fn counted(what: &str, command: &mut Command, count: Count) -> Totals {
    step::say(what);
    let started = Instant::now();
    let outcome = if std::env::var_os("CI").is_some() {
        run_counted(&mut limited(command), count)
    } else {
        run_counted(command, count)
    };
    match outcome {
        Ok(totals) => {
            let (passed, failed, seconds) = (totals.passed, totals.failed, started.elapsed().as_secs());
            println!("  {what}: {passed} passed, {failed} failed, in {seconds} s");
            totals
        }
        Err(error) => check::one(Err(error)),
    }
}

fn run_counted(command: &mut Command, count: Count) -> Result<Totals> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut runner = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let output = BufReader::new(runner.stdout.take().context("the runner has no output")?);
    let mut counted: Option<Totals> = None;
    for line in output.split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        if let Some(totals) = count(&totals::plain(line.trim_end())) {
            *counted.get_or_insert_default() += totals;
        }
    }
    let status = runner.wait()?;
    Ok(totals::settle(counted, status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Totals {
        run_counted(Command::new("sh").args(["-c", script]), totals::cargo).unwrap()
    }

    #[test]
    fn counts_all_binaries_of_a_run() {
        let line = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(shell(&format!("echo '{line}'; echo '{line}'")), Totals { passed: 4, failed: 0 });
    }

    #[test]
    fn a_limited_command_is_the_same_command() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "test \"$LIMITED_TEST\" = yes && pwd"])
            .env("LIMITED_TEST", "yes")
            .current_dir("/");
        assert_eq!(step::output(&mut limited(&command)).unwrap().trim(), "/");
    }

    #[test]
    fn a_killed_runner_is_a_failure() {
        let line = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(shell(&format!("echo '{line}'; kill -9 $$")), Totals { passed: 2, failed: 1 });
        assert_eq!(shell("exit 0"), Totals { passed: 0, failed: 1 });
    }
}

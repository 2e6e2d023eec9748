//! Starting Tocsin again while its window is open brings that window to the front and ends. Two starts in the same
//! moment, with nothing running, make one resident and one window.

mod support;

use std::{fmt::Write as _, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::{App, PATIENCE, output, program};
use tocsin_control::Client;
use tocsin_virtual_desktop::{Home, Running, VirtualDesktop, screen, wait_for};

#[test]
fn a_second_start_brings_the_window_to_the_front_and_ends() -> Result<()> {
    let app = App::hosting("en_US.UTF-8")?;
    let first = start(&app.home, "first")?;
    app.wait_window()?;
    wait_front(&app.home, first.id())?;
    app.window_picture("second-start-1-open")?;

    // Something of another program covers it.
    let cover = Running::start(
        "display",
        app.home.command("display", "cover")?.args(["-size", "1200x700", "xc:steelblue"]),
    )?;
    wait("another window to be in front", &app.home, || {
        // It names no process, as many X programs.
        (front(&app.home) != Some(first.id())).then_some(())
    })?;
    app.picture("second-start-2-covered")?;

    let mut second = start(&app.home, "second")?;
    wait_ended(&mut second, &app.home, "second")?;
    wait_front(&app.home, first.id())?;
    app.window_picture("second-start-3-in-front")?;
    drop(cover);

    // The same for one that was minimised.
    let mut xdotool = app.home.command("xdotool", "xdotool")?;
    ensure!(xdotool.args(["getactivewindow", "windowminimize", "--sync"]).status()?.success());
    wait("it to be minimised", &app.home, || (front(&app.home) != Some(first.id())).then_some(()))?;
    let mut third = start(&app.home, "third")?;
    wait_ended(&mut third, &app.home, "third")?;
    wait_front(&app.home, first.id())?;
    one_window(&app.home)
}

#[test]
fn two_starts_at_once_make_one_resident_and_one_window() -> Result<()> {
    let dir = tempfile::Builder::new().prefix("tocsin-app").tempdir()?;
    let mut home = Home::new(dir.path().join("h"))?;
    home.set("LANG", "en_US.UTF-8");
    for variable in ["TOCSIN_BIN", "TOCSIN_DESKTOP_BIN"] {
        home.set(variable, program(variable).display().to_string());
    }
    let _desktop = VirtualDesktop::start(&mut home)?;
    let mut both = [start(&home, "one")?, start(&home, "other")?];
    // The resident lives in a session of its own and outlives those who started it.
    let resident = Resident::of(&home)?;
    wait("one of them to show the window", &home, || {
        windows(&home).ok().filter(|count| *count > 0).map(drop)
    })?;
    let stays = wait("the other to end", &home, || {
        let ended: Vec<bool> = both.iter_mut().map(Running::has_ended).collect();
        ended.contains(&true).then(|| ended.iter().position(|ended| !ended))
    })?;
    let stays = stays.with_context(|| format!("both ended\n{}", scene(&home)))?;
    wait_front(&home, both[stays].id())?;
    one_window(&home)?;
    let pid = resident.pid().with_context(|| scene(&home))?;
    let mut again = start(&home, "again")?;
    wait_ended(&mut again, &home, "again")?;
    ensure!(resident.pid()? == pid, "another resident\n{}", scene(&home));
    screen::settled_screenshot(&home, &output("second-start-4-at-once.png"))
}

fn start(home: &Home, name: &str) -> Result<Running> {
    Running::start("tocsin-desktop", &mut home.command(program("TOCSIN_DESKTOP_BIN"), name)?)
}

fn wait_ended(process: &mut Running, home: &Home, name: &str) -> Result<()> {
    wait(&format!("the start {name:?} to end"), home, || process.has_ended().then_some(()))?;
    let said = std::fs::read_to_string(home.join(&format!("{name}.log")))?;
    ensure!(!said.contains("tocsin-desktop:"), "it failed\n{}", scene(home));
    Ok(())
}

fn wait_front(home: &Home, id: u32) -> Result<()> {
    wait(&format!("the window of process {id} to be in front"), home, || {
        (front(home) == Some(id)).then_some(())
    })
}

/// Looks until it is so; a failure tells what there was instead.
fn wait<T>(what: &str, home: &Home, ready: impl FnMut() -> Option<T>) -> Result<T> {
    wait_for(what, PATIENCE, ready).with_context(|| scene(home))
}

fn one_window(home: &Home) -> Result<()> {
    let count = windows(home)?;
    ensure!(count == 1, "{count} windows\n{}", scene(home));
    Ok(())
}

/// What every start and the resident said, and the windows there are.
fn scene(home: &Home) -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let mut scene = format!("in front: process {:?}\n", front(home));
    for name in ["first", "second", "third", "one", "other", "again"] {
        let said = read(home.join(&format!("{name}.log")));
        if !said.is_empty() {
            _ = writeln!(scene, "{name} said:\n{said}");
        }
    }
    _ = writeln!(scene, "windows:\n{}", window_list(home).unwrap_or_else(|error| error.to_string()));
    let log = support::paths(home).map(|paths| read(paths.log_file())).unwrap_or_default();
    scene + &format!("resident's log:\n{log}")
}

/// Process id behind the active window.
fn front(home: &Home) -> Option<u32> {
    let mut xdotool = home.command("xdotool", "xdotool").ok()?;
    let output = xdotool.args(["getactivewindow", "getwindowpid"]).stdout(Stdio::piped()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// How many windows of the program there are.
fn windows(home: &Home) -> Result<usize> {
    let program = program("TOCSIN_DESKTOP_BIN");
    let class = program.file_name().context("no program name")?.to_string_lossy().into_owned();
    Ok(window_list(home)?.lines().filter(|line| line.contains(&class)).count())
}

fn window_list(home: &Home) -> Result<String> {
    let list = home.command("wmctrl", "wmctrl")?.args(["-l", "-p", "-x"]).stdout(Stdio::piped()).output()?;
    Ok(String::from_utf8_lossy(&list.stdout).into_owned())
}

/// A resident that nobody here started; ended with the test.
struct Resident {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Resident {
    fn of(home: &Home) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, client: Client::resident(&support::paths(home)?) })
    }

    fn pid(&self) -> Result<Value> {
        let hello = support::api::control(&self.runtime, &self.client, "GET", "/native/hello", &Value::Null)?;
        Ok(hello["pid"].clone())
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let _ = support::api::control(&self.runtime, &self.client, "POST", "/native/quit", &Value::Null);
    }
}

//! Eyes and hands on the virtual screen: pictures, clicks, buttons of notifications.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{Home, wait_for};

/// Middle of the first icon in the panel's tray, which stands at the left end of the panel.
const TRAY_ICON: (u16, u16) = (16, 16);

/// Takes a picture of the whole screen.
pub fn screenshot(home: &Home, file: &Path) -> Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    run(home.command("import", "import")?.args(["-window", "root"]).arg(file))
}

/// Takes a picture when the screen has come to rest with something on it: two looks in a row see the same, and
/// below the titles are more colours than in an empty window.
pub fn settled_screenshot(home: &Home, file: &Path) -> Result<()> {
    let mut before = Vec::new();
    wait_for("the screen to come to rest", PATIENCE, || {
        let now = pixels(home).ok()?;
        let rests = now == before && colours(&now) >= DRAWN_COLOURS;
        before = now;
        rests.then_some(())
    })?;
    screenshot(home, file)
}

/// Time for a page to load and draw.
const PATIENCE: Duration = Duration::from_secs(20);
/// Text has grey steps of every tint; the empty part of a window has a handful.
const DRAWN_COLOURS: usize = 100;

/// The whole screen, three bytes a pixel.
fn pixels(home: &Home) -> Result<Vec<u8>> {
    let mut import = home.command("import", "import")?;
    let output = import.args(["-window", "root", "-depth", "8", "rgb:-"]).stdout(Stdio::piped()).output()?;
    ensure!(output.status.success(), "import ended with {}", output.status);
    Ok(output.stdout)
}

fn colours(pixels: &[u8]) -> usize {
    // The panel, a window's title and its "Loading…", and a notification are above this.
    let below_titles = pixels.len() / 5;
    pixels[below_titles..].chunks_exact(3).collect::<HashSet<_>>().len()
}

/// Clicks the tray icon; button 1 is the left one, 3 the right one.
pub fn click_tray(home: &Home, button: u8) -> Result<()> {
    let (x, y) = TRAY_ICON;
    click(home, x, y, button)
}

/// Clicks anywhere.
pub fn click(home: &Home, x: u16, y: u16, button: u8) -> Result<()> {
    let mut xdotool = home.command("xdotool", "xdotool")?;
    run(xdotool.args(["mousemove", &x.to_string(), &y.to_string(), "click", &button.to_string()]))
}

/// Whether a menu of the tray is open: a window of that type is on the screen, of the process that the panel runs the
/// tray in.
pub fn is_menu_open(home: &Home) -> Result<bool> {
    let read = |command: &mut Command| -> Result<String> {
        Ok(String::from_utf8_lossy(&command.stdout(Stdio::piped()).output()?.stdout).into_owned())
    };
    let mut search = home.command("xdotool", "xdotool")?;
    let windows = read(search.args(["search", "--onlyvisible", "--class", "wrapper-2.0"]))?;
    for window in windows.lines() {
        let mut xprop = home.command("xprop", "xprop")?;
        let types = read(xprop.args(["-id", window, "_NET_WM_WINDOW_TYPE"]))?;
        if types.contains("_MENU") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Presses a key, by its X name.
pub fn key(home: &Home, name: &str) -> Result<()> {
    run(home.command("xdotool", "xdotool")?.args(["key", name]))
}

/// Presses the button `label` of a notification that is on the screen, through dunst's own menu: dunst asks a menu
/// program, which here answers at once with what was asked for.
pub fn press_notification(home: &Home, label: &str) -> Result<()> {
    fs::write(home.join("dunst-choice"), label)?;
    run(home.command("dunstctl", "dunstctl")?.arg("context"))
}

/// How many notifications are on the screen or waiting for it.
pub fn notifications_on_screen(home: &Home) -> Result<usize> {
    let mut sum = 0;
    for state in ["displayed", "waiting"] {
        let output = home
            .command("dunstctl", "dunstctl")?
            .args(["count", state])
            .stdout(Stdio::piped())
            .output()
            .context("cannot start dunstctl")?;
        sum += String::from_utf8(output.stdout)?.trim().parse::<usize>().context("dunst does not answer")?;
    }
    Ok(sum)
}

/// Closes all notifications; all that were ever closed, each as it last was, as dunst's JSON.
pub fn close_notifications(home: &Home) -> Result<String> {
    run(home.command("dunstctl", "dunstctl")?.arg("close-all"))?;
    let output = home.command("dunstctl", "dunstctl")?.arg("history").stdout(Stdio::piped()).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}

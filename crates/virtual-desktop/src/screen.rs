//! Eyes and hands on the virtual screen: pictures, clicks, buttons of notifications.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::Home;

/// Middle of the first icon in the panel's tray, which stands at the left end of the panel.
const TRAY_ICON: (u16, u16) = (16, 16);

/// Takes a picture of the whole screen.
pub fn screenshot(home: &Home, file: &Path) -> Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    run(home.command("import", "import")?.args(["-window", "root"]).arg(file))
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
            .stdout(std::process::Stdio::piped())
            .output()
            .context("cannot start dunstctl")?;
        sum += String::from_utf8(output.stdout)?.trim().parse::<usize>().context("dunst does not answer")?;
    }
    Ok(sum)
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}

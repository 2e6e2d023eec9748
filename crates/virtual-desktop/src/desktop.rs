//! X server, session bus, keyring, window manager, panel with a tray, notification daemon.

use std::{
    fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Stdio, time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{Home, Running, bus, wait_for};

const DUNST: &str = include_str!("dunstrc");
const PANEL: &str = include_str!("xfce4-panel.xml");

/// The virtual desktop.
pub struct VirtualDesktop {
    // Ended in this order: what uses the display and the bus before those.
    _parts: Vec<Running>,
    notifications: PathBuf,
    seen: usize,
}

impl VirtualDesktop {
    /// Starts it and adds its variables to `home`.
    pub fn start(home: &mut Home) -> Result<Self> {
        let mut display = Running::start(
            "Xvfb",
            home.command("Xvfb", "xvfb")?
                .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
                .stdout(Stdio::piped()),
        )?;
        home.set("DISPLAY", format!(":{}", display.first_line()?));
        for (variable, value) in [
            ("XDG_CURRENT_DESKTOP", "XFCE"),
            ("GDK_BACKEND", "x11"),
            ("LIBGL_ALWAYS_SOFTWARE", "1"),
            ("NO_AT_BRIDGE", "1"),
            ("WAYLAND_DISPLAY", ""),
        ] {
            home.set(variable, value);
        }
        home.set("HOME", home.join("home").display().to_string());
        fs::create_dir_all(home.join("home"))?;

        let mut session_bus = Running::start(
            "dbus-daemon",
            home.command("dbus-daemon", "dbus")?
                .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
                .arg(format!("--address=unix:path={}", home.runtime().join("bus").display()))
                .stdout(Stdio::piped()),
        )?;
        home.set("DBUS_SESSION_BUS_ADDRESS", session_bus.first_line()?);

        let keyring = keyring(home)?;
        let notifications = configure(home)?;
        let windows = Running::start("xfwm4", home.command("xfwm4", "xfwm4")?.arg("--compositor=off"))?;
        let configuration = home.join("dunstrc");
        let dunst =
            Running::start("dunst", home.command("dunst", "dunst")?.arg("-config").arg(configuration))?;
        let panel =
            Running::start("xfce4-panel", home.command("xfce4-panel", "panel")?.arg("--disable-wm-check"))?;
        let desktop = Self {
            _parts: vec![panel, dunst, windows, keyring, session_bus, display],
            notifications,
            seen: 0,
        };
        Self::wait_until_owned(home)?;
        Ok(desktop)
    }

    /// The notification daemon and the tray take their names some time after they were started.
    fn wait_until_owned(home: &Home) -> Result<()> {
        for (name, part) in [
            ("org.freedesktop.Notifications", "the notification daemon"),
            ("org.kde.StatusNotifierWatcher", "the tray of the panel"),
            ("org.freedesktop.secrets", "the keyring"),
        ] {
            wait_for(&format!("{part} ({name})"), Duration::from_secs(20), || {
                bus::is_owned(home, name).then_some(())
            })?;
        }
        Ok(())
    }

    /// Notifications that were shown since the last call: title and body on one line each.
    pub fn new_notifications(&mut self) -> Vec<String> {
        let text = fs::read_to_string(&self.notifications).unwrap_or_default();
        // A line that is still being written is left for the next call.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines: Vec<String> = whole.lines().skip(self.seen).map(Into::into).collect();
        self.seen += lines.len();
        lines
    }
}

/// An empty, unlocked keyring.
fn keyring(home: &Home) -> Result<Running> {
    let mut keyring = Running::start(
        "gnome-keyring-daemon",
        home.command("gnome-keyring-daemon", "keyring")?
            .args(["--foreground", "--unlock", "--components=secrets"])
            .stdin(Stdio::piped()),
    )?;
    // Protects nothing: the keyring of a throwaway desktop.
    keyring.child.stdin.take().context("the keyring takes no password")?.write_all(b"virtual-desktop")?;
    Ok(keyring)
}

/// Writes the settings of panel and notification daemon; returns the file that lists what was shown.
fn configure(home: &Home) -> Result<PathBuf> {
    let shown = home.join("notifications.txt");
    fs::write(&shown, "")?;
    let script = home.join("shown");
    // dunst passes application, title, body, icon and urgency.
    fs::write(
        &script,
        format!(
            "#!/bin/sh\nprintf '%s — %s\\n' \"$2\" \"$(printf '%s' \"$3\" | tr '\\n' ' ')\" >> '{}'\n",
            shown.display()
        ),
    )?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let chooser = home.join("choose");
    // dunst's menu has lines like `#Acknowledge (Disk full) [7,acknowledge]`.
    let choice = home.join("dunst-choice");
    fs::write(&chooser, format!("#!/bin/sh\ngrep -m 1 -F \"#$(cat '{}') \"\n", choice.display()))?;
    fs::set_permissions(&chooser, fs::Permissions::from_mode(0o755))?;
    let settings = DUNST
        .replace("SCRIPT", &script.display().to_string())
        .replace("CHOOSER", &chooser.display().to_string());
    fs::write(home.join("dunstrc"), settings)?;
    let panel = home.join("config/xfce4/xfconf/xfce-perchannel-xml");
    fs::create_dir_all(&panel)?;
    fs::write(panel.join("xfce4-panel.xml"), PANEL)?;
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_lines_are_new() {
        let dir = tempfile::tempdir().unwrap();
        let notifications = dir.path().join("shown");
        let mut desktop = VirtualDesktop { _parts: vec![], notifications: notifications.clone(), seen: 0 };
        assert!(desktop.new_notifications().is_empty());
        fs::write(&notifications, "one\ntw").unwrap();
        assert_eq!(desktop.new_notifications(), ["one"]);
        fs::write(&notifications, "one\ntwo\n").unwrap();
        assert_eq!(desktop.new_notifications(), ["two"]);
        assert!(desktop.new_notifications().is_empty());
    }
}

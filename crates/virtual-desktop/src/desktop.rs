//! X server, session bus, keyring, window manager, panel with a tray, notification daemon.

use std::{
    fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Stdio, time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{Home, Running, bus, wait_for};

const DUNST: &str = include_str!("dunstrc");
const SESSION: &str = include_str!("session.conf");
/// Starts the settings daemon that the panel reads from.
const SETTINGS_SERVICE: &str = "/usr/share/dbus-1/services/org.xfce.Xfconf.service";
const PANEL: &str = include_str!("xfce4-panel.xml");

/// A part of a desktop that can be missing, come late, be frozen or crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Window manager (xfwm4).
    Windows,
    /// Keyring (gnome-keyring), empty and unlocked.
    Keyring,
    /// Notification daemon (dunst).
    Notifications,
    /// Panel with a tray (xfce4-panel).
    Panel,
}

impl Part {
    /// What a whole desktop has.
    const ALL: [Self; 4] = [Self::Windows, Self::Keyring, Self::Notifications, Self::Panel];

    /// The bus name that says it is there; a window manager has none.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Windows => None,
            Self::Keyring => Some("org.freedesktop.secrets"),
            Self::Notifications => Some("org.freedesktop.Notifications"),
            Self::Panel => Some("org.kde.StatusNotifierWatcher"),
        }
    }

    fn launch(self, home: &Home) -> Result<Running> {
        match self {
            Self::Windows => Running::start("xfwm4", home.command("xfwm4", "xfwm4")?.arg("--compositor=off")),
            Self::Keyring => keyring(home),
            Self::Notifications => {
                let configuration = home.join("dunstrc");
                Running::start("dunst", home.command("dunst", "dunst")?.arg("-config").arg(configuration))
            }
            Self::Panel => {
                Running::start("xfce4-panel", home.command("xfce4-panel", "panel")?.arg("--disable-wm-check"))
            }
        }
    }
}

/// The virtual desktop.
pub struct VirtualDesktop {
    // Ended in this order: what uses the display and the bus before those.
    parts: Vec<(Part, Running)>,
    _bus: Running,
    _display: Running,
    notifications: PathBuf,
    seen: usize,
}

impl VirtualDesktop {
    /// Starts a whole one and adds its variables to `home`.
    pub fn start(home: &mut Home) -> Result<Self> {
        Self::with(home, &Part::ALL)
    }

    /// Starts one that has these parts only.
    pub fn with(home: &mut Home, parts: &[Part]) -> Result<Self> {
        let display = display(home)?;
        let bus = session_bus(home)?;
        let notifications = configure(home)?;
        let mut desktop = Self { parts: Vec::new(), _bus: bus, _display: display, notifications, seen: 0 };
        for part in parts {
            desktop.parts.push((*part, part.launch(home)?));
        }
        for part in parts {
            wait_until_there(home, *part)?;
        }
        Ok(desktop)
    }

    /// Starts a part that is missing and waits until it is there.
    pub fn begin(&mut self, home: &Home, part: Part) -> Result<()> {
        self.parts.push((part, part.launch(home)?));
        wait_until_there(home, part)
    }

    /// Ends a part as a crash would.
    pub fn crash(&mut self, part: Part) {
        for (_, process) in self.parts.iter_mut().filter(|(other, _)| *other == part) {
            process.kill();
        }
        self.parts.retain(|(other, _)| *other != part);
    }

    /// Stops a part from answering, without ending it.
    pub fn freeze(&self, part: Part) -> Result<()> {
        self.signal(part, rustix::process::Signal::STOP)
    }

    /// Lets it go on.
    pub fn thaw(&self, part: Part) -> Result<()> {
        self.signal(part, rustix::process::Signal::CONT)
    }

    fn signal(&self, part: Part, signal: rustix::process::Signal) -> Result<()> {
        let (_, process) =
            self.parts.iter().find(|(other, _)| *other == part).context("this part is missing")?;
        process.signal(signal)
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

fn display(home: &mut Home) -> Result<Running> {
    // Without `-noreset` the server starts anew when its last client goes, and whoever connects meanwhile is refused: a
    // look at the screen before the first part is connected would take the display from under it.
    let mut display = Running::start(
        "Xvfb",
        home.command("Xvfb", "xvfb")?
            .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"])
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
    Ok(display)
}

fn session_bus(home: &mut Home) -> Result<Running> {
    let configuration = home.join("session.conf");
    let socket = home.runtime().join("bus").display().to_string();
    let services = home.join("services");
    fs::create_dir_all(&services)?;
    fs::copy(SETTINGS_SERVICE, services.join("settings.service")).context("the package xfconf is missing")?;
    let services = services.display().to_string();
    fs::write(&configuration, SESSION.replace("SOCKET", &socket).replace("SERVICES", &services))?;
    let mut bus = Running::start(
        "dbus-daemon",
        home.command("dbus-daemon", "dbus")?
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .arg(format!("--config-file={}", configuration.display()))
            .stdout(Stdio::piped()),
    )?;
    home.set("DBUS_SESSION_BUS_ADDRESS", bus.first_line()?);
    Ok(bus)
}

/// Parts take their names some time after they were started.
fn wait_until_there(home: &Home, part: Part) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(20);
    match part.name() {
        Some(name) => {
            wait_for(&format!("{part:?} ({name})"), PATIENCE, || bus::is_owned(home, name).then_some(()))
        }
        // A window that opens before there is a manager never gets the keyboard.
        None => wait_for("the window manager", PATIENCE, || manages(home).then_some(())),
    }
}

/// Whether a window manager runs: it says so at the root window.
fn manages(home: &Home) -> bool {
    let said = home.command("xprop", "xprop").and_then(|mut xprop| {
        Ok(xprop.args(["-root", "_NET_SUPPORTING_WM_CHECK"]).stdout(Stdio::piped()).output()?.stdout)
    });
    said.is_ok_and(|said| String::from_utf8_lossy(&said).contains("window id"))
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
    use std::process::Command;

    use super::*;

    #[test]
    fn only_finished_lines_are_new() {
        let dir = tempfile::tempdir().unwrap();
        let notifications = dir.path().join("shown");
        let sleeper = || Running::start("sleep", Command::new("sleep").arg("1000")).unwrap();
        let mut desktop = VirtualDesktop {
            parts: vec![],
            _bus: sleeper(),
            _display: sleeper(),
            notifications: notifications.clone(),
            seen: 0,
        };
        assert!(desktop.new_notifications().is_empty());
        fs::write(&notifications, "one\ntw").unwrap();
        assert_eq!(desktop.new_notifications(), ["one"]);
        fs::write(&notifications, "one\ntwo\n").unwrap();
        assert_eq!(desktop.new_notifications(), ["two"]);
        assert!(desktop.new_notifications().is_empty());
    }
}

//! A desktop without a screen, for `cargo xtask run` on a machine that has none: X server, session bus, keyring,
//! window manager, panel with a tray, notification daemon.
//!
//! Everything lives in one directory of its own, so that nothing of the person's desktop is read or changed, and every
//! process is ended by its id when this is dropped.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How long a process has to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at something that is waited for.
pub const GLANCE: Duration = Duration::from_millis(100);

/// A process that ends when this is dropped.
pub struct Running {
    name: String,
    child: Child,
}

impl Running {
    /// Starts `command` in a process group of its own: Ctrl+C reaches this program alone, which then ends the others
    /// in order.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}: is its package installed? cargo xtask setup"))?;
        Ok(Self { name: name.into(), child })
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn first_line(&mut self) -> Result<String> {
        let output = self.child.stdout.take().context("no output to read")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim().is_empty() {
            bail!("{} ended at once", self.name);
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(id) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) else {
            return;
        };
        if self.has_ended() {
            return;
        }
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while !self.has_ended() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(GLANCE);
        }
    }
}

/// The directories and variables that the programs of one run see.
pub struct Home {
    directory: PathBuf,
    runtime: PathBuf,
    variables: Vec<(String, String)>,
}

impl Home {
    /// Makes the directories below `directory`.
    pub fn new(directory: PathBuf) -> Result<Self> {
        let runtime = runtime_directory(&directory)?;
        let mut variables = vec![("XDG_RUNTIME_DIR".to_owned(), runtime.display().to_string())];
        for (variable, name) in [
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_STATE_HOME", "state"),
        ] {
            let path = directory.join(name);
            fs::create_dir_all(&path)?;
            variables.push((variable.into(), path.display().to_string()));
        }
        Ok(Self { directory, runtime, variables })
    }

    /// Where sockets are.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// A file or directory of this run.
    pub fn join(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Adds a variable.
    pub fn set(&mut self, variable: &str, value: impl Into<String>) {
        self.variables.push((variable.into(), value.into()));
    }

    /// A command that sees this home, its output going to `NAME.log`.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, name: &str) -> Result<Command> {
        let log = fs::File::create(self.join(&format!("{name}.log")))?;
        let mut command = Command::new(program);
        command
            .envs(self.variables.iter().map(|(variable, value)| (variable, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Sockets of a finished run; what was stored stays.
        let _ = fs::remove_dir_all(&self.runtime);
    }
}

/// A socket's path has at most 107 bytes, and a clone may lie deep: then a fresh private directory of `/tmp`.
fn runtime_directory(directory: &Path) -> Result<PathBuf> {
    const LONGEST: usize = 60;
    let mut runtime = directory.join("runtime");
    if runtime.as_os_str().len() > LONGEST {
        runtime = PathBuf::from(
            crate::step::output(Command::new("mktemp").args(["-d", "/tmp/tocsin-XXXXXX"]))?.trim(),
        );
    }
    fs::create_dir_all(&runtime)?;
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700))?;
    Ok(runtime)
}

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

        let mut bus = Running::start(
            "dbus-daemon",
            home.command("dbus-daemon", "dbus")?
                .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
                .arg(format!("--address=unix:path={}", home.runtime().join("bus").display()))
                .stdout(Stdio::piped()),
        )?;
        home.set("DBUS_SESSION_BUS_ADDRESS", bus.first_line()?);

        let keyring = keyring(home)?;
        let notifications = configure(home)?;
        let windows = Running::start("xfwm4", home.command("xfwm4", "xfwm4")?.arg("--compositor=off"))?;
        let configuration = home.join("dunstrc");
        let dunst =
            Running::start("dunst", home.command("dunst", "dunst")?.arg("-config").arg(configuration))?;
        let panel =
            Running::start("xfce4-panel", home.command("xfce4-panel", "panel")?.arg("--disable-wm-check"))?;
        let desktop =
            Self { _parts: vec![panel, dunst, windows, keyring, bus, display], notifications, seen: 0 };
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
                let mut command = home.command("gdbus", "gdbus").ok()?;
                let destination = [
                    "call",
                    "--session",
                    "--dest",
                    "org.freedesktop.DBus",
                    "--object-path",
                    "/org/freedesktop/DBus",
                ];
                let output = command
                    .args(destination)
                    .args(["--method", "org.freedesktop.DBus.NameHasOwner", name])
                    .stdout(Stdio::piped())
                    .output()
                    .ok()?;
                output.stdout.starts_with(b"(true").then_some(())
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
    fs::write(home.join("dunstrc"), DUNST.replace("SCRIPT", &script.display().to_string()))?;
    let panel = home.join("config/xfce4/xfconf/xfce-perchannel-xml");
    fs::create_dir_all(&panel)?;
    fs::write(panel.join("xfce4-panel.xml"), PANEL)?;
    Ok(shown)
}

/// Looks until `ready` gives something.
pub fn wait_for<T>(what: &str, patience: Duration, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = ready() {
            return Ok(value);
        }
        if Instant::now() > deadline {
            bail!("waited {} s in vain for {what}", patience.as_secs());
        }
        thread::sleep(GLANCE);
    }
}

const DUNST: &str = r##"[global]
    width = 360
    offset = 20x50
    origin = top-right
    font = Sans 11
    markup = full
    format = "<b>%s</b>\n%b"
    show_indicators = yes
    mouse_left_click = do_action, close_current
    mouse_right_click = close_current
[urgency_critical]
    background = "#900000"
    foreground = "#ffffff"
    timeout = 0
[list]
    summary = "*"
    script = SCRIPT
"##;

const PANEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="size" type="uint" value="32"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/>
        <value type="int" value="2"/>
        <value type="int" value="3"/>
        <value type="int" value="4"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="tasklist"/>
    <property name="plugin-2" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
      <property name="style" type="uint" value="0"/>
    </property>
    <property name="plugin-3" type="string" value="systray"/>
    <property name="plugin-4" type="string" value="clock"/>
  </property>
</channel>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_what_was_waited_for() {
        let error = wait_for("a bus", Duration::ZERO, || None::<()>).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s in vain for a bus");
        let mut looks = 0;
        let found = wait_for("three looks", Duration::from_mins(1), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let running = Running::start("sleep", Command::new("sleep").arg("1000")).unwrap();
        let id = i32::try_from(running.child.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        drop(running);
        assert!(rustix::process::test_kill_process(id).is_err());
    }

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

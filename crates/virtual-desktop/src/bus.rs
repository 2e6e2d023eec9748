//! Looks at the session bus from outside, with GLib's own client: no D-Bus library in a test can be wrong about what
//! another program sees.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::Home;

/// Calls a method; the answer as GVariant text.
pub fn call(home: &Home, destination: &str, path: &str, method: &str, arguments: &[&str]) -> Result<String> {
    let output = home
        .command("gdbus", "gdbus")?
        .args(["call", "--session", "--dest", destination, "--object-path", path, "--method", method])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .context("cannot start gdbus")?;
    if !output.status.success() {
        bail!("{method}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Whether somebody owns this name.
pub fn is_owned(home: &Home, name: &str) -> bool {
    let bus = "org.freedesktop.DBus";
    call(home, bus, "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner", &[name])
        .is_ok_and(|answer| answer.starts_with("(true"))
}

/// A property of the one item in the tray, as GVariant text; an error while there is none.
pub fn tray_property(home: &Home, property: &str) -> Result<String> {
    let get = "org.freedesktop.DBus.Properties.Get";
    let watcher = "org.kde.StatusNotifierWatcher";
    let items =
        call(home, watcher, "/StatusNotifierWatcher", get, &[watcher, "RegisteredStatusNotifierItems"])?;
    // `(<['org.kde.StatusNotifierItem-42-1/StatusNotifierItem']>,)`
    let item = items.split('\'').nth(1).context("no item in the tray")?;
    let (name, path) = item.split_once('/').map_or((item, "StatusNotifierItem"), |(n, p)| (n, p));
    call(home, name, &format!("/{path}"), get, &["org.kde.StatusNotifierItem", property])
}

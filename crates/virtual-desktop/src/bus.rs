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
    let TrayItem { name, path } = TrayItem::find(home)?;
    call(home, &name, &path, GET, &["org.kde.StatusNotifierItem", property])
}

/// Calls a method of the one item in the tray: `Activate` with `["0", "0"]` is a left click.
pub fn call_tray(home: &Home, method: &str, arguments: &[&str]) -> Result<String> {
    TrayItem::find(home)?.call(home, method, arguments)
}

/// The menu of the one item in the tray, with its labels, as GVariant text.
pub fn tray_menu(home: &Home) -> Result<String> {
    let TrayItem { name, .. } = TrayItem::find(home)?;
    // `(<objectpath '/MenuBar'>,)`
    let menu = tray_property(home, "Menu")?;
    let path = menu.split('\'').nth(1).context("the item has no menu")?;
    // Everything below the root, however deep.
    call(home, &name, path, "com.canonical.dbusmenu.GetLayout", &["0", "int32 -1", "['label']"])
}

const GET: &str = "org.freedesktop.DBus.Properties.Get";

/// The one item in the tray.
pub struct TrayItem {
    name: String,
    path: String,
}

impl TrayItem {
    /// Looks for it. A panel may still list one whose program was killed.
    pub fn find(home: &Home) -> Result<Self> {
        let watcher = "org.kde.StatusNotifierWatcher";
        let items =
            call(home, watcher, "/StatusNotifierWatcher", GET, &[watcher, "RegisteredStatusNotifierItems"])?;
        // `(<['org.kde.StatusNotifierItem-42-1/StatusNotifierItem']>,)`
        let lives = |item: &&str| is_owned(home, item.split('/').next().unwrap_or(item));
        let item = items.split('\'').skip(1).step_by(2).find(lives).context("no item in the tray")?;
        let (name, path) = item.split_once('/').unwrap_or((item, "StatusNotifierItem"));
        Ok(Self { name: name.into(), path: format!("/{path}") })
    }

    /// Calls one of its methods.
    pub fn call(&self, home: &Home, method: &str, arguments: &[&str]) -> Result<String> {
        call(home, &self.name, &self.path, &format!("org.kde.StatusNotifierItem.{method}"), arguments)
    }
}

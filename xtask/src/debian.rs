//! The Debian packages that building, running and testing need: the one list.

use std::process::Command;

use crate::step;

/// Which packages a verb needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// To build both programs.
    Build,
    /// To build, and to show the app on a virtual desktop.
    VirtualDesktop,
    /// Everything, the real programs that the tests talk to included.
    All,
}

/// Compiler and the libraries of the window (`WebKitGTK`).
const BUILD: &[&str] = &[
    "build-essential",
    "pkg-config",
    "libgtk-3-dev",
    "libwebkit2gtk-4.1-dev",
    "librsvg2-dev",
    "git",
    "curl",
];

/// A desktop without a screen: X server, session bus, keyring, notification daemon, window manager, panel with a tray.
const VIRTUAL_DESKTOP: &[&str] = &[
    "xvfb",
    "dbus",
    "gnome-keyring",
    "dunst",
    "xfwm4",
    "xfce4-panel",
    "xfconf",
    "x11-utils",
    "x11-xserver-utils",
    "libglib2.0-bin",
    "libnotify-bin",
    "adwaita-icon-theme",
    "hicolor-icon-theme",
    "fonts-dejavu-core",
    "fonts-noto-cjk",
    "xdg-utils",
];

/// What drives that desktop, and the third-party programs that the tests send with and receive through.
const TEST: &[&str] = &[
    "chromium",
    "chromium-driver",
    "webkit2gtk-driver",
    "libsecret-tools",
    "xdotool",
    "wmctrl",
    "imagemagick",
    "librsvg2-bin",
    "procps",
    "iproute2",
    "haproxy",
    "openssl",
    "prometheus-alertmanager",
    "desktop-file-utils",
    "strace",
    "python3-venv",
];

/// The packages of `scope`.
pub fn packages(scope: Scope) -> Vec<&'static str> {
    let mut packages = BUILD.to_vec();
    if scope != Scope::Build {
        packages.extend(VIRTUAL_DESKTOP);
    }
    if scope == Scope::All {
        packages.extend(TEST);
    }
    packages
}

/// Those of `packages` that dpkg does not have installed.
pub fn missing(packages: &[&'static str]) -> Vec<&'static str> {
    // dpkg-query fails when any name is unknown to it, and still prints the others: only the text counts.
    let known = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status} ${Package}\\n"])
        .args(packages)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    not_installed(packages, &known)
}

fn not_installed(packages: &[&'static str], known: &str) -> Vec<&'static str> {
    let installed: Vec<&str> = known.lines().filter_map(|line| line.strip_prefix("installed ")).collect();
    packages.iter().copied().filter(|name| !installed.contains(name)).collect()
}

/// Whether this is a Debian-like system at all.
pub fn is_debian() -> bool {
    step::on_path("dpkg-query") && step::on_path("apt-get")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_and_unknown_packages_are_missing() {
        let known = "installed dbus\nconfig-files dunst\nnot-installed xvfb\n";
        assert_eq!(not_installed(&["dbus", "dunst", "xvfb", "xfwm4"], known), ["dunst", "xvfb", "xfwm4"]);
    }

    #[test]
    fn no_package_is_listed_twice() {
        let mut all = packages(Scope::All);
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}

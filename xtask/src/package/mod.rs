//! `cargo xtask package`: one .deb with both programs, desktop entry, icons and documents.
//!
//! Made with `dpkg-deb` from a plain directory; no packaging tool is needed beyond what Debian's `build-essential`
//! brings. An upgrade does not touch running programs: they keep the old file, and the next start of any of them sees
//! by the handshake that another build runs, lets it drain and takes over. Removal asks running programs to end.
//! Neither touches what people have stored.

mod prerm;
mod proof;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

pub use proof::prove;

use crate::{
    build::{self, Profile, Programs},
    debian::Scope,
    repo, setup,
    step::{self, say},
};

/// The verb.
pub fn package(arguments: &[String]) -> Result<()> {
    if arguments == ["--prove"] {
        setup::setup(Scope::All)?;
        build::ui()?;
        return prove(&build::programs(Profile::Debug)?);
    }
    anyhow::ensure!(arguments.is_empty(), "package takes --prove or nothing");
    setup::setup(Scope::Build)?;
    build::ui()?;
    let programs = build::programs(Profile::Release)?;
    let deb = make(&programs, &repo::version()?, &repo::target().join("package"), Compression::Small)?;
    println!("\n{}\ninstall it with: sudo apt-get install {}", deb.display(), deb.display());
    Ok(())
}

/// How hard to compress.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compression {
    /// For shipping.
    Small,
    /// For a package that is thrown away in a minute.
    Quick,
}

/// Makes the package of `programs` in `directory`.
fn make(programs: &Programs, version: &str, directory: &Path, compression: Compression) -> Result<PathBuf> {
    say(&format!("Packing tocsin {version}"));
    let root = directory.join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    tree::fill(&root, programs)?;
    let architecture = step::output(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    let control = root.join("DEBIAN");
    fs::create_dir_all(&control)?;
    let depends = depends(directory, &root)?;
    fs::write(
        control.join("control"),
        control_file(version, &architecture, &depends, tree::kibibytes(&root)?),
    )?;
    tree::program(&control.join("prerm"), prerm::SCRIPT)?;
    let deb = directory.join(format!("tocsin_{version}_{architecture}.deb"));
    let mut command = Command::new("dpkg-deb");
    if compression == Compression::Quick {
        command.args(["-Zgzip", "-z1"]);
    }
    step::output(command.args(["--root-owner-group", "--build"]).args([&root, &deb]))?;
    Ok(deb)
}

/// The libraries that the programs are linked with, as Debian packages with versions.
fn depends(directory: &Path, root: &Path) -> Result<String> {
    // Without dpkg-dev: what Debian 12 has, without versions.
    const KNOWN: &str = "libc6, libgcc-s1, libglib2.0-0, libgtk-3-0, libwebkit2gtk-4.1-0";
    if !step::on_path("dpkg-shlibdeps") {
        return Ok(KNOWN.into());
    }
    // It insists on a source package's control file in its current directory.
    let source = directory.join("shlibdeps");
    fs::create_dir_all(source.join("debian"))?;
    fs::write(source.join("debian/control"), "Source: tocsin\n\nPackage: tocsin\nArchitecture: any\n")?;
    let output = step::output(Command::new("dpkg-shlibdeps").current_dir(&source).arg("-O").args(
        ["tocsin", "tocsin-desktop"].map(|name| format!("-e{}", root.join("usr/bin").join(name).display())),
    ))?;
    let depends = output.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    Ok(depends.unwrap_or(KNOWN).to_owned())
}

fn control_file(version: &str, architecture: &str, depends: &str, kibibytes: u64) -> String {
    format!(
        "Package: tocsin\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: Tocsin maintainers <maintainers@users.noreply.github.com>\n\
         Installed-Size: {kibibytes}\n\
         Section: net\n\
         Priority: optional\n\
         Depends: {depends}\n\
         Recommends: default-dbus-session-bus | dbus-session-bus, gnome-keyring | keepassxc, notification-daemon, xdg-utils\n\
         Description: team notifications that know whether they arrived\n \
         Tocsin is a tray app for small teams. It hosts the team's push server, or joins\n \
         one, shows messages as notifications, and knows who has received, read and\n \
         acknowledged them. The program tocsin is the tray, the server and the command\n \
         line; tocsin-desktop is the window.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_file_is_well_formed() {
        let file = control_file("1.2.3", "amd64", "libc6", 7);
        assert!(file.contains("\nVersion: 1.2.3\n") && file.contains("\nDepends: libc6\n"));
        let description = file.split_once("\nDescription: ").unwrap().1;
        assert!(
            description.lines().skip(1).all(|line| line.starts_with(' ') && line.trim() == &line[1..]),
            "{file}"
        );
    }
}

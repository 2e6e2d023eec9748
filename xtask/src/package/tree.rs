//! The files of the package.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{build::Programs, repo, step};

/// Sizes of the icon theme's directories, with the file in `icons/`.
const ICONS: &[(&str, &str)] = &[
    ("16x16", "16x16.png"),
    ("32x32", "32x32.png"),
    ("48x48", "48x48.png"),
    ("64x64", "64x64.png"),
    ("128x128", "128x128.png"),
    ("256x256", "128x128@2x.png"),
    ("512x512", "icon.png"),
];
/// What an operator wants at hand without the network.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "README.zh-CN.md",
    "docs/api.md",
    "docs/api.zh-CN.md",
    "docs/operating.md",
    "docs/operating.zh-CN.md",
    "docs/wechat.md",
    "docs/wechat.zh-CN.md",
];

/// Lays out the package below `root`.
pub fn fill(root: &Path, programs: &Programs) -> Result<()> {
    for (source, name) in [(&programs.tocsin, "tocsin"), (&programs.desktop, "tocsin-desktop")] {
        let target = root.join("usr/bin").join(name);
        copy(source, &target)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
        // Release builds are stripped already; those of a proof would be ten times as large.
        step::output(Command::new("strip").arg("--strip-unneeded").arg(&target))?;
    }
    write(
        &root.join("usr/share/applications/io.github.tocsin.desktop.desktop"),
        desktop_entry()?.as_bytes(),
    )?;
    let icons = root.join("usr/share/icons/hicolor");
    for (size, file) in ICONS {
        copy(&repo::root().join("icons").join(file), &icons.join(size).join("apps/tocsin.png"))?;
    }
    copy(&repo::root().join("icons/tocsin.svg"), &icons.join("scalable/apps/tocsin.svg"))?;
    let documents = root.join("usr/share/doc/tocsin");
    for document in DOCUMENTS {
        copy(
            &repo::root().join(document),
            &documents.join(Path::new(document).file_name().unwrap_or_default()),
        )?;
    }
    write(&documents.join("copyright"), copyright()?.as_bytes())?;
    let changes = gzip(&fs::read(repo::root().join("CHANGELOG.md"))?)?;
    write(&documents.join("changelog.gz"), &changes)
}

/// Writes an executable script.
pub fn program(path: &Path, text: &str) -> Result<()> {
    write(path, text.as_bytes())?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// What the files take up, as dpkg wants to know it.
pub fn kibibytes(directory: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() {
            kibibytes(&entry.path())?
        } else {
            entry.metadata()?.len().div_ceil(1024)
        };
    }
    Ok(sum)
}

/// Tells the webview to paint without a graphics card, as the resident does when it opens the window.
const GRAPHICS: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// Name and comment come from the locale files, like everything that people read.
fn desktop_entry() -> Result<String> {
    let locale = |name: &str| -> Result<Value> {
        let path = repo::ui().join("src/locales").join(name);
        Ok(serde_json::from_str(
            &fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?,
        )?)
    };
    let (en, zh) = (locale("en.json")?, locale("zh-CN.json")?);
    let text = |locale: &Value, key: &str| {
        locale["app"][key].as_str().map(String::from).context("locale files: app")
    };
    Ok(format!(
        "[Desktop Entry]\nType=Application\nName={}\nName[zh_CN]={}\nComment={}\nComment[zh_CN]={}\n\
         Exec=env {GRAPHICS}=1 tocsin-desktop\nTryExec=tocsin-desktop\nIcon=tocsin\nTerminal=false\nCategories=Network;Office;\n\
         StartupNotify=true\nStartupWMClass=tocsin-desktop\n",
        text(&en, "name")?,
        text(&zh, "name")?,
        text(&en, "tagline")?,
        text(&zh, "tagline")?,
    ))
}

fn copyright() -> Result<String> {
    let mit = fs::read_to_string(repo::root().join("LICENSE-MIT"))?;
    let indented: String =
        mit.lines().map(|line| if line.is_empty() { " .\n".into() } else { format!(" {line}\n") }).collect();
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: Tocsin\n\n\
         Files: *\nCopyright: The Tocsin contributors\nLicense: MIT or Apache-2.0\n\nLicense: MIT\n{indented}\n\
         License: Apache-2.0\n On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n"
    ))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(path.parent().context("a path without a parent")?)?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    write(to, &bytes)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    // -n: without name and time, so that the same input gives the same package.
    let mut child =
        Command::new("gzip").args(["-9", "-n"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("gzip takes no input")?.write_all(bytes)?;
    Ok(child.wait_with_output()?.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desktop_entry_has_both_names() {
        let entry = desktop_entry().unwrap();
        assert!(entry.contains("\nName=Tocsin\n") && entry.contains("\nName[zh_CN]=警钟\n"), "{entry}");
    }

    /// The program reads it before its first line runs.
    #[test]
    fn a_window_from_the_menu_is_painted_as_one_from_the_tray() {
        let resident = fs::read_to_string(repo::root().join("crates/resident/src/window.rs")).unwrap();
        assert!(resident.contains(&format!("{GRAPHICS:?}")), "the resident names another variable");
        let entry = desktop_entry().unwrap();
        assert!(entry.contains(&format!("\nExec=env {GRAPHICS}=1 tocsin-desktop\n")), "{entry}");
    }

    #[test]
    fn every_file_of_the_package_exists() {
        let icons = ICONS.iter().map(|(_, file)| format!("icons/{file}"));
        for file in icons.chain(DOCUMENTS.iter().map(ToString::to_string)) {
            assert!(repo::root().join(&file).is_file(), "{file}");
        }
        assert!(copyright().unwrap().contains("License: MIT\n "));
    }
}

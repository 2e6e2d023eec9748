//! Starting at login: a desktop entry in the person's autostart directory. The file itself is the truth, since desktops
//! offer to remove it behind the program's back.

use std::{io, path::PathBuf};

use tocsin_control::{DATA_DIR_ENV, Paths};

/// The entry of this person.
#[derive(Clone, Debug)]
pub struct Autostart {
    file: PathBuf,
    exec: String,
}

impl Autostart {
    /// The entry that starts this very program for these paths; `None` without a configuration directory.
    pub fn new(paths: &Paths) -> Option<Self> {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
        let config = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(home)?;
        let program = std::env::current_exe().ok()?;
        let mut exec = format!("{} tray", quoted(&program.display().to_string()));
        // Two residents with data directories of their own start both.
        let mut name = "io.github.tocsin.desktop".to_owned();
        if paths.is_overridden() {
            exec = format!("env {} {exec}", quoted(&format!("{DATA_DIR_ENV}={}", paths.data.display())));
            let runtime = paths.runtime.file_name().unwrap_or_default().to_string_lossy();
            name = format!("io.github.{runtime}.desktop");
        }
        Some(Self { file: config.join("autostart").join(name), exec })
    }

    /// Whether it starts at login.
    pub fn is_on(&self) -> bool {
        self.file.exists()
    }

    /// Turns it on or off.
    pub fn set(&self, on: bool) -> io::Result<()> {
        if !on {
            return match std::fs::remove_file(&self.file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        if let Some(dir) = self.file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let entry = format!(
            "[Desktop Entry]\nType=Application\nName=Tocsin\nName[zh_CN]=警钟\nExec={}\nIcon=tocsin\nTerminal=false\nX-GNOME-Autostart-enabled=true\n",
            self.exec
        );
        std::fs::write(&self.file, entry)
    }
}

/// As the desktop entry specification quotes an argument.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '`' | '$' | '\\' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_comes_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let entry = Autostart {
            file: dir.path().join("autostart/x.desktop"),
            exec: "\"/usr/bin/tocsin\" tray".into(),
        };
        assert!(!entry.is_on());
        entry.set(false).unwrap();
        entry.set(true).unwrap();
        assert!(entry.is_on());
        assert!(std::fs::read_to_string(&entry.file).unwrap().contains("\nExec=\"/usr/bin/tocsin\" tray\n"));
        entry.set(false).unwrap();
        assert!(!entry.is_on());
        assert_eq!(quoted("a \"b\" 5%"), "\"a \\\"b\\\" 5%%\"");
    }
}

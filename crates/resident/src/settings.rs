//! What the person chose, in one TOML file.
//!
//! Written whole to a file beside it and renamed, so that a crash leaves the old or the new one. A file that cannot be
//! read is kept under another name and told of; its sections are read one by one, so that a typo in the preferences
//! does not make a joined resident forget its server. No secret is ever in it.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tocsin_protocol::{
    Millis,
    control::{Settings, SettingsChange},
};

/// Everything in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Choices {
    /// No popups until then; kept so that a restart does not end a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Millis>,
    /// The window's process was closed once: the person knows that the tray goes on.
    pub tray_explained: bool,
    /// Where the server is.
    pub server: ServerChoice,
    /// What the settings view shows.
    pub preferences: Settings,
}

/// Where the server is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum ServerChoice {
    /// Nothing chosen yet.
    #[default]
    Unset,
    /// In this resident.
    Host,
    /// Elsewhere. The token is in the vault.
    Join(Joined),
}

/// A server that was joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joined {
    /// Its origin.
    pub origin: String,
    /// The CA to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_fingerprint: Option<String>,
    /// Whose inbox it is.
    pub user: String,
    /// Name of this device.
    pub device: String,
    /// Names the token in the vault.
    pub profile: String,
}

/// The file could not be read as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it was kept; absent if it is where it was and nowhere else, so that nothing may be written over it.
    pub kept: Option<PathBuf>,
    /// What is wrong with it.
    pub detail: String,
}

/// The settings cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {source}", path.display())]
pub struct Unwritable {
    path: PathBuf,
    source: io::Error,
}

/// Reads the file; a missing one is the defaults.
pub fn read(file: &Path) -> (Choices, Option<Unreadable>) {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Choices::default(), None),
        Err(error) => {
            return (Choices::default(), Some(keep(file, &error.to_string(), |kept| fs::rename(file, kept))));
        }
    };
    // A copy, since this file is what the next start reads if nothing is written until then.
    let copy = |kept: &Path| fs::copy(file, kept).map(drop);
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return (Choices::default(), Some(keep(file, &error.to_string(), copy))),
    };
    let mut faults = Vec::new();
    let choices = Choices {
        paused_until: section(&table, "paused_until", &mut faults),
        tray_explained: section(&table, "tray_explained", &mut faults).unwrap_or_default(),
        server: section(&table, "server", &mut faults).unwrap_or_default(),
        preferences: section(&table, "preferences", &mut faults).unwrap_or_default(),
    };
    let known = ["paused_until", "tray_explained", "server", "preferences"];
    faults.extend(
        table.keys().filter(|key| !known.contains(&key.as_str())).map(|key| format!("unknown entry {key:?}")),
    );
    let unreadable = (!faults.is_empty()).then(|| keep(file, &faults.join("; "), copy));
    (choices, unreadable)
}

/// Writes the file, this user's alone.
pub fn write(file: &Path, choices: &Choices) -> Result<(), Unwritable> {
    let attempt = || -> io::Result<()> {
        let text = toml::to_string_pretty(choices).map_err(io::Error::other)?;
        let dir = file.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(dir)?;
        let beside = file.with_extension("toml.new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut new = options.open(&beside)?;
        new.write_all(text.as_bytes())?;
        // Renaming first and writing later would be an empty file after a power cut.
        new.sync_all()?;
        fs::rename(&beside, file)
    };
    attempt().map_err(|source| Unwritable { path: file.into(), source })
}

/// Applies the fields that are set.
pub fn change(settings: &mut Settings, change: SettingsChange) {
    let SettingsChange { language, theme, autostart, notifications, hosting } = change;
    settings.language = language.unwrap_or(settings.language);
    settings.theme = theme.unwrap_or(settings.theme);
    settings.autostart = autostart.unwrap_or(settings.autostart);
    if let Some(notifications) = notifications {
        settings.notifications = notifications;
    }
    if let Some(hosting) = hosting {
        settings.hosting = hosting;
    }
}

fn section<T: DeserializeOwned>(table: &toml::Table, name: &str, faults: &mut Vec<String>) -> Option<T> {
    match table.get(name)?.clone().try_into() {
        Ok(value) => Some(value),
        Err(error) => {
            faults.push(format!("{name}: {}", error.to_string().trim()));
            None
        }
    }
}

/// Brings the file to a name of its own, so that the next write does not lose what the person wrote.
fn keep(file: &Path, detail: &str, bring: impl FnOnce(&Path) -> io::Result<()>) -> Unreadable {
    let free = (0..100).map(|n| file.with_extension(format!("toml.bad{n}"))).find(|path| !path.exists());
    let kept = free.unwrap_or_else(|| file.with_extension("toml.bad"));
    match bring(&kept) {
        Ok(()) => Unreadable { kept: Some(kept), detail: detail.into() },
        Err(error) => {
            Unreadable { kept: None, detail: format!("{detail}; it could not be kept elsewhere: {error}") }
        }
    }
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::{Language, QuietHours};

    use super::*;

    fn joined() -> ServerChoice {
        ServerChoice::Join(Joined {
            origin: "https://10.0.0.5:8723".into(),
            ca_fingerprint: Some("f".repeat(43)),
            user: "anna".into(),
            device: "desk".into(),
            profile: "p1".into(),
        })
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config/settings.toml");
        assert_eq!(read(&file), (Choices::default(), None));
        let mut choices = Choices { paused_until: Some(5), server: joined(), ..Choices::default() };
        choices.preferences.notifications.quiet_hours = Some(QuietHours { from: 1320, to: 420 });
        choices.preferences.notifications.muted_topics = vec!["noise".into()];
        write(&file, &choices).unwrap();
        assert_eq!(read(&file), (choices, None));
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777,
            0o600
        );
    }

    #[test]
    fn a_typo_loses_its_section_only_and_the_file_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.toml");
        let mut text = toml::to_string(&Choices { server: joined(), ..Choices::default() }).unwrap();
        text = text.replace("language = \"system\"", "language = \"klingon\"");
        fs::write(&file, &text).unwrap();
        let (choices, unreadable) = read(&file);
        let unreadable = unreadable.unwrap();
        assert_eq!(choices.server, joined());
        assert_eq!(choices.preferences.language, Language::System);
        assert!(
            unreadable.detail.contains("preferences") && unreadable.detail.contains("klingon"),
            "{unreadable:?}"
        );
        assert_eq!(fs::read_to_string(unreadable.kept.unwrap()).unwrap(), text);
    }

    #[test]
    fn what_is_not_toml_is_kept_too() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.toml");
        for content in ["= =", "future = 1"] {
            fs::write(&file, content).unwrap();
            let kept = read(&file).1.unwrap().kept.unwrap();
            assert_eq!(fs::read_to_string(kept).unwrap(), content);
        }
    }
    /// Text of another encoding, and what is no file at all: tests run as root, whom no mode keeps from reading.
    #[test]
    fn what_cannot_even_be_read_is_out_of_the_way_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.toml");
        fs::write(&file, b"user = \"J\xfcrgen\"").unwrap();
        let (choices, unreadable) = read(&file);
        assert_eq!(choices, Choices::default());
        write(&file, &Choices::default()).unwrap();
        let kept = unreadable.unwrap().kept.unwrap();
        assert_eq!(fs::read(kept).unwrap(), b"user = \"J\xfcrgen\"");

        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        fs::write(file.join("within"), "").unwrap();
        let kept = read(&file).1.unwrap().kept.unwrap();
        write(&file, &Choices::default()).unwrap();
        assert!(kept.join("within").exists());
    }

    #[test]
    fn what_cannot_be_kept_elsewhere_is_said_to_be_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.toml");
        fs::create_dir(&file).unwrap();
        for name in (0..100).map(|n| format!("bad{n}")).chain(["bad".into()]) {
            fs::write(file.with_extension(format!("toml.{name}")), "").unwrap();
        }
        let (choices, unreadable) = read(&file);
        assert_eq!((choices, unreadable.unwrap().kept), (Choices::default(), None));
        assert!(file.is_dir());
    }
}

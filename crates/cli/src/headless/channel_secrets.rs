//! The secrets of channels without a keyring: in the environment (systemd credentials end there too), or in a file that
//! only this user may read.
//!
//! The environment wins and is never written; the file is replaced whole, so that a kill leaves the old one or the new.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use tocsin_server::channels::{ChannelSecret, SecretError, SecretStore};
use tokio::sync::Mutex;

/// Begins the names of variables.
const PREFIX: &str = "TOCSIN_CHANNEL_";

type Table = BTreeMap<String, BTreeMap<String, String>>;

/// Environment and file.
pub struct ChannelSecrets {
    file: Option<PathBuf>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl ChannelSecrets {
    /// With this file, if there is one.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file, changing: Mutex::default() }
    }

    /// Changes the file.
    async fn change(
        &self,
        channel: &str,
        part: &str,
        secret: Option<&ChannelSecret>,
    ) -> Result<(), SecretError> {
        if in_environment(channel, part).is_some() {
            let name = variable(channel, part);
            return Err(SecretError::ReadOnly(format!(
                "this secret comes from the server's environment: change {name} where the server is started"
            )));
        }
        let Some(file) = &self.file else {
            return match secret {
                None => Ok(()),
                Some(_) => Err(SecretError::ReadOnly(format!(
                    "this server has no place for secrets: set {} where it is started, or name a file with \
                     --channel-secrets",
                    variable(channel, part)
                ))),
            };
        };
        let _one = self.changing.lock().await;
        let mut table = read(file)?;
        if let Some(secret) = secret {
            let parts = table.entry(channel.to_owned()).or_default();
            parts.insert(part.to_owned(), secret.expose().to_owned());
        } else {
            let Some(parts) = table.get_mut(channel) else { return Ok(()) };
            if parts.remove(part).is_none() {
                return Ok(());
            }
            table.retain(|_, parts| !parts.is_empty());
        }
        write(file, &table).map_err(|error| cannot("written", file, &error))
    }
}

/// `TOCSIN_CHANNEL_APP_SECRET`: what is neither a letter nor a digit becomes `_`.
fn variable(channel: &str, part: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{PREFIX}{}", format!("{channel}_{part}").chars().map(plain).collect::<String>())
}

fn in_environment(channel: &str, part: &str) -> Option<String> {
    std::env::var(variable(channel, part)).ok().filter(|secret| !secret.is_empty())
}

fn cannot(what: &str, file: &Path, error: &dyn fmt::Display) -> SecretError {
    SecretError::Failed(format!("{} cannot be {what}: {error}", file.display()))
}

fn read(file: &Path) -> Result<Table, SecretError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Table::new()),
        Err(error) => return Err(cannot("read", file, &error)),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let mode = std::fs::metadata(file).map_err(|error| cannot("read", file, &error))?.mode();
        if mode & 0o077 != 0 {
            let why = format!("others may read it; chmod 600 {}", file.display());
            return Err(cannot("used", file, &why));
        }
    }
    // The parser's words quote the line, and so the secret: only where it is wrong is told.
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        cannot(
            "understood",
            file,
            &format!("line {line} is not of the form part = \"secret\" below [channel]"),
        )
    })
}

fn write(file: &Path, table: &Table) -> io::Result<()> {
    let text = toml::to_string(table).map_err(io::Error::other)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Made with 0600, and never under its name until it is whole.
    let mut beside = tempfile::NamedTempFile::new_in(directory)?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().sync_all()?;
    beside.persist(file).map(drop).map_err(|error| error.error)
}

impl fmt::Debug for ChannelSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSecrets").field("file", &self.file).finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretStore for ChannelSecrets {
    async fn get(&self, channel: &str, part: &str) -> Result<Option<ChannelSecret>, SecretError> {
        if let Some(secret) = in_environment(channel, part) {
            return Ok(Some(ChannelSecret::new(secret)));
        }
        let Some(file) = &self.file else { return Ok(None) };
        let found = read(file)?.get(channel).and_then(|parts| parts.get(part)).cloned();
        Ok(found.filter(|secret| !secret.is_empty()).map(ChannelSecret::new))
    }

    async fn set(&self, channel: &str, part: &str, secret: &ChannelSecret) -> Result<(), SecretError> {
        self.change(channel, part, Some(secret)).await
    }

    async fn delete(&self, channel: &str, part: &str) -> Result<(), SecretError> {
        self.change(channel, part, None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables_are_what_a_shell_takes() {
        assert_eq!(variable("night-shift.2", "callback_key"), "TOCSIN_CHANNEL_NIGHT_SHIFT_2_CALLBACK_KEY");
    }

    #[tokio::test]
    async fn the_file_is_this_users_alone_and_changes_as_a_whole() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secrets.toml");
        let kept = ChannelSecrets::new(Some(file.clone()));
        kept.set("app", "secret", &ChannelSecret::new("canary")).await.unwrap();
        kept.set("app", "callback_token", &ChannelSecret::new("t")).await.unwrap();
        assert_eq!(kept.get("app", "secret").await.unwrap().unwrap().expose(), "canary");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        kept.delete("app", "secret").await.unwrap();
        assert_eq!(kept.get("app", "secret").await.unwrap(), None);
        std::fs::write(&file, "[app]\nsecret = canary\n").unwrap();
        let told = kept.get("app", "secret").await.unwrap_err().to_string();
        assert!(told.contains("line 2") && !told.contains("canary"), "{told}");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let told = kept.get("app", "secret").await.unwrap_err().to_string();
        assert!(told.contains("chmod 600"), "{told}");
        assert!(!format!("{kept:?}").contains("canary"));
    }

    #[tokio::test]
    async fn without_a_file_it_says_where_a_secret_can_be_put() {
        let kept = ChannelSecrets::new(None);
        let refused = kept.set("app", "secret", &ChannelSecret::new("x")).await.unwrap_err();
        assert!(matches!(&refused, SecretError::ReadOnly(why) if why.contains("TOCSIN_CHANNEL_APP_SECRET")));
        kept.delete("app", "secret").await.unwrap();
    }
}

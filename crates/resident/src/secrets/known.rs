//! Which names this data directory ever stored in the keyring. The keyring belongs to the person, and another data
//! directory of theirs keeps its secrets there as well: starting over must take all of one's own and nothing else.
//!
//! A line a name, none of them secret. Written before the secret is, so that none is left that nobody knows of.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use tocsin_subscriber::Secret;

use super::{Vault, VaultError};

/// The list, beside the sealed file.
const FILE: &str = "keyring.names";

/// A vault that writes down what was stored in it.
pub(super) struct Known<V> {
    inner: V,
    list: Mutex<PathBuf>,
}

impl<V: Vault> Known<V> {
    /// With the list beside `file`.
    pub(super) fn new(inner: V, file: &Path) -> Self {
        Self { inner, list: Mutex::new(list(file)) }
    }

    fn remember(&self, name: &str) -> io::Result<()> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if read(&list)?.iter().any(|known| known == name) {
            return Ok(());
        }
        if let Some(dir) = list.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&*list)?;
        file.write_all(format!("{name}\n").as_bytes())?;
        file.sync_all()
    }
}

#[async_trait]
impl<V: Vault> Vault for Known<V> {
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        self.inner.get(name).await
    }

    async fn set(&self, name: &str, secret: &Secret) -> Result<(), VaultError> {
        self.remember(name)
            .map_err(|error| VaultError::Failed(format!("{FILE} cannot be written: {error}")))?;
        self.inner.set(name, secret).await
    }

    async fn delete(&self, name: &str) -> Result<(), VaultError> {
        self.inner.delete(name).await
    }
}

/// Names that were ever stored, by the list beside `file`.
pub(super) fn names(file: &Path) -> io::Result<Vec<String>> {
    read(&list(file))
}

fn list(file: &Path) -> PathBuf {
    file.with_file_name(FILE)
}

fn read(list: &Path) -> io::Result<Vec<String>> {
    match fs::read_to_string(list) {
        Ok(text) => Ok(text.lines().map(ToOwned::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::ThisRun, *};

    #[tokio::test]
    async fn every_name_is_known_once_also_in_the_next_run() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data/vault.bin");
        assert_eq!(names(&file).unwrap(), Vec::<String>::new());
        let secret = Secret::new("hidden");
        for name in ["a/token", "b/token", "a/token"] {
            Known::new(ThisRun::default(), &file).set(name, &secret).await.unwrap();
        }
        assert_eq!(names(&file).unwrap(), ["a/token", "b/token"]);
        assert!(!fs::read_to_string(list(&file)).unwrap().contains("hidden"));
    }
}

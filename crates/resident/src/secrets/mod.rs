//! Where secrets are kept: the OS keyring; without one, a file sealed with a passphrase or the memory of this run.
//! Never plain text, and never chosen silently: the person decides between the last two.
//!
//! Nothing here is on the way of the start. Whoever needs a secret waits for it alone: a keyring that is locked and
//! asks for its password may take minutes.

mod channels;
mod known;
#[cfg(target_os = "linux")]
mod linux;
mod sealed;
#[cfg(not(target_os = "linux"))]
mod unsupported;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tocsin_protocol::control::{ProblemCode, VaultChoice};
use tocsin_subscriber::Secret;

pub use channels::ChannelSecrets;
pub use sealed::{BadPassphrase, Sealed};

#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
use unsupported as platform;

/// The name under which the keyring files what is Tocsin's.
pub const SERVICE: &str = "io.github.tocsin";

/// Keeps secrets by name (`<profile>/<kind>`).
#[async_trait]
pub trait Vault: Send + Sync {
    /// The secret, if there is one.
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError>;
    /// Stores or replaces it.
    async fn set(&self, name: &str, secret: &Secret) -> Result<(), VaultError>;
    /// Removes it; one that is not there is fine.
    async fn delete(&self, name: &str) -> Result<(), VaultError>;
}

/// Why a vault could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// There is no keyring.
    #[error("no keyring on this computer: {0}")]
    Missing(String),
    /// It is locked, and was not unlocked when it asked.
    #[error("the keyring is locked")]
    Locked,
    /// The sealed file has not been opened in this run.
    #[error("the sealed file needs its passphrase")]
    Sealed,
    /// Anything else.
    #[error("the keyring failed: {0}")]
    Failed(String),
}

impl VaultError {
    /// The problem that tray and window tell.
    pub fn problem(&self) -> ProblemCode {
        match self {
            // The window asks for the passphrase where it offers the file.
            Self::Missing(_) | Self::Sealed => ProblemCode::KeyringMissing,
            Self::Locked => ProblemCode::KeyringLocked,
            Self::Failed(_) => ProblemCode::KeyringFailed,
        }
    }

    /// The key of its sentence in the locale files.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing(_) => "reason.keyring_missing",
            Self::Sealed => "reason.sealed",
            Self::Locked => "reason.keyring_locked",
            Self::Failed(_) => "reason.keyring_failed",
        }
    }
}

/// The vault in use, which the person may change.
pub struct Strongbox {
    file: PathBuf,
    vault: Mutex<Arc<dyn Vault>>,
}

impl Strongbox {
    /// The keyring, or the sealed file if there is one at `file`.
    pub fn new(file: &Path) -> Self {
        let vault = if file.exists() { Arc::new(Shut) } else { Self::keyring(file) };
        Self { file: file.into(), vault: Mutex::new(vault) }
    }

    /// The keyring, whether or not there is a sealed file at `file`: a secret may have been there before.
    pub fn keyring(file: &Path) -> Arc<dyn Vault> {
        Arc::new(known::Known::new(platform::Keyring::default(), file))
    }

    /// Names of what was ever stored in the keyring for the directory of `file`.
    pub fn known(file: &Path) -> io::Result<Vec<String>> {
        known::names(file)
    }

    /// The vault in use.
    pub fn vault(&self) -> Arc<dyn Vault> {
        Arc::clone(&self.vault.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether another vault than this one is in use now.
    pub fn was_chosen_since(&self, vault: &Arc<dyn Vault>) -> bool {
        !Arc::ptr_eq(&self.vault(), vault)
    }

    /// What the person chose. Opening a sealed file takes a moment of hard work by design.
    pub async fn choose(&self, choice: VaultChoice) -> Result<(), BadPassphrase> {
        let vault: Arc<dyn Vault> = match choice {
            VaultChoice::ThisRunOnly => Arc::new(ThisRun::default()),
            VaultChoice::Passphrase { passphrase } => {
                Arc::new(Sealed::open(self.file.clone(), passphrase).await?)
            }
        };
        *self.vault.lock().unwrap_or_else(PoisonError::into_inner) = vault;
        Ok(())
    }

    /// Resolves when the keyring may answer differently than before: it came, went, or was unlocked.
    pub async fn changed(&self) {
        platform::changed().await;
    }
}

/// A sealed file whose passphrase has not been given yet.
struct Shut;

#[async_trait]
impl Vault for Shut {
    async fn get(&self, _name: &str) -> Result<Option<Secret>, VaultError> {
        Err(VaultError::Sealed)
    }

    async fn set(&self, _name: &str, _secret: &Secret) -> Result<(), VaultError> {
        Err(VaultError::Sealed)
    }

    async fn delete(&self, _name: &str) -> Result<(), VaultError> {
        Err(VaultError::Sealed)
    }
}

/// Kept until the resident ends.
#[derive(Default)]
struct ThisRun(Mutex<HashMap<String, Secret>>);

#[async_trait]
impl Vault for ThisRun {
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned())
    }

    async fn set(&self, name: &str, secret: &Secret) -> Result<(), VaultError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), secret.clone());
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<(), VaultError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }
}

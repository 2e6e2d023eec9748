//! Where the secrets of channels are kept: the host's to say. A desktop has its keyring, a headless server its
//! environment or a file. They are asked for by the server alone and never told to anybody.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use tocsin_wechat::Secret;

/// Keeps secrets by channel and part.
#[async_trait]
pub trait SecretStore: Send + Sync + fmt::Debug + 'static {
    /// The secret, if there is one.
    async fn get(&self, channel: &str, part: &str) -> Result<Option<Secret>, SecretError>;
    /// Stores or replaces it.
    async fn set(&self, channel: &str, part: &str, secret: &Secret) -> Result<(), SecretError>;
    /// Removes it; one that is not there is fine.
    async fn delete(&self, channel: &str, part: &str) -> Result<(), SecretError>;
}

/// Why a secret could not be had or kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Locked, or not there: later it may be.
    #[error("{0}")]
    Locked(String),
    /// It comes from where this program does not write.
    #[error("{0}")]
    ReadOnly(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Kept until the process ends: for tests, and where a host has nothing better.
#[derive(Default)]
pub struct ThisRun(Mutex<HashMap<(String, String), Secret>>);

impl fmt::Debug for ThisRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ThisRun(…)")
    }
}

fn named(channel: &str, part: &str) -> (String, String) {
    (channel.to_owned(), part.to_owned())
}

#[async_trait]
impl SecretStore for ThisRun {
    async fn get(&self, channel: &str, part: &str) -> Result<Option<Secret>, SecretError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.get(&named(channel, part)).cloned())
    }

    async fn set(&self, channel: &str, part: &str, secret: &Secret) -> Result<(), SecretError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(named(channel, part), secret.clone());
        Ok(())
    }

    async fn delete(&self, channel: &str, part: &str) -> Result<(), SecretError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&named(channel, part));
        Ok(())
    }
}

//! The secrets of a hosted server's channels, in the vault of this desktop.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tocsin_server::channels::{ChannelSecret, SecretError, SecretStore};
use tocsin_subscriber::Secret;
use tokio::time::timeout;

use super::{Strongbox, VaultError};

/// A locked keyring asks for its password meanwhile; whoever only wants to send is not kept by that.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// A person is there and can type the password.
const WRITE_WITHIN: Duration = Duration::from_mins(2);

/// The vault, as the server asks for secrets.
pub struct ChannelSecrets {
    strongbox: Arc<Strongbox>,
    instance: String,
}

impl ChannelSecrets {
    /// Of the server with this instance: each data directory has its own.
    pub fn new(strongbox: Arc<Strongbox>, instance: &str) -> Self {
        Self { strongbox, instance: instance.to_owned() }
    }

    fn name(&self, channel: &str, part: &str) -> String {
        format!("{}/channel/{channel}/{part}", self.instance)
    }

    async fn within<T>(
        limit: Duration,
        work: impl Future<Output = Result<T, VaultError>>,
    ) -> Result<T, SecretError> {
        match timeout(limit, work).await {
            Ok(done) => done.map_err(|error| refused(&error)),
            Err(_) => Err(SecretError::Locked(VaultError::Locked.to_string())),
        }
    }
}

fn refused(error: &VaultError) -> SecretError {
    match error {
        VaultError::Missing(_) | VaultError::Locked | VaultError::Sealed => {
            SecretError::Locked(error.to_string())
        }
        VaultError::Failed(_) => SecretError::Failed(error.to_string()),
    }
}

impl fmt::Debug for ChannelSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSecrets").finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretStore for ChannelSecrets {
    async fn get(&self, channel: &str, part: &str) -> Result<Option<ChannelSecret>, SecretError> {
        let vault = self.strongbox.vault();
        let found = Self::within(READ_WITHIN, vault.get(&self.name(channel, part))).await?;
        Ok(found.map(|secret| ChannelSecret::new(secret.expose())))
    }

    async fn set(&self, channel: &str, part: &str, secret: &ChannelSecret) -> Result<(), SecretError> {
        let (vault, secret) = (self.strongbox.vault(), Secret::new(secret.expose()));
        Self::within(WRITE_WITHIN, vault.set(&self.name(channel, part), &secret)).await
    }

    async fn delete(&self, channel: &str, part: &str) -> Result<(), SecretError> {
        let vault = self.strongbox.vault();
        Self::within(WRITE_WITHIN, vault.delete(&self.name(channel, part))).await
    }
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::VaultChoice;

    use super::*;

    #[tokio::test]
    async fn kept_in_the_chosen_vault_by_server_channel_and_part() {
        let dir = tempfile::tempdir().unwrap();
        let strongbox = Arc::new(Strongbox::new(&dir.path().join("vault.bin")));
        strongbox.choose(VaultChoice::ThisRunOnly).await.unwrap();
        let kept = ChannelSecrets::new(strongbox.clone(), "one");
        kept.set("app", "secret", &ChannelSecret::new("hidden")).await.unwrap();
        assert_eq!(kept.get("app", "secret").await.unwrap().unwrap().expose(), "hidden");
        let other = ChannelSecrets::new(strongbox, "two");
        assert_eq!(other.get("app", "secret").await.unwrap(), None);
        kept.delete("app", "secret").await.unwrap();
        assert_eq!(kept.get("app", "secret").await.unwrap(), None);
        assert!(!format!("{kept:?}").contains("hidden"));
    }

    #[tokio::test]
    async fn a_sealed_file_without_its_passphrase_is_locked_and_not_empty() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vault.bin");
        std::fs::write(&file, b"sealed").unwrap();
        let kept = ChannelSecrets::new(Arc::new(Strongbox::new(&file)), "one");
        assert!(matches!(kept.get("app", "secret").await, Err(SecretError::Locked(_))));
    }
}

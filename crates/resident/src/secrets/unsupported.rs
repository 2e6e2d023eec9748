//! Windows and macOS: the keyring family's own stores are to stand here. Neither was ever compiled or run, so there is
//! no keyring, and the person chooses between the sealed file and this run.

use async_trait::async_trait;
use tocsin_subscriber::Secret;

use super::{Vault, VaultError};

#[derive(Default)]
pub(super) struct Keyring;

fn missing<T>() -> Result<T, VaultError> {
    Err(VaultError::Missing("the keyring is not supported on this platform yet".into()))
}

#[async_trait]
impl Vault for Keyring {
    async fn get(&self, _name: &str) -> Result<Option<Secret>, VaultError> {
        missing()
    }

    async fn set(&self, _name: &str, _secret: &Secret) -> Result<(), VaultError> {
        missing()
    }

    async fn delete(&self, _name: &str) -> Result<(), VaultError> {
        missing()
    }
}

pub(super) async fn changed() {
    std::future::pending().await
}

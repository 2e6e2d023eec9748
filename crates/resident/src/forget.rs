//! Starting over: what a resident left outside its own directories.

use std::{io, time::Duration};

use tocsin_control::Paths;
use tokio::time::timeout;

use crate::{
    autostart::Autostart,
    join::token_name,
    lan,
    secrets::{Strongbox, VaultError},
    settings::{self, ServerChoice},
};

/// A locked keyring asks for its password meanwhile.
const KEYRING_WAIT: Duration = Duration::from_mins(2);

/// What became of it.
#[derive(Debug)]
pub struct Forgotten {
    /// Names of the secrets that were removed from the keyring, or why they could not be.
    pub secrets: Result<Vec<String>, String>,
    /// Whether the start at login was on and is off now.
    pub autostart: io::Result<bool>,
}

/// Removes the secrets and the start at login of the resident with these paths, which must not run. The settings are
/// read for it, so they must still be there.
pub async fn forget(paths: &Paths) -> Forgotten {
    let (choices, _) = settings::read(&paths.settings_file());
    let name = match choices.server {
        ServerChoice::Unset => None,
        // Also when the LAN is off now: it may have been on.
        ServerChoice::Host => Some(lan::AUTHORITY.to_owned()),
        ServerChoice::Join(joined) => Some(token_name(&joined.profile)),
    };
    // Secrets in a sealed file go with the file.
    let name = name.filter(|_| !paths.vault_file().exists());
    let secrets = match name {
        None => Ok(Vec::new()),
        Some(name) => match timeout(KEYRING_WAIT, remove(paths, &name)).await {
            Ok(Ok(found)) => Ok(found.then_some(name).into_iter().collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(VaultError::Locked.to_string()),
        },
    };
    let autostart = match Autostart::new(paths).filter(Autostart::is_on) {
        Some(entry) => entry.set(false).map(|()| true),
        None => Ok(false),
    };
    Forgotten { secrets, autostart }
}

/// Whether it was there.
async fn remove(paths: &Paths, name: &str) -> Result<bool, VaultError> {
    let vault = Strongbox::new(&paths.vault_file()).vault();
    match vault.get(name).await {
        // Without a keyring there is nothing in it.
        Ok(None) | Err(VaultError::Missing(_)) => Ok(false),
        Ok(Some(_)) => vault.delete(name).await.map(|()| true),
        Err(error) => Err(error),
    }
}

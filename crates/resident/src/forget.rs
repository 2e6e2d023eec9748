//! Starting over: what a resident left outside its own directories.

use std::{io, time::Duration};

use tocsin_control::Paths;
use tokio::time::timeout;

use crate::{
    autostart::Autostart,
    join::token_name,
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
    let secrets = match timeout(KEYRING_WAIT, secrets(paths)).await {
        Ok(removed) => removed,
        Err(_) => Err(VaultError::Locked.to_string()),
    };
    let autostart = match Autostart::new(paths).filter(Autostart::is_on) {
        Some(entry) => entry.set(false).map(|()| true),
        None => Ok(false),
    };
    Forgotten { secrets, autostart }
}

/// Removes everything that this data directory stored in the keyring, also if its secrets were moved to a sealed file
/// or another server was chosen since; the sealed file goes with the files. Names those that were there.
async fn secrets(paths: &Paths) -> Result<Vec<String>, String> {
    let mut names = Strongbox::known(&paths.vault_file()).map_err(|error| error.to_string())?;
    let (choices, _) = settings::read(&paths.settings_file());
    match choices.server {
        ServerChoice::Unset | ServerChoice::Host => {}
        ServerChoice::Join(joined) => names.push(token_name(&joined.profile)),
    }
    names.sort();
    names.dedup();
    let vault = Strongbox::keyring(&paths.vault_file());
    let mut removed = Vec::new();
    for name in names {
        match vault.get(&name).await {
            // Without a keyring there is nothing in it.
            Err(VaultError::Missing(_)) => break,
            Ok(None) => {}
            Ok(Some(_)) => {
                vault.delete(&name).await.map_err(|error| error.to_string())?;
                removed.push(name);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(removed)
}

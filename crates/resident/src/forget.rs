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
    let (choices, _) = settings::read(&paths.settings_file());
    let mut secrets = Ok(Vec::new());
    // Secrets in a sealed file go with the file.
    if let ServerChoice::Join(joined) = choices.server
        && !paths.vault_file().exists()
    {
        let name = token_name(&joined.profile);
        let vault = Strongbox::new(&paths.vault_file()).vault();
        secrets = match timeout(KEYRING_WAIT, vault.delete(&name)).await {
            Ok(Ok(())) => Ok(vec![name]),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(VaultError::Locked.to_string()),
        };
    }
    let autostart = match Autostart::new(paths).filter(Autostart::is_on) {
        Some(entry) => entry.set(false).map(|()| true),
        None => Ok(false),
    };
    Forgotten { secrets, autostart }
}

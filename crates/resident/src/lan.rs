//! The LAN side of a hosted server: its own listener, TLS only, with a certificate authority of this installation whose
//! key is in the vault and whose fingerprint the invites carry.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tocsin_protocol::control::{Mode, ProblemCode};
use tocsin_server::{
    AppState, Config,
    tls::{Error, Identity, KeyStore, local_addresses},
};
use tocsin_subscriber::Secret;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    host::bind,
    mode::Parts,
    secrets::{Vault, VaultError},
};

/// The authority (certificate and key, PEM) that all data directories of a person shared in early builds. Whoever finds
/// it and has none of its own goes on with it, so that those who joined need no new invite; it stays for the others.
const SHARED_AUTHORITY: &str = "server/certificate-authority";
/// Kind of the secret that is the authority of a server.
const AUTHORITY: &str = "certificate-authority";

/// Name of the authority of this installation's server in the vault: one for each data directory.
fn authority_name(instance: &str) -> String {
    format!("{instance}/{AUTHORITY}")
}

/// How often names and addresses are compared with the certificate: a laptop changes networks, a certificate ages.
const LOOK: Duration = Duration::from_mins(15);

/// The certificate, as soon as the vault gives or takes its key. Tells what keeps it waiting.
pub async fn identity(parts: &Parts, instance: &str) -> Identity {
    'ask: loop {
        let mut changed = std::pin::pin!(parts.strongbox.changed());
        let mut has_changed = false;
        let vault = parts.strongbox.vault();
        let mut making = std::pin::pin!(make(Arc::clone(&vault), authority_name(instance)));
        let made = loop {
            tokio::select! {
                made = &mut making => break made,
                () = &mut changed, if !has_changed => has_changed = true,
                // Another vault was chosen (or had been before: asking again is harmless).
                () = parts.vault_chosen.notified() => continue 'ask,
            }
        };
        match made {
            Ok(identity) => {
                for code in
                    [ProblemCode::KeyringMissing, ProblemCode::KeyringLocked, ProblemCode::KeyringFailed]
                {
                    parts.desk.clear(code);
                }
                return identity;
            }
            Err((code, detail)) => {
                tracing::warn!(%detail, "the LAN listener waits for its certificate");
                parts.desk.raise(code, detail);
            }
        }
        if !has_changed && !parts.strongbox.was_chosen_since(&vault) {
            tokio::select! {
                () = &mut changed => {}
                () = parts.vault_chosen.notified() => {}
            }
        }
    }
}

/// What invites say of it.
pub fn advertise(config: &mut Config, identity: &Identity, port: u16) {
    config.ca_fingerprint.clone_from(&identity.ca_fingerprint);
    // Without a network there is nobody else to invite, but what was made is the same when there is one.
    let ip = local_addresses().first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    config.advertised_origin = Some(format!("https://{}", SocketAddr::new(ip, port)));
}

/// Listens for others until `end`, and says so under the advertised address; without a certificate it only waits.
pub async fn serve(
    parts: &Parts,
    identity: Option<(Identity, String)>,
    port: u16,
    state: AppState,
    end: &CancellationToken,
) {
    let Some((identity, advertised)) = identity else { return end.cancelled().await };
    let every_address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let Some(listener) = bind(parts, every_address, end).await else { return };
    tracing::info!(port, "other computers can reach this server");
    parts.desk.change(|facets| {
        if let Mode::Host { addresses, .. } = &mut facets.mode {
            addresses.push(advertised);
        }
    });
    let serving = tocsin_server::listen::serve_tls(
        listener,
        Arc::clone(&identity.server_config),
        state,
        end.cancelled(),
    );
    tokio::select! {
        () = serving => {}
        () = keep_fresh(&identity) => {}
    }
}

async fn keep_fresh(identity: &Identity) {
    loop {
        tokio::time::sleep(LOOK).await;
        match identity.reissue(&names()) {
            Ok(true) => {
                tracing::info!("the certificate was reissued: names or addresses changed, or it was old");
            }
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the certificate could not be reissued"),
        }
    }
}

async fn make(vault: Arc<dyn Vault>, name: String) -> Result<Identity, (ProblemCode, String)> {
    let runtime = Handle::current();
    // Loading and saving block, and a keyring may take minutes.
    let made = tokio::task::spawn_blocking(move || {
        let keys = VaultKeys { vault, name, runtime, failure: std::sync::Mutex::new(None) };
        Identity::own(&keys, &names()).map_err(|error| {
            let failure = keys.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let code = failure.map_or(ProblemCode::KeyringFailed, |failure| failure.problem());
            (code, error.to_string())
        })
    });
    made.await.unwrap_or_else(|error| Err((ProblemCode::KeyringFailed, error.to_string())))
}

/// Every name and address under which others may reach this computer.
fn names() -> Vec<String> {
    let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let short = own.split('.').next().unwrap_or(&own).to_owned();
    let addresses =
        local_addresses().into_iter().chain([IpAddr::V4(Ipv4Addr::LOCALHOST)]).map(|ip| ip.to_string());
    let mut names: Vec<String> =
        [format!("{short}.local"), own, "localhost".into()].into_iter().chain(addresses).collect();
    names.sort();
    names.dedup();
    names
}

/// The vault, as the certificate authority sees it.
struct VaultKeys {
    vault: Arc<dyn Vault>,
    name: String,
    runtime: Handle,
    failure: std::sync::Mutex<Option<VaultError>>,
}

impl VaultKeys {
    fn failed(&self, error: VaultError) -> Error {
        let text = error.to_string();
        *self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
        Error::Store(text)
    }
}

impl KeyStore for VaultKeys {
    fn load(&self) -> Result<Option<String>, Error> {
        let found = self.runtime.block_on(async {
            if let Some(own) = self.vault.get(&self.name).await? {
                return Ok(Some(own));
            }
            let Some(shared) = self.vault.get(SHARED_AUTHORITY).await? else { return Ok(None) };
            self.vault.set(&self.name, &shared).await?;
            tracing::info!("the certificate authority is this data directory's own from now on");
            Ok(Some(shared))
        });
        Ok(found.map_err(|error| self.failed(error))?.map(|pem| pem.expose().to_owned()))
    }

    fn save(&self, pem: &str) -> Result<(), Error> {
        self.runtime
            .block_on(self.vault.set(&self.name, &Secret::new(pem)))
            .map_err(|error| self.failed(error))
    }
}

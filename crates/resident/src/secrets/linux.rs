//! The keyring on Linux: the Secret Service (gnome-keyring, `KeePassXC`, `KWallet`) through the `keyring` family.
//!
//! Its calls block, for minutes when the keyring asks for its password, and must not run on a thread of the async
//! runtime. A session with the service dies with the service, so each operation opens its own on a thread of its own:
//! secrets are read at a start and written when joining, and a keyring that came late or was restarted needs nothing
//! further. Operations are done one after the other, so that a locked keyring asks once.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use keyring_core::{Entry, Error, api::CredentialStoreApi as _};
use tocsin_subscriber::Secret;
use tokio::sync::{Mutex, oneshot};
use zbus::{MatchRule, MessageStream, message::Type};
use zbus_secret_service_keyring_store::Store;

use super::{SERVICE, Vault, VaultError};

const NAME: &str = "org.freedesktop.secrets";

/// The desktop's keyring.
#[derive(Default)]
pub(super) struct Keyring {
    turn: Arc<Mutex<()>>,
}

impl Keyring {
    async fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, VaultError> {
        // Held by the thread, not by the asker: who stops waiting must not let a second prompt up.
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let name = name.to_owned();
        let (answer, answered) = oneshot::channel();
        let thread = std::thread::Builder::new().name("keyring".into()).spawn(move || {
            let result = Store::new().and_then(|store| work(&store.build(SERVICE, &name, None)?));
            drop(turn);
            let _ = answer.send(result);
        });
        thread.map_err(|error| VaultError::Failed(error.to_string()))?;
        answered.await.map_err(|_| VaultError::Failed("its thread ended".into()))?.map_err(explain)
    }
}

#[async_trait]
impl Vault for Keyring {
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        self.run(name, |entry| match entry.get_password() {
            Ok(secret) => Ok(Some(Secret::from(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn set(&self, name: &str, secret: &Secret) -> Result<(), VaultError> {
        let secret = secret.clone();
        self.run(name, move |entry| entry.set_password(secret.expose())).await
    }

    async fn delete(&self, name: &str) -> Result<(), VaultError> {
        self.run(name, |entry| match entry.delete_credential() {
            Err(Error::NoEntry) => Ok(()),
            other => other,
        })
        .await
    }
}

/// The store wraps what the service said; only its words tell the cases apart.
fn explain(error: Error) -> VaultError {
    match error {
        Error::NoStorageAccess(inner) => {
            let text = inner.to_string();
            if text.contains("locked") || text.contains("prompt") {
                VaultError::Locked
            } else {
                VaultError::Failed(text)
            }
        }
        Error::PlatformFailure(inner) => {
            let text = inner.to_string();
            let nobody = [
                "ServiceUnknown",
                "not provided by any .service files",
                "no secret service provider",
                "NotFound",
            ];
            if nobody.iter().any(|sign| text.contains(sign)) {
                VaultError::Missing(text)
            } else {
                VaultError::Failed(text)
            }
        }
        other => VaultError::Failed(other.to_string()),
    }
}

/// Resolves at the next signal of the keyring (unlocking is one), or when it comes or goes.
pub(super) async fn changed() {
    if let Err(error) = wait_for_change().await {
        tracing::debug!(%error, "cannot listen to the keyring");
        // Without a bus there is nothing to come.
        std::future::pending::<()>().await;
    }
}

async fn wait_for_change() -> zbus::Result<()> {
    let connection = zbus::Connection::session().await?;
    let bus = zbus::fdo::DBusProxy::new(&connection).await?;
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(NAME)?
        .path_namespace("/org/freedesktop/secrets")?
        .build();
    let mut signals = MessageStream::for_match_rule(rule, &connection, Some(16)).await?;
    tokio::select! {
        _ = owners.next() => {}
        _ = signals.next() => {}
    }
    Ok(())
}

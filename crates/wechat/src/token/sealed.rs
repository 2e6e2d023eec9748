//! The cache, sealed: XChaCha20-Poly1305 under a key derived from the credential's own secret (HKDF-SHA-256).
//!
//! Whoever can unseal the token knows the secret and could fetch one anyway; whoever reads the file alone learns nothing.
//! A changed secret unseals nothing, and the token is fetched anew. `TOCSINT1` · nonce (24) · ciphertext; head and name
//! are authenticated, so that no credential's token passes for another's.

use std::sync::Arc;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use rand::Rng as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{cache::TokenCache, record::Record};
use crate::Secret;

const MAGIC: &[u8; 8] = b"TOCSINT1";
const NONCE: usize = 24;
/// Separates this use of the secret from every other.
const SALT: &[u8] = b"tocsin wechat token cache v1";

pub(super) struct Sealed {
    cache: Arc<dyn TokenCache>,
    name: Arc<str>,
    key: Arc<Zeroizing<[u8; 32]>>,
    storing: tokio::sync::Mutex<()>,
}

/// The right to store: one at a time.
pub(super) struct Turn<'a> {
    sealed: &'a Sealed,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Sealed {
    pub fn new(cache: Arc<dyn TokenCache>, name: String, secret: &Secret) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(SALT), secret.expose().as_bytes())
            .expand(name.as_bytes(), key.as_mut_slice())
            .expect("32 bytes are within HKDF's 255 blocks");
        Self { cache, name: name.into(), key: Arc::new(key), storing: tokio::sync::Mutex::default() }
    }

    /// What was stored, if it can be unsealed. Anything else is as good as nothing.
    pub async fn load(&self) -> Option<Record> {
        let (cache, name) = (self.cache.clone(), self.name.clone());
        let loaded = tokio::task::spawn_blocking(move || cache.load(&name)).await.ok()?;
        match loaded {
            Ok(sealed) => unseal(&self.key, &self.name, &sealed?),
            Err(error) => {
                tracing::warn!(name = &*self.name, %error, "a cached token cannot be read; a new one is fetched");
                None
            }
        }
    }

    /// Waits for the right to store.
    pub async fn turn(&self) -> Turn<'_> {
        Turn { sealed: self, _turn: self.storing.lock().await }
    }
}

impl Turn<'_> {
    /// Takes what was stored away.
    pub async fn remove(&mut self) {
        let (cache, name) = (self.sealed.cache.clone(), self.sealed.name.clone());
        let removed = tokio::task::spawn_blocking(move || cache.remove(&name)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(name = &*self.sealed.name, %error, "a cached token cannot be removed");
        }
    }

    /// Best effort: the token is held in memory in any case.
    pub async fn store(&mut self, record: Record) {
        let (cache, name) = (self.sealed.cache.clone(), self.sealed.name.clone());
        let nonce = rand::rng().random();
        let Some(sealed) = seal(&self.sealed.key, &name, &record, nonce) else { return };
        let stored = tokio::task::spawn_blocking(move || cache.store(&name, &sealed)).await;
        if let Ok(Err(error)) = stored {
            let name = &*self.sealed.name;
            tracing::warn!(name, %error, "a token cannot be cached; the next start fetches one");
        }
    }
}

fn seal(key: &[u8; 32], name: &str, record: &Record, nonce: [u8; NONCE]) -> Option<Vec<u8>> {
    let plain = Zeroizing::new(serde_json::to_vec(record).ok()?);
    let mut sealed = MAGIC.to_vec();
    sealed.extend(nonce);
    let aad = [MAGIC.as_slice(), name.as_bytes()].concat();
    let payload = Payload { msg: &plain, aad: &aad };
    sealed.extend(XChaCha20Poly1305::new(key.into()).encrypt(&nonce.into(), payload).ok()?);
    Some(sealed)
}

fn unseal(key: &[u8; 32], name: &str, sealed: &[u8]) -> Option<Record> {
    let (nonce, ciphertext) = sealed.strip_prefix(MAGIC)?.split_at_checked(NONCE)?;
    let aad = [MAGIC.as_slice(), name.as_bytes()].concat();
    let nonce = XNonce::try_from(nonce).ok()?;
    let payload = Payload { msg: ciphertext, aad: &aad };
    let plain = Zeroizing::new(XChaCha20Poly1305::new(key.into()).decrypt(&nonce, payload).ok()?);
    serde_json::from_slice(&plain).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::{NoCache, record::Kept};

    fn sealer(name: &str, secret: &str) -> Sealed {
        Sealed::new(Arc::new(NoCache), name.into(), &Secret::new(secret))
    }

    fn record() -> Record {
        Record { token: Some(Kept::new(&Secret::new("canary"), 5, 7200)), day: 7, ..Record::default() }
    }

    #[test]
    fn only_the_same_secret_and_name_unseal_and_nothing_is_readable() {
        let ours = sealer("official-1", "secret");
        let sealed = seal(&ours.key, &ours.name, &record(), [7; NONCE]).expect("sealed");
        assert!(!sealed.windows(6).any(|bytes| bytes == b"canary"));
        let back = unseal(&ours.key, &ours.name, &sealed).expect("unsealed");
        assert_eq!(back.token.expect("a token").value, "canary");
        assert_eq!(back.day, 7);
        let other = sealer("official-1", "secret2");
        assert!(unseal(&other.key, &other.name, &sealed).is_none());
        let other = sealer("official-2", "secret");
        assert!(unseal(&other.key, &other.name, &sealed).is_none());
        assert!(unseal(&ours.key, &other.name, &sealed).is_none(), "the name is authenticated");
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_no_token(at in 0_usize..100, bit in 0_u8..8) {
            let ours = sealer("a", "secret");
            let mut sealed = seal(&ours.key, &ours.name, &record(), [7; NONCE]).expect("sealed");
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert!(unseal(&ours.key, &ours.name, &sealed).is_none());
            sealed.truncate(at);
            prop_assert!(unseal(&ours.key, &ours.name, &sealed).is_none());
        }
    }
}

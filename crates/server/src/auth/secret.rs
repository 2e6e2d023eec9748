//! Secrets: 256 random bits each, shown once, kept as a hash.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngCore;
use sha2::{Digest, Sha256};
use tocsin_store::SecretHash;

/// What a token's secret begins with, so that scanners of repositories and logs can find a leaked one.
pub const TOKEN_PREFIX: &str = "tcs_";

/// A secret on its way to the one who asked for it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret of a token: `tcs_` and 43 characters of base64url.
    pub fn token() -> Self {
        Self(format!("{TOKEN_PREFIX}{}", random()))
    }

    /// The secret of a session, ticket, invite or login code: 43 characters of base64url.
    pub fn code() -> Self {
        Self(random())
    }

    /// The text, to be handed out once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> SecretHash {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn random() -> String {
    let mut bytes = [0; 32];
    // A ChaCha generator seeded and reseeded by the operating system.
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is kept of a secret. A plain hash is enough: there is no guessing 256 random bits, so nothing to slow down.
pub fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_documented_form_and_hides_in_debug() {
        let secret = Secret::token();
        assert_eq!(secret.expose().len(), 4 + 43);
        assert!(secret.expose().starts_with("tcs_"));
        assert!(!format!("{secret:?}").contains(&secret.expose()[4..]));
        assert_ne!(secret, Secret::token());
    }
}

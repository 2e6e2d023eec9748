//! One-time login codes: how the page in a browser gets its session. A code stands in the fragment of an address, which
//! browsers send to nobody, and is exchanged by POST. In memory: five minutes are not worth a row.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tocsin_protocol::Millis;
use tocsin_store::{SecretHash, TokenId, UserId};

use super::Secret;

/// How long a code is good: time to carry it to another device's browser.
pub const CODE_MS: Millis = 5 * 60_000;
/// Codes at a time; the oldest gives way.
const CODES_MOST: usize = 1000;

/// All login codes of one server.
#[derive(Default)]
pub struct LoginCodes {
    made: Mutex<HashMap<SecretHash, Grant>>,
}

/// Whom a code lets in.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// The person.
    pub user: UserId,
    /// The token it was made with; revoking that ends the session.
    pub token: Option<TokenId>,
    /// Until when.
    pub until: Millis,
}

impl LoginCodes {
    /// Makes a code; returns it with the time until which it can be used.
    pub fn make(&self, user: UserId, token: Option<TokenId>, now: Millis) -> (Secret, Millis) {
        let secret = Secret::code();
        let until = now + CODE_MS;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|_, grant| now < grant.until);
        if made.len() >= CODES_MOST
            && let Some(oldest) = made.iter().min_by_key(|(_, grant)| grant.until).map(|(hash, _)| *hash)
        {
            made.remove(&oldest);
        }
        made.insert(secret.hash(), Grant { user, token, until });
        (secret, until)
    }

    /// Uses a code up.
    pub fn take(&self, secret: &SecretHash, now: Millis) -> Option<Grant> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.remove(secret).filter(|grant| now < grant.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_and_for_5_min() {
        let codes = LoginCodes::default();
        let (secret, until) = codes.make(UserId(7), None, 0);
        assert_eq!(codes.take(&secret.hash(), until - 1).unwrap().user, UserId(7));
        assert!(codes.take(&secret.hash(), 1).is_none());
        let (late, until) = codes.make(UserId(7), None, 0);
        assert!(codes.take(&late.hash(), until).is_none());
    }
}

//! Codes that prove an address: whoever can tell one has read it there.
//!
//! - A code is kept as a hash, in memory, for [`KEPT`]; [`TRIES`] wrong ones end it. Six digits cannot be found in that.
//! - One at a time for a person at a channel: a newer one replaces the older, its tries included.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tocsin_protocol::Millis;

/// How long a code proves something: the person is being waited for.
pub const KEPT: Millis = 10 * 60 * 1000;
/// Wrong codes that are taken.
pub const TRIES: u32 = 5;
/// Codes that can be waited for at the same time: one for each person of the largest team.
const MOST: usize = 500;

/// Codes that were sent.
#[derive(Debug, Default)]
pub struct Proofs(Mutex<BTreeMap<Place, Sent>>);

/// Channel and person.
type Place = (String, String);

#[derive(Debug)]
struct Sent {
    address: String,
    salt: [u8; 16],
    hash: [u8; 32],
    tries: u32,
    until: Millis,
}

/// What a told code is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The one that was sent to this address.
    Right(String),
    /// Another; so many tries are left.
    Wrong(u32),
    /// There is none: none was sent, its time is over, or it was tried too often.
    Nothing,
}

impl Proofs {
    /// A new code for this person's address.
    pub fn make(&self, channel: &str, user: &str, address: &str, now: Millis) -> String {
        let mut rng = rand::rng();
        let code = format!("{:06}", rng.random_range(0..1_000_000));
        let salt = rng.random();
        let sent =
            Sent { address: address.into(), salt, hash: hash(salt, &code), tries: TRIES, until: now + KEPT };
        let mut codes = self.codes();
        codes.retain(|_, sent| sent.until > now);
        // The one that ends first makes room.
        if codes.len() >= MOST
            && let Some(first) =
                codes.iter().min_by_key(|(_, sent)| sent.until).map(|(place, _)| place.clone())
        {
            codes.remove(&first);
        }
        codes.insert((channel.into(), user.into()), sent);
        code
    }

    /// Compares what somebody tells with what was sent.
    pub fn compare(&self, channel: &str, user: &str, code: &str, now: Millis) -> Told {
        let place = (channel.to_owned(), user.to_owned());
        let mut codes = self.codes();
        let Some(sent) = codes.get_mut(&place).filter(|sent| sent.until > now) else { return Told::Nothing };
        if bool::from(hash(sent.salt, code).ct_eq(&sent.hash)) {
            return Told::Right(sent.address.clone());
        }
        sent.tries -= 1;
        let left = sent.tries;
        if left == 0 {
            codes.remove(&place);
        }
        Told::Wrong(left)
    }

    /// It was used, or nobody got it.
    pub fn forget(&self, channel: &str, user: &str) {
        self.codes().remove(&(channel.to_owned(), user.to_owned()));
    }

    fn codes(&self) -> MutexGuard<'_, BTreeMap<Place, Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(salt: [u8; 16], code: &str) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(code).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another code than this one.
    fn wrong(code: &str) -> String {
        format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
    }

    #[test]
    fn the_right_code_proves_the_address_it_went_to_and_no_other() {
        let proofs = Proofs::default();
        let code = proofs.make("app", "ann", "ZhangSan", 0);
        assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
        assert_eq!(proofs.compare("app", "bob", &code, 1), Told::Nothing);
        assert_eq!(proofs.compare("oa", "ann", &code, 1), Told::Nothing);
        assert_eq!(proofs.compare("app", "ann", &code, 1), Told::Right("ZhangSan".into()));
        proofs.forget("app", "ann");
        assert_eq!(proofs.compare("app", "ann", &code, 1), Told::Nothing);
    }

    #[test]
    fn five_wrong_ones_end_it_and_so_does_time() {
        let proofs = Proofs::default();
        let code = proofs.make("app", "ann", "ZhangSan", 0);
        for left in [4, 3, 2, 1, 0] {
            assert_eq!(proofs.compare("app", "ann", &wrong(&code), 1), Told::Wrong(left));
        }
        assert_eq!(proofs.compare("app", "ann", &code, 1), Told::Nothing);
        let code = proofs.make("app", "ann", "ZhangSan", 0);
        assert!(matches!(proofs.compare("app", "ann", &code, KEPT - 1), Told::Right(_)));
        assert_eq!(proofs.compare("app", "ann", &code, KEPT), Told::Nothing);
    }

    #[test]
    fn a_newer_code_replaces_the_older_and_memory_is_bounded() {
        let proofs = Proofs::default();
        let old = proofs.make("app", "ann", "old", 0);
        let new = proofs.make("app", "ann", "new", 1);
        if old != new {
            assert_eq!(proofs.compare("app", "ann", &old, 2), Told::Wrong(4));
        }
        assert_eq!(proofs.compare("app", "ann", &new, 2), Told::Right("new".into()));
        for n in 0..2 * MOST {
            proofs.make("app", &format!("user{n}"), "x", 3);
        }
        assert_eq!(proofs.codes().len(), MOST);
        assert!(!format!("{proofs:?}").contains(&format!("{new:?}")));
    }
}

//! From a request to an event.

use sha2::{Digest as _, Sha256};

use super::{BODY_BYTES, Event, FRESH, Fingerprint, Format, Query, Rejected, tree::Tree};
use crate::{
    Secret,
    clock::Millis,
    crypto::{self, AesKey, CryptoError},
};

/// Whose callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Official account: the address is verified in plain text; `success` is the answer.
    Official,
    /// WeCom: the address is verified encrypted; nothing is the answer.
    Wecom,
}

/// What a callback address is configured with.
#[derive(Clone, Debug)]
pub struct Callback {
    /// Whose.
    pub dialect: Dialect,
    /// The `Token` of the console.
    pub token: Secret,
    /// The `EncodingAESKey`, and behind it the one before: a changed key is in use on both sides for a while. Empty only
    /// with `allow_plain`.
    pub keys: Vec<AesKey>,
    /// Whom messages have to be for: `AppID` or `CorpID`.
    pub receive_id: String,
    /// Take messages of an official account in plain text. Their signature does not cover the body: whoever has seen
    /// one request can send others for five minutes.
    pub allow_plain: bool,
}

/// A request that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub event: Event,
    /// For the [`Guard`](super::Guard).
    pub fingerprint: Fingerprint,
    /// When it was signed.
    pub signed_at: Millis,
    /// How to answer.
    pub(super) format: Format,
    pub(super) nonce: String,
    /// The key that opened it; `None` for plain text.
    pub(super) key: Option<usize>,
}

impl Callback {
    /// The console verifies the address: what to answer, exactly.
    pub fn verify_url(&self, query: &Query, now: Millis) -> Result<String, Rejected> {
        let (timestamp, nonce) = (query.need("timestamp")?, query.need("nonce")?);
        let echo = query.need("echostr")?;
        match self.dialect {
            Dialect::Official => {
                let given = query.need("signature")?;
                fresh(timestamp, now)?;
                self.check(&crypto::signature(&self.token, timestamp, nonce), given)?;
                Ok(echo.to_owned())
            }
            Dialect::Wecom => {
                let given = query.need("msg_signature")?;
                fresh(timestamp, now)?;
                self.check(&crypto::msg_signature(&self.token, timestamp, nonce, echo), given)?;
                let (plain, _) = self.decrypt(echo)?;
                String::from_utf8(plain).map_err(|_| Rejected::Unreadable("not UTF-8"))
            }
        }
    }

    /// A message has been pushed.
    pub fn open(&self, query: &Query, body: &[u8], now: Millis) -> Result<Opened, Rejected> {
        if body.len() > BODY_BYTES {
            return Err(Rejected::TooLong);
        }
        let (timestamp, nonce) = (query.need("timestamp")?, query.need("nonce")?);
        let signed_at = fresh(timestamp, now)?;
        let body = std::str::from_utf8(body).map_err(|_| Rejected::Unreadable("not UTF-8"))?;
        let (envelope, format) = Tree::parse(body)?;
        let encrypt = envelope.text("Encrypt");
        let (tree, key) = if encrypt.is_empty() {
            if !self.allow_plain || self.dialect == Dialect::Wecom {
                return Err(Rejected::Plain);
            }
            self.check(&crypto::signature(&self.token, timestamp, nonce), query.need("signature")?)?;
            (envelope, None)
        } else {
            // Also in compatible mode: the clear fields beside it are not signed.
            let given = query.need("msg_signature")?;
            self.check(&crypto::msg_signature(&self.token, timestamp, nonce, encrypt), given)?;
            let (plain, key) = self.decrypt(encrypt)?;
            let plain = String::from_utf8(plain).map_err(|_| Rejected::Unreadable("not UTF-8"))?;
            (Tree::parse(&plain)?.0, Some(key))
        };
        Ok(Opened {
            event: Event::of(&tree),
            fingerprint: fingerprint(&Event::identity(&tree)),
            signed_at,
            format,
            nonce: nonce.to_owned(),
            key,
        })
    }

    #[expect(clippy::unused_self, reason = "reads as a step of this callback")]
    fn check(&self, expected: &str, given: &str) -> Result<(), Rejected> {
        if crypto::matches(expected, given) { Ok(()) } else { Err(Rejected::Signature) }
    }

    /// With the key that opens it, and which one that was.
    fn decrypt(&self, encrypt: &str) -> Result<(Vec<u8>, usize), Rejected> {
        let mut last = CryptoError::Padding;
        let mut is_anothers = false;
        for (at, key) in self.keys.iter().enumerate() {
            match crypto::decrypt(key, &self.receive_id, encrypt) {
                Ok(plain) => return Ok((plain, at)),
                // The same with every key.
                Err(error @ (CryptoError::Base64 | CryptoError::Length(_))) => return Err(error.into()),
                Err(error) => {
                    is_anothers |= error == CryptoError::Receiver;
                    last = error;
                }
            }
        }
        // Says more than that another key did not fit.
        Err(if is_anothers { CryptoError::Receiver } else { last }.into())
    }
}

/// The signed time, if it is near.
fn fresh(timestamp: &str, now: Millis) -> Result<Millis, Rejected> {
    let seconds: i64 = timestamp.parse().map_err(|_| Rejected::Missing("timestamp"))?;
    let signed_at = seconds.saturating_mul(1000);
    let off = now.saturating_sub(signed_at);
    if off.saturating_abs() > FRESH { Err(Rejected::Time(off / 1000)) } else { Ok(signed_at) }
}

fn fingerprint(parts: &[String]) -> Fingerprint {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

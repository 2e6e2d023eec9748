//! Signatures of [Standard Webhooks](https://www.standardwebhooks.com): how a receiver knows that a request is ours.
//!
//! Id, time and body are signed together. Without the id a request could be passed off as another one, without the time
//! an old one could be played again after the receiver has forgotten its id.

use std::{fmt, ops::RangeInclusive};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Begins a key: the standard has it so that one is recognised where it does not belong.
const PREFIX: &str = "whsec_";
/// Bytes of a key, by the standard: fewer can be guessed, more than a block of SHA-256 are hashed down again.
const BYTES: RangeInclusive<usize> = 24..=64;
/// With `=` at the end or without: both are in use.
const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What requests are signed with. Wiped when it goes; its `Debug` shows nothing.
pub struct Key(Zeroizing<Vec<u8>>);

/// Not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected whsec_ and 24 to 64 random bytes as base64")]
pub struct BadKey;

impl Key {
    /// Reads `whsec_…`.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(BadKey)?;
        let bytes = Zeroizing::new(ANY_PADDING.decode(encoded).map_err(|_| BadKey)?);
        if BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(BadKey) }
    }

    /// The header `webhook-signature`. `at` in seconds.
    pub fn sign(&self, id: &str, at: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the standard's own libraries test it.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &str = r#"{"test": 2432232314}"#;

    #[test]
    fn the_vector_of_the_standard() {
        let key = Key::parse(SECRET).unwrap();
        assert_eq!(key.sign(ID, AT, BODY), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn id_time_and_body_are_all_signed() {
        let key = Key::parse(SECRET).unwrap();
        let whole = key.sign(ID, AT, BODY);
        for other in [key.sign("msg_2", AT, BODY), key.sign(ID, AT + 1, BODY), key.sign(ID, AT, "{}")] {
            assert_ne!(other, whole);
        }
    }

    #[test]
    fn a_key_has_its_prefix_and_length() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for good in [24, 25, 32, 64] {
            assert!(Key::parse(&of(good)).is_ok(), "{good}");
            assert!(Key::parse(of(good).trim_end_matches('=')).is_ok(), "{good} without padding");
        }
        for bad in
            [of(0), of(23), of(65), of(32).replace("whsec_", ""), "whsec_not base64 at all, but long".into()]
        {
            assert_eq!(Key::parse(&bad).err(), Some(BadKey), "{bad}");
        }
    }

    #[test]
    fn a_key_is_not_in_its_debug() {
        assert_eq!(format!("{:?}", Key::parse(SECRET).unwrap()), "Key(…)");
    }
}

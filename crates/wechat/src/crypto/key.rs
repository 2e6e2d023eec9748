//! The `EncodingAESKey` of a callback.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// Characters of an `EncodingAESKey` as the consoles show it: base64 of 32 bytes without its `=`.
const KEY_CHARS: usize = 43;

/// 43 characters carry 258 bits. The consoles make keys of any letters, so the last two bits are often not zero, which
/// a strict decoder refuses.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A callback's AES key. Wiped when dropped; `Debug` shows nothing.
#[derive(Clone)]
pub struct AesKey(Zeroizing<[u8; 32]>);

/// Not an `EncodingAESKey`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an EncodingAESKey is 43 letters and digits, as the platform's console shows it")]
pub struct BadKey;

impl AesKey {
    /// Reads the 43 characters of the console.
    pub fn parse(encoding_aes_key: &str) -> Result<Self, BadKey> {
        let text = encoding_aes_key.trim();
        if text.len() != KEY_CHARS {
            return Err(BadKey);
        }
        let padded = Zeroizing::new(format!("{text}="));
        let bytes = Zeroizing::new(LENIENT.decode(padded.as_bytes()).map_err(|_| BadKey)?);
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(BadKey);
        }
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The initialisation vector is the key's first half: fixed by the platform.
    pub(super) fn iv(&self) -> [u8; 16] {
        let mut iv = [0; 16];
        iv.copy_from_slice(&self.0[..16]);
        iv
    }
}

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bits_are_discarded_and_other_lengths_refused() {
        let key =
            AesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").expect("a key with trailing bits");
        assert_eq!(key.bytes()[31], 0x51);
        for bad in [
            "",
            "short",
            "abcdefghijklmnopqrstuvwxyz0123456789ABCDEF",
            "!bcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        ] {
            assert_eq!(AesKey::parse(bad).err(), Some(BadKey), "{bad}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let key = AesKey::parse(&"A".repeat(43)).expect("a key");
        assert_eq!(format!("{key:?}"), "AesKey(…)");
    }
}

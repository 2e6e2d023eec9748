//! SHA-1 over the byte-wise sorted parts.
//!
//! SHA-1 is the platform's choice. Its known collisions do not help a forger here, who would need a second preimage for
//! a text that holds the secret token.

use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;

use crate::Secret;

/// The signature of a URL: token, timestamp and nonce. It does **not** cover a body.
pub fn signature(token: &Secret, timestamp: &str, nonce: &str) -> String {
    sorted_sha1(&mut [token.expose(), timestamp, nonce])
}

/// The signature of an encrypted text: token, timestamp, nonce and the text.
pub fn msg_signature(token: &Secret, timestamp: &str, nonce: &str, encrypt: &str) -> String {
    sorted_sha1(&mut [token.expose(), timestamp, nonce, encrypt])
}

/// Compares in constant time; a forger learns nothing from how long the refusal took.
pub fn matches(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

fn sorted_sha1(parts: &mut [&str]) -> String {
    parts.sort_unstable();
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().fold(String::with_capacity(40), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_parts_does_not_matter_but_every_byte_does() {
        let token = Secret::new("AAAAA");
        assert_eq!(signature(&token, "1714036504", "1514711492"), "f464b24fc39322e44b38aa78f5edd27bd1441696");
        assert!(matches("ab", "ab"));
        assert!(!matches("ab", "ac"));
        assert!(!matches("ab", "abc"));
        assert!(!matches("ab", ""));
    }
}

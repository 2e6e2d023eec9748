//! What protects a callback: a SHA-1 signature over the sorted parts, and AES-256-CBC over a framed message.
//!
//! Both sides are here, so that a stand-in for the platform signs and encrypts with the code that is checked against
//! the independent vectors. Two departures from what crypto libraries do by themselves, both of the platform's making:
//! the padding is PKCS#7 over blocks of **32** bytes, and a key's last character may carry bits that are discarded.
//!
//! The cipher authenticates nothing. The signature does: it is verified, in constant time, before anything is decrypted.

mod frame;
mod key;
mod signature;

pub use frame::{RANDOM_BYTES, decrypt, encrypt};
pub use key::{AesKey, BadKey};
pub use signature::{matches, msg_signature, signature};

/// Why an encrypted text was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// Not base64.
    #[error("the encrypted part is not base64")]
    Base64,
    /// Too short, or not whole cipher blocks.
    #[error("the encrypted part has {0} bytes, which is not a whole number of blocks")]
    Length(usize),
    /// The padding's count is outside 1..=32, or its bytes differ: the wrong key, mostly.
    #[error("the padding is wrong: the EncodingAESKey is another one, or the text was altered")]
    Padding,
    /// The length inside exceeds what is there.
    #[error("the frame names a length that it does not have")]
    Frame,
    /// Encrypted for another account.
    #[error("the message is addressed to another account or corporation")]
    Receiver,
}

//! The frame of an encrypted message: 16 random bytes, the length (u32, big endian), the message, the receiver's id;
//! padded to blocks of 32 bytes and encrypted with AES-256-CBC.

use aes::Aes256;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _, block_padding::NoPadding};

use super::{AesKey, CryptoError};

/// Random bytes at the start of a frame: they make equal messages look different under the fixed vector.
pub const RANDOM_BYTES: usize = 16;
/// Bytes of the length field.
const LENGTH_BYTES: usize = 4;
/// The platform pads to this. Generic PKCS#7 over AES' 16 would refuse half of all messages.
const PAD_BLOCK: usize = 32;
/// AES' own block.
const CIPHER_BLOCK: usize = 16;

/// Encrypts a message for a receiver (app id, corporation id, or empty), and encodes it.
pub fn encrypt(key: &AesKey, receive_id: &str, message: &[u8], random: [u8; RANDOM_BYTES]) -> String {
    let mut frame =
        Vec::with_capacity(RANDOM_BYTES + LENGTH_BYTES + message.len() + receive_id.len() + PAD_BLOCK);
    frame.extend(random);
    // Callbacks and replies are kilobytes; more than 4 GiB cannot be framed at all.
    frame.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend(message);
    frame.extend(receive_id.as_bytes());
    let pad = PAD_BLOCK - frame.len() % PAD_BLOCK;
    frame.resize(frame.len() + pad, u8::try_from(pad).unwrap_or(0));
    let cipher = cbc::Encryptor::<Aes256>::new(key.bytes().into(), &key.iv().into());
    STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(&frame))
}

/// Decodes and decrypts what was encrypted for this receiver. Its signature has been verified before.
pub fn decrypt(key: &AesKey, receive_id: &str, encrypt: &str) -> Result<Vec<u8>, CryptoError> {
    let sealed = STANDARD.decode(encrypt.trim()).map_err(|_| CryptoError::Base64)?;
    if sealed.len() < PAD_BLOCK || !sealed.len().is_multiple_of(CIPHER_BLOCK) {
        return Err(CryptoError::Length(sealed.len()));
    }
    let cipher = cbc::Decryptor::<Aes256>::new(key.bytes().into(), &key.iv().into());
    let padded =
        cipher.decrypt_padded_vec::<NoPadding>(&sealed).map_err(|_| CryptoError::Length(sealed.len()))?;
    let frame = unpad(&padded)?;
    let (head, rest) = frame.split_at_checked(RANDOM_BYTES + LENGTH_BYTES).ok_or(CryptoError::Frame)?;
    let length = head[RANDOM_BYTES..].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let length = usize::try_from(length).map_err(|_| CryptoError::Frame)?;
    let (message, receiver) = rest.split_at_checked(length).ok_or(CryptoError::Frame)?;
    if receiver != receive_id.as_bytes() {
        return Err(CryptoError::Receiver);
    }
    Ok(message.to_vec())
}

fn unpad(padded: &[u8]) -> Result<&[u8], CryptoError> {
    let count = usize::from(*padded.last().ok_or(CryptoError::Padding)?);
    if !(1..=PAD_BLOCK).contains(&count) || count > padded.len() {
        return Err(CryptoError::Padding);
    }
    let (frame, pad) = padded.split_at(padded.len() - count);
    if pad.iter().any(|byte| usize::from(*byte) != count) {
        return Err(CryptoError::Padding);
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> AesKey {
        AesKey::parse("Q7wzkpVXbVvmK2dkRLNlSHfQWcMkQ4fUJwYzTz0eXnM").expect("a key")
    }

    proptest! {
        /// Every length of message and receiver, thus every padding, comes back whole; no other receiver is taken.
        #[test]
        fn what_was_encrypted_is_decrypted(
            message in proptest::collection::vec(any::<u8>(), 0..200),
            receiver in "[a-z0-9]{0,20}",
            random in any::<[u8; RANDOM_BYTES]>(),
        ) {
            let sealed = encrypt(&key(), &receiver, &message, random);
            prop_assert_eq!(decrypt(&key(), &receiver, &sealed), Ok(message));
            let other = format!("{receiver}x");
            prop_assert!(decrypt(&key(), &other, &sealed).is_err());
        }

        /// Anything at all is refused or taken, never a panic.
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,100}") {
            let _ = decrypt(&key(), "wx", &STANDARD.encode(bytes));
            let _ = decrypt(&key(), "", &text);
        }
    }
}

//! What is decrypted: any text, and any frame that the key's owner might have encrypted, with any padding and length.
#![no_main]

use aes::Aes256;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _, block_padding::NoPadding};
use libfuzzer_sys::fuzz_target;
use tocsin_wechat::crypto::{self, AesKey};

const RECEIVER: &str = "wx1";

fuzz_target!(|data: &[u8]| {
    // The key of 43 letters A: zeros, and so is its vector.
    let key = AesKey::parse(&"A".repeat(43)).expect("a key");
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = crypto::decrypt(&key, RECEIVER, text);
        let _ = AesKey::parse(text);
    }
    let whole = &data[..data.len() - data.len() % 16];
    let cipher = cbc::Encryptor::<Aes256>::new(&[0_u8; 32].into(), &[0_u8; 16].into());
    let sealed = STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(whole));
    if let Ok(message) = crypto::decrypt(&key, RECEIVER, &sealed) {
        assert!(whole.windows(message.len().max(1)).any(|part| part == message) || message.is_empty());
    }
    let made = crypto::encrypt(&key, RECEIVER, data, [9; 16]);
    assert_eq!(crypto::decrypt(&key, RECEIVER, &made).as_deref(), Ok(data), "what is sealed opens");
});

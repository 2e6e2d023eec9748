//! The independent vectors, made by other implementations and two of them by the platform's own documentation: each
//! positive one is decrypted, encrypted again byte for byte and signed; each negative one is refused for its reason.

use serde_json::Value;
use tocsin_wechat::{
    Secret,
    crypto::{self, AesKey, CryptoError},
};

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).expect("the vectors are JSON")
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("{}: no {field}", vector["name"]))
}

fn named(name: &str) -> Value {
    let all = vectors();
    let found = all["vectors"].as_array().expect("a list").iter().find(|v| v["name"] == name);
    found.unwrap_or_else(|| panic!("no vector {name}")).clone()
}

fn key(vector: &Value) -> AesKey {
    AesKey::parse(text(vector, "encoding_aes_key")).expect("a key")
}

fn sealed_signature(vector: &Value, encrypt: &str) -> String {
    let token = Secret::new(text(vector, "token"));
    crypto::msg_signature(&token, text(vector, "timestamp"), text(vector, "nonce"), encrypt)
}

#[test]
fn every_plain_signature_is_the_vectors() {
    let all = vectors();
    let mut seen = 0;
    for vector in all["vectors"].as_array().expect("a list") {
        if vector["kind"] != "plain_signature" {
            continue;
        }
        let token = Secret::new(text(vector, "token"));
        let made = crypto::signature(&token, text(vector, "timestamp"), text(vector, "nonce"));
        assert!(crypto::matches(&made, text(vector, "signature")), "{}", vector["name"]);
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn every_encrypted_vector_is_decrypted_and_made_again_byte_for_byte() {
    let all = vectors();
    let mut seen = 0;
    for vector in all["vectors"].as_array().expect("a list") {
        if vector["kind"] == "plain_signature" {
            continue;
        }
        let name = &vector["name"];
        let (key, receiver, encrypt) = (key(vector), text(vector, "receive_id"), text(vector, "encrypt"));
        let plain = crypto::decrypt(&key, receiver, encrypt).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(String::from_utf8(plain.clone()).expect("UTF-8"), text(vector, "plaintext"), "{name}");
        let random = text(vector, "random16").as_bytes().try_into().expect("16 bytes");
        assert_eq!(crypto::encrypt(&key, receiver, &plain, random), encrypt, "{name}");
        assert_eq!(sealed_signature(vector, encrypt), text(vector, "msg_signature"), "{name}");
        if let Some(signature) = vector["url_signature"].as_str() {
            let token = Secret::new(text(vector, "token"));
            let made = crypto::signature(&token, text(vector, "timestamp"), text(vector, "nonce"));
            assert_eq!(made, signature, "{name}");
        }
        seen += 1;
    }
    assert_eq!(seen, 10);
}

#[test]
fn every_negative_vector_is_refused_for_its_reason() {
    let all = vectors();
    let mut seen = 0;
    for negative in all["negative"].as_array().expect("a list") {
        let base = named(text(negative, "base"));
        let encrypt = negative["encrypt"].as_str().unwrap_or_else(|| text(&base, "encrypt"));
        let (key, receiver) = (key(&base), text(&base, "receive_id"));
        if let Some(signature) = negative["msg_signature"].as_str() {
            assert_eq!(sealed_signature(&base, encrypt), signature, "{}", negative["name"]);
        }
        match text(negative, "name") {
            "neg-bad-signature" => {
                let mut forged = text(&base, "msg_signature").to_owned();
                let last = if forged.pop() == Some('0') { '1' } else { '0' };
                forged.push(last);
                assert!(!crypto::matches(&sealed_signature(&base, encrypt), &forged));
            }
            "neg-wrong-receive-id" => {
                let other = crypto::decrypt(&key, "ww0000000000000000", encrypt);
                assert_eq!(other, Err(CryptoError::Receiver));
            }
            "neg-truncated-base64" => {
                assert_eq!(crypto::decrypt(&key, receiver, encrypt), Err(CryptoError::Base64));
            }
            "neg-length-overflow" => {
                assert_eq!(crypto::decrypt(&key, receiver, encrypt), Err(CryptoError::Frame));
            }
            "neg-zero-padding" => {
                assert_eq!(crypto::decrypt(&key, receiver, encrypt), Err(CryptoError::Padding));
            }
            other => panic!("a vector that nobody checks: {other}"),
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
}

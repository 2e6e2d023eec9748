//! What is answered to a push.

use super::{Callback, Dialect, Format, Opened};
use crate::{
    clock::Millis,
    crypto::{self, AesKey, RANDOM_BYTES},
};

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Taken.
    Success,
    /// Taken, and the buttons of the card that was pressed are replaced for the one who pressed.
    CardButton {
        /// Who pressed.
        user: String,
        /// What stands there instead.
        replace_name: String,
    },
}

/// An HTTP body to answer with, with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Callback {
    /// Writes an answer. An official account hears `success`; anything else, even an error text, is shown to the person
    /// as a fault of the account. WeCom hears nothing, or a card's new button, encrypted with the key that opened it.
    pub fn reply(&self, opened: &Opened, reply: &Reply, now: Millis, random: [u8; RANDOM_BYTES]) -> Answer {
        let key = opened.key.and_then(|at| self.keys.get(at));
        match (self.dialect, reply, key) {
            (Dialect::Official, _, _) => Answer { content_type: "text/plain", body: "success".into() },
            (Dialect::Wecom, Reply::CardButton { user, replace_name }, Some(key)) => {
                let at = now / 1000;
                let plain = self.card_button(user, replace_name, at);
                self.seal(key, &plain, opened.format, at, &opened.nonce, random)
            }
            (Dialect::Wecom, _, _) => Answer { content_type: "text/plain", body: String::new() },
        }
    }

    fn card_button(&self, user: &str, replace_name: &str, at: i64) -> String {
        format!(
            "<xml><ToUserName>{}</ToUserName><FromUserName>{}</FromUserName><CreateTime>{at}</CreateTime>\
             <MsgType>{}</MsgType><Button><ReplaceName>{}</ReplaceName></Button></xml>",
            cdata(user),
            cdata(&self.receive_id),
            cdata("update_button"),
            cdata(replace_name),
        )
    }

    /// Encrypts, signs and wraps.
    pub(super) fn seal(
        &self,
        key: &AesKey,
        plain: &str,
        format: Format,
        at: i64,
        nonce: &str,
        random: [u8; RANDOM_BYTES],
    ) -> Answer {
        let encrypt = crypto::encrypt(key, &self.receive_id, plain.as_bytes(), random);
        let signature = crypto::msg_signature(&self.token, &at.to_string(), nonce, &encrypt);
        match (format, self.dialect) {
            (Format::Xml, _) => Answer {
                content_type: "application/xml",
                body: format!(
                    "<xml>\n<Encrypt>{}</Encrypt>\n<MsgSignature>{}</MsgSignature>\n<TimeStamp>{at}</TimeStamp>\n\
                     <Nonce>{}</Nonce>\n</xml>",
                    cdata(&encrypt),
                    cdata(&signature),
                    cdata(nonce),
                ),
            },
            (Format::Json, dialect) => Answer {
                content_type: "application/json",
                body: Json { encrypt, signature, at, nonce: nonce.to_owned() }.write(dialect),
            },
        }
    }
}

struct Json {
    encrypt: String,
    signature: String,
    at: i64,
    nonce: String,
}

impl Json {
    /// The two platforms spell the fields differently.
    fn write(self, dialect: Dialect) -> String {
        let Self { encrypt, signature, at, nonce } = self;
        match dialect {
            Dialect::Official => {
                serde_json::json!({ "Encrypt": encrypt, "MsgSignature": signature, "TimeStamp": at, "Nonce": nonce })
            }
            Dialect::Wecom => {
                serde_json::json!({ "encrypt": encrypt, "msgsignature": signature, "timestamp": at, "nonce": nonce })
            }
        }
        .to_string()
    }
}

/// A text that ends no section early.
fn cdata(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_section_early() {
        assert_eq!(cdata("a]]>b"), "<![CDATA[a]]]]><![CDATA[>b]]>");
    }

    /// The envelopes of the independent vectors, byte for byte (JSON: by content, its fields have no order).
    #[test]
    fn sealed_answers_are_the_vectors() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors.json")).expect("the vectors are JSON");
        let mut seen = 0;
        for vector in all["vectors"].as_array().expect("a list") {
            let Some(expected) = vector["reply_envelope_xml"].as_str() else { continue };
            let text = |field: &str| vector[field].as_str().expect("a text");
            let key = AesKey::parse(text("encoding_aes_key")).expect("a key");
            let callback = |dialect| Callback {
                dialect,
                token: text("token").into(),
                keys: vec![key.clone()],
                receive_id: text("receive_id").into(),
                allow_plain: false,
            };
            let at = text("timestamp").parse().expect("a number");
            let random = text("random16").as_bytes().try_into().expect("16 bytes");
            let seal = |dialect, format| {
                callback(dialect).seal(&key, text("plaintext"), format, at, text("nonce"), random).body
            };
            assert_eq!(seal(Dialect::Wecom, Format::Xml), expected, "{}", vector["name"]);
            let forms =
                [("reply_envelope_json_oa", Dialect::Official), ("reply_envelope_json", Dialect::Wecom)];
            for (field, dialect) in forms {
                let Some(expected) = vector[field].as_str() else { continue };
                let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
                assert_eq!(read(&seal(dialect, Format::Json)), read(expected), "{}", vector["name"]);
                seen += 1;
            }
            seen += 1;
        }
        assert_eq!(seen, 10, "eight in XML, two in JSON");
    }
}

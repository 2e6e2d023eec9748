//! Template messages.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::value::{FieldKind, TemplateField, fields};
use crate::{Api, Invalid, Prepared};

/// For how long the platform takes one `client_msg_id` for the same message: ten minutes.
const DEDUPE_SECONDS: u32 = 600;
/// Nothing is documented about the length of a `client_msg_id`; 32 characters were never refused.
const MSG_ID_CHARS: usize = 32;

/// A template of the account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Template {
    /// Its id.
    pub template_id: String,
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// Its text with its fields.
    #[serde(default)]
    pub content: String,
    /// The platform's example.
    #[serde(default)]
    pub example: String,
}

impl Template {
    /// The fields that a message has to fill.
    pub fn fields(&self) -> Vec<TemplateField> {
        fields(&self.content)
    }
}

/// What is opened instead of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MiniProgram {
    /// The mini-program's `AppID`.
    pub appid: String,
    /// The page in it.
    pub pagepath: String,
}

/// A template message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateMessage {
    /// Whom to.
    pub openid: String,
    /// Which template.
    pub template_id: String,
    /// What is opened on a press: the link to the full text.
    pub url: Option<String>,
    /// What is opened instead.
    pub mini_program: Option<MiniProgram>,
    /// Makes another try safe: made of the message and the recipient ([`client_msg_id`]), never of the attempt.
    pub client_msg_id: String,
    /// The fields. Values are brought into shape.
    pub data: BTreeMap<String, String>,
}

/// An id for (message, recipient) within the platform's alphabet, equal for every attempt. `again` makes another one,
/// for a message that is to be sent anew.
pub fn client_msg_id(message: &str, openid: &str, again: u32) -> String {
    let mut hash = Sha256::new();
    for part in [message, openid, &again.to_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(MSG_ID_CHARS / 2).fold(String::new(), |mut id, byte| {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}

#[derive(Serialize)]
struct Body<'a> {
    touser: &'a str,
    template_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    miniprogram: Option<&'a MiniProgram>,
    client_msg_id: &'a str,
    data: BTreeMap<&'a str, Value>,
}

#[derive(Serialize)]
struct Value {
    value: String,
}

impl TemplateMessage {
    /// Makes the bytes.
    pub fn prepare(&self) -> Result<Prepared, Invalid> {
        if self.openid.is_empty() {
            return Err(Invalid::field("touser", "missing"));
        }
        if self.template_id.is_empty() {
            return Err(Invalid::field("template_id", "missing"));
        }
        let fits = (1..=MSG_ID_CHARS).contains(&self.client_msg_id.len());
        if !fits || !self.client_msg_id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        {
            return Err(Invalid::field("client_msg_id", "1 to 32 letters, digits, _ or -"));
        }
        let mut shortened = Vec::new();
        let mut data = BTreeMap::new();
        for (name, value) in &self.data {
            let fitted = FieldKind::of(name).fit(value);
            if fitted.is_cut {
                shortened.push(format!("data.{name}"));
            }
            data.insert(name.as_str(), Value { value: fitted.text });
        }
        let body = Body {
            touser: &self.openid,
            template_id: &self.template_id,
            url: self.url.as_deref(),
            miniprogram: self.mini_program.as_ref(),
            client_msg_id: &self.client_msg_id,
            data,
        };
        let prepared = Prepared::new(Api::Template, &body)?;
        Ok(Prepared { dedupe_seconds: Some(DEDUPE_SECONDS), shortened, ..prepared })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> TemplateMessage {
        TemplateMessage {
            openid: "oABC".into(),
            template_id: "T1".into(),
            url: Some("https://host/m/1".into()),
            mini_program: None,
            client_msg_id: client_msg_id("m1", "oABC", 0),
            data: [("thing1", "构建失败"), ("time2", "2026-01-02 09:06")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }
    }

    #[test]
    fn the_body_is_the_platforms_in_raw_utf_8() {
        let prepared = message().prepare().expect("a message");
        let id = client_msg_id("m1", "oABC", 0);
        assert_eq!(
            prepared.body,
            format!(
                r#"{{"touser":"oABC","template_id":"T1","url":"https://host/m/1","client_msg_id":"{id}","data":{{"thing1":{{"value":"构建失败"}},"time2":{{"value":"2026-01-02 09:06"}}}}}}"#
            )
        );
        assert_eq!(prepared.dedupe_seconds, Some(600));
        assert_eq!(message().prepare().expect("again").body, prepared.body);
    }

    #[test]
    fn the_id_is_of_the_message_and_the_recipient() {
        let id = client_msg_id("m1", "o1", 0);
        assert_eq!(id.len(), 32);
        assert_eq!(id, client_msg_id("m1", "o1", 0));
        for other in
            [client_msg_id("m1", "o2", 0), client_msg_id("m2", "o1", 0), client_msg_id("m1", "o1", 1)]
        {
            assert_ne!(id, other);
        }
        assert_ne!(client_msg_id("a", "bc", 0), client_msg_id("ab", "c", 0));
    }

    #[test]
    fn what_is_cut_is_named() {
        let mut long = message();
        long.data.insert("thing3".into(), "很".repeat(30));
        assert_eq!(long.prepare().expect("a message").shortened, ["data.thing3"]);
        let mut bad = message();
        bad.client_msg_id = "run 42".into();
        assert!(bad.prepare().is_err());
    }
}

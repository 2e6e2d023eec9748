//! One request as the interfaces see it.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::Value;

use crate::answer::{Host, Refusal, refuse};

/// A request to a platform.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) host: Host,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    /// The address that the platform sees.
    pub(crate) ip: IpAddr,
    /// The simulator's time, milliseconds since 1970.
    pub(crate) now: i64,
}

impl Call {
    /// A parameter of the query; empty counts as missing, as it does there.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The body as JSON, if it is.
    pub(crate) fn peek(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as a JSON object, or the refusal that the host has for what is none.
    pub(crate) fn json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return refuse(44_002, "empty post data hint");
        }
        match self.peek() {
            Some(value) if value.is_object() => Ok(value),
            _ if self.host == Host::Oa => refuse(47_001, "data format error hint"),
            _ => refuse(40_035, "invalid parameter: body is no json object"),
        }
    }

    /// Everyone this call names as a recipient: faults can be aimed at one.
    pub(crate) fn recipients(&self) -> Vec<String> {
        let mut names = Vec::new();
        if let Some(body) = self.peek() {
            if let Some(to) = body["touser"].as_str() {
                names.extend(to.split('|').map(str::to_owned));
            }
            let listed = body["userids"].as_array().into_iter().flatten();
            names.extend(listed.filter_map(|id| id.as_str().map(str::to_owned)));
        }
        names.extend(
            ["openid", "userid", "key"].iter().filter_map(|name| self.param(name)).map(str::to_owned),
        );
        names
    }
}

/// A string in a JSON object, if it is one and not empty.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value[name].as_str().filter(|text| !text.is_empty())
}

/// The longest start of `text` within `bytes` that ends on a character.
pub(crate) fn cut_bytes(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The first `count` characters.
pub(crate) fn cut_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

/// JSON with its fields in order: two texts of one value are the same text then.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            let inside: Vec<String> =
                sorted.iter().map(|(name, value)| format!("{name:?}:{}", canonical(value))).collect();
            format!("{{{}}}", inside.join(","))
        }
        Value::Array(items) => {
            let inside: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", inside.join(","))
        }
        plain => plain.to_string(),
    }
}

/// Whether JSON text writes characters beyond ASCII as `\uXXXX`, which phones then show as it stands.
pub(crate) fn has_unicode_escape(body: &[u8]) -> bool {
    let mut at = 0;
    while at + 1 < body.len() {
        if body[at] != b'\\' {
            at += 1;
            continue;
        }
        if body[at + 1] == b'u' {
            let digits = body.get(at + 2..at + 6).and_then(|digits| str::from_utf8(digits).ok());
            if digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).is_some_and(|code| code > 0x7f)
            {
                return true;
            }
        }
        at += 2;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut_bytes("警钟", 4), "警");
        assert_eq!(cut_bytes("警钟", 6), "警钟");
        assert_eq!(cut_chars("警钟响了", 2), "警钟");
        assert_eq!(cut_chars("警", 2), "警");
    }

    #[test]
    fn only_escapes_beyond_ascii_are_found() {
        assert!(has_unicode_escape(br#"{"a":"\u4f60"}"#));
        assert!(!has_unicode_escape(br#"{"a":"\u0009 \\u4f60"}"#));
        assert!(!has_unicode_escape("{\"a\":\"你\"}".as_bytes()));
    }
}

//! The platforms' JSON, read leniently.
//!
//! Failure is an `errcode` that is present and not zero; it may be absent on success. It comes as a number or as digits
//! in a string. Bodies were seen with raw control characters inside strings, with a byte order mark, and with broken
//! UTF-8; none of that may lose the answer to a message that was already taken.

use serde_json::{Map, Value};

use crate::{
    errcode::excerpt,
    outcome::{Cause, Failure, Unknown},
};

/// An answer: a JSON object with its `errcode`.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Zero if there is none.
    pub errcode: i64,
    /// Cut, without secrets.
    pub errmsg: String,
    fields: Map<String, Value>,
}

impl Answer {
    /// Reads a body; the error is an excerpt fit for a person.
    pub fn parse(body: &[u8], secrets: &[&str]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}');
        // Between tokens they are white space, inside strings they are illegal: either way a space does no harm.
        let text = text.replace(|c: char| c.is_ascii_control(), " ");
        let unreadable = |what: &str| format!("{what}: {}", excerpt(&masked(text.trim(), secrets)));
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(&text) else {
            return Err(unreadable("not a JSON object"));
        };
        let errcode = match fields.get("errcode") {
            None => 0,
            Some(code) => number(code).ok_or_else(|| unreadable("errcode is not a number"))?,
        };
        let errmsg = fields.get("errmsg").and_then(Value::as_str).unwrap_or_default();
        let errmsg = excerpt(&masked(errmsg, secrets));
        Ok(Self { errcode, errmsg, fields })
    }

    /// Whether a message was taken. Sends are documented to answer with a code; an object that has neither code nor id
    /// is somebody else's, and to take it for success would lose the message silently.
    pub fn takes_message(&self) -> bool {
        self.errcode == 0
            && (self.fields.contains_key("errcode")
                || self.fields.contains_key("msgid")
                || self.errmsg.eq_ignore_ascii_case("ok"))
    }

    /// The failure of a send whose answer says nothing.
    pub fn says_nothing() -> Failure {
        let detail = "the answer has neither errcode nor msgid".into();
        Failure::Unknown(Unknown { cause: Cause::Unreadable, detail })
    }

    /// A field as text, be it a string or a number: ids exceed what a float holds.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A whole number, also one in a string.
    pub fn number(&self, name: &str) -> Option<i64> {
        number(self.fields.get(name)?)
    }

    /// Ids that come as a list, as text with `|` between them, or not at all.
    pub fn ids(&self, name: &str) -> Vec<String> {
        let split = |text: &str| -> Vec<String> {
            text.split(['|', ',']).map(str::trim).filter(|id| !id.is_empty()).map(ToOwned::to_owned).collect()
        };
        match self.fields.get(name) {
            Some(Value::String(text)) => split(text),
            Some(Value::Number(number)) => vec![number.to_string()],
            Some(Value::Array(items)) => items
                .iter()
                .flat_map(|item| match item {
                    Value::String(text) => split(text),
                    Value::Number(number) => vec![number.to_string()],
                    _ => Vec::new(),
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A field of any shape.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// The whole as a typed value.
    pub fn read<T: serde::de::DeserializeOwned>(self) -> Result<T, String> {
        serde_json::from_value(Value::Object(self.fields)).map_err(|error| error.to_string())
    }
}

pub(crate) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// What was asked with must not come back in what is kept.
fn masked(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        if text.contains(secret) {
            text = text.replace(secret, "…");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(body: &str) -> Result<Answer, String> {
        Answer::parse(body.as_bytes(), &[])
    }

    #[test]
    fn an_errcode_is_a_number_digits_or_absent() {
        assert_eq!(parse(r#"{"errcode":40001,"errmsg":"x"}"#).expect("JSON").errcode, 40001);
        assert_eq!(parse(r#"{"errcode":"45009"}"#).expect("JSON").errcode, 45009);
        assert_eq!(parse(r#"{"access_token":"t"}"#).expect("JSON").errcode, 0);
        for unreadable in [
            "",
            "<html>502</html>",
            "[]",
            "null",
            r#"{"errcode":"x"}"#,
            r#"{"errcode":null}"#,
            r#"{"errcode":0"#,
        ] {
            assert!(parse(unreadable).is_err(), "{unreadable}");
        }
    }

    #[test]
    fn control_characters_and_a_byte_order_mark_lose_nothing() {
        let answer =
            parse("\u{feff}{\"errcode\":0,\n\t\"errmsg\":\"o\u{1}k\",\"msgid\":3717005636572528642}")
                .expect("JSON");
        assert_eq!(answer.text("msgid").as_deref(), Some("3717005636572528642"));
        assert_eq!(answer.errmsg, "o k");
        let broken = [b"{\"errcode\":0,\"errmsg\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
        assert_eq!(Answer::parse(&broken, &[]).expect("JSON").errcode, 0);
    }

    #[test]
    fn what_an_answer_echoes_is_masked() {
        let body = br#"{"errcode":40014,"errmsg":"invalid access_token canary-token"}"#;
        assert!(!Answer::parse(body, &["canary-token"]).expect("JSON").errmsg.contains("canary"));
        let html = Answer::parse(b"<a href=\"?secret=canary\">", &["canary"]).expect_err("not JSON");
        assert!(!html.contains("canary"), "{html}");
    }

    #[test]
    fn an_object_of_somebody_elses_is_no_acceptance() {
        for taken in [r#"{"errcode":0}"#, r#"{"msgid":1}"#, r#"{"errmsg":"ok"}"#] {
            assert!(parse(taken).expect("JSON").takes_message(), "{taken}");
        }
        for other in ["{}", r#"{"code":403,"message":"denied"}"#, r#"{"errcode":1,"msgid":1}"#] {
            assert!(!parse(other).expect("JSON").takes_message(), "{other}");
        }
    }

    #[test]
    fn ids_come_in_any_shape() {
        let answer = parse(r#"{"a":"u1|u2","b":["u1","u2"],"c":"","d":[1,2],"e":null,"f":7}"#).expect("JSON");
        assert_eq!(answer.ids("a"), ["u1", "u2"]);
        assert_eq!(answer.ids("b"), ["u1", "u2"]);
        assert_eq!(answer.ids("d"), ["1", "2"]);
        assert_eq!(answer.ids("f"), ["7"]);
        for empty in ["c", "e", "g"] {
            assert!(answer.ids(empty).is_empty());
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..400), secret in ".{0,10}") {
            let _ = Answer::parse(&body, &[&secret]);
        }

        #[test]
        fn json_of_any_shape_is_read_or_refused(code in any::<i64>(), text in ".{0,200}") {
            let body = serde_json::json!({ "errcode": code, "errmsg": text, "msgid": text }).to_string();
            let answer = Answer::parse(body.as_bytes(), &[]).expect("an object");
            prop_assert_eq!(answer.errcode, code);
            prop_assert!(answer.errmsg.chars().count() <= 301);
        }
    }
}

//! Template cards: with buttons (an app with a callback address) or with a link alone (also a robot).

use serde_json::{Value, json};

use crate::{
    Invalid,
    fit::{Limit, fit},
};

/// The key that a pressed Acknowledge button sends back.
pub const ACKNOWLEDGE_KEY: &str = "acknowledge";

const TITLE_CHARS: usize = 36;
const DESCRIPTION_CHARS: usize = 44;
const TEXT_CHARS: usize = 160;
const SOURCE_CHARS: usize = 13;
const FIELDS: usize = 6;
const KEY_CHARS: usize = 5;
const VALUE_CHARS: usize = 26;
const BUTTONS: usize = 6;
const BUTTON_CHARS: usize = 10;
const BUTTON_KEY_BYTES: usize = 1024;
const TASK_ID_BYTES: usize = 128;

/// A card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Small, above: where it comes from.
    pub source: String,
    /// Title.
    pub title: String,
    /// Small, below the title.
    pub description: String,
    /// The text.
    pub text: String,
    /// Rows of name and value, six at most.
    pub fields: Vec<(String, String)>,
    /// What is opened on a press anywhere else. Required without buttons.
    pub url: Option<String>,
    /// Buttons; with any the card needs a task id and the app a callback address (43012 otherwise).
    pub buttons: Vec<Button>,
    /// Names the card in events; unique within the app, see [`task_id`].
    pub task_id: String,
}

/// A button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it says.
    pub text: String,
    /// What it sends back.
    pub key: String,
    /// How it looks.
    pub style: ButtonStyle,
}

/// How a button looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ButtonStyle {
    /// Filled.
    #[default]
    Primary,
    /// Plain.
    Plain,
}

impl Button {
    /// The Acknowledge button, in the reader's language.
    pub fn acknowledge(text: impl Into<String>) -> Self {
        Self { text: text.into(), key: ACKNOWLEDGE_KEY.into(), style: ButtonStyle::Primary }
    }
}

/// A task id of parts that are letters, digits, `_` or `-` each: `message@user`. Anything else becomes `_`.
pub fn task_id(parts: &[&str]) -> String {
    let clean = |part: &&str| {
        let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
        part.chars().map(keep).collect::<String>()
    };
    let mut id = parts.iter().map(clean).collect::<Vec<_>>().join("@");
    id.truncate(TASK_ID_BYTES);
    id
}

impl Card {
    /// Whether it needs a callback address.
    pub fn is_interactive(&self) -> bool {
        !self.buttons.is_empty()
    }

    /// The card's JSON, within the limits.
    pub(crate) fn body(&self, shortened: &mut Vec<String>) -> Result<Value, Invalid> {
        self.check()?;
        let mut take = |name: &str, text: &str, chars: usize| {
            let fitted = fit(text, Limit::Chars(chars), "");
            if fitted.is_cut {
                shortened.push(format!("template_card.{name}"));
            }
            fitted.text
        };
        let kind = if self.is_interactive() { "button_interaction" } else { "text_notice" };
        let mut card = json!({
            "card_type": kind,
            "main_title": {
                "title": take("main_title.title", &self.title, TITLE_CHARS),
                "desc": take("main_title.desc", &self.description, DESCRIPTION_CHARS),
            },
        });
        if !self.source.is_empty() {
            card["source"] =
                json!({ "desc": take("source.desc", &self.source, SOURCE_CHARS), "desc_color": 0 });
        }
        if !self.text.is_empty() {
            card["sub_title_text"] = json!(take("sub_title_text", &self.text, TEXT_CHARS));
        }
        if !self.fields.is_empty() {
            let row = |(name, value): &(String, String)| json!({ "keyname": take("keyname", name, KEY_CHARS), "value": take("value", value, VALUE_CHARS) });
            card["horizontal_content_list"] = self.fields.iter().take(FIELDS).map(row).collect();
        }
        if let Some(url) = &self.url {
            card["card_action"] = json!({ "type": 1, "url": url });
        }
        if self.is_interactive() {
            card["task_id"] = json!(self.task_id);
            let button = |button: &Button| {
                let text = take("button_list.text", &button.text, BUTTON_CHARS);
                json!({ "text": text, "style": button.style.number(), "key": button.key })
            };
            card["button_list"] = self.buttons.iter().map(button).collect();
        }
        if self.fields.len() > FIELDS {
            shortened.push("template_card.horizontal_content_list".into());
        }
        Ok(card)
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.title.trim().is_empty() && self.text.trim().is_empty() {
            return Err(Invalid::field("template_card.main_title.title", "empty"));
        }
        let has_scheme = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if !self.url.as_ref().is_none_or(has_scheme) {
            return Err(Invalid::field("template_card.card_action.url", "an http or https address"));
        }
        if !self.is_interactive() {
            return match self.url {
                Some(_) => Ok(()),
                None => Err(Invalid::field("template_card.card_action.url", "required without buttons")),
            };
        }
        let is_id = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'@');
        if !(1..=TASK_ID_BYTES).contains(&self.task_id.len()) || !self.task_id.bytes().all(is_id) {
            return Err(Invalid::field("template_card.task_id", "1 to 128 letters, digits, _ - or @"));
        }
        if self.buttons.len() > BUTTONS {
            return Err(Invalid::field("template_card.button_list", "more than six buttons"));
        }
        let keys: std::collections::BTreeSet<_> = self.buttons.iter().map(|button| &button.key).collect();
        let fit =
            self.buttons.iter().all(|b| (1..=BUTTON_KEY_BYTES).contains(&b.key.len()) && !b.text.is_empty());
        if keys.len() != self.buttons.len() || !fit {
            return Err(Invalid::field(
                "template_card.button_list",
                "each button needs a text and a key of its own",
            ));
        }
        Ok(())
    }
}

impl ButtonStyle {
    /// The platform's number for it.
    const fn number(self) -> u8 {
        match self {
            Self::Primary => 1,
            Self::Plain => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        Card {
            title: "Approve deploy?".into(),
            description: "run 42".into(),
            fields: vec![("Env".into(), "prod".into())],
            url: Some("https://host/m/1".into()),
            buttons: vec![Button::acknowledge("确认")],
            task_id: task_id(&["run-42", "zhang.san"]),
            ..Card::default()
        }
    }

    #[test]
    fn an_interactive_card_has_its_task_and_its_button() {
        let body = card().body(&mut Vec::new()).expect("a card");
        assert_eq!(body["card_type"], "button_interaction");
        assert_eq!(body["task_id"], "run-42@zhang_san");
        assert_eq!(body["button_list"], json!([{ "text": "确认", "style": 1, "key": "acknowledge" }]));
        assert_eq!(body["card_action"], json!({ "type": 1, "url": "https://host/m/1" }));
        assert_eq!(body["horizontal_content_list"], json!([{ "keyname": "Env", "value": "prod" }]));
    }

    #[test]
    fn without_buttons_it_is_a_notice_and_needs_its_link() {
        let notice = Card { buttons: vec![], ..card() };
        let body = notice.body(&mut Vec::new()).expect("a card");
        assert_eq!(body["card_type"], "text_notice");
        assert_eq!(body.get("task_id"), None);
        assert!(Card { url: None, ..notice }.body(&mut Vec::new()).is_err());
    }

    #[test]
    fn what_the_platform_would_refuse_is_refused_here() {
        let refused = |card: Card| card.body(&mut Vec::new()).is_err();
        assert!(refused(Card { task_id: "run 42".into(), ..card() }));
        assert!(refused(Card { task_id: "x".repeat(129), ..card() }));
        assert!(refused(Card {
            buttons: vec![Button::acknowledge("a"), Button::acknowledge("b")],
            ..card()
        }));
        assert!(refused(Card { title: String::new(), ..card() }));
        assert!(refused(Card { url: Some("javascript:1".into()), ..card() }));
    }

    #[test]
    fn what_is_cut_is_named() {
        let mut shortened = Vec::new();
        let buttons = vec![Button::acknowledge("确".repeat(11))];
        let long = Card { title: "警".repeat(40), text: "钟".repeat(200), buttons, ..card() };
        let body = long.body(&mut shortened).expect("a card");
        let named = ["main_title.title", "sub_title_text", "button_list.text"];
        assert_eq!(shortened, named.map(|name| format!("template_card.{name}")));
        assert_eq!(body["button_list"][0]["text"], format!("{}…", "确".repeat(9)));
        assert_eq!(body["main_title"]["title"].as_str().expect("text").chars().count(), TITLE_CHARS);
        assert_eq!(task_id(&[&"x".repeat(200)]).len(), TASK_ID_BYTES);
    }
}

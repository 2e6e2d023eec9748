//! A WeCom app's messages.

use serde::Serialize;

use super::{Card, Recipients};
use crate::{
    Api, Invalid, Prepared,
    fit::{Limit, fit},
};

/// Beyond this WeCom cuts a text silently.
const TEXT_BYTES: usize = 2048;
const CARD_TITLE_CHARS: usize = 128;
const CARD_DESCRIPTION_CHARS: usize = 512;
const CARD_URL_BYTES: usize = 2048;
const CARD_BUTTON_CHARS: usize = 4;
/// The longest time for which WeCom recognises a repeated request: four hours.
pub const DEDUPE_MOST_SECONDS: u32 = 14_400;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A text; links in `<a href="…">`.
    Text {
        /// What it says.
        content: String,
        /// The line with the link to the full text, used if it is cut.
        more: String,
    },
    /// A card without buttons: what an app without a callback address can send.
    TextCard {
        /// Title.
        title: String,
        /// Text; `<div class="gray">` and `<br>` are known.
        description: String,
        /// What is opened on a press. Required.
        url: String,
        /// What the link says, up to four characters; `None` for the platform's word.
        button: Option<String>,
    },
    /// Markdown of a small kind. Not shown inside WeChat.
    Markdown {
        /// What it says.
        content: String,
        /// The line with the link to the full text, used if it is cut.
        more: String,
    },
    /// A card, with or without buttons.
    Card(Card),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppMessage {
    /// Whom to.
    pub to: Recipients,
    /// From which app.
    pub agent_id: u64,
    /// What it says.
    pub content: Content,
    /// For how long a repeated request is to be recognised, up to [`DEDUPE_MOST_SECONDS`]: the horizon of retries.
    pub dedupe_seconds: u32,
    /// The message's id. WeCom drops an identical request as a repetition, so two messages that say the same must
    /// differ: where neither text nor link holds the id, it is added.
    pub mark: String,
}

#[derive(Serialize)]
struct Body<'a> {
    touser: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    toparty: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    totag: &'a str,
    msgtype: &'a str,
    agentid: u64,
    #[serde(flatten)]
    content: Typed,
    safe: u8,
    /// Off: `$userName=ID$` in a text from outside would be expanded.
    enable_id_trans: u8,
    enable_duplicate_check: u8,
    duplicate_check_interval: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Typed {
    Text {
        content: String,
    },
    Textcard {
        title: String,
        description: String,
        url: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        btntxt: Option<String>,
    },
    Markdown {
        content: String,
    },
    TemplateCard(serde_json::Value),
}

impl Typed {
    const fn name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Textcard { .. } => "textcard",
            Self::Markdown { .. } => "markdown",
            Self::TemplateCard(_) => "template_card",
        }
    }
}

impl AppMessage {
    /// Makes the bytes.
    pub fn prepare(&self) -> Result<Prepared, Invalid> {
        let to = self.to.join()?;
        if !(1..=DEDUPE_MOST_SECONDS).contains(&self.dedupe_seconds) {
            return Err(Invalid::field("duplicate_check_interval", "1 to 14400 seconds"));
        }
        let mut shortened = Vec::new();
        let content = self.typed(&mut shortened)?;
        let body = Body {
            touser: &to.users,
            toparty: &to.departments,
            totag: &to.tags,
            msgtype: content.name(),
            agentid: self.agent_id,
            content,
            safe: 0,
            enable_id_trans: 0,
            enable_duplicate_check: 1,
            duplicate_check_interval: self.dedupe_seconds,
        };
        let prepared = Prepared::new(Api::AppMessage, &body)?;
        Ok(Prepared { dedupe_seconds: Some(self.dedupe_seconds), shortened, ..prepared })
    }

    fn typed(&self, shortened: &mut Vec<String>) -> Result<Typed, Invalid> {
        Ok(match &self.content {
            Content::Text { content, more } => {
                Typed::Text { content: self.text("text.content", content, more, shortened)? }
            }
            Content::Markdown { content, more } => {
                Typed::Markdown { content: self.text("markdown.content", content, more, shortened)? }
            }
            Content::TextCard { title, description, url, button } => {
                self.text_card(title, description, url, button.as_deref(), shortened)?
            }
            Content::Card(card) => Typed::TemplateCard(card.body(shortened)?),
        })
    }

    fn text(
        &self,
        field: &'static str,
        content: &str,
        more: &str,
        shortened: &mut Vec<String>,
    ) -> Result<String, Invalid> {
        if content.trim().is_empty() {
            return Err(Invalid::field(field, "empty"));
        }
        let line = if self.mark.is_empty() { String::new() } else { format!("\n#{}", self.mark) };
        let whole = fit(content, Limit::Bytes(TEXT_BYTES), more);
        let fitted = if whole.text.contains(&self.mark) {
            whole
        } else {
            let mut fitted = fit(content, Limit::Bytes(TEXT_BYTES.saturating_sub(line.len())), more);
            fitted.text.push_str(&line);
            fitted
        };
        if fitted.is_cut {
            shortened.push(field.into());
        }
        Ok(fitted.text)
    }

    fn text_card(
        &self,
        title: &str,
        description: &str,
        url: &str,
        button: Option<&str>,
        shortened: &mut Vec<String>,
    ) -> Result<Typed, Invalid> {
        if !(url.starts_with("https://") || url.starts_with("http://")) || url.len() > CARD_URL_BYTES {
            return Err(Invalid::field("textcard.url", "an http or https address of up to 2048 bytes"));
        }
        if title.trim().is_empty() {
            return Err(Invalid::field("textcard.title", "empty"));
        }
        let is_marked = [title, description, url].iter().any(|text| text.contains(&self.mark));
        let line =
            if is_marked { String::new() } else { format!("<div class=\"gray\">#{}</div>", self.mark) };
        let mut take = |name: &str, text: &str, chars: usize| {
            let fitted = fit(text, Limit::Chars(chars), "");
            if fitted.is_cut {
                shortened.push(format!("textcard.{name}"));
            }
            fitted.text
        };
        let room = CARD_DESCRIPTION_CHARS.saturating_sub(line.chars().count());
        let mut description = take("description", description, room);
        description.push_str(&line);
        if description.is_empty() {
            // Required by the platform; a message may be its title alone.
            description.push('-');
        }
        Ok(Typed::Textcard {
            title: take("title", title, CARD_TITLE_CHARS),
            description,
            url: url.to_owned(),
            btntxt: button.map(|text| take("btntxt", text, CARD_BUTTON_CHARS)),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn message(content: Content) -> AppMessage {
        AppMessage {
            to: Recipients::user("u1"),
            agent_id: 1_000_002,
            content,
            dedupe_seconds: 1800,
            mark: "m1".into(),
        }
    }

    fn body(message: &AppMessage) -> Value {
        serde_json::from_str(&message.prepare().expect("a message").body).expect("JSON")
    }

    #[test]
    fn the_body_is_the_platforms_and_the_same_every_time() {
        let text = message(Content::Text { content: "你好 m1".into(), more: String::new() });
        let prepared = text.prepare().expect("a message");
        assert_eq!(
            prepared.body,
            r#"{"touser":"u1","msgtype":"text","agentid":1000002,"text":{"content":"你好 m1"},"safe":0,"enable_id_trans":0,"enable_duplicate_check":1,"duplicate_check_interval":1800}"#
        );
        assert_eq!(text.prepare().expect("again"), prepared);
        assert_eq!(prepared.dedupe_seconds, Some(1800));
    }

    #[test]
    fn two_messages_that_say_the_same_differ() {
        let one = message(Content::Text { content: "disk full".into(), more: String::new() });
        let two = AppMessage { mark: "m2".into(), ..one.clone() };
        assert_eq!(body(&one)["text"]["content"], "disk full\n#m1");
        assert_ne!(one.prepare().expect("one").body, two.prepare().expect("two").body);
        let card = message(Content::TextCard {
            title: "t".into(),
            description: "d".into(),
            url: "https://x/".into(),
            button: None,
        });
        assert_eq!(body(&card)["textcard"]["description"], "d<div class=\"gray\">#m1</div>");
        let linked = message(Content::TextCard {
            title: "t".into(),
            description: String::new(),
            url: "https://x/m1".into(),
            button: Some("查看全文吧".into()),
        });
        assert_eq!(body(&linked)["textcard"]["description"], "-");
        assert_eq!(body(&linked)["textcard"]["btntxt"], "查看全…");
        assert_eq!(linked.prepare().expect("a message").shortened, ["textcard.btntxt"]);
    }

    #[test]
    fn a_long_text_is_cut_where_wecom_would_cut_it_silently() {
        let text =
            message(Content::Markdown { content: "警".repeat(1000), more: "\n[more](https://x/m1)".into() });
        let prepared = text.prepare().expect("a message");
        assert_eq!(prepared.shortened, ["markdown.content"]);
        let content = body(&text)["markdown"]["content"].as_str().expect("text").to_owned();
        assert!(
            content.len() <= TEXT_BYTES && content.ends_with("…\n[more](https://x/m1)"),
            "{}",
            content.len()
        );
        let unlinked = message(Content::Text { content: "警".repeat(1000), more: String::new() });
        let content = body(&unlinked)["text"]["content"].as_str().expect("text").to_owned();
        assert!(content.len() <= TEXT_BYTES && content.ends_with("…\n#m1"));
    }

    #[test]
    fn what_the_platform_would_refuse_is_refused_here() {
        let bad = message(Content::Text { content: " ".into(), more: String::new() });
        assert!(bad.prepare().is_err());
        let card = |url: &str| {
            message(Content::TextCard {
                title: "t".into(),
                description: "d".into(),
                url: url.into(),
                button: None,
            })
        };
        assert!(card("host/path").prepare().is_err());
        assert!(card("javascript:alert(1)").prepare().is_err());
    }
}

//! Customer-service messages: only to people who wrote, scanned or pressed something lately (45015 otherwise).

use serde::Serialize;

use crate::{
    Api, Invalid, Prepared,
    fit::{Limit, fit},
};

/// The usual figure for a text; the platform answers 45002 beyond it.
const TEXT_BYTES: usize = 2048;
const TITLE_BYTES: usize = 128;
const DESCRIPTION_BYTES: usize = 512;

/// A customer-service message. The platform has no idempotency key for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomMessage {
    /// A text; links in `<a href="…">`.
    Text {
        /// What it says.
        content: String,
        /// The line with the link to the full text, used if it is cut.
        more: String,
    },
    /// One article with a link.
    News(Article),
    /// Something to choose from; the choice comes back as a message.
    Menu {
        /// Above the choices.
        head: String,
        /// The choices.
        list: Vec<MenuItem>,
        /// Below the choices.
        tail: String,
    },
}

/// An article.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Article {
    /// Its title.
    pub title: String,
    /// What it says.
    pub description: String,
    /// What is opened on a press.
    pub url: String,
    /// Its picture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub picurl: String,
}

impl Article {
    /// Within the platforms' limits, and what of it was cut.
    pub(crate) fn fitted(&self, at: usize, shortened: &mut Vec<String>) -> Self {
        let mut take = |name: &str, text: &str, bytes: usize| {
            let fitted = fit(text, Limit::Bytes(bytes), "");
            if fitted.is_cut {
                shortened.push(format!("news.articles[{at}].{name}"));
            }
            fitted.text
        };
        Self {
            title: take("title", &self.title, TITLE_BYTES),
            description: take("description", &self.description, DESCRIPTION_BYTES),
            url: self.url.clone(),
            picurl: self.picurl.clone(),
        }
    }
}

/// A choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MenuItem {
    /// What comes back.
    pub id: String,
    /// What it says.
    pub content: String,
}

#[derive(Serialize)]
struct Body<'a> {
    touser: &'a str,
    msgtype: &'a str,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Content<'a> {
    Text { content: &'a str },
    News { articles: [Article; 1] },
    Msgmenu { head_content: &'a str, list: &'a [MenuItem], tail_content: &'a str },
}

impl CustomMessage {
    /// Makes the bytes.
    pub fn prepare(&self, openid: &str) -> Result<Prepared, Invalid> {
        if openid.is_empty() {
            return Err(Invalid::field("touser", "missing"));
        }
        let mut shortened = Vec::new();
        let text;
        let (msgtype, content) = match self {
            Self::Text { content, more } => {
                if content.is_empty() {
                    return Err(Invalid::field("text.content", "empty"));
                }
                text = fit(content, Limit::Bytes(TEXT_BYTES), more);
                if text.is_cut {
                    shortened.push("text.content".into());
                }
                ("text", Content::Text { content: &text.text })
            }
            Self::News(article) => ("news", Content::News { articles: [article.fitted(0, &mut shortened)] }),
            Self::Menu { head, list, tail } => {
                ("msgmenu", Content::Msgmenu { head_content: head, list, tail_content: tail })
            }
        };
        let prepared = Prepared::new(Api::CustomerService, &Body { touser: openid, msgtype, content })?;
        Ok(Prepared { shortened, ..prepared })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_are_the_platforms() {
        let text = CustomMessage::Text { content: "你好".into(), more: String::new() };
        assert_eq!(
            text.prepare("o1").expect("a message").body,
            r#"{"touser":"o1","msgtype":"text","text":{"content":"你好"}}"#
        );
        let news =
            CustomMessage::News(Article { title: "t".into(), url: "https://x".into(), ..Article::default() });
        assert_eq!(
            news.prepare("o1").expect("a message").body,
            r#"{"touser":"o1","msgtype":"news","news":{"articles":[{"title":"t","description":"","url":"https://x"}]}}"#
        );
        let list = vec![MenuItem { id: "101".into(), content: "Yes".into() }];
        let menu = CustomMessage::Menu { head: "Approve?".into(), list, tail: String::new() };
        assert_eq!(
            menu.prepare("o1").expect("a message").body,
            r#"{"touser":"o1","msgtype":"msgmenu","msgmenu":{"head_content":"Approve?","list":[{"id":"101","content":"Yes"}],"tail_content":""}}"#
        );
    }

    #[test]
    fn a_long_text_is_cut_with_its_link() {
        let text = CustomMessage::Text { content: "警".repeat(2000), more: "\nhttps://x/1".into() };
        let prepared = text.prepare("o1").expect("a message");
        assert_eq!(prepared.shortened, ["text.content"]);
        assert_eq!(prepared.dedupe_seconds, None);
        let body: serde_json::Value = serde_json::from_str(&prepared.body).expect("JSON");
        let content = body["text"]["content"].as_str().expect("text");
        assert!(content.len() <= TEXT_BYTES && content.ends_with("…\nhttps://x/1"));
    }
}

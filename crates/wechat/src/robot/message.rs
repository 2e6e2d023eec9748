//! A robot's messages.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    Api, Invalid, Prepared,
    fit::{Fitted, Limit, fit},
    official::Article,
    wecom::Card,
};

/// A text's most. Beyond it the robot refuses (40058), it does not cut.
pub const TEXT_BYTES: usize = 2048;
/// The most of both kinds of Markdown.
pub const MARKDOWN_BYTES: usize = 4096;
const ARTICLES: usize = 8;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A text: the only kind that mentions people by their phone number.
    Text {
        /// What it says.
        content: String,
        /// The line with the link to the full text, used if it is cut.
        more: String,
    },
    /// Markdown with colours and mentions, without tables.
    Markdown {
        /// What it says.
        content: String,
        /// The line with the link to the full text, used if it is cut.
        more: String,
    },
    /// Markdown with tables, lists and code, without colours and mentions.
    MarkdownV2 {
        /// What it says.
        content: String,
        /// The line with the link to the full text, used if it is cut.
        more: String,
    },
    /// Up to eight articles.
    News(Vec<Article>),
    /// A card without buttons.
    Card(Card),
}

/// Who is mentioned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Members by userid.
    pub users: Vec<String>,
    /// Members by phone number.
    pub mobiles: Vec<String>,
    /// Everybody in the group.
    pub everyone: bool,
}

/// A message into the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RobotMessage {
    /// What it says.
    pub content: Content,
    /// Who is mentioned. Those who cannot be in this kind of message are named in [`Prepared::unmentioned`].
    pub mentions: Mentions,
}

#[derive(Serialize)]
struct Body {
    msgtype: &'static str,
    #[serde(flatten)]
    content: Typed,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Typed {
    Text {
        content: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        mentioned_list: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        mentioned_mobile_list: Vec<String>,
    },
    Markdown {
        content: String,
    },
    #[serde(rename = "markdown_v2")]
    MarkdownV2 {
        content: String,
    },
    News {
        articles: Vec<Article>,
    },
    TemplateCard(serde_json::Value),
}

impl Mentions {
    fn names(&self) -> Vec<String> {
        let everyone = self.everyone.then(|| "@all".to_owned());
        self.users.iter().cloned().chain(everyone).collect()
    }

    /// The line that mentions in Markdown.
    fn line(&self) -> String {
        let mut line = String::new();
        let everyone = if self.everyone { ["all"].as_slice() } else { &[] };
        let users = self.users.iter().filter(|userid| is_plain(userid)).map(String::as_str);
        for name in users.chain(everyone.iter().copied()) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}<@{name}>", if line.is_empty() { "\n" } else { "" });
        }
        line
    }
}

/// No character that would end the mention early.
fn is_plain(userid: &str) -> bool {
    !userid.is_empty() && !userid.contains(['<', '>', '\n'])
}

/// Text from outside must mention nobody: `<@all>` would wake the whole group.
fn without_mentions(text: &str) -> String {
    text.replace("<@", "<\u{200b}@")
}

impl RobotMessage {
    /// Makes the bytes.
    pub fn prepare(&self) -> Result<Prepared, Invalid> {
        let mut shortened = Vec::new();
        let mut unmentioned = Vec::new();
        let (msgtype, content) = match &self.content {
            Content::Text { content, more } => {
                let text =
                    taken("text.content", fit(content, Limit::Bytes(TEXT_BYTES), more), &mut shortened)?;
                let mentioned_list = self.mentions.names();
                let mentioned_mobile_list = self.mentions.mobiles.clone();
                ("text", Typed::Text { content: text, mentioned_list, mentioned_mobile_list })
            }
            Content::Markdown { content, more } => {
                let line = self.mentions.line();
                let room = MARKDOWN_BYTES.saturating_sub(line.len());
                let fitted = fit(&without_mentions(content), Limit::Bytes(room), more);
                let mut text = taken("markdown.content", fitted, &mut shortened)?;
                text.push_str(&line);
                unmentioned.extend(self.mentions.mobiles.iter().cloned());
                ("markdown", Typed::Markdown { content: text })
            }
            Content::MarkdownV2 { content, more } => {
                let fitted = fit(&without_mentions(content), Limit::Bytes(MARKDOWN_BYTES), more);
                let text = taken("markdown_v2.content", fitted, &mut shortened)?;
                ("markdown_v2", Typed::MarkdownV2 { content: text })
            }
            Content::News(articles) => ("news", news(articles, &mut shortened)?),
            Content::Card(card) if card.is_interactive() => {
                return Err(Invalid::field("template_card.button_list", "a robot's cards have no buttons"));
            }
            Content::Card(card) => ("template_card", Typed::TemplateCard(card.body(&mut shortened)?)),
        };
        if !matches!(content, Typed::Text { .. } | Typed::Markdown { .. }) {
            unmentioned.extend(self.mentions.names());
            unmentioned.extend(self.mentions.mobiles.iter().cloned());
        }
        let prepared = Prepared::new(Api::Robot, &Body { msgtype, content })?;
        Ok(Prepared { shortened, unmentioned, ..prepared })
    }
}

fn taken(field: &'static str, fitted: Fitted, shortened: &mut Vec<String>) -> Result<String, Invalid> {
    if fitted.text.trim().is_empty() {
        return Err(Invalid::field(field, "empty"));
    }
    if fitted.is_cut {
        shortened.push(field.into());
    }
    Ok(fitted.text)
}

fn news(articles: &[Article], shortened: &mut Vec<String>) -> Result<Typed, Invalid> {
    if articles.is_empty() {
        return Err(Invalid::field("news.articles", "missing"));
    }
    let is_linked =
        |article: &Article| article.url.starts_with("https://") || article.url.starts_with("http://");
    if !articles.iter().all(|article| is_linked(article) && !article.title.is_empty()) {
        return Err(Invalid::field("news.articles", "each needs a title and an http or https address"));
    }
    if articles.len() > ARTICLES {
        shortened.push("news.articles".into());
    }
    let fitted = articles.iter().take(ARTICLES).enumerate();
    Ok(Typed::News { articles: fitted.map(|(at, article)| article.fitted(at, shortened)).collect() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn mentions() -> Mentions {
        Mentions { users: vec!["zhangsan".into()], mobiles: vec!["13800001111".into()], everyone: true }
    }

    fn prepare(content: Content) -> (Value, Prepared) {
        let prepared = RobotMessage { content, mentions: mentions() }.prepare().expect("a message");
        (serde_json::from_str(&prepared.body).expect("JSON"), prepared)
    }

    fn text(content: &str) -> (String, String) {
        (content.to_owned(), "\nhttps://x/1".to_owned())
    }

    #[test]
    fn mentions_are_where_each_kind_takes_them() {
        let (content, more) = text("hi <@all>");
        let (body, prepared) = prepare(Content::Text { content: content.clone(), more: more.clone() });
        assert_eq!(
            body,
            json!({ "msgtype": "text", "text": { "content": "hi <@all>",
                "mentioned_list": ["zhangsan", "@all"], "mentioned_mobile_list": ["13800001111"] } })
        );
        assert!(prepared.unmentioned.is_empty());
        assert_eq!(prepared.dedupe_seconds, None);

        let (body, prepared) = prepare(Content::Markdown { content: content.clone(), more: more.clone() });
        assert_eq!(body["markdown"]["content"], "hi <\u{200b}@all>\n<@zhangsan><@all>");
        assert_eq!(prepared.unmentioned, ["13800001111"]);

        let (body, prepared) = prepare(Content::MarkdownV2 { content, more });
        assert_eq!(body["markdown_v2"]["content"], "hi <\u{200b}@all>");
        assert_eq!(prepared.unmentioned, ["zhangsan", "@all", "13800001111"]);
    }

    #[test]
    fn a_long_text_is_cut_before_the_robot_would_refuse_it() {
        let (content, more) = text(&"警".repeat(3000));
        let (body, prepared) = prepare(Content::Markdown { content: content.clone(), more: more.clone() });
        let made = body["markdown"]["content"].as_str().expect("text");
        assert!(made.len() <= MARKDOWN_BYTES && made.ends_with("…\nhttps://x/1\n<@zhangsan><@all>"));
        assert_eq!(prepared.shortened, ["markdown.content"]);
        let (body, _) = prepare(Content::Text { content, more });
        assert!(body["text"]["content"].as_str().expect("text").len() <= TEXT_BYTES);
    }

    #[test]
    fn articles_and_cards() {
        let article = Article { title: "t".into(), url: "https://x".into(), ..Article::default() };
        let (body, prepared) = prepare(Content::News(vec![article.clone(); 9]));
        assert_eq!(body["news"]["articles"].as_array().expect("a list").len(), 8);
        assert_eq!(prepared.shortened, ["news.articles"]);
        let unlinked = Article { url: "x".into(), ..article };
        let message = RobotMessage { content: Content::News(vec![unlinked]), mentions: Mentions::default() };
        assert!(message.prepare().is_err());

        let card = Card { title: "t".into(), url: Some("https://x".into()), ..Card::default() };
        let (body, _) = prepare(Content::Card(card.clone()));
        assert_eq!(body["template_card"]["card_type"], "text_notice");
        let pressed = Card { buttons: vec![crate::wecom::Button::acknowledge("ok")], ..card };
        let message = RobotMessage { content: Content::Card(pressed), mentions: Mentions::default() };
        assert!(message.prepare().is_err(), "a robot hears no press");
    }
}

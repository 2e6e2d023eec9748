//! What is written around messages: in the server's language, one text for readers of several.

use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};
use tocsin_locale::Locale;
use tocsin_protocol::{Message, Millis, control::Language};
use tocsin_wechat::official::FieldKind;

/// What stands before a fixed text in a template's mapping.
const FIXED: char = '=';

/// What is written around messages.
#[derive(Clone, Debug)]
pub struct Words {
    locale: Arc<Locale>,
    page: Option<String>,
    zone: TimeZone,
    /// Priorities in Chinese, whatever the server's language: all that a `phrase` takes.
    phrases: Vec<String>,
}

impl Words {
    /// `page` is where people reach the page from their phones, if they do.
    pub fn new(locale: Arc<Locale>, page: Option<&str>) -> Self {
        let page = page.map(|page| page.trim_end_matches('/').to_owned());
        let chinese = Locale::new(Language::ZhCn, "");
        let phrases = (1..=5).map(|priority| chinese.t(&priority_key(priority), &[])).collect();
        Self { locale, page, zone: TimeZone::system(), phrases }
    }

    /// A sentence.
    pub fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        self.locale.t(&format!("outgoing.{key}"), values)
    }

    /// The message on the page; its own link where the page can not be reached.
    pub(super) fn link(&self, message: &Message) -> Option<String> {
        match &self.page {
            Some(page) => Some(format!("{page}/#/message/{}", message.id)),
            None => message.click.clone(),
        }
    }

    /// The line with the way to the full text.
    pub(super) fn more(&self, message: &Message) -> String {
        self.link(message).map_or_else(String::new, |url| format!("\n{}", self.say("more", &[("url", &url)])))
    }

    /// The same within a line of Markdown.
    pub(super) fn more_in_line(&self, message: &Message) -> String {
        let Some(url) = self.link(message) else { return String::new() };
        // What would end the address early, or mention somebody.
        let url = ["(", ")", "<", ">"]
            .into_iter()
            .zip(["%28", "%29", "%3C", "%3E"])
            .fold(url, |url, (plain, escaped)| url.replace(plain, escaped));
        format!(" [{}]({url})", self.say("full", &[]))
    }

    /// Title and body as one text. A message has at least one of them.
    pub(super) fn whole(message: &Message) -> String {
        match (message.title.trim(), message.body.trim()) {
            (title, "") => title.into(),
            ("", body) => body.into(),
            (title, body) => format!("{title}\n{body}"),
        }
    }

    /// A title: the first line of the body where there is none.
    pub(super) fn title(message: &Message) -> &str {
        let title = message.title.trim();
        if title.is_empty() { message.body.trim().lines().next().unwrap_or_default() } else { title }
    }

    /// `2026-01-02 09:06`, in the server's time zone.
    pub(super) fn time(&self, at: Millis) -> String {
        let Ok(at) = Timestamp::from_millisecond(at) else { return String::new() };
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// What the field `name` of a template says.
    pub(super) fn field(&self, name: &str, source: &str, message: &Message) -> String {
        if let Some(fixed) = source.strip_prefix(FIXED) {
            return fixed.into();
        }
        match source {
            "title" => Self::title(message).into(),
            "body" if message.body.trim().is_empty() => message.title.clone(),
            "body" => message.body.clone(),
            "time" => self.time(message.created_at),
            "topic" => message.topic.clone().unwrap_or_default(),
            "sender" => message.sender.clone(),
            "priority" if FieldKind::of(name) == FieldKind::Phrase => {
                let at = usize::from(message.priority.get()).saturating_sub(1);
                self.phrases.get(at).cloned().unwrap_or_default()
            }
            "priority" => self.locale.t(&priority_key(message.priority.get()), &[]),
            _ => message.id.to_string(),
        }
    }
}

fn priority_key(priority: u8) -> String {
    format!("outgoing.priority_{priority}")
}

/// Whether a template's field can say this.
pub(super) fn is_source(text: &str) -> bool {
    text.starts_with(FIXED)
        || matches!(text, "title" | "body" | "time" | "topic" | "sender" | "priority" | "id")
}

//! One popup: what it says and which buttons it has, in the person's language.

use tocsin_locale::Locale;
use tocsin_protocol::{Action, Format, Message, Priority};

use super::policy::Summary;
use crate::tray::one_line;

/// Longest body of a popup, characters: daemons draw a handful of lines, the rest is in the window.
const BODY_CHARS: usize = 400;
/// Topics named in a summary.
const TOPICS_NAMED: usize = 5;

/// The button that the daemon shows as a click on the popup itself.
pub const KEY_OPEN: &str = "default";
/// The button that acknowledges.
pub const KEY_ACKNOWLEDGE: &str = "acknowledge";
/// The button that mutes the topic.
pub const KEY_MUTE: &str = "mute";
/// Begins the keys of the buttons that open an address; their position in the message follows.
pub const KEY_URL: &str = "url-";

/// How much a popup presses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// No sound, goes by itself.
    Low,
    /// As the desktop is set.
    Normal,
    /// Stays until the person does something.
    Critical,
}

/// A popup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Popup {
    /// First line.
    pub title: String,
    /// The rest, as plain text.
    pub body: String,
    /// How much it presses.
    pub urgency: Urgency,
    /// Keys and labels of the buttons.
    pub actions: Vec<(String, String)>,
}

impl Popup {
    /// Of one message.
    pub fn of_message(message: &Message, locale: &Locale) -> Self {
        let body = plain(&message.body, message.format);
        // Without a title the body's first line is one, and need not be said twice.
        let (title, body) = if message.title.is_empty() {
            let title = one_line(&body, BODY_CHARS);
            let rest =
                body.trim_start().strip_prefix(title.as_str()).map(|rest| rest.trim_start().to_owned());
            (title, rest.unwrap_or(body))
        } else {
            (message.title.clone(), body)
        };
        let title =
            if message.resolved { locale.t("notification.resolved", &[("title", &title)]) } else { title };
        let title = if title.is_empty() { locale.t("notification.untitled", &[]) } else { title };
        let urgency = match message.priority {
            // What is over presses nobody.
            _ if message.resolved => Urgency::Low,
            Priority::MAX => Urgency::Critical,
            priority if priority < Priority::DEFAULT => Urgency::Low,
            _ => Urgency::Normal,
        };
        let popup = Self { title, body: shorten(&body), urgency, actions: actions(message, locale) };
        if message.escalates.is_some() {
            popup.led_by(&locale.t("notification.escalated", &[]))
        } else {
            popup
        }
    }

    /// Of one message that its person is told of again.
    pub fn of_reminder(message: &Message, locale: &Locale) -> Self {
        let popup = Self::of_message(message, locale);
        if wants_acknowledgement(message) {
            popup.led_by(&locale.t("notification.reminder", &[]))
        } else {
            popup
        }
    }

    /// The same, with a line before the rest.
    fn led_by(mut self, line: &str) -> Self {
        self.body = format!("{line}\n{}", self.body).trim_end().into();
        self
    }

    /// Of several messages that came at once.
    pub fn of_summary(summary: &Summary, locale: &Locale) -> Self {
        let topics: Vec<&str> = summary.topics.iter().take(TOPICS_NAMED).map(String::as_str).collect();
        let mut named = topics.join(", ");
        if summary.topics.len() > TOPICS_NAMED {
            named.push_str(" …");
        }
        let body = if named.is_empty() {
            String::new()
        } else {
            locale.t("notification.summaryTopics", &[("topics", &named)])
        };
        Self::plain(
            locale.t("notification.summary", &[("count", &summary.count.to_string())]),
            body,
            Urgency::Normal,
            locale,
        )
    }

    /// Of what came while the person was away.
    pub fn of_absence(count: u64, newest: &str, locale: &Locale) -> Self {
        let title = locale.t("notification.whileAway", &[("count", &count.to_string())]);
        Self::plain(
            title,
            locale.t("notification.summaryBody", &[("title", newest)]),
            Urgency::Normal,
            locale,
        )
    }

    /// Of a storm of critical messages.
    pub fn of_storm(count: u64, locale: &Locale) -> Self {
        let title = locale.t("notification.stormTitle", &[("count", &count.to_string())]);
        Self::plain(title, locale.t("notification.stormBody", &[]), Urgency::Critical, locale)
    }

    /// The one that a person asks for to see whether popups work.
    pub fn of_test(locale: &Locale) -> Self {
        Self::plain(
            locale.t("notification.test", &[]),
            locale.t("notification.testBody", &[]),
            Urgency::Normal,
            locale,
        )
    }

    /// One with nothing but a way to open the window.
    pub fn plain(title: String, body: String, urgency: Urgency, locale: &Locale) -> Self {
        Self { title, body, urgency, actions: vec![(KEY_OPEN.into(), locale.t("notification.open", &[]))] }
    }
}

/// Whether the popup has a button that acknowledges: asked for by the sender, priority 4 and above, or nobody before
/// this person did.
pub fn wants_acknowledgement(message: &Message) -> bool {
    let asked = message.actions.iter().any(|action| matches!(action, Action::Acknowledge { .. }));
    !message.resolved && (asked || message.escalates.is_some() || message.priority >= Priority::HIGH)
}

fn actions(message: &Message, locale: &Locale) -> Vec<(String, String)> {
    let mut actions = vec![(KEY_OPEN.into(), locale.t("notification.open", &[]))];
    if wants_acknowledgement(message) {
        let label = message.actions.iter().find_map(|action| match action {
            Action::Acknowledge { label } => label.clone(),
            Action::OpenUrl { .. } => None,
        });
        actions.push((
            KEY_ACKNOWLEDGE.into(),
            label.unwrap_or_else(|| locale.t("notification.acknowledge", &[])),
        ));
    }
    for (index, action) in message.actions.iter().enumerate() {
        if let Action::OpenUrl { label, .. } = action {
            actions.push((format!("{KEY_URL}{index}"), label.clone()));
        }
    }
    if message.topic.is_some() {
        actions.push((KEY_MUTE.into(), locale.t("notification.muteTopic", &[])));
    }
    actions
}

/// Markdown without its marks, as far as a popup needs: marks of emphasis, headings, lists and links go, words stay.
fn plain(body: &str, format: Format) -> String {
    if format == Format::Text {
        return body.trim().into();
    }
    let lines = body.lines().filter(|line| !line.trim_start().starts_with("```")).map(|line| {
        let line = line.trim_start().trim_start_matches(['#', '>']).trim_start();
        let line = line
            .strip_prefix("* ")
            .or_else(|| line.strip_prefix("- "))
            .map_or_else(|| line.to_owned(), |rest| format!("• {rest}"));
        links_as_text(&line.replace("**", "").replace("__", "").replace('`', ""))
    });
    lines.collect::<Vec<_>>().join("\n").trim().into()
}

/// `[text](address)` becomes `text`, and an image its description.
fn links_as_text(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, label, after)) = next_link(rest) {
        text.push_str(before.strip_suffix('!').unwrap_or(before));
        text.push_str(label);
        rest = after;
    }
    text.push_str(rest);
    text
}

fn next_link(text: &str) -> Option<(&str, &str, &str)> {
    let middle = text.find("](")?;
    let open = text[..middle].rfind('[')?;
    let close = middle + text[middle..].find(')')?;
    Some((&text[..open], &text[open + 1..middle], &text[close + 1..]))
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= BODY_CHARS {
        return text.into();
    }
    text.chars().take(BODY_CHARS - 1).chain(['…']).collect()
}

/// For daemons that read the body as markup, and for tooltips.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::Language;

    use super::*;

    fn message(extra: serde_json::Value) -> Message {
        let mut value = serde_json::json!({
            "cursor": "k3v9x0ab-1", "id": "AAAAAAAAAAAA", "seq": 1, "topic": "ops", "sender": "ci", "title": "Disk full",
            "body": "on db1", "priority": 3, "thread": "AAAAAAAAAAAA", "created_at": 0,
        });
        let (Some(fields), serde_json::Value::Object(extra)) = (value.as_object_mut(), extra) else {
            panic!()
        };
        fields.extend(extra);
        serde_json::from_value(value).unwrap()
    }

    fn popup(extra: serde_json::Value) -> Popup {
        Popup::of_message(&message(extra), &Locale::new(Language::En, ""))
    }

    fn keys(popup: &Popup) -> Vec<&str> {
        popup.actions.iter().map(|(key, _)| key.as_str()).collect()
    }

    #[test]
    fn buttons_follow_priority_and_what_the_sender_asked_for() {
        assert_eq!(keys(&popup(serde_json::json!({}))), [KEY_OPEN, KEY_MUTE]);
        assert_eq!(keys(&popup(serde_json::json!({"priority": 4}))), [KEY_OPEN, KEY_ACKNOWLEDGE, KEY_MUTE]);
        let asked = popup(serde_json::json!({"topic": null, "actions": [
            {"type": "open_url", "label": "Run book", "url": "https://example.org"}, {"type": "acknowledge", "label": "Mine"},
        ]}));
        assert_eq!(keys(&asked), [KEY_OPEN, KEY_ACKNOWLEDGE, "url-0"]);
        assert_eq!(asked.actions[1].1, "Mine");
        assert_eq!(keys(&popup(serde_json::json!({"priority": 5, "resolved": true}))), [KEY_OPEN, KEY_MUTE]);
    }

    #[test]
    fn urgency_follows_priority_until_it_is_over() {
        let urgency = |priority: u8, resolved: bool| {
            popup(serde_json::json!({"priority": priority, "resolved": resolved})).urgency
        };
        assert_eq!(
            [urgency(2, false), urgency(3, false), urgency(5, false)],
            [Urgency::Low, Urgency::Normal, Urgency::Critical]
        );
        assert_eq!(urgency(5, true), Urgency::Low);
        assert_eq!(popup(serde_json::json!({"resolved": true})).title, "Resolved: Disk full");
    }

    #[test]
    fn whoever_is_next_in_line_is_told_so_and_can_acknowledge() {
        let next = message(serde_json::json!({ "escalates": "BBBBBBBBBBBB" }));
        let seen = Popup::of_message(&next, &Locale::new(Language::En, ""));
        assert_eq!(seen.body, "You are next in line: nobody has acknowledged this yet\non db1");
        assert_eq!(keys(&seen), [KEY_OPEN, KEY_ACKNOWLEDGE, KEY_MUTE]);
        let seen = Popup::of_message(&next, &Locale::new(Language::ZhCn, ""));
        assert_eq!(seen.body, "轮到你处理：此前无人确认\non db1");
    }

    #[test]
    fn a_reminder_says_what_it_waits_for() {
        let body = |extra| Popup::of_reminder(&message(extra), &Locale::new(Language::En, "")).body;
        let waits = "Still waiting for your acknowledgement";
        assert_eq!(body(serde_json::json!({ "priority": 5 })), format!("{waits}\non db1"));
        assert_eq!(body(serde_json::json!({ "priority": 5, "body": "" })), waits);
        assert_eq!(body(serde_json::json!({})), "on db1", "nobody waits for that of this one");
    }

    #[test]
    fn without_a_title_the_first_line_is_one() {
        let seen = popup(serde_json::json!({"title": "", "body": "first\nsecond"}));
        assert_eq!((seen.title.as_str(), seen.body.as_str()), ("first", "second"));
        assert_eq!(popup(serde_json::json!({"title": "", "body": ""})).title, "New message");
    }

    #[test]
    fn markdown_loses_its_marks_and_keeps_its_words() {
        let seen = popup(
            serde_json::json!({"format": "markdown", "body": "## Disk **full**\n- `db1` [graph](https://x/y) ![img](http://z)\n```sh\ndf\n```"}),
        );
        assert_eq!(seen.body, "Disk full\n• db1 graph img\ndf");
    }

    #[test]
    fn summaries_speak_the_persons_language() {
        let zh = Locale::new(Language::ZhCn, "");
        assert!(Popup::of_absence(7, "x", &zh).title.contains(" 7 条消息"));
        let many = Summary { count: 9, topics: (0..9).map(|n| format!("t{n}")).collect() };
        assert_eq!(Popup::of_summary(&many, &Locale::new(Language::En, "")).body, "In t0, t1, t2, t3, t4 …");
        assert_eq!(escape("a<b>&c"), "a&lt;b&gt;&amp;c");
    }
}

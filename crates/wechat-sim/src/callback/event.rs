//! What an event says, written as XML or JSON.

use std::fmt::Display;

use serde_json::{Map, Value};

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Goes into CDATA.
    Text(String),
    /// Bare; kept as text since ids exceed 2^53.
    Number(String),
    Tree(Vec<(String, Node)>),
}

/// An event: its fields in the platform's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event(pub(crate) Vec<(String, Node)>);

impl Event {
    /// The fields that every event starts with.
    pub(crate) fn start(to: &str, from: &str, now: i64, kind: &str) -> Self {
        Self(vec![
            ("ToUserName".into(), Node::Text(to.into())),
            ("FromUserName".into(), Node::Text(from.into())),
            ("CreateTime".into(), Node::Number((now / 1_000).to_string())),
            ("MsgType".into(), Node::Text(kind.into())),
        ])
    }

    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.into(), Node::Text(value.into())));
        self
    }

    pub(crate) fn number(mut self, name: &str, value: impl Display) -> Self {
        self.0.push((name.into(), Node::Number(value.to_string())));
        self
    }

    pub(crate) fn tree(mut self, name: &str, inside: Self) -> Self {
        self.0.push((name.into(), Node::Tree(inside.0)));
        self
    }

    /// A field at the top.
    pub(crate) fn field(&self, name: &str) -> &str {
        match self.0.iter().find(|(field, _)| field == name) {
            Some((_, Node::Text(value) | Node::Number(value))) => value,
            _ => "",
        }
    }

    /// `Event`, or the message's type.
    pub(crate) fn name(&self) -> &str {
        match self.field("Event") {
            "" => self.field("MsgType"),
            name => name,
        }
    }

    pub(crate) fn to_xml(&self) -> String {
        format!("<xml>{}</xml>", xml(&self.0))
    }

    /// The same in JSON; the finish event names its id differently there.
    pub(crate) fn to_json(&self) -> Value {
        let mut value = json(&self.0);
        if let Some(fields) = value.as_object_mut()
            && let Some(id) = fields.remove("MsgID")
        {
            fields.insert("MsgId".into(), id);
        }
        value
    }

    /// From the fields of a JSON object: strings become text, numbers bare.
    pub(crate) fn from_json(fields: &Map<String, Value>) -> Self {
        let node = |value: &Value| match value {
            Value::Object(inside) => Node::Tree(Self::from_json(inside).0),
            Value::String(text) => Node::Text(text.clone()),
            other => Node::Number(other.to_string()),
        };
        Self(fields.iter().map(|(name, value)| (name.clone(), node(value))).collect())
    }
}

fn xml(fields: &[(String, Node)]) -> String {
    let write = |(name, node): &(String, Node)| match node {
        Node::Text(text) => format!("<{name}>{}</{name}>\n", cdata(text)),
        Node::Number(number) => format!("<{name}>{number}</{name}>\n"),
        Node::Tree(inside) => format!("<{name}>{}</{name}>\n", xml(inside)),
    };
    fields.iter().map(write).collect()
}

/// A section that ends in the text is split in two.
pub(crate) fn cdata(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

fn json(fields: &[(String, Node)]) -> Value {
    let write = |(name, node): &(String, Node)| {
        let value = match node {
            Node::Text(text) => Value::String(text.clone()),
            Node::Number(number) => serde_json::from_str(number).unwrap_or(Value::Null),
            Node::Tree(inside) => json(inside),
        };
        (name.clone(), value)
    };
    Value::Object(fields.iter().map(write).collect())
}

/// What became of a template message.
pub(crate) fn template_finished(account: &str, openid: &str, msgid: u64, status: &str, now: i64) -> Event {
    Event::start(account, openid, now, "event")
        .text("Event", "TEMPLATESENDJOBFINISH")
        .number("MsgID", msgid)
        .text("Status", status)
}

/// What became of a subscription notification.
pub(crate) fn subscribe_sent(account: &str, openid: &str, template: &str, msgid: u64, now: i64) -> Event {
    let item = Event(Vec::new())
        .text("TemplateId", template)
        .number("MsgID", msgid)
        .number("ErrorCode", 0)
        .text("ErrorStatus", "success");
    let list = Event(Vec::new()).tree("List", item);
    Event::start(account, openid, now, "event")
        .text("Event", "subscribe_msg_sent_event")
        .tree("SubscribeMsgSentEvent", list)
}

/// Somebody comes, goes or scans a code: `key` and ticket of the code.
pub(crate) fn follow(
    account: &str,
    openid: &str,
    name: &str,
    code: Option<(String, String)>,
    now: i64,
) -> Event {
    let event = Event::start(account, openid, now, "event").text("Event", name);
    match code {
        Some((key, ticket)) => event.text("EventKey", &key).text("Ticket", &ticket),
        None => event.text("EventKey", ""),
    }
}

/// A person wrote to the official account.
pub(crate) fn said(account: &str, openid: &str, words: &str, msgid: u64, now: i64) -> Event {
    Event::start(account, openid, now, "text").text("Content", words).number("MsgId", msgid)
}

/// A card's button was pressed.
pub(crate) struct Press<'a> {
    pub(crate) corpid: &'a str,
    pub(crate) agentid: i64,
    pub(crate) userid: &'a str,
    pub(crate) key: &'a str,
    pub(crate) task_id: &'a str,
    pub(crate) card_type: &'a str,
    pub(crate) response_code: &'a str,
}

impl Press<'_> {
    pub(crate) fn event(&self, now: i64) -> Event {
        Event::start(self.corpid, self.userid, now, "event")
            .text("Event", "template_card_event")
            .text("EventKey", self.key)
            .text("TaskId", self.task_id)
            .text("CardType", self.card_type)
            .text("ResponseCode", self.response_code)
            .number("AgentID", self.agentid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_and_json_say_the_same() {
        let event = template_finished("gh_1", "o1", 3_717_005_636_572_528_643, "success", 1_395_658_920_000);
        let xml = event.to_xml();
        assert!(xml.contains("<MsgID>3717005636572528643</MsgID>"), "{xml}");
        assert!(xml.contains("<Status><![CDATA[success]]></Status>"), "{xml}");
        let json = event.to_json();
        assert_eq!(json["MsgId"].as_u64(), Some(3_717_005_636_572_528_643));
        assert_eq!(json["CreateTime"], 1_395_658_920);
    }

    #[test]
    fn the_end_of_a_section_inside_text_is_split() {
        assert_eq!(cdata("a]]>b"), "<![CDATA[a]]]]><![CDATA[>b]]>");
    }
}

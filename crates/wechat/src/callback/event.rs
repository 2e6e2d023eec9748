//! What a callback says.

use super::tree::Tree;

/// What a callback says. `from` is an openid or a userid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Official account: what became of a template message. May come before the answer to its send.
    TemplateSent {
        /// Whom it was for.
        from: String,
        /// Which message; some come without, and are told by recipient and time.
        msgid: Option<String>,
        /// What became of it.
        status: TemplateStatus,
    },
    /// Somebody follows the account (or entered the WeCom app); by a QR code of ours if there is a scene.
    Subscribed {
        /// Who.
        from: String,
        /// The code's scene.
        scene: Option<String>,
    },
    /// Somebody follows no more: unbind, unless they were bound since. The platform keeps no order.
    Unsubscribed {
        /// Who.
        from: String,
        /// When, Unix seconds.
        at: i64,
    },
    /// A follower scanned a QR code of ours.
    Scanned {
        /// Who.
        from: String,
        /// The code's scene.
        scene: String,
    },
    /// WeCom: somebody pressed a card's button. Proves the member; whether they may do it is for the caller, and it
    /// comes more than once: act by (`task_id`, `from`).
    CardPressed {
        /// Who.
        from: String,
        /// Which card.
        task_id: String,
        /// Which button.
        key: String,
        /// Good for one update of the card, for 72 hours.
        response_code: String,
    },
    /// WeCom: the app was disabled, or will be, because nobody uses it.
    AppInactive {
        /// Disabled already.
        is_closed: bool,
    },
    /// Somebody wrote.
    Message {
        /// Who.
        from: String,
        /// The message's id.
        msgid: Option<String>,
        /// `text`, `image` …
        kind: String,
        /// What a text says; empty otherwise.
        content: String,
    },
    /// Something else.
    Other {
        /// Its name.
        kind: String,
        /// Who.
        from: String,
    },
}

/// What became of a template message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateStatus {
    /// It arrived.
    Delivered,
    /// The person refuses messages of the account: final.
    Blocked,
    /// Too many for this person: once more, much later, as a new message.
    Limited,
    /// The platform lost it: worth one more try, as a new message.
    Lost,
    /// It failed for a reason that is not documented: final.
    Failed(String),
}

impl TemplateStatus {
    /// Spelt with and without spaces, and unknown ones occur: whatever is not success has failed.
    fn of(text: &str) -> Self {
        let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
        match plain.as_str() {
            "success" => Self::Delivered,
            "failed:userblock" => Self::Blocked,
            "failed:freqlimit" => Self::Limited,
            "failed:systemfailed" => Self::Lost,
            _ => Self::Failed(crate::errcode::excerpt(text)),
        }
    }
}

impl Event {
    pub(super) fn of(tree: &Tree) -> Self {
        let from = from(tree);
        let kind = tree.text("MsgType");
        if !kind.eq_ignore_ascii_case("event") {
            return Self::Message {
                from,
                msgid: msgid(tree),
                kind: kind.to_owned(),
                content: content(tree).to_owned(),
            };
        }
        let name = tree.text("Event").to_lowercase();
        let key = tree.text("EventKey");
        match name.as_str() {
            "templatesendjobfinish" => Self::TemplateSent {
                from,
                msgid: msgid(tree),
                status: TemplateStatus::of(tree.text("Status")),
            },
            "subscribe" => {
                let scene = key.strip_prefix("qrscene_").filter(|scene| !scene.is_empty());
                Self::Subscribed { from, scene: scene.map(ToOwned::to_owned) }
            }
            "unsubscribe" => Self::Unsubscribed { from, at: created(tree) },
            "scan" => Self::Scanned { from, scene: key.to_owned() },
            "template_card_event" | "template_card_menu_event" => Self::CardPressed {
                from,
                task_id: tree.text("TaskId").to_owned(),
                key: key.to_owned(),
                response_code: tree.text("ResponseCode").to_owned(),
            },
            "close_inactive_agent" => Self::AppInactive { is_closed: true },
            "inactive_alert" => Self::AppInactive { is_closed: false },
            _ => Self::Other { kind: name, from },
        }
    }

    /// What makes two pushes the same one, whatever they were signed with: the id of a message; sender, time and all
    /// that tells events apart (a coarser key was seen to lose events of one second).
    pub(super) fn identity(tree: &Tree) -> Vec<String> {
        let mut parts = vec![from(tree)];
        let is_event = tree.text("MsgType").eq_ignore_ascii_case("event");
        if let (false, Some(msgid)) = (is_event, msgid(tree)) {
            parts.push(format!("message {msgid}"));
            return parts;
        }
        let names = [
            "CreateTime",
            "MsgType",
            "Event",
            "EventKey",
            "TaskId",
            "MsgID",
            "ResponseCode",
            "Status",
            "AgentID",
        ];
        parts.extend(names.map(|name| tree.text(name).to_owned()));
        if matches!(Self::of(tree), Self::Other { .. } | Self::Message { .. }) {
            // Nothing is known about what tells these apart: all of it does.
            parts.push(format!("{tree:?}"));
        }
        parts
    }
}

fn from(tree: &Tree) -> String {
    let named = tree.text("FromUserName");
    let nested = tree.child("from").map_or("", |from| from.text("userid"));
    if named.is_empty() { nested.to_owned() } else { named.to_owned() }
}

fn msgid(tree: &Tree) -> Option<String> {
    let id = tree.text("MsgID").trim();
    (!id.is_empty() && id != "0").then(|| id.to_owned())
}

/// Zero where the platform does not say.
fn created(tree: &Tree) -> i64 {
    tree.text("CreateTime").trim().parse().unwrap_or_default()
}

fn content(tree: &Tree) -> &str {
    let plain = tree.text("Content");
    if plain.is_empty() { tree.child("text").map_or("", |text| text.text("content")) } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: &str) -> Event {
        Event::of(&Tree::parse(body).expect("a tree").0)
    }

    fn xml(event: &str, rest: &str) -> String {
        format!(
            "<xml><FromUserName><![CDATA[o1]]></FromUserName><CreateTime>7</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{event}]]></Event>{rest}</xml>"
        )
    }

    #[test]
    fn binding_by_qr_code_of_a_new_and_of_an_old_follower() {
        let new = event(&xml("subscribe", "<EventKey><![CDATA[qrscene_bind_1]]></EventKey>"));
        assert_eq!(new, Event::Subscribed { from: "o1".into(), scene: Some("bind_1".into()) });
        let old = event(&xml("SCAN", "<EventKey><![CDATA[bind_1]]></EventKey>"));
        assert_eq!(old, Event::Scanned { from: "o1".into(), scene: "bind_1".into() });
        assert_eq!(event(&xml("subscribe", "")), Event::Subscribed { from: "o1".into(), scene: None });
        assert_eq!(event(&xml("unsubscribe", "")), Event::Unsubscribed { from: "o1".into(), at: 7 });
    }

    #[test]
    fn what_became_of_a_template_message() {
        let status = |text: &str| match event(&xml(
            "TEMPLATESENDJOBFINISH",
            &format!("<MsgID>9</MsgID><Status>{text}</Status>"),
        )) {
            Event::TemplateSent { status, msgid, .. } => {
                assert_eq!(msgid.as_deref(), Some("9"));
                status
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(status("success"), TemplateStatus::Delivered);
        assert_eq!(status("failed:user block"), TemplateStatus::Blocked);
        assert_eq!(status("Failed: User Block"), TemplateStatus::Blocked);
        assert_eq!(status("failed:freq limit"), TemplateStatus::Limited);
        assert_eq!(status("failed: system failed"), TemplateStatus::Lost);
        assert_eq!(status("failed:something new"), TemplateStatus::Failed("failed:something new".into()));
        let json = r#"{"FromUserName":"o1","MsgType":"event","Event":"TEMPLATESENDJOBFINISH","CreateTime":7,"MsgId":3717005636572528642,"Status":"success"}"#;
        assert!(
            matches!(event(json), Event::TemplateSent { msgid: Some(id), .. } if id == "3717005636572528642")
        );
        let nameless = event(&xml("TEMPLATESENDJOBFINISH", "<MsgID>0</MsgID><Status>success</Status>"));
        assert!(matches!(nameless, Event::TemplateSent { msgid: None, .. }));
    }

    #[test]
    fn the_app_is_closed_for_inactivity() {
        assert_eq!(event(&xml("close_inactive_agent", "")), Event::AppInactive { is_closed: true });
        assert_eq!(event(&xml("inactive_alert", "")), Event::AppInactive { is_closed: false });
        assert!(matches!(event(&xml("LOCATION", "")), Event::Other { kind, .. } if kind == "location"));
    }

    #[test]
    fn two_events_of_one_second_are_two() {
        let identity =
            |rest: &str| Event::identity(&Tree::parse(&xml("template_card_event", rest)).expect("a tree").0);
        assert_eq!(identity("<TaskId>a</TaskId>"), identity("<TaskId>a</TaskId>"));
        assert_ne!(identity("<TaskId>a</TaskId>"), identity("<TaskId>b</TaskId>"));
        assert_ne!(identity("<EventKey>a</EventKey>"), identity("<EventKey>b</EventKey>"));
    }
}

//! What the phones show.
//!
//! One item for each person (or group) and message. What the platform swallowed without telling the sender (over a
//! member's limit, suppressed as a duplicate, refused by the follower) is kept too, with its state, but a phone does not
//! show it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a person sees as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Template message of an official account.
    OaTemplate,
    /// Subscription notification of an official account.
    OaSubscribe,
    /// Customer-service message of an official account.
    OaCustom,
    /// Message of a WeCom app.
    WeCom,
    /// Message of a group robot.
    Robot,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// On the phone.
    Shown,
    /// The platform dropped it without an error: over a member's limit.
    Dropped,
    /// A duplicate of one that is on the phone.
    Suppressed,
    /// Accepted, but the person's phone did not get it; the finish event says so.
    Undelivered,
    /// It was on the phone and was taken back.
    Recalled,
}

/// Something that can be pressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What the callback names it.
    pub key: String,
    /// What it says.
    pub text: String,
}

/// One message on one phone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Number, from 1.
    pub id: u64,
    /// The simulator's time, milliseconds since 1970.
    pub at_ms: i64,
    /// How it came.
    pub channel: Channel,
    /// appid, `corpid/agentid`, or the robot's name.
    pub account: String,
    /// openid, userid, or the group's name.
    pub to: String,
    /// `text`, `textcard`, `button_interaction` …
    pub kind: String,
    /// What became of it.
    pub state: State,
    /// Headline, if the kind has one.
    pub title: String,
    /// The text as it stands on the phone: cut where the platform cuts.
    pub text: String,
    /// Where a tap leads.
    pub url: Option<String>,
    /// What can be pressed.
    pub buttons: Vec<Button>,
    /// What replaced the buttons.
    pub replaced: Option<String>,
    /// Of a card.
    pub task_id: Option<String>,
    /// Who is mentioned (robot).
    pub mentioned: Vec<String>,
    /// The platform's number of it.
    pub msgid: Option<String>,
    /// The request as it came.
    pub request: Value,
}

impl Item {
    /// A blank item of a message; the rest is filled in by whoever makes it.
    pub(crate) fn new(
        channel: Channel,
        account: &str,
        to: &str,
        kind: &str,
        request: &Value,
        now: i64,
    ) -> Self {
        Self {
            id: 0,
            at_ms: now,
            channel,
            account: account.into(),
            to: to.into(),
            kind: kind.into(),
            state: State::Shown,
            title: String::new(),
            text: String::new(),
            url: None,
            buttons: Vec::new(),
            replaced: None,
            task_id: None,
            mentioned: Vec::new(),
            msgid: None,
            request: request.clone(),
        }
    }

    /// Whether a phone shows it.
    pub fn is_shown(&self) -> bool {
        self.state == State::Shown
    }

    /// Whether title, text, mentions or the request contain this.
    pub fn contains(&self, words: &str) -> bool {
        self.title.contains(words) || self.text.contains(words) || self.request.to_string().contains(words)
    }
}

/// Every item, oldest first.
#[derive(Debug, Default)]
pub struct Inbox {
    items: Vec<Item>,
    next: u64,
}

impl Inbox {
    pub(crate) fn put(&mut self, mut item: Item) -> u64 {
        self.next += 1;
        item.id = self.next;
        self.items.push(item);
        self.next
    }

    /// Everything, shown or not.
    pub fn all(&self) -> &[Item] {
        &self.items
    }

    /// What the phones show.
    pub fn shown(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.is_shown())
    }

    /// What one person's phone or one group shows.
    pub fn of<'a>(&'a self, to: &'a str) -> impl Iterator<Item = &'a Item> {
        self.shown().filter(move |item| item.to.eq_ignore_ascii_case(to))
    }

    /// One item.
    pub fn item(&self, id: u64) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }

    pub(crate) fn change(&mut self) -> impl Iterator<Item = &mut Item> {
        self.items.iter_mut()
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
    }
}

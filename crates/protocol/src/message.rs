//! A message: what is published, what is stored, what a person sees of it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{Cursor, MessageId, Millis, Seq, escalation::Settled, receipt::Report};

/// 1 (history only) to 5 (critical: repeats until acknowledged).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(try_from = "u8", into = "u8")]
#[ts(type = "1 | 2 | 3 | 4 | 5")]
#[schema(value_type = u8, example = 3)]
pub struct Priority(u8);

impl Priority {
    /// History only: no popup.
    pub const MIN: Self = Self(1);
    /// What a message has that names none.
    pub const DEFAULT: Self = Self(3);
    /// From here on arrival times are kept exactly.
    pub const HIGH: Self = Self(4);
    /// Overrides quiet hours; repeats until acknowledged.
    pub const MAX: Self = Self(5);

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Not a priority: expected 1 to 5.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("priority must be a whole number from 1 to 5")]
pub struct BadPriority;

impl TryFrom<u8> for Priority {
    type Error = BadPriority;

    fn try_from(value: u8) -> Result<Self, BadPriority> {
        (1..=5).contains(&value).then_some(Self(value)).ok_or(BadPriority)
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> u8 {
        priority.0
    }
}

/// How `body` is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As it is.
    #[default]
    Text,
    /// `CommonMark`; HTML in it is shown as text, remote images are off.
    Markdown,
}

/// A button on the message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Opens an http or https address in the person's browser.
    OpenUrl {
        /// Text on the button.
        label: String,
        /// Where it leads.
        url: String,
    },
    /// Acknowledges the message.
    Acknowledge {
        /// Text on the button; the reader's language decides when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        label: Option<String>,
    },
}

/// `POST /v1/messages`. Exactly one of `topic` and `to`; at least one of `title` and `body`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct Publish {
    /// Addresses the members of this topic at this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Addresses these people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<String>>")]
    pub to: Vec<String>,
    /// At most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// At most 16 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// `text` (default) or `markdown`.
    #[ts(as = "Option<Format>")]
    pub format: Format,
    /// 1 to 5, default 3.
    #[ts(as = "Option<Priority>")]
    pub priority: Priority,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<String>>")]
    pub tags: Vec<String>,
    /// What opens when the message is clicked: http or https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click: Option<String>,
    /// Names the thing this message is about: a newer message of the same topic and key supersedes the older.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The message that this one supersedes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<MessageId>,
    /// The thing this message is about is over: shown calmly, and an earlier acknowledgement stands.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>")]
    pub resolved: bool,
    /// Seconds after which nobody needs to be told any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// At most 3.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<Action>>")]
    pub actions: Vec<Action>,
    /// Name of the escalation policy; absent: that of the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Sends what became of it to a webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
}

/// Answer to a publish: stored durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Published {
    /// Name of the message.
    pub id: MessageId,
    /// Its position in the log.
    pub seq: Seq,
    /// How many people it is owed to.
    pub audience: u64,
    /// The message it superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded: Option<MessageId>,
    /// Something the sender should know, for example that the topic has no members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// One message as every transport carries it: the same for everybody it is owed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Message {
    /// Name of the message.
    pub id: MessageId,
    /// Its position; also the cursor that acknowledges it.
    pub cursor: Cursor,
    /// Topic it was published to; absent when people were named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Who sent it: a user name, or the name of a sender token.
    pub sender: String,
    /// Empty when only a body was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>")]
    pub title: String,
    /// Empty when only a title was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[ts(as = "Option<String>")]
    pub body: String,
    /// How to read `body`.
    #[serde(default)]
    pub format: Format,
    /// 1 to 5.
    pub priority: Priority,
    /// Words of the sender's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<String>>")]
    pub tags: Vec<String>,
    /// What opens when the message is clicked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click: Option<String>,
    /// Buttons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<Action>>")]
    pub actions: Vec<Action>,
    /// Name of the thing it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The thread it belongs to: the id of its first version. Popups of one thread replace each other.
    pub thread: MessageId,
    /// The version it superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<MessageId>,
    /// The message whose escalation brought it to this person: acknowledging this one counts for that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalates: Option<MessageId>,
    /// The thing is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>")]
    pub resolved: bool,
    /// When it was stored.
    pub created_at: Millis,
    /// When nobody needs it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// Set in a replay only: a newer version exists, so it goes to the inbox without a popup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<MessageId>,
    /// Set in a replay only: it expired before it was fetched, so it goes to the inbox without a popup.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>")]
    pub expired: bool,
}

impl Message {
    /// Whether an acknowledgement of an older version (its priority, whether it was resolved) stands for this one: not
    /// when this one is more urgent or the thing is back. That it is over asks nobody again, however urgent.
    ///
    /// Server and desktop both decide by this, so that they agree on what is acknowledged.
    pub fn keeps_acknowledgement(&self, (priority, resolved): (Priority, bool)) -> bool {
        self.resolved || (self.priority <= priority && !resolved)
    }
}

/// A message with what the asking person did with it: one row of their inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct MessageView {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// When the person opened or dismissed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Millis>,
    /// When the person pressed Acknowledge (on this version, or on one that it carries over from).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Millis>,
    /// Somebody took care of it for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// One page of a listing, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Page<T: TS> {
    /// The rows.
    pub items: Vec<T>,
    /// Pass as `before` to get the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Seq>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(priority: u8, resolved: bool) -> Message {
        serde_json::from_value(serde_json::json!({
            "id": "abcdefghijkl", "thread": "abcdefghijkl", "cursor": "k3v9x0ab-1", "sender": "ann",
            "priority": priority, "resolved": resolved, "created_at": 0,
        }))
        .unwrap()
    }

    #[test]
    fn an_acknowledgement_stands_unless_it_is_more_urgent_or_back() {
        let older = |priority: u8, resolved| (Priority::try_from(priority).unwrap(), resolved);
        for (before, after, stands) in [
            (older(3, false), version(3, false), true),
            (older(3, false), version(2, false), true),
            (older(3, false), version(4, false), false),
            (older(3, true), version(3, false), false),
            (older(3, true), version(3, true), true),
            (older(3, false), version(5, true), true),
            (older(3, true), version(5, true), true),
        ] {
            assert_eq!(after.keeps_acknowledgement(before), stands, "{before:?} then {after:?}");
        }
    }
}

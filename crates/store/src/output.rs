//! What a store answers.

use std::{collections::BTreeMap, sync::Arc};

use tocsin_protocol::{
    Message, Millis, Published, Role, Seq, StateChange, Token, TokenKind, User, receipt::Presence,
};

use crate::{DeviceId, TokenId, TopicId, UserId};

/// A publish that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// What the publisher is told.
    pub published: Published,
    /// It repeats an earlier request: nothing new was stored.
    pub repeated: bool,
}

/// Members of every topic as of `seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The position.
    pub seq: Seq,
    /// Who is a member of what.
    pub members: Vec<(TopicId, UserId)>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// For other calls.
    pub id: DeviceId,
    /// Its person.
    pub user: UserId,
    /// Its name.
    pub name: String,
    /// Topics it takes (`None`: all).
    pub filter: Option<Arc<[TopicId]>>,
    /// Where a stream without a cursor starts: the last position it acknowledged, or, when it never did, before its
    /// person's oldest unexpired unreceived message, or the head.
    pub start: Seq,
    /// The last position it acknowledged; `None`: it never did, and nothing says what it has.
    pub position: Option<Seq>,
    /// It was made by this call.
    pub new: bool,
}

/// A stretch of a person's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Oldest first.
    pub items: Vec<OwedItem>,
    /// Everything up to here is in `items` or is not owed to this device.
    pub reached: Seq,
}

/// One item of a person's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwedItem {
    /// A message, flagged if it is expired or superseded by now.
    Message(Box<Message>),
    /// The person read or acknowledged something.
    State(StateChange),
}

/// What was pruned unreceived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// How many messages.
    pub count: u64,
    /// When the oldest was sent.
    pub since: Option<Millis>,
}

/// A batch handed to a client without a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// For [`undo_claim`](crate::Store::undo_claim).
    pub id: u64,
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Up to where.
    pub upto: Seq,
    /// There is more.
    pub more: bool,
}

/// A device of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// The person.
    pub owner: UserId,
    /// Their name.
    pub user: String,
    /// Which it is.
    pub id: DeviceId,
    /// The device.
    pub presence: Presence,
}

/// Who presents a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The token.
    pub token: TokenId,
    /// What it may do.
    pub kind: TokenKind,
    /// Its name.
    pub name: String,
    /// The person with their role, for client tokens.
    pub user: Option<(UserId, String, Role)>,
    /// Topics of a sender token.
    pub topics: Arc<[TopicId]>,
    /// Default device of its streams.
    pub device: Option<String>,
    /// Until when it is good.
    pub expires_at: Option<Millis>,
}

/// A live browser session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The person with their role.
    pub user: (UserId, String, Role),
    /// The token it was opened with.
    pub token: Option<TokenId>,
    /// Until when that token is good; the session ends with it, however busy it is.
    pub expires_at: Option<Millis>,
}

/// What using an invite made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The person.
    pub user: User,
    /// The device's client token.
    pub token: Token,
    /// The device.
    pub device: String,
}

/// What pruning did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Bodies removed.
    pub messages: u64,
    /// Of those: (message, person) pairs that had never been received, unexpired and not superseded.
    pub lost: u64,
    /// Of those, how many of whom (by name), without alerts of the server's own: what administrators are told.
    pub missed: BTreeMap<String, u64>,
    /// Call again: there is more to do.
    pub more: bool,
}

/// Numbers for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages with a body.
    pub messages: u64,
    /// Bytes of the database and its log.
    pub bytes: u64,
    /// Commits since start.
    pub commits: u64,
    /// Operations in those commits.
    pub operations: u64,
    /// Operations waiting now.
    pub waiting: u64,
    /// People.
    pub users: u64,
    /// Topics.
    pub topics: u64,
}

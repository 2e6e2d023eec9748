//! What the log is made of.

use std::sync::Arc;

use tocsin_protocol::{Message, Millis, Seq, StateChange};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);
    };
}

id! {
    /// A person, for as long as the store lives; never used again after a removal.
    UserId
}
id! {
    /// A topic; never used again after a removal.
    TopicId
}
id! {
    /// A device of a person.
    DeviceId
}
id! {
    /// A token, or the token that a session was opened with.
    TokenId
}

/// One committed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its position.
    pub seq: Seq,
    /// When it was committed.
    pub at: Millis,
    /// What happened.
    pub entry: Entry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A message was published. `None` inside when its body has been pruned since.
    Message(Option<Arc<StoredMessage>>),
    /// A person is a member of a topic from here on.
    Joined {
        /// The topic.
        topic: TopicId,
        /// The person.
        user: UserId,
    },
    /// A person is no longer a member.
    Left {
        /// The topic.
        topic: TopicId,
        /// The person.
        user: UserId,
    },
    /// A device takes these topics from here on (`None`: all).
    Filter {
        /// The device.
        device: DeviceId,
        /// The topics.
        topics: Option<Arc<[TopicId]>>,
    },
    /// A person read or acknowledged a message.
    State {
        /// The person.
        user: UserId,
        /// What changed.
        change: StateChange,
    },
    /// A token was revoked: close its streams, forget what was cached of it.
    Revoked {
        /// The token.
        token: TokenId,
    },
    /// A browser session ended.
    SessionEnded {
        /// Hash of its secret.
        session: crate::SecretHash,
    },
    /// A person was removed: close their streams.
    UserRemoved {
        /// The person.
        user: UserId,
    },
    /// Rights or names changed (a user's role, a topic): forget what was cached of them.
    AccountsChanged,
}

/// A message with the address that decides who it is routed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// As every transport carries it.
    pub message: Message,
    /// Who it is for.
    pub address: Address,
}

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The members of this topic at its seq.
    Topic(TopicId),
    /// These people.
    People(Arc<[UserId]>),
}

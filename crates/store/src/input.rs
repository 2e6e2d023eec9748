//! What a store is asked.

use std::sync::Arc;

use tocsin_protocol::{
    Action, Format, MessageId, Millis, NewToken, Priority, Role, Seq, Shown,
    receipt::{PEOPLE_PAGE, ReceiptFilter, Report},
};

use crate::{DeviceId, SecretHash, TokenId, TopicId, UserId};

/// Wall clock in Unix milliseconds, passed in so that tests set it.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// A message to be stored. Names are resolved and rights are checked inside the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Who publishes.
    pub sender: Sender,
    /// Topic name, or nothing when `to` names people.
    pub topic: Option<String>,
    /// Names of people; all must exist.
    pub to: Vec<String>,
    /// Title; may be empty when there is a body.
    pub title: String,
    /// Body.
    pub body: String,
    /// How to read the body.
    pub format: Format,
    /// 1 to 5.
    pub priority: Priority,
    /// Words of the sender's.
    pub tags: Vec<String>,
    /// What opens on click.
    pub click: Option<String>,
    /// Buttons.
    pub actions: Vec<Action>,
    /// Name of the thing: supersedes the newest unpruned message of the same topic and key (of the same sender, or
    /// of any when the sender is an admin).
    pub key: Option<String>,
    /// Supersedes this message; only the same sender or an admin, only the newest version of its thread.
    pub replaces: Option<MessageId>,
    /// The thing is over.
    pub resolved: bool,
    /// Milliseconds from now until nobody needs it.
    pub expires_in_ms: Option<Millis>,
    /// Recognises a repeated request.
    pub idempotency: Option<Idempotency>,
    /// Several programs say the same with a token each (a cluster of Alertmanagers): to every sender token that may
    /// publish here, `idempotency` and `key` are one and the same. A person's are the person's, with whatever token.
    pub twins: bool,
    /// Name of its escalation policy; nothing: that of its topic.
    pub policy: Option<String>,
    /// What of its receipt is told to a webhook.
    pub report: Option<Report>,
}

impl NewMessage {
    /// Whose idempotency key it is. No token has the id 0, and the negative ones stand for persons.
    pub(crate) fn repeats_of(&self) -> TokenId {
        match (self.twins, self.sender.user) {
            (false, _) => self.sender.token,
            (true, Some(user)) => TokenId(-user.0),
            (true, None) => TokenId(0),
        }
    }

    /// Whether the versions of every program are versions of this.
    pub(crate) fn is_any_programs(&self) -> bool {
        self.twins && self.sender.user.is_none()
    }
}

/// Who publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The token used: idempotency keys are its own, and "the same sender" means the same person or, without one,
    /// the same token.
    pub token: TokenId,
    /// The person, unless it is a sender token.
    pub user: Option<UserId>,
    /// Shown as the sender: user name or token name.
    pub name: String,
    /// What it may publish to.
    pub authority: Authority,
}

/// What a sender may publish to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Everything (an admin).
    All,
    /// Topics the person is a member of, and people by name.
    Member(UserId),
    /// These topics only.
    Topics(Arc<[TopicId]>),
}

/// Recognises a repeated request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, scoped to the sender's token (or see [`NewMessage::twins`]).
    pub key: String,
    /// Hash of the parsed request: the same key with another is a conflict.
    pub request: SecretHash,
    /// How long it is remembered, milliseconds.
    pub keep_ms: Millis,
}

/// A device durably stored everything of a stream with `from < seq ≤ to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckRange {
    /// The device.
    pub device: DeviceId,
    /// Where the stream started or resumed, or the end of its previous range. Never 0 out of convenience.
    pub from: Seq,
    /// Up to here.
    pub to: Seq,
    /// When the server heard of it.
    pub at: Millis,
}

/// What became of showing a message on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownRow {
    /// The device.
    pub device: DeviceId,
    /// The message.
    pub message: MessageId,
    /// What became of it.
    pub shown: Shown,
    /// When.
    pub at: Millis,
}

/// Which page of an inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxQuery {
    /// Only messages with a smaller seq.
    pub before: Option<Seq>,
    /// At most this many.
    pub limit: usize,
    /// Only of this topic.
    pub topic: Option<String>,
    /// Only unread ones.
    pub unread: bool,
    /// Only unacknowledged ones that have an acknowledge action or priority ≥ 4.
    pub unacknowledged: bool,
    /// Only those whose title or body contains this, whatever the case.
    pub search: Option<String>,
}

/// Which of a receipt's people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeoplePage {
    /// Only whose names come after this one.
    pub after: Option<String>,
    /// At most this many.
    pub limit: usize,
}

impl Default for PeoplePage {
    fn default() -> Self {
        Self { after: None, limit: PEOPLE_PAGE }
    }
}

/// Which receipts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiptQuery {
    /// Of which kind.
    pub filter: ReceiptFilter,
    /// Only messages of this topic.
    pub topic: Option<String>,
    /// Only messages that are or were owed to this person; the filter asks of them alone.
    pub user: Option<String>,
    /// Only messages that went over this channel; `failed` and `unknown` ask of it alone.
    pub channel: Option<String>,
    /// Stored at this time or later.
    pub since: Option<Millis>,
    /// Stored before this time.
    pub until: Option<Millis>,
    /// Only messages with a smaller seq.
    pub before: Option<Seq>,
    /// At most this many.
    pub limit: usize,
}

/// Who looks at a message or receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Sees everything.
    Admin(Option<UserId>),
    /// Sees what they sent (whole receipt) or were sent (own row).
    Member(UserId),
    /// A sender token: sees receipts of its own messages.
    Sender(TokenId),
}

/// A person presses something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    /// The person; the message must be owed to them.
    pub user: UserId,
    /// The message.
    pub message: MessageId,
    /// What they pressed.
    pub pressed: Pressed,
    /// When; a time in the future counts as now, one before the message as its time.
    pub at: Millis,
}

/// What a person pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// Opened or dismissed it.
    Read,
    /// Acknowledge.
    Acknowledge,
}

/// A token to be made; the server made its secret and keeps only the hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOrder {
    /// As asked (`expires_in` in seconds from now).
    pub token: NewToken,
    /// Hash of its secret.
    pub secret: SecretHash,
    /// Default device of its streams, for client tokens.
    pub device: Option<String>,
}

/// A browser session to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOrder {
    /// Hash of the cookie's secret.
    pub secret: SecretHash,
    /// The person.
    pub user: UserId,
    /// The token it was opened with, if any: revoking that ends the session.
    pub token: Option<TokenId>,
    /// Ends after this long without use, milliseconds.
    pub idle_ms: Millis,
}

/// What an invite grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinOrder {
    /// The person; made on use if new. `None`: the joining person chooses a free name.
    pub user: Option<String>,
    /// Role of a person made on use.
    pub role: Role,
    /// Topics they become a member of.
    pub topics: Vec<String>,
    /// Until when.
    pub expires_at: Millis,
}

/// Why a log begins a new life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochReason {
    /// The boot id in the database differs from the one in the file beside it: an old copy was put back.
    OldCopy,
    /// A client was ahead of the log.
    ClientAhead,
    /// The operator asked for it (`restore`, `--new-epoch`).
    Asked,
}

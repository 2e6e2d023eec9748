//! The durable log and everything derived from it.
//!
//! [`Store`] is the seam: the server knows no SQL, and a second engine is a second implementation. What an
//! implementation must do is written in `conformance` (a feature, for tests), which the SQLite one and the in-memory
//! model both pass.
//!
//! Invariants every implementation keeps:
//! - A write is answered only after it is durable; nothing is visible to a reader before that.
//! - `seq` has no gaps and never goes back within an [`Epoch`](tocsin_protocol::Epoch); changes of members and
//!   filters, reads, acknowledgements and revocations take a `seq` in the same log as messages.
//! - A message's audience is decided by membership at its `seq`, never by today's.
//!
//! Words:
//! - A *filter* chooses among topics: messages that name people pass every filter.
//! - What a person is owed when they leave a topic, or are removed, is *withdrawn* in the same transaction: every
//!   message that none of their devices has acknowledged and that they have not read. It is never delivered, listed or
//!   missing again; joining again does not bring it back, nor does an acknowledgement that was still on its way.
//! - What of a message an escalation sends to somebody outside its audience is a *copy*: see [`escalation`].
//! - Publishing a new version may append [`Entry::State`] entries right behind the message: acknowledgements that carry
//!   over from the older version. They say nothing of reading.

#[cfg(feature = "conformance")]
pub mod conformance;
mod entry;
mod error;
pub mod escalation;
mod input;
pub mod model;
pub mod outbox;
mod output;
mod rules;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use tocsin_protocol::{
    Counts, Device, Epoch, MessageId, MessageView, NewTopic, NewUser, Page, Receipt, ReceiptSummary, Seq,
    Token, Topic, User,
    account::{TopicChange, UserChange},
};
use tokio::sync::watch;

pub use entry::{Address, DeviceId, Entry, LogEntry, StoredMessage, TokenId, TopicId, UserId};
pub use error::Error;
pub use input::{
    AckRange, Authority, Clock, EpochReason, Idempotency, InboxQuery, JoinOrder, NewMessage, PeoplePage,
    Press, Pressed, ReceiptQuery, Sender, SessionOrder, ShownRow, TokenOrder, Viewer,
};
pub use output::{
    Claim, DeviceRecord, Here, Joined, Lost, OwedItem, Principal, Pruned, Publication, Replay, SessionRecord,
    Snapshot, Stats,
};

/// Result of every store operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// SHA-256 of a secret: all that is kept of it.
pub type SecretHash = [u8; 32];

/// The log, and all that is derived from it. Methods are grouped as the server uses them.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // ----- the log -------------------------------------------------------------------------------------------

    /// The life of the log that positions count in now.
    fn epoch(&self) -> Epoch;

    /// The last committed position; changes after each commit. What the hub's tail waits on.
    fn head(&self) -> watch::Receiver<Seq>;

    /// Random name of this installation, the same over its whole life.
    fn instance(&self) -> &str;

    /// Begins a new life of the log; returns its epoch. Positions of before answer with a reset from now on.
    async fn new_epoch(&self, why: EpochReason) -> Result<Epoch>;

    /// Entries with `seq > after`, oldest first, at most `limit`. Complete: no entry is left out.
    async fn log(&self, after: Seq, limit: usize) -> Result<Vec<LogEntry>>;

    /// Members of every topic as of one position, for the hub to start from.
    async fn snapshot(&self) -> Result<Snapshot>;

    // ----- publishing ----------------------------------------------------------------------------------------

    /// Stores a message with its audience. Concurrent calls share commits.
    async fn publish(&self, message: NewMessage) -> Result<Publication>;

    // ----- a person's stream ---------------------------------------------------------------------------------

    /// The device of this name, made if it is new. A new one starts before the oldest unexpired message that its
    /// person has not received, or at the head. A person has at most [`DEVICES`](tocsin_protocol::limits::DEVICES):
    /// [`Error::TooManyDevices`].
    async fn open_device(&self, user: UserId, name: &str) -> Result<DeviceRecord>;

    /// Removes a device. What it stored stays received, and its name is free for a new one. What its person is owed is
    /// as before: messages are owed to people.
    async fn remove_device(&self, user: UserId, name: &str) -> Result<DeviceId>;

    /// Sets which topics a device takes (`None`: all). Takes a seq: messages up to it are routed by the old filter.
    async fn set_filter(&self, device: DeviceId, filter: Option<Vec<String>>) -> Result<DeviceRecord>;

    /// What is owed to `device`'s person with `after < seq ≤ upto`, oldest first, at most `limit` items; expired and
    /// superseded messages are flagged. `Replay::reached` is where to go on from: `upto` when there is no more.
    async fn replay(&self, device: DeviceId, after: Seq, upto: Seq, limit: usize) -> Result<Replay>;

    /// What was owed to the device's person after `after` and has been pruned without being received.
    async fn lost(&self, device: DeviceId, after: Seq) -> Result<Lost>;

    /// Books ranges of stored messages, many in one transaction; all are durable when it returns, and after an error
    /// all may be booked again. A range that covers nothing owed writes nothing.
    async fn acknowledge(&self, ranges: Vec<AckRange>) -> Result<()>;

    /// Records what became of showing messages on a device; only forward (pending → suppressed/failed → shown).
    async fn report_shown(&self, rows: Vec<ShownRow>) -> Result<()>;

    /// Hands the next owed, never claimed messages to a client that keeps no cursor, atomically: no two callers get
    /// the same. They count as `sent`.
    async fn claim(&self, device: DeviceId, limit: usize) -> Result<Claim>;

    /// Takes a claim back, because its answer was not fully written.
    async fn undo_claim(&self, claim: u64) -> Result<()>;

    /// Notes a sign of life of a device and of its token (kept to the minute; never a write of its own per request).
    fn touch(&self, device: Option<DeviceId>, token: TokenId) -> Result<()>;

    // ----- a person's inbox ----------------------------------------------------------------------------------

    /// One page of what is or was owed to a person, newest first.
    async fn inbox(&self, user: UserId, query: InboxQuery) -> Result<Page<MessageView>>;

    /// One message. A member may see what they were sent or sent; an admin everything.
    async fn message(&self, viewer: Viewer, id: MessageId) -> Result<MessageView>;

    /// Reads or acknowledges a message for a person. Repeating it is fine: the first time stands. Acknowledging
    /// implies reading. Takes a seq only if it changed something.
    async fn press(&self, press: Press) -> Result<MessageView>;

    /// Number of messages that a person has neither read nor been spared (expired and superseded do not count).
    async fn unread(&self, user: UserId) -> Result<u64>;

    // ----- receipts ------------------------------------------------------------------------------------------

    /// Who has it and who has not, as far as this viewer may see; of its people one page. The furthest state over all
    /// ways; `why`, `devices` and `ways` are left empty: they are for whoever knows who is connected.
    ///
    /// Whoever an escalation brought in is one of its people, and counts in everything, from then on.
    async fn receipt(&self, viewer: Viewer, id: MessageId, page: PeoplePage) -> Result<Receipt>;

    /// How many are how far, and nothing else: for whoever waits for it, and asks again and again.
    async fn counts(&self, id: MessageId) -> Result<Counts>;

    /// Receipts without their people, newest first: a member's and a sender token's own messages, an admin's all. Looks
    /// at a bounded number of messages: a page that is not full has a `next` all the same, unless it is the last.
    async fn receipts(&self, viewer: Viewer, query: ReceiptQuery) -> Result<Page<ReceiptSummary>>;

    /// The devices of these people, by name. `Presence::online` is left `false`: only the hub knows.
    async fn presences(&self, users: &[String]) -> Result<Vec<Here>>;

    // ----- people, topics, devices ---------------------------------------------------------------------------

    /// All people, by name.
    async fn users(&self) -> Result<Vec<User>>;
    /// One person, with the id that other calls take.
    async fn user(&self, name: &str) -> Result<(UserId, User)>;
    /// Adds a person.
    async fn add_user(&self, user: NewUser) -> Result<(UserId, User)>;
    /// Changes a person. The last admin stays one: [`Error::Conflict`].
    async fn change_user(&self, name: &str, change: UserChange) -> Result<User>;
    /// Removes a person with their tokens, sessions, devices and memberships; what they are still owed is withdrawn,
    /// what is known of the past stays in receipts. The last admin stays: [`Error::Conflict`].
    async fn remove_user(&self, name: &str) -> Result<()>;
    /// All topics, by name; `Topic::member` is for `asking`.
    async fn topics(&self, asking: Option<UserId>) -> Result<Vec<Topic>>;
    /// One topic.
    async fn topic(&self, name: &str, asking: Option<UserId>) -> Result<(TopicId, Topic)>;
    /// Adds a topic with its first members.
    async fn add_topic(&self, topic: NewTopic) -> Result<(TopicId, Topic)>;
    /// Changes a topic.
    async fn change_topic(&self, name: &str, change: TopicChange) -> Result<Topic>;
    /// Removes a topic: all members leave, its messages stay until they are pruned, its name is free again.
    async fn remove_topic(&self, name: &str) -> Result<()>;
    /// Members of a topic, by name.
    async fn members(&self, topic: &str) -> Result<Vec<User>>;
    /// Makes a person a member from the next message on. Already one: nothing happens.
    async fn join_topic(&self, topic: &str, user: &str) -> Result<()>;
    /// Ends a membership; what the person is still owed of this topic is withdrawn.
    async fn leave_topic(&self, topic: &str, user: &str) -> Result<()>;
    /// Devices of one person, or of all. `Device::online` is left `false`: only the hub knows.
    async fn devices(&self, user: Option<UserId>) -> Result<Vec<Device>>;

    // ----- tokens, sessions, invites -------------------------------------------------------------------------

    /// Who presents this secret; `None` if nobody, expired or revoked. Compares hashes in constant time.
    async fn authenticate(&self, secret: &SecretHash) -> Result<Option<Principal>>;
    /// Makes a token.
    async fn add_token(&self, order: TokenOrder) -> Result<Token>;
    /// Tokens of one person, or all.
    async fn tokens(&self, user: Option<UserId>) -> Result<Vec<Token>>;
    /// Revokes a token and the sessions opened with it. Takes a seq, so that every node closes its streams.
    /// With `user`, only one of theirs.
    async fn revoke_token(&self, id: &str, user: Option<UserId>) -> Result<()>;
    /// Opens a browser session.
    async fn add_session(&self, order: SessionOrder) -> Result<()>;
    /// Whose session this is, and puts off its idle end; `None` if unknown or over.
    async fn session(&self, secret: &SecretHash) -> Result<Option<SessionRecord>>;
    /// Ends a session. Takes a seq, like a revocation.
    async fn end_session(&self, secret: &SecretHash) -> Result<()>;
    /// Stores an invite by the hash of its code.
    async fn add_invite(&self, code: SecretHash, order: JoinOrder) -> Result<()>;
    /// Uses an invite up: makes the person if they are new, their memberships, a device and its client token, all in
    /// one transaction. A used, expired or unknown code is [`Error::Gone`].
    async fn redeem_invite(
        &self,
        code: &SecretHash,
        device: &str,
        user: Option<NewUser>,
        token: SecretHash,
    ) -> Result<Joined>;

    // ----- upkeep --------------------------------------------------------------------------------------------

    /// Prunes what is older than its retention, expired idempotency keys, sessions and invites. Bounded work per
    /// call; `Pruned::more` says whether to call again.
    async fn prune(&self) -> Result<Pruned>;
    /// Whether a write can be made durable now: makes one.
    async fn probe(&self) -> Result<()>;
    /// Numbers for `/metrics`.
    async fn stats(&self) -> Result<Stats>;
    /// Copies the whole store, while it is in use, to a new file.
    async fn backup(&self, to: &std::path::Path) -> Result<()>;
    /// What `GET /v1/me` says of a principal, without `server` and `device`, which only the server knows.
    async fn me(&self, principal: &Principal) -> Result<(Option<User>, Option<u64>)>;
    /// What is to be sent over channels, where this store keeps that.
    fn outbox(self: Arc<Self>) -> Option<Arc<dyn outbox::Outbox>> {
        None
    }
    /// Policies and what they set going, where this store keeps that.
    fn escalations(self: Arc<Self>) -> Option<Arc<dyn escalation::Escalations>> {
        None
    }
    /// Commits what waits and closes. Later calls answer [`Error::Unavailable`].
    async fn close(&self);
}

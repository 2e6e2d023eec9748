//! What a worker claims, begins and settles.

use std::sync::Arc;

use tocsin_protocol::{
    DeliveryState, Message, Millis,
    delivery::{AttemptResult, ChannelKind},
};

use super::{AttemptId, DeliveryId, LaneId, health::Omen};
use crate::NewMessage;

/// What a platform allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At most so many tries to one recipient in any such time, milliseconds.
    pub windows: Vec<(u32, Millis)>,
    /// The same content to the same recipient not sooner than this; 0: whenever.
    pub same_content_ms: Millis,
    /// More than so many waiting for one recipient become a digest; nothing: never.
    pub digest_over: Option<usize>,
    /// Requests at the same time.
    pub at_once: usize,
    /// For so long after the first try that may have arrived, another under the same key shows nothing twice (the time
    /// that a request takes is already taken off); 0: never.
    pub repeat_safe_ms: Millis,
}

/// What a worker can serve now.
#[derive(Clone)]
pub struct ClaimOrder {
    /// Channels by name; others are left waiting.
    pub channels: Vec<(String, Limits)>,
    /// At most this many lanes.
    pub most: usize,
    /// For how long; longer than any try takes.
    pub lease_ms: Millis,
    /// Says what happened, in the team's language.
    pub herald: Option<Herald>,
}

/// Writes the alert about a failure; it is published on [`ALERTS`] whatever topic it names. Runs inside a transaction:
/// it must not block.
pub type Herald = Arc<dyn Fn(&Fall) -> NewMessage + Send + Sync>;

/// A delivery that failed, or a channel that stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fall {
    /// The channel's name.
    pub channel: String,
    /// As people know it.
    pub display_name: String,
    /// What stands behind it.
    pub kind: ChannelKind,
    /// The platform's code, or one of ours.
    pub code: String,
    /// The platform's words.
    pub reason: String,
    /// `Failed` or `Unknown`; `Queued` when the channel stopped but this one is tried again.
    pub state: DeliveryState,
    /// The person.
    pub user: Option<String>,
    /// The message.
    pub title: String,
}

/// A lane that belongs to one worker for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The lane.
    pub lane: LaneId,
    /// Which of its leases.
    pub token: i64,
}

/// What a worker got.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// To be done now.
    pub jobs: Vec<Job>,
    /// When something is due next, if nothing else happens before; nothing: nothing waits.
    pub next: Option<Millis>,
    /// What was noticed on the way.
    pub noticed: Noticed,
}

/// What a claim noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// Deliveries whose message expired.
    pub expired: u64,
    /// Deliveries that were tried or waited for too long.
    pub given_up: u64,
    /// Deliveries to people who have no address any more.
    pub unbound: u64,
    /// Tries whose worker ended, and that are tried again.
    pub repeated: u64,
    /// Tries whose worker ended, and of which nobody knows whether they arrived.
    pub unknown: u64,
    /// Alerts published.
    pub alerts: u64,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// To be given back by settling.
    pub lease: Lease,
    /// The channel's name.
    pub channel: String,
    /// Openid, userid; empty: the group.
    pub address: String,
    /// What.
    pub work: Work,
}

/// What to send.
#[derive(Clone, Debug)]
pub enum Work {
    /// One message.
    One(Box<Item>),
    /// As many of these as fit into one digest, from the first on.
    Digest(Vec<Item>),
    /// A digest that was made before.
    Again {
        /// Which.
        id: DeliveryId,
        /// As it was made.
        body: String,
        /// What happened to it.
        history: History,
    },
}

/// One delivery to be sent.
#[derive(Clone, Debug)]
pub struct Item {
    /// Which.
    pub id: DeliveryId,
    /// The message.
    pub message: Message,
    /// The person; nothing: a group.
    pub user: Option<String>,
    /// At a group: userids of the people it is for, as far as they are bound.
    pub mentions: Vec<String>,
    /// For the platform to recognise a repetition: the same for every try.
    pub key: String,
    /// As it was rendered for the first try.
    pub body: Option<String>,
    /// What happened to it.
    pub history: History,
}

/// What happened to a delivery so far, in this round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Tries.
    pub attempts: u32,
    /// Of those refused with a plea for patience.
    pub busy: u32,
    /// Of those refused as a repetition, or with another code that is worth one more try.
    pub duplicates: u32,
    /// When the first try of this round began that may have arrived.
    pub unsure_at: Option<Millis>,
    /// A person had it sent again. What the platform recognises may then be counted from an earlier round, so nothing is
    /// repeated without them.
    pub resent: bool,
}

/// A try begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// For which.
    pub what: StartOf,
    /// What is sent.
    pub body: String,
}

/// What a try is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartOf {
    /// A delivery, or a digest that was made before.
    One(DeliveryId),
    /// A new digest of these.
    Digest(Vec<DeliveryId>),
}

/// A booked try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The try.
    pub attempt: AttemptId,
    /// What it is of; a digest got its id now.
    pub delivery: DeliveryId,
    /// For the platform to recognise a repetition of a digest.
    pub key: String,
    /// When it began.
    pub at: Millis,
}

/// The end of a job.
#[derive(Clone)]
pub struct Settlement {
    /// The lease.
    pub lease: Lease,
    /// The try, if one was begun.
    pub attempt: Option<AttemptId>,
    /// What it was of.
    pub delivery: DeliveryId,
    /// How the try ended.
    pub result: AttemptResult,
    /// What becomes of the delivery.
    pub next: Next,
    /// The platform's code, or one of ours.
    pub code: Option<String>,
    /// The platform's words.
    pub reason: Option<String>,
    /// The platform's name for it.
    pub msgid: Option<String>,
    /// What it says about the credential.
    pub omen: Omen,
    /// The address is none any more: why.
    pub broken: Option<String>,
    /// The person is not reached at present, though the address stands: why. Shown until a message is accepted.
    pub flagged: Option<String>,
    /// For spreading what would come all at once, in 0..1.
    pub roll: f64,
    /// Says what happened.
    pub herald: Option<Herald>,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The platform has it.
    Accepted,
    /// For good.
    Failed,
    /// Nobody knows.
    Unknown,
    /// Another try.
    Retry {
        /// Not before.
        at: Millis,
        /// Why.
        why: Again,
    },
}

/// Why there is another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It was not sent.
    NotSent,
    /// The platform asked for patience.
    Busy,
    /// The platform asked to be left alone: costs no retry. The pause of the channel holds it back, so that reopening is enough.
    Paused,
    /// The platform took it for a repetition, or gave another code that is worth one more try.
    Duplicate,
    /// It may have arrived.
    Unsure,
}

/// What settling did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The lease was over: another may have the lane.
    pub late: bool,
    /// The channel stopped with this.
    pub opened: bool,
    /// An alert was published.
    pub alerted: bool,
    /// Messages it was about: several for a digest.
    pub carried: u64,
}

/// The platform says later what became of an accepted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The channel's name.
    pub channel: String,
    /// The platform's name for the message; nothing (or `0`): it does not say.
    pub msgid: Option<String>,
    /// Whom it was for.
    pub address: String,
    /// Why it did not arrive; nothing: it did.
    pub failed: Option<String>,
    /// It is worth one more try, as a new message, not before then. The second time it fails.
    pub again: Option<Millis>,
}

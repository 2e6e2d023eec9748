//! Rules that act on receipts: steps that run while nobody answers, topics that are expected to speak, messages that
//! are sent again, and what of a receipt is told to webhooks.
//!
//! [`Escalations`] stands beside [`Store`](crate::Store) and is implemented by the same stores: an escalation begins in
//! the transaction of its publish and ends in that of the acknowledgement.
//!
//! Words: a *step* of a policy runs at `base + after_s`, and again every `every_s`. A *copy* is a message of their own for
//! somebody whom a step names and who is not in the audience; its acknowledgement counts for the *original*.
//!
//! Invariants every implementation keeps:
//! - A step runs once, however many workers look: it is evaluated, told and booked in one transaction.
//! - Whether its condition holds is read off what is committed, in the same transaction.
//! - Finding what is due reads only what is due.
//! - Times are wall clock. A step that runs more than [`LATE_MS`] late moves `base`, so that later ones keep their
//!   distance: after a sleep the first overdue step runs at once, and no other. What expired meanwhile never runs.
//! - **The clock is set back** by more than [`BACK_MS`]: nobody knows how long what was planned by the later clock has
//!   waited, and its wait begins anew. So a step comes at most twice as long after the one before as it should (and as
//!   much later as it takes to notice). None is lost, and none that ran runs again.
//! - **The clock is set forward**: like a sleep.
//! - After the last step people get as long to answer as they had after the one before; then it is `exhausted`. An
//!   acknowledgement that comes still later settles it all the same.

pub(crate) mod check;
pub(crate) mod copy;
pub(crate) mod dry_run;
pub(crate) mod plan;
pub(crate) mod quiet;
pub(crate) mod report;

use std::sync::Arc;

use async_trait::async_trait;
use tocsin_protocol::{
    Message, MessageId, Millis, Policy,
    escalation::{
        Cancelled, DryRun, PolicySettings, ResendMessage, ResentMessage, Settled, StepOutcome, Timeline,
    },
};
use tokio::sync::watch;

use crate::{NewMessage, Result, Viewer};

/// A step that runs later than this moves those behind it: less is what waking a worker takes.
pub const LATE_MS: Millis = 10_000;
/// A clock that goes back by less is one that is being corrected.
pub const BACK_MS: Millis = 5000;
/// After a start or a sleep a topic has as long as it is expected to speak in, but no longer than this, before it counts
/// as silent: what would have been heard meanwhile was not.
pub const GRACE_MS: Millis = 300_000;
/// Why a sender may not use a channel.
pub(crate) const NO_ROUTE: &str =
    "only an admin may use a channel that no route leads to from the topic: an admin can add a route";

/// Why a message is not posted to a group.
pub(crate) fn not_for_a_group(way: &str) -> String {
    format!("{way:?} is a group: a message that names people is not posted to one")
}

/// Why devices that are asked to show it again would not.
pub(crate) fn not_shown_again(message: &Message, settled: Option<&Settled>, now: Millis) -> Option<String> {
    if message.expires_at.is_some_and(|at| at <= now) {
        return Some("the message expired, and devices show it no more: send a new one".into());
    }
    let by = &settled?.by;
    Some(format!("{by} took care of the message, and devices show it no more: send a new one"))
}

/// Why a sender may not name a policy.
pub(crate) const NOT_ITS_POLICY: &str = "only an admin may name another policy than the topic's own: leave it out, or have an admin attach it to the topic";
/// What the messages about a silent topic have as their key.
pub const SILENCE_KEY: &str = "_silence";

/// Writes the message about a topic that is silent, or speaks again. Sender, topic, key, priority and `resolved` are
/// set whatever it says. Runs inside a transaction: it must not block.
pub type Words = Arc<dyn Fn(&Silence) -> NewMessage + Send + Sync>;

/// A topic is silent, or speaks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The topic.
    pub topic: String,
    /// How often it is expected to speak, milliseconds; 0: it is not any more.
    pub every_ms: Millis,
    /// When its message was due; nothing: it speaks again.
    pub since: Option<Millis>,
}

/// What a worker can do now.
#[derive(Clone)]
pub struct RunOrder {
    /// At most so many of each kind; fewer where many people are to be looked at.
    pub most: usize,
    /// Nobody looked for long: the server just started, or the computer slept.
    pub woke: bool,
    /// Without it silence is not looked for.
    pub words: Option<Words>,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Steps, in the order of their times.
    pub steps: Vec<RanStep>,
    /// Escalations that ended without an acknowledgement.
    pub ended: u64,
    /// Topics found silent, or speaking again.
    pub silences: u64,
    /// Messages whose missed milestones were told because they expired.
    pub missed: u64,
    /// When something is due next, if nothing else happens before; now or earlier: call again. Nothing: nothing waits.
    pub next: Option<Millis>,
}

/// A step that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RanStep {
    /// The message.
    pub message: MessageId,
    /// Which step, from 1.
    pub step: u32,
    /// Its first time is 0.
    pub repeat: u32,
    /// What became of it.
    pub outcome: StepOutcome,
    /// How much later than planned it ran, milliseconds.
    pub late_ms: Millis,
}

/// Policies, and what they set going.
#[async_trait]
pub trait Escalations: Send + Sync + 'static {
    /// Changes whenever something may be due earlier than was said.
    fn escalations_changed(&self) -> watch::Receiver<u64>;

    // ----- policies ------------------------------------------------------------------------------------------

    /// All policies, by name.
    async fn policies(&self) -> Result<Vec<Policy>>;
    /// One of them.
    async fn policy(&self, name: &str) -> Result<Policy>;
    /// Makes or changes one; what is under way goes on as it began. What cannot be is
    /// [`Error::Invalid`](crate::Error::Invalid), an unknown person [`Error::UnknownUser`](crate::Error::UnknownUser).
    async fn put_policy(&self, name: &str, settings: PolicySettings) -> Result<Policy>;
    /// Removes one and takes it off its topics; what is under way goes on.
    async fn remove_policy(&self, name: &str) -> Result<()>;
    /// What a policy would do if nobody ever answered. Refuses what [`put_policy`](Self::put_policy) does.
    async fn dry_run(&self, what: DryRun) -> Result<Timeline>;

    // ----- running -------------------------------------------------------------------------------------------

    /// Runs one step of everything that is due, tells what expired unreached, looks for silence.
    async fn run_due(&self, order: RunOrder) -> Result<Ran>;

    // ----- by hand -------------------------------------------------------------------------------------------

    /// Stops the steps of a message and cancels its deliveries that wait. For its sender and admins.
    async fn cancel(&self, viewer: Viewer, message: MessageId) -> Result<Cancelled>;
    /// Shows or sends a message again. For its sender and admins.
    async fn resend_message(
        &self,
        viewer: Viewer,
        message: MessageId,
        what: ResendMessage,
    ) -> Result<ResentMessage>;
}

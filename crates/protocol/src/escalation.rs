//! Rules that act on receipts: who is told next, over which ways, while nobody answers.
//!
//! A [`Policy`] is a list of [`Step`]s. It is attached to a topic or named by a message; what a message runs is a copy
//! made when it is stored, so that changing a policy changes nothing that is under way. A message that is acknowledged,
//! expires, is superseded or cancelled stops its steps.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{Millis, Priority};

/// The way over the desktop app, the page and every other stream: they show the message again. No channel can have
/// this name.
pub const VIA_DESKTOP: &str = "desktop";
/// Steps of a policy: a night shift of people and ways, and still readable.
pub const STEPS: usize = 20;
/// Repetitions of one step.
pub const REPEATS: u32 = 60;
/// The latest step or repetition, seconds after the message: a week, as long as bodies are kept.
pub const AFTER_S: u64 = 7 * 24 * 3600;
/// The shortest time between repetitions, seconds: a person needs that long to answer.
pub const EVERY_S: u64 = 30;
/// People that one step names.
pub const STEP_PEOPLE: usize = 50;
/// The shortest time in which a topic can be expected to speak, seconds.
pub const EXPECT_S: u64 = 10;

/// Something that can be said of everybody, or of somebody, a message is owed to. Who was removed counts for nothing; of
/// everybody nothing can be said once it expired, was replaced or pruned before somebody got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// One has it.
    ReceivedByAny,
    /// Everybody has it.
    ReceivedByAll,
    /// One opened or dismissed it.
    ReadByAny,
    /// Everybody did.
    ReadByAll,
    /// One pressed Acknowledge.
    AcknowledgedByAny,
    /// Everybody did.
    AcknowledgedByAll,
}

impl Milestone {
    /// All of them, the nearest first.
    pub const ALL: [Self; 6] = [
        Self::ReceivedByAny,
        Self::ReceivedByAll,
        Self::ReadByAny,
        Self::ReadByAll,
        Self::AcknowledgedByAny,
        Self::AcknowledgedByAll,
    ];

    /// Whether it is about everybody.
    pub fn by_all(self) -> bool {
        matches!(self, Self::ReceivedByAll | Self::ReadByAll | Self::AcknowledgedByAll)
    }

    /// How far a person has to be to count.
    pub fn state(self) -> crate::State {
        match self {
            Self::ReceivedByAny | Self::ReceivedByAll => crate::State::Received,
            Self::ReadByAny | Self::ReadByAll => crate::State::Read,
            Self::AcknowledgedByAny | Self::AcknowledgedByAll => crate::State::Acknowledged,
        }
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReceivedByAny => "received_by_any",
            Self::ReceivedByAll => "received_by_all",
            Self::ReadByAny => "read_by_any",
            Self::ReadByAll => "read_by_all",
            Self::AcknowledgedByAny => "acknowledged_by_any",
            Self::AcknowledgedByAll => "acknowledged_by_all",
        }
    }
}

/// Whom a step tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "who", rename_all = "snake_case", deny_unknown_fields)]
pub enum Notify {
    /// Everybody of the audience who is not as far as the step asks.
    Missing,
    /// These people, the next one each time; from the first again after the last. Who is not in the audience gets a
    /// message of their own, whose acknowledgement counts for the first.
    Next {
        /// In this order.
        people: Vec<String>,
    },
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Step {
    /// Seconds after the message was stored. Steps come in the order of their times.
    pub after_s: u64,
    /// Nothing happens if this holds.
    pub unless: Milestone,
    /// Whom to tell.
    pub notify: Notify,
    /// Over these ways: `desktop`, or names of channels.
    pub via: Vec<String>,
    /// How often again, every `every_s`, while the condition does not hold.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[ts(as = "Option<u32>")]
    pub repeat: u32,
    /// Seconds between repetitions, at least 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Hours in which only priority 5 escalates; other steps wait for their end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// `22:00`.
    pub from: String,
    /// `07:00`, the next day if it is earlier.
    pub to: String,
    /// Name of a time zone: `Asia/Shanghai`.
    pub zone: String,
}

/// `PUT /v1/policies/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct PolicySettings {
    /// Default: the name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// At least one.
    pub steps: Vec<Step>,
    /// Hours of rest.
    #[serde(default)]
    pub quiet: Option<Quiet>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Policy {
    /// Unique, `[A-Za-z0-9._-]`.
    pub name: String,
    /// As people know it.
    pub display_name: String,
    /// In the order of their times.
    pub steps: Vec<Step>,
    /// Hours of rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// Topics it is attached to.
    pub topics: Vec<String>,
    /// Since when.
    pub created_at: Millis,
}

/// `POST /v1/policies/dry-run`: what a policy would do if nobody ever answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct DryRun {
    /// The policy, saved or not.
    pub policy: PolicySettings,
    /// A message of this topic; without one of the people that the steps name.
    #[serde(default)]
    pub topic: Option<String>,
    /// Of this priority.
    #[serde(default)]
    #[ts(as = "Option<Priority>")]
    pub priority: Priority,
    /// Stored at this time; default: now.
    #[serde(default)]
    pub at: Option<Millis>,
}

/// What a policy would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Timeline {
    /// In the order of their times.
    pub steps: Vec<PlannedStep>,
    /// What is known to go wrong.
    pub warnings: Vec<TimelineWarning>,
}

/// A step at its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct PlannedStep {
    /// Which, from 1.
    pub step: u32,
    /// Its first time is 0.
    pub repeat: u32,
    /// When.
    pub at: Millis,
    /// It waited for the end of the quiet hours.
    pub put_off: bool,
    /// Nothing happens if this holds.
    pub unless: Milestone,
    /// Whom it would tell, by name.
    pub people: Vec<String>,
    /// Over these ways.
    pub via: Vec<String>,
}

/// Somebody whom a step cannot reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TimelineWarning {
    /// The person has no address at this channel.
    NoAddress {
        /// Who.
        user: String,
        /// Where.
        channel: String,
    },
    /// The channel is switched off.
    ChannelOff {
        /// Which.
        channel: String,
    },
    /// No topic was named, so that whom steps tell is not known.
    NoTopic,
    /// A step tells nobody: the topic has no members.
    Nobody {
        /// Which, from 1.
        step: u32,
    },
}

/// How far a message's steps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscalationState {
    /// There are steps to come.
    Running,
    /// Somebody (or everybody, if the policy asks for it) acknowledged.
    Acknowledged,
    /// The message expired.
    Expired,
    /// Somebody stopped it.
    Cancelled,
    /// A newer version of the message came.
    Superseded,
    /// All steps ran, and nobody answered.
    Exhausted,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// People were told.
    Notified,
    /// Its condition held.
    Held,
    /// There was nobody to tell, or no way to them.
    Nobody,
}

/// A step that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct StepRun {
    /// Which, from 1.
    pub step: u32,
    /// Its first time is 0.
    pub repeat: u32,
    /// When it was planned.
    pub due_at: Millis,
    /// When it ran. Much later than planned: the computer slept, or the server was down.
    pub at: Millis,
    /// What became of it.
    pub outcome: StepOutcome,
    /// Whom it told, by name; at most 100, `told` has the number.
    pub people: Vec<String>,
    /// How many it told.
    pub told: u64,
    /// Over these ways.
    pub via: Vec<String>,
}

/// What the steps of a message did: part of its receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Escalation {
    /// Its policy's name.
    pub policy: String,
    /// How far it is.
    pub state: EscalationState,
    /// Since when, once it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// Who acknowledged or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What comes next, if nobody answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStep>,
    /// What ran, oldest first.
    pub steps: Vec<StepRun>,
}

/// The step to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct NextStep {
    /// Which, from 1.
    pub step: u32,
    /// Its first time is 0.
    pub repeat: u32,
    /// When.
    pub at: Millis,
    /// How many come after it at most, repetitions included.
    pub left: u32,
}

/// Somebody took care of it for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Settled {
    /// Who, by name.
    pub by: String,
    /// When.
    pub at: Millis,
}

/// Answer of `POST /v1/messages/{id}/cancel`. Repeating it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Cancelled {
    /// Steps were still to come.
    pub escalation: bool,
    /// Deliveries that waited.
    pub deliveries: u64,
}

/// `POST /v1/messages/{id}/resend`. What was sent to somebody again after `until` is not sent to them twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ResendMessage {
    /// To these people of the audience; absent: to all who have not received it.
    #[serde(default)]
    pub people: Option<Vec<String>>,
    /// Over these ways: `desktop`, or names of channels.
    pub via: Vec<String>,
    /// The time of the receipt that the person looked at (`Receipt::as_of_ms`): a second click does nothing.
    pub until: Millis,
}

/// What a resend did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ResentMessage {
    /// People whose devices were told to show it again.
    pub reminded: u64,
    /// Deliveries queued.
    pub queued: u64,
    /// People to whom nothing new was sent: it was since, or it is on its way.
    pub already: u64,
    /// People with no address at a channel, by name.
    pub unreachable: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milestones_are_written_as_they_are_named() {
        for milestone in Milestone::ALL {
            assert_eq!(serde_json::to_value(milestone).unwrap(), milestone.name());
        }
    }
}

//! What every implementation of [`Escalations`] must do, and what a receipt says over all ways.

mod hand;
mod policies;
mod receipts;
mod reports;
mod settling;
mod silences;
mod steps;
mod versions;
mod ways;

use std::sync::Arc;

use tocsin_protocol::{
    Escalation, EscalationState, MessageId, Millis,
    delivery::ChannelKind,
    escalation::{Milestone, Notify, PolicySettings, Step, StepOutcome},
};

use super::{
    Bench, keyed,
    outbox::{Post, free},
    to_people, to_topic, urgent,
};
use crate::{
    DeviceId, Entry, NewMessage, OwedItem, UserId,
    escalation::{Escalations, Ran, RunOrder, Words},
};

pub use hand::*;
pub use policies::*;
pub use receipts::*;
pub use reports::*;
pub use settling::*;
pub use silences::*;
pub use steps::*;
pub use versions::*;
pub use ways::*;

/// A store with its outbox and its escalations.
pub struct Watch {
    /// The store with its outbox.
    pub post: Post,
    /// The same one.
    pub escalations: Arc<dyn Escalations>,
}

/// One second in milliseconds.
pub const SECOND: Millis = 1000;

/// A step that tells whoever is missing on the desktop.
pub fn step(after_s: u64, unless: Milestone) -> Step {
    Step { after_s, unless, notify: Notify::Missing, via: vec!["desktop".into()], repeat: 0, every_s: None }
}

/// A step for a list of people.
pub fn next(after_s: u64, people: &[&str]) -> Step {
    let people = people.iter().map(|&name| name.to_owned()).collect();
    Step { notify: Notify::Next { people }, ..step(after_s, Milestone::AcknowledgedByAny) }
}

/// The same over other ways.
pub fn over(via: &[&str], step: Step) -> Step {
    Step { via: via.iter().map(|&way| way.to_owned()).collect(), ..step }
}

/// The same, repeated.
pub fn repeated(repeat: u32, every_s: u64, step: Step) -> Step {
    Step { repeat, every_s: Some(every_s), ..step }
}

/// Writes plain words about silence.
pub fn words() -> Words {
    Arc::new(|silence| NewMessage {
        title: format!("{} {:?} {}", silence.topic, silence.since, silence.every_ms),
        ..to_topic("")
    })
}

impl Watch {
    fn bench(&self) -> &Bench {
        &self.post.bench
    }

    /// A topic `ops` with members, and people who are not.
    pub async fn desk(&self, members: &[&str], others: &[&str]) -> Vec<UserId> {
        let mut ids = Vec::new();
        for name in members.iter().chain(others) {
            ids.push(self.bench().user(name).await);
        }
        self.bench().topic("ops", members).await;
        ids
    }

    /// Saves a policy named `night`.
    pub async fn policy(&self, steps: Vec<Step>) {
        let settings = PolicySettings { display_name: None, steps, quiet: None };
        self.escalations.put_policy("night", settings).await.unwrap();
    }

    /// Publishes to `ops` with that policy.
    pub async fn alert(&self, priority: u8) -> MessageId {
        self.alert_with(urgent(priority, to_topic("ops"))).await
    }

    /// Publishes with that policy.
    pub async fn alert_with(&self, message: NewMessage) -> MessageId {
        let message = NewMessage { policy: Some("night".into()), ..message };
        self.bench().publish(message).await.0
    }

    /// Runs what is due, silence too.
    pub async fn run(&self) -> Ran {
        let order = RunOrder { most: 100, woke: false, words: Some(words()) };
        self.escalations.run_due(order).await.unwrap()
    }

    /// Lets time pass, then runs what is due: outcomes of the steps.
    pub async fn after(&self, seconds: Millis) -> Vec<StepOutcome> {
        self.bench().hand.step(seconds * SECOND);
        self.run().await.steps.into_iter().map(|ran| ran.outcome).collect()
    }

    /// As the receipt tells it.
    pub async fn escalation(&self, id: MessageId) -> Escalation {
        self.bench().receipt(id).await.escalation.unwrap()
    }

    /// How far it is.
    pub async fn state(&self, id: MessageId) -> EscalationState {
        self.escalation(id).await.state
    }

    /// Whom its steps told, run by run.
    pub async fn told(&self, id: MessageId) -> Vec<Vec<String>> {
        self.escalation(id).await.steps.into_iter().map(|run| run.people).collect()
    }

    /// Messages that were reminded of in somebody's stream, oldest first.
    pub async fn reminded(&self, device: DeviceId) -> Vec<MessageId> {
        let replay = self.bench().store.replay(device, 0, self.bench().head(), 1000).await.unwrap();
        let change = |item| match item {
            OwedItem::State(change) => change.remind_at.map(|_| change.id),
            OwedItem::Message(_) => None,
        };
        replay.items.into_iter().filter_map(change).collect()
    }

    /// The copy that a person got.
    pub async fn copy(&self, id: MessageId, user: &str) -> MessageId {
        self.bench().row(id, user).await.escalated.unwrap()
    }

    /// A channel with addresses for people.
    pub async fn app(&self, people: &[&str]) {
        self.post.channel("app", ChannelKind::Wecom).await;
        for name in people {
            self.post.outbox.bind("app", name, &format!("id-{name}")).await.unwrap();
        }
    }

    /// A group that mentions people.
    pub async fn robot(&self, people: &[&str]) {
        self.post.channel("robot", ChannelKind::WecomRobot).await;
        for name in people {
            self.post.outbox.bind("robot", name, &format!("{name}-id")).await.unwrap();
        }
    }

    /// Sends all that is due over a channel; it is accepted.
    pub async fn send_all(&self, channel: &str) -> usize {
        let jobs = self.post.claim(channel, free()).await.jobs;
        for job in &jobs {
            self.post.run(job, crate::outbox::Next::Accepted).await;
        }
        jobs.len()
    }

    /// Messages in the log, in order.
    pub async fn log(&self) -> Vec<Arc<crate::StoredMessage>> {
        let entries = self.bench().store.log(0, 100_000).await.unwrap();
        let message = |entry: crate::LogEntry| match entry.entry {
            Entry::Message(stored) => stored,
            _ => None,
        };
        entries.into_iter().filter_map(message).collect()
    }
}

/// One `#[tokio::test]` per case, as [`conformance_cases`](crate::conformance_cases).
#[macro_export]
macro_rules! escalation_cases {
    ($make:path) => {
        $crate::escalation_cases! { @ $make:
            a_step_runs_at_its_time_and_once what_holds_is_not_told the_next_one_each_time
            another_list_begins_with_its_first
            who_is_done_is_passed_over a_late_step_keeps_the_distance steps_of_several_messages_run_in_order
            an_expired_message_escalates_no_more quiet_hours_put_off_what_is_not_critical
            a_clock_set_back_loses_no_step_and_repeats_none a_clock_set_back_in_parts_is_set_back
            people_have_time_to_answer_the_last_step
            a_policy_is_that_of_the_publish no_policy_no_escalation
            one_acknowledgement_settles_it_for_all a_copy_counts_for_the_original
            everybodys_acknowledgement_where_it_is_asked_for who_leaves_is_not_waited_for
            a_worse_version_begins_the_same_steps_anew who_was_brought_in_hears_of_all_versions
            only_an_admin_takes_steps_along_to_others who_leaves_last_ends_what_asks_for_all
            what_is_settled_is_not_listed_as_unacknowledged
            who_is_asked_for_meanwhile_is_mentioned_after_it
            a_newer_version_takes_over a_newer_version_reaches_those_brought_in an_acknowledgement_that_stands_starts_nothing
            who_belongs_to_it_by_now_has_it_once what_was_acknowledged_goes_with_who_joins
            what_somebody_took_care_of_stays_so
            what_is_over_is_over_for_those_brought_in settling_comes_late_too
            a_channel_rings_again_and_leaves_what_waits who_has_no_address_is_not_told a_group_is_told_of_whom
            a_settled_step_is_not_sent a_switched_off_channel_is_no_way what_names_people_is_not_for_a_group
            cancelling_stops_all_that_waits only_sender_and_admins_act a_resend_is_once_per_look
            a_resend_to_some_over_a_channel what_is_over_is_not_shown_again what_cannot_be_sent_again a_resend_is_once_per_way
            a_resend_by_a_later_clock_holds_nothing_up
            a_sender_keeps_to_its_topic
            policies_are_listed_attached_and_removed what_cannot_be_a_policy_is_refused
            a_dry_run_tells_when_and_whom a_dry_run_warns no_channel_is_named_desktop
            silence_is_told_once_and_when_it_ends another_expectation_does_not_end_the_silence
            the_server_itself_does_not_count
            expecting_nothing_ends_the_silence a_sleep_is_one_silence expectations_have_a_shortest
            a_wake_gives_time_to_speak what_speaks_again_is_told_soon
            a_milestone_is_told_once what_expires_unreached_is_missed an_exhausted_escalation_is_missed
            a_confirmation_reaches_a_milestone reports_go_to_webhooks a_report_sent_again_is_the_same
            a_newer_version_misses_the_rest who_leaves_may_complete_it nothing_is_reached_by_giving_up
            what_ends_is_missed what_is_pruned_is_missed
            people_come_in_pages a_channel_counts the_earlier_way_is_named receipts_are_filtered
            receipts_are_whose_they_are receipts_come_in_pages presences_are_of_who_is_asked
            lists_name_who_lacks_what a_channel_that_delivered_withdraws_nothing
            a_step_names_the_first_it_told a_name_used_again_is_another_person
            a_failing_copy_of_an_alert_raises_none
        }
    };
    (@ $make:path: $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let hand = $crate::conformance::Hand::default();
                let (store, _guard) = $make(&hand);
                let store = std::sync::Arc::new(store);
                let bench = $crate::conformance::Bench { store: store.clone(), hand };
                let post = $crate::conformance::outbox::Post { bench, outbox: store.clone() };
                $crate::conformance::escalation::$case($crate::conformance::escalation::Watch { post, escalations: store }).await;
            }
        )*
    };
}

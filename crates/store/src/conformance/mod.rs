//! What every implementation of [`Store`] must do, as named cases.
//!
//! [`cases!`](crate::conformance_cases) makes one test per case for an implementation that is made from a [`Clock`].
//! Each case gets a fresh store in which nothing has happened yet.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "this is test code")]

mod accounts;
mod acks;
mod aged;
mod claims;
mod credentials;
pub mod escalation;
mod in_flight;
mod inbox;
pub mod outbox;
mod parked;
mod publishing;
mod reach;
mod retention;
mod streams;
mod threads;
mod unreachable;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use tocsin_protocol::{
    Format, MessageId, Millis, NewTopic, NewUser, PersonReceipt, Priority, Receipt, Role, Seq, State,
};

use crate::{
    AckRange, Authority, Clock, DeviceId, Idempotency, NewMessage, OwedItem, PeoplePage, Press, Pressed,
    Sender, Store, TokenId, UserId, Viewer,
};

pub use accounts::*;
pub use acks::*;
pub use aged::age_outbox;
pub use claims::*;
pub use credentials::*;
pub use inbox::*;
pub use publishing::*;
pub use retention::*;
pub use streams::*;
pub use threads::*;

/// When every case begins.
pub const START: Millis = 1_800_000_000_000;
/// One minute in milliseconds.
pub const MINUTE: Millis = 60_000;
/// One day in milliseconds.
pub const DAY: Millis = 24 * 60 * MINUTE;

/// A clock that only moves when it is told to.
#[derive(Clone)]
pub struct Hand(Arc<AtomicI64>);

impl Default for Hand {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }
}

impl Hand {
    /// For the store.
    pub fn clock(&self) -> Clock {
        let hand = Arc::clone(&self.0);
        Arc::new(move || hand.load(Ordering::SeqCst))
    }

    /// The time it shows.
    pub fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }

    /// Moves it, backwards too.
    pub fn step(&self, by: Millis) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

/// A store with its clock, and short words for what cases do.
pub struct Bench {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub hand: Hand,
}

impl Bench {
    /// Adds a member of the team.
    pub async fn user(&self, name: &str) -> UserId {
        let new = NewUser { name: name.into(), display_name: None, role: Role::Member };
        self.store.add_user(new).await.unwrap().0
    }

    /// Adds a topic with members.
    pub async fn topic(&self, name: &str, members: &[&str]) {
        let members = members.iter().map(|&name| name.to_owned()).collect();
        let new = NewTopic { name: name.into(), description: None, retention_days: None, members };
        self.store.add_topic(new).await.unwrap();
    }

    /// A device of a person.
    pub async fn device(&self, user: UserId, name: &str) -> DeviceId {
        self.store.open_device(user, name).await.unwrap().id
    }

    /// Publishes; gives id and position.
    pub async fn publish(&self, message: NewMessage) -> (MessageId, Seq) {
        let published = self.store.publish(message).await.unwrap().published;
        (published.id, published.seq)
    }

    /// Acknowledges `from < seq ≤ to` now.
    pub async fn ack(&self, device: DeviceId, from: Seq, to: Seq) {
        let range = AckRange { device, from, to, at: self.hand.now() };
        self.store.acknowledge(vec![range]).await.unwrap();
    }

    /// Presses something now.
    pub async fn press(&self, user: UserId, message: MessageId, pressed: Pressed) {
        self.store.press(Press { user, message, pressed, at: self.hand.now() }).await.unwrap();
    }

    /// The whole receipt.
    pub async fn receipt(&self, id: MessageId) -> Receipt {
        self.store.receipt(Viewer::Admin(None), id, PeoplePage::default()).await.unwrap()
    }

    /// One person's row.
    pub async fn row(&self, id: MessageId, user: &str) -> PersonReceipt {
        self.receipt(id).await.people.into_iter().find(|person| person.user == user).unwrap()
    }

    /// How far it came with one person.
    pub async fn state(&self, id: MessageId, user: &str) -> State {
        self.row(id, user).await.state
    }

    /// Everything after a position, as ids of messages.
    pub async fn replayed(&self, device: DeviceId, after: Seq) -> Vec<MessageId> {
        let replay = self.store.replay(device, after, self.head(), 1000).await.unwrap();
        let message = |item| match item {
            OwedItem::Message(message) => Some(message.id),
            OwedItem::State(_) => None,
        };
        replay.items.into_iter().filter_map(message).collect()
    }

    /// The last position.
    pub fn head(&self) -> Seq {
        *self.store.head().borrow()
    }
}

/// A plain message to a topic, from an admin's program.
pub fn to_topic(topic: &str) -> NewMessage {
    NewMessage {
        sender: Sender { token: TokenId(1), user: None, name: "ci".into(), authority: Authority::All },
        topic: Some(topic.into()),
        to: Vec::new(),
        title: "title".into(),
        body: "body".into(),
        format: Format::Text,
        priority: Priority::DEFAULT,
        tags: Vec::new(),
        click: None,
        actions: Vec::new(),
        key: None,
        replaces: None,
        resolved: false,
        expires_in_ms: None,
        idempotency: None,
        twins: false,
        policy: None,
        report: None,
    }
}

/// A plain message to people.
pub fn to_people(people: &[&str]) -> NewMessage {
    NewMessage { topic: None, to: people.iter().map(|&name| name.to_owned()).collect(), ..to_topic("") }
}

/// A version of a thing.
pub fn keyed(topic: &str, key: &str) -> NewMessage {
    NewMessage { key: Some(key.into()), ..to_topic(topic) }
}

/// With a priority.
pub fn urgent(priority: u8, message: NewMessage) -> NewMessage {
    NewMessage { priority: Priority::try_from(priority).unwrap(), ..message }
}

/// With an idempotency key, for a request that hashes to `request`.
pub fn repeatable(key: &str, request: u8, message: NewMessage) -> NewMessage {
    let idempotency = Idempotency { key: key.into(), request: [request; 32], keep_ms: DAY };
    NewMessage { idempotency: Some(idempotency), ..message }
}

/// One `#[tokio::test]` per case. `$make` is called with a [`Hand`] and gives `(impl Store, guard)`; the guard is kept
/// until the case is over.
#[macro_export]
macro_rules! conformance_cases {
    ($make:path) => {
        $crate::conformance_cases! { @ $make:
            names_are_unique_whatever_the_case a_user_added_again_is_another the_last_admin_stays
            members_are_those_of_the_position the_snapshot_has_who_is_a_member joining_twice_is_joining_once
            a_removed_topic_is_left_by_all what_cannot_be_a_name_is_refused lists_are_by_name
            what_is_refused_leaves_nothing
            a_publish_is_in_the_log_at_its_seq unknown_names_reject_the_whole_message nobody_is_a_warning
            people_named_twice_are_one who_may_publish_where the_same_key_is_the_same_answer
            another_request_under_a_key_is_a_conflict keys_are_forgotten_and_per_token failures_are_not_kept
            the_log_has_no_gaps all_fields_come_back
            a_new_device_starts_where_its_person_waits a_device_goes_on_where_it_was a_replay_is_what_is_owed
            a_replay_comes_in_pages states_are_part_of_the_stream a_filter_counts_from_its_position
            direct_messages_pass_every_filter expired_and_superseded_are_flagged a_quiet_stretch_is_reached
            devices_need_a_name_and_a_person a_device_is_removed devices_have_a_limit
            an_ack_is_a_range a_gap_between_acks_stays_one acks_out_of_order_and_again acks_of_the_future_end_at_the_head
            a_quiet_ack_moves_nothing the_first_device_counts urgent_times_are_exact leaving_withdraws_what_is_owed
            joining_again_brings_nothing_back a_removed_user_keeps_their_past an_ack_through_a_filter_covers_less
            shown_goes_only_forward missing_is_who_waits a_receipt_is_as_of_the_head
            a_claim_is_handed_out_once a_claim_taken_back_is_free_again claims_are_per_person claims_come_in_pages
            a_claim_taken_back_touches_no_other a_claim_starts_after_what_was_acknowledged claimed_is_sent
            a_start_follows_what_is_waited_for
            a_key_supersedes another_sender_does_not_supersede twins_are_one_sender replacing_by_id people_have_keys_too
            an_acknowledgement_carries_over more_urgent_asks_again back_again_asks_again
            a_late_acknowledgement_is_carried_forward reading_does_not_carry_over
            the_inbox_is_newest_first_in_pages the_inbox_finds unread_counts_what_waits pressing_twice_is_pressing_once
            only_the_audience_presses pressing_times_are_clamped who_sees_what who_sees_whose_receipt
            unacknowledged_asks_for_something
            tokens_authenticate_until_they_end a_revocation_is_in_the_log only_ones_own_token sessions_end
            an_invite_works_once an_invite_makes_all_or_nothing an_invite_for_a_known_person signs_of_life_are_listed
            me_is_who_asks
            bodies_go_and_receipts_stay a_topic_keeps_longer what_was_lost_is_counted
            a_lost_alert_is_not_alerted an_acknowledgement_does_not_cover_what_was_lost receipts_go_too
            the_head_survives_pruning an_epoch_is_new_when_asked a_closed_store_says_so
        }
    };
    (@ $make:path: $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let hand = $crate::conformance::Hand::default();
                let (store, _guard) = $make(&hand);
                let store: std::sync::Arc<dyn $crate::Store> = std::sync::Arc::new(store);
                $crate::conformance::$case($crate::conformance::Bench { store, hand }).await;
            }
        )*
    };
}

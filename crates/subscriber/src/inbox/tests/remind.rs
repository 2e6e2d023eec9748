//! Reminders: shown once more, once each, and only what still waits for somebody.

use tocsin_protocol::{Message, Millis, Shown, StateChange, escalation::Settled};

use super::{Desk, START, change, cursor, id, message, priority, version};
use crate::{
    Arrival, Silent, Stored,
    inbox::{Entry, Outcome},
};
use std::sync::atomic::Ordering;

const MINUTE: Millis = 60_000;

fn reminder(seq: u64, of: u64, at: Millis) -> StateChange {
    StateChange { remind_at: Some(at), ..change(seq, of) }
}

impl Desk {
    /// What is told of a batch.
    async fn told(&self, batch: Vec<Entry>) -> Vec<Outcome> {
        let outcomes = self.inbox.store(batch, Some(cursor(100)), None).await.unwrap();
        outcomes.into_iter().filter(|outcome| !matches!(outcome, Outcome::Known)).collect()
    }

    /// Whether the reminder has the message shown again.
    async fn reminds(&self, change: StateChange, arrival: Arrival) -> bool {
        match &self.told(vec![Entry::State(change, arrival)]).await[..] {
            [] => false,
            [Outcome::Stored(again)] => {
                assert_eq!((again.silent, again.arrival), (None, arrival));
                assert!(again.reminded_at.is_some());
                true
            }
            other => panic!("{other:?}"),
        }
    }

    async fn pending_ids(&self) -> Vec<tocsin_protocol::MessageId> {
        self.inbox.pending().await.unwrap().iter().map(|pending| pending.message.id).collect()
    }
}

fn stored(outcome: &Outcome) -> &Stored {
    match outcome {
        Outcome::Stored(stored) => stored,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_reminder_makes_a_message_pending_once_even_when_it_was_read() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.inbox.set_shown(vec![(id(1), Shown::Shown)]).await.unwrap();
    desk.inbox.take_reports(10).await.unwrap();
    desk.inbox.settle_reports(vec![id(1)], true).await.unwrap();
    desk.inbox.read(id(1)).await.unwrap();
    let remind = reminder(2, 1, START + MINUTE);
    assert!(desk.reminds(remind.clone(), Arrival::Live).await);
    assert_eq!(desk.pending_ids().await, [id(1)]);
    assert_eq!(desk.unread(), 0, "what is read stays read");
    // A kill here, and the server says it again.
    let desk = desk.reopened().await;
    assert_eq!(desk.pending_ids().await, [id(1)]);
    assert_eq!(desk.inbox.position().await.unwrap(), Some(cursor(100)));
    desk.inbox.set_shown(vec![(id(1), Shown::Shown)]).await.unwrap();
    assert!(!desk.reminds(remind, Arrival::Live).await, "the same one again");
    assert!(!desk.reminds(reminder(3, 1, START), Arrival::Live).await, "an older one");
    assert_eq!(desk.pending_ids().await, []);
    assert_eq!(desk.inbox.take_reports(10).await.unwrap().len(), 1, "that it was shown again is reported");
    assert!(desk.reminds(reminder(4, 1, START + 2 * MINUTE), Arrival::Live).await);
}

#[tokio::test]
async fn what_needs_nobody_is_not_reminded_of() {
    let desk = Desk::new();
    for seq in 1..=4 {
        desk.take(message(seq)).await;
    }
    desk.take(Message { expires_at: Some(START + MINUTE), ..message(5) }).await;
    desk.inbox.acknowledge(id(1)).await.unwrap();
    desk.take(version(6, 2, 2)).await;
    let settled = Some(Settled { by: "bob".into(), at: START });
    desk.told(vec![Entry::State(StateChange { settled, ..change(7, 3) }, Arrival::Live)]).await;
    desk.clock.0.fetch_add(MINUTE, Ordering::SeqCst);
    for of in [1, 2, 3, 5, 9] {
        assert!(!desk.reminds(reminder(8, of, START + MINUTE), Arrival::Live).await, "{of}");
    }
    assert_eq!(desk.pending_ids().await, [id(4), id(5), id(6)], "and none that was dealt with");
    assert!(desk.reminds(reminder(8, 4, START + MINUTE), Arrival::Live).await);
}

#[tokio::test]
async fn a_reminder_that_was_missed_joins_the_summary_and_leaves_the_row() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.take(Message { priority: priority(5), ..message(2) }).await;
    desk.inbox.set_shown(vec![(id(1), Shown::Shown), (id(2), Shown::Shown)]).await.unwrap();
    assert!(desk.reminds(reminder(3, 1, START), Arrival::Missed).await);
    assert_eq!(desk.pending_ids().await, []);
    assert!(!desk.reminds(reminder(3, 1, START), Arrival::Live).await, "it counted");
    assert!(desk.reminds(reminder(4, 2, START), Arrival::Missed).await);
    assert_eq!(desk.pending_ids().await, [id(2)], "a critical one is shown by itself");
}

#[tokio::test]
async fn a_reminder_is_as_fresh_at_the_next_start_as_a_message() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.inbox.set_shown(vec![(id(1), Shown::Shown)]).await.unwrap();
    desk.clock.0.fetch_add(60 * MINUTE, Ordering::SeqCst);
    assert!(desk.reminds(reminder(2, 1, START + 60 * MINUTE), Arrival::Live).await);
    let desk = desk.reopened().await;
    let pending = desk.inbox.pending().await.unwrap().remove(0);
    assert!(pending.is_shown_singly(START + 61 * MINUTE));
    assert!(!pending.is_shown_singly(START + 66 * MINUTE));
}

#[tokio::test]
async fn whoever_reads_it_again_needs_no_popup_for_the_reminder() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.inbox.read(id(1)).await.unwrap();
    let press = desk.inbox.next_press().await.unwrap().unwrap();
    desk.inbox.settle_press(press).await.unwrap();
    assert!(desk.reminds(reminder(2, 1, START), Arrival::Live).await);
    desk.inbox.read(id(1)).await.unwrap();
    assert_eq!(desk.pending_ids().await, []);
    assert_eq!(desk.inbox.next_press().await.unwrap(), None, "the server knows since when it is read");
}

#[tokio::test]
async fn what_comes_together_is_told_as_it_ends() {
    let live = |change| Entry::State(change, Arrival::Live);
    let came = |message: Message| Entry::Message(Box::new(message), Arrival::Missed);
    let critical = |seq| Message { priority: priority(5), ..message(seq) };
    let desk = Desk::new();
    let batch = vec![
        came(message(1)),
        came(message(2)),
        came(critical(3)),
        came(critical(4)),
        came(message(5)),
        came(message(6)),
        live(reminder(11, 1, START)),
        live(reminder(12, 1, START + 1)),
        live(StateChange { read_at: Some(START), ..change(13, 2) }),
        live(StateChange { read_at: Some(START), ..change(14, 3) }),
        live(reminder(15, 4, START)),
        live(StateChange { read_at: Some(START), ..change(16, 4) }),
        live(StateChange { acknowledged_at: Some(START + 2), ..change(17, 4) }),
        live(StateChange { read_at: Some(START), ..change(18, 5) }),
        live(reminder(19, 5, START)),
    ];
    let told = desk.told(batch).await;
    let popups: Vec<_> = told.iter().filter(|o| matches!(o, Outcome::Stored(_))).map(stored).collect();
    let seen: Vec<_> =
        popups.iter().map(|s| (s.message.cursor.seq, s.arrival, s.silent, s.reminded_at.is_some())).collect();
    let handled = Some(Silent::Handled);
    assert_eq!(
        seen,
        [
            (1, Arrival::Live, None, false),
            (2, Arrival::Missed, handled, false),
            (3, Arrival::Missed, None, false),
            (4, Arrival::Missed, handled, false),
            (5, Arrival::Missed, handled, false),
            (6, Arrival::Missed, None, false),
            (5, Arrival::Live, None, true),
        ]
    );
    assert_eq!(popups[3].acknowledged_at, Some(START + 2));
    assert_eq!(desk.pending_ids().await, [id(1), id(5), id(6)]);
}

//! What somebody took care of for all.

use tocsin_protocol::{Action, Message, MessageView, StateChange, escalation::Settled};

use super::{Desk, START, change, cursor, id, message, priority, view};
use crate::{
    Arrival, InboxQuery, Silent,
    inbox::{Entry, Outcome},
};

fn settled(by: &str) -> Settled {
    Settled { by: by.into(), at: START }
}

#[tokio::test]
async fn it_needs_no_popup_and_no_acknowledgement_and_stays_unread() {
    let desk = Desk::new();
    desk.take(Message { priority: priority(5), ..message(1) }).await;
    let waiting = || InboxQuery { unacknowledged: true, ..InboxQuery::default() };
    assert_eq!(desk.ids(waiting()).await, [1]);
    let entry =
        |by| vec![Entry::State(StateChange { settled: Some(settled(by)), ..change(2, 1) }, Arrival::Live)];
    let outcomes = desk.inbox.store(entry("bob"), Some(cursor(2)), None).await.unwrap();
    assert!(matches!(&outcomes[..], [Outcome::State(change)] if change.settled == Some(settled("bob"))));
    assert!(desk.inbox.pending().await.unwrap().is_empty());
    assert_eq!(desk.ids(waiting()).await, [0; 0]);
    assert_eq!(desk.unread(), 1, "this person has not seen it");
    assert_eq!(desk.ids(InboxQuery { unread: true, ..InboxQuery::default() }).await, [1]);
    // Who was first stands, also over a start.
    let again = desk.inbox.store(entry("eve"), Some(cursor(3)), None).await.unwrap();
    assert!(matches!(again[..], [Outcome::Known]));
    let desk = desk.reopened().await;
    let listed = desk.inbox.list(InboxQuery::default()).await.unwrap().items.remove(0);
    assert_eq!((listed.settled, listed.read_at), (Some(settled("bob")), None));
    desk.inbox.read(id(1)).await.unwrap();
    assert_eq!(desk.unread(), 0);
}

#[tokio::test]
async fn what_is_listed_as_settled_pops_up_nothing() {
    let desk = Desk::new();
    let listed = |seq, by| {
        Entry::Listed(Box::new(MessageView { settled: (seq == 1).then(|| settled(by)), ..view(seq) }))
    };
    let outcomes =
        desk.inbox.store(vec![listed(1, "bob"), listed(2, "bob")], Some(cursor(3)), None).await.unwrap();
    let silent = |outcome: &Outcome| match outcome {
        Outcome::Stored(stored) => stored.silent,
        other => panic!("{other:?}"),
    };
    assert_eq!(outcomes.iter().map(silent).collect::<Vec<_>>(), [Some(Silent::Handled), None]);
    assert_eq!(desk.inbox.message(id(1)).await.unwrap().settled, Some(settled("bob")));
    assert_eq!(desk.unread(), 2);
}

#[tokio::test]
async fn whoever_is_next_in_line_is_expected_to_acknowledge() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.take(Message { escalates: Some(id(9)), ..message(2) }).await;
    desk.take(Message { actions: vec![Action::Acknowledge { label: None }], ..message(3) }).await;
    let waiting = InboxQuery { unacknowledged: true, ..InboxQuery::default() };
    assert_eq!(desk.ids(waiting).await, [3, 2]);
}

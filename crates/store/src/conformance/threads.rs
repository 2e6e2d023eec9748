//! Versions of one thing.

use tocsin_protocol::State;

use super::{Bench, MINUTE, START, keyed, repeatable, to_people, to_topic, urgent};
use crate::{Authority, Entry, Error, NewMessage, PeoplePage, Pressed, Sender, TokenId, Viewer};

/// The newest of the same topic and key.
pub async fn a_key_supersedes(bench: Bench) {
    bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.topic("other", &["ann"]).await;
    let (first, _) = bench.publish(keyed("ops", "disk")).await;
    let (elsewhere, _) = bench.publish(keyed("other", "disk")).await;
    let (unrelated, _) = bench.publish(keyed("ops", "cpu")).await;
    let second = bench.store.publish(keyed("ops", "disk")).await.unwrap().published;
    assert_eq!(second.superseded, Some(first));
    let third = bench.store.publish(keyed("ops", "disk")).await.unwrap().published;
    assert_eq!(third.superseded, Some(second.id));
    let log = bench.store.log(third.seq - 1, 1).await.unwrap();
    let Entry::Message(Some(stored)) = &log[0].entry else { panic!("{log:?}") };
    assert_eq!((stored.message.thread, stored.message.supersedes), (first, Some(second.id)));
    for (id, superseded) in [
        (first, Some(second.id)),
        (second.id, Some(third.id)),
        (third.id, None),
        (elsewhere, None),
        (unrelated, None),
    ] {
        assert_eq!(bench.receipt(id).await.superseded_by, superseded);
    }
}

/// Unless it is an admin's; a person is the same with any of their tokens.
pub async fn another_sender_does_not_supersede(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    bench.topic("ops", &["ann", "bob"]).await;
    let by = |token: i64, user: Option<crate::UserId>, authority: Authority| NewMessage {
        sender: Sender { token: TokenId(token), user, name: "x".into(), authority },
        ..keyed("ops", "k")
    };
    let (first, _) = bench.publish(by(1, Some(ann), Authority::Member(ann))).await;
    let other = bench.store.publish(by(2, Some(bob), Authority::Member(bob))).await.unwrap().published;
    assert_eq!(other.superseded, None);
    let same = bench.store.publish(by(3, Some(ann), Authority::Member(ann))).await.unwrap().published;
    assert_eq!(same.superseded, Some(first));
    let (ops, _) = bench.store.topic("ops", None).await.unwrap();
    let program = Authority::Topics([ops].into());
    let (made, _) = bench.publish(by(4, None, program.clone())).await;
    assert_eq!(bench.store.publish(by(5, None, program.clone())).await.unwrap().published.superseded, None);
    assert_eq!(bench.store.publish(by(4, None, program)).await.unwrap().published.superseded, Some(made));
    let admin = bench.store.publish(by(6, None, Authority::All)).await.unwrap().published;
    assert!(admin.superseded.is_some());
}

/// Programs that say the same share answers and threads, and nobody else's; what one of them sent is its own.
pub async fn twins_are_one_sender(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.topic("other", &["ann"]).await;
    let (ops, _) = bench.store.topic("ops", None).await.unwrap();
    let (other, _) = bench.store.topic("other", None).await.unwrap();
    let by = |token: i64, topic, request| NewMessage {
        sender: Sender {
            token: TokenId(token),
            user: None,
            name: format!("am{token}"),
            authority: Authority::Topics([topic].into()),
        },
        twins: true,
        ..repeatable(&format!("r{request}"), request, keyed("ops", "k"))
    };
    let publish = async |new| bench.store.publish(new).await;
    let first = publish(by(1, ops, 1)).await.unwrap();
    assert!(!first.repeated);
    for token in [1, 2] {
        let again = publish(by(token, ops, 1)).await.unwrap();
        assert_eq!((again.published.id, again.repeated), (first.published.id, true), "token {token}");
    }
    let stranger = publish(by(3, other, 1)).await;
    assert!(matches!(stranger, Err(Error::Forbidden(_))), "the answer is for those who may publish there");
    let second = publish(by(2, ops, 2)).await.unwrap().published;
    assert_eq!(second.superseded, Some(first.published.id), "one thread");
    assert!(
        bench
            .store
            .receipt(Viewer::Sender(TokenId(1)), first.published.id, PeoplePage::default())
            .await
            .is_ok()
    );
    assert!(bench.store.receipt(Viewer::Sender(TokenId(2)), second.id, PeoplePage::default()).await.is_ok());
    assert!(
        bench.store.receipt(Viewer::Sender(TokenId(1)), second.id, PeoplePage::default()).await.is_err(),
        "another's"
    );
    let alone = publish(NewMessage { twins: false, ..by(4, ops, 2) }).await.unwrap();
    assert_eq!((alone.repeated, alone.published.superseded), (false, None), "no twin");
    let mut person = by(5, ops, 2);
    person.sender.user = Some(ann);
    person.sender.authority = Authority::Member(ann);
    let person = publish(person).await.unwrap();
    assert_eq!(
        (person.repeated, person.published.superseded),
        (false, None),
        "a person speaks for no program"
    );
}

/// Only one's own, only the newest version.
pub async fn replacing_by_id(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    bench.topic("ops", &["ann", "bob"]).await;
    let by = |user: crate::UserId, replaces| NewMessage {
        sender: Sender {
            token: TokenId(1),
            user: Some(user),
            name: "x".into(),
            authority: Authority::Member(user),
        },
        replaces,
        ..to_topic("ops")
    };
    let (first, _) = bench.publish(by(ann, None)).await;
    assert!(matches!(bench.store.publish(by(bob, Some(first))).await, Err(Error::Forbidden(_))));
    let second = bench.store.publish(by(ann, Some(first))).await.unwrap().published;
    assert_eq!(second.superseded, Some(first));
    assert!(matches!(bench.store.publish(by(ann, Some(first))).await, Err(Error::Conflict(_))));
    let admin = NewMessage { replaces: Some(second.id), ..to_topic("ops") };
    assert_eq!(bench.store.publish(admin).await.unwrap().published.superseded, Some(second.id));
    let unknown = tocsin_protocol::MessageId::random(&mut rand::rng());
    assert!(matches!(bench.store.publish(by(ann, Some(unknown))).await, Err(Error::NotFound(_))));
}

/// For the same people.
pub async fn people_have_keys_too(bench: Bench) {
    bench.user("ann").await;
    bench.user("bob").await;
    let to = |people: &[&str]| NewMessage { key: Some("k".into()), ..to_people(people) };
    let (both, _) = bench.publish(to(&["ann", "bob"])).await;
    let one = bench.store.publish(to(&["ann"])).await.unwrap().published;
    assert_eq!(one.superseded, None, "bob would be left with a version that is not the newest");
    assert_eq!(bench.store.publish(to(&["bob", "ann"])).await.unwrap().published.superseded, Some(both));
}

/// With its time, in the receipt and the inbox, and every device hears of it.
pub async fn an_acknowledgement_carries_over(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.user("bob").await;
    bench.topic("ops", &["ann", "bob"]).await;
    let (first, _) = bench.publish(keyed("ops", "k")).await;
    bench.press(ann, first, Pressed::Acknowledge).await;
    bench.hand.step(MINUTE);
    let (second, seq) = bench.publish(keyed("ops", "k")).await;
    assert_eq!(bench.state(second, "ann").await, State::Acknowledged);
    assert_eq!(bench.state(second, "bob").await, State::Missing);
    let inbox = bench.store.inbox(ann, crate::InboxQuery { limit: 1, ..Default::default() }).await.unwrap();
    assert_eq!((inbox.items[0].acknowledged_at, inbox.items[0].read_at), (Some(START), None));
    let log = bench.store.log(seq, 10).await.unwrap();
    assert_eq!(log.len(), 1);
    let Entry::State { user, change } = &log[0].entry else { panic!("{log:?}") };
    assert_eq!((*user, change.id, change.acknowledged_at), (ann, second, Some(START)));
    let (third, _) = bench.publish(NewMessage { resolved: true, ..keyed("ops", "k") }).await;
    assert_eq!(bench.state(third, "ann").await, State::Acknowledged, "along the whole thread");
    let over = NewMessage { resolved: true, ..urgent(5, keyed("ops", "k")) };
    let (fourth, _) = bench.publish(over).await;
    assert_eq!(bench.state(fourth, "ann").await, State::Acknowledged, "over, however urgent");
    // What is acknowledged asks for no reading, in the count and in the list.
    assert_eq!(bench.store.unread(ann).await.unwrap(), 0);
    let unread = crate::InboxQuery { unread: true, limit: 9, ..Default::default() };
    assert!(bench.store.inbox(ann, unread).await.unwrap().items.is_empty());
}

/// A raised priority is news.
pub async fn more_urgent_asks_again(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (first, _) = bench.publish(keyed("ops", "k")).await;
    bench.press(ann, first, Pressed::Acknowledge).await;
    let (second, _) = bench.publish(urgent(4, keyed("ops", "k"))).await;
    assert_eq!(bench.state(second, "ann").await, State::Missing);
    bench.press(ann, second, Pressed::Acknowledge).await;
    let (third, _) = bench.publish(urgent(2, keyed("ops", "k"))).await;
    assert_eq!(bench.state(third, "ann").await, State::Acknowledged);
}

/// So is a thing that was over.
pub async fn back_again_asks_again(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (first, _) = bench.publish(NewMessage { resolved: true, ..keyed("ops", "k") }).await;
    bench.press(ann, first, Pressed::Acknowledge).await;
    let (second, _) = bench.publish(keyed("ops", "k")).await;
    assert_eq!(bench.state(second, "ann").await, State::Missing);
}

/// Pressed offline on an older version: it stands as far as it would have carried.
pub async fn a_late_acknowledgement_is_carried_forward(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let mut versions = Vec::new();
    for priority in [3, 3, 2, 5] {
        versions.push(bench.publish(urgent(priority, keyed("ops", "k"))).await.0);
    }
    bench.press(ann, versions[0], Pressed::Acknowledge).await;
    let mut states = Vec::new();
    for id in versions {
        states.push(bench.state(id, "ann").await);
    }
    assert_eq!(states, [State::Acknowledged, State::Acknowledged, State::Acknowledged, State::Missing]);
}

/// The new version was not read.
pub async fn reading_does_not_carry_over(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (first, _) = bench.publish(keyed("ops", "k")).await;
    bench.press(ann, first, Pressed::Read).await;
    assert_eq!(bench.store.unread(ann).await.unwrap(), 0);
    let (second, _) = bench.publish(keyed("ops", "k")).await;
    assert_eq!(bench.state(second, "ann").await, State::Missing);
    assert_eq!(bench.store.unread(ann).await.unwrap(), 1);
}

//! Publishing and the log.

use std::sync::Arc;

use tocsin_protocol::{Action, Format, Role};

use super::{Bench, DAY, repeatable, to_people, to_topic, urgent};
use crate::{Address, Authority, Entry, Error, NewMessage, Sender, TokenId};

/// Durable, visible to readers, and the head has moved, before the answer.
pub async fn a_publish_is_in_the_log_at_its_seq(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let before = bench.head();
    let publication = bench.store.publish(to_topic("ops")).await.unwrap();
    let published = publication.published;
    assert_eq!((published.seq, published.audience), (before + 1, 1));
    assert!(!publication.repeated);
    assert_eq!(bench.head(), published.seq);
    let log = bench.store.log(before, 10).await.unwrap();
    assert_eq!(log.len(), 1);
    let Entry::Message(Some(stored)) = &log[0].entry else { panic!("{log:?}") };
    assert_eq!((stored.message.id, log[0].seq, log[0].at), (published.id, published.seq, bench.hand.now()));
    assert_eq!(stored.address, Address::Topic(bench.store.topic("ops", None).await.unwrap().0));
    let (_, seq) = bench.publish(to_people(&["ann"])).await;
    let log = bench.store.log(seq - 1, 10).await.unwrap();
    let Entry::Message(Some(stored)) = &log[0].entry else { panic!("{log:?}") };
    assert_eq!(stored.address, Address::People(Arc::from([ann])));
    assert_eq!(stored.message.topic, None);
}

/// One wrong name, and nobody gets it.
pub async fn unknown_names_reject_the_whole_message(bench: Bench) {
    bench.user("ann").await;
    let head = bench.head();
    assert!(
        matches!(bench.store.publish(to_topic("ops")).await, Err(Error::UnknownTopic(name)) if name == "ops")
    );
    let some = bench.store.publish(to_people(&["ann", "bob"])).await;
    assert!(matches!(some, Err(Error::UnknownUser(name)) if name == "bob"));
    assert_eq!(bench.head(), head);
}

/// A topic without members takes messages, and says so.
pub async fn nobody_is_a_warning(bench: Bench) {
    bench.topic("ops", &[]).await;
    let published = bench.store.publish(to_topic("ops")).await.unwrap().published;
    assert_eq!(published.audience, 0);
    assert!(published.warning.is_some());
    assert_eq!(bench.receipt(published.id).await.counts.owed, 0);
}

/// Whatever the spelling.
pub async fn people_named_twice_are_one(bench: Bench) {
    bench.user("ann").await;
    bench.user("bob").await;
    let published = bench.store.publish(to_people(&["bob", "ann", "BOB"])).await.unwrap().published;
    assert_eq!(published.audience, 2);
    assert_eq!(bench.receipt(published.id).await.counts.owed, 2);
}

/// Admins everywhere, members where they are one and to people, tokens to their topics.
pub async fn who_may_publish_where(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("hers", &["ann"]).await;
    bench.topic("other", &[]).await;
    let (hers, _) = bench.store.topic("hers", None).await.unwrap();
    let by = |authority: Authority, message: NewMessage| {
        let sender = Sender { token: TokenId(7), user: None, name: "x".into(), authority };
        bench.store.publish(NewMessage { sender, ..message })
    };
    assert!(by(Authority::Member(ann), to_topic("hers")).await.is_ok());
    assert!(by(Authority::Member(ann), to_people(&["ann"])).await.is_ok());
    assert!(matches!(by(Authority::Member(ann), to_topic("other")).await, Err(Error::Forbidden(_))));
    let token = Authority::Topics(Arc::from([hers]));
    assert!(by(token.clone(), to_topic("hers")).await.is_ok());
    assert!(matches!(by(token.clone(), to_topic("other")).await, Err(Error::Forbidden(_))));
    assert!(matches!(by(token, to_people(&["ann"])).await, Err(Error::Forbidden(_))));
    bench.store.leave_topic("hers", "ann").await.unwrap();
    assert!(matches!(by(Authority::Member(ann), to_topic("hers")).await, Err(Error::Forbidden(_))));
    assert!(by(Authority::All, to_topic("other")).await.is_ok());
}

/// The original answer, and nothing new in the log.
pub async fn the_same_key_is_the_same_answer(bench: Bench) {
    bench.topic("ops", &[]).await;
    let first = bench.store.publish(repeatable("k", 1, to_topic("ops"))).await.unwrap();
    let head = bench.head();
    bench.user("ann").await;
    bench.store.join_topic("ops", "ann").await.unwrap();
    let second = bench.store.publish(repeatable("k", 1, to_topic("ops"))).await.unwrap();
    assert!(second.repeated && !first.repeated);
    assert_eq!(second.published, first.published);
    assert_eq!(bench.head(), head + 1, "only the join");
}

/// A key stands for one request.
pub async fn another_request_under_a_key_is_a_conflict(bench: Bench) {
    bench.topic("ops", &[]).await;
    bench.store.publish(repeatable("k", 1, to_topic("ops"))).await.unwrap();
    let other = bench.store.publish(repeatable("k", 2, to_topic("ops"))).await;
    assert!(matches!(other, Err(Error::IdempotencyConflict)));
}

/// After a day, and for another token, it is another key.
pub async fn keys_are_forgotten_and_per_token(bench: Bench) {
    bench.topic("ops", &[]).await;
    let (first, _) = bench.publish(repeatable("k", 1, to_topic("ops"))).await;
    let mut other = repeatable("k", 2, to_topic("ops"));
    other.sender.token = TokenId(2);
    let (second, _) = bench.publish(other).await;
    bench.hand.step(DAY + 1);
    let (third, _) = bench.publish(repeatable("k", 3, to_topic("ops"))).await;
    assert!(first != second && second != third && first != third);
}

/// What failed may be tried again under the same key, even otherwise.
pub async fn failures_are_not_kept(bench: Bench) {
    assert!(bench.store.publish(repeatable("k", 1, to_topic("ops"))).await.is_err());
    bench.topic("ops", &[]).await;
    assert!(!bench.store.publish(repeatable("k", 2, to_topic("ops"))).await.unwrap().repeated);
}

/// Every position is there, in order, whatever it is, in pages too.
pub async fn the_log_has_no_gaps(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (id, _) = bench.publish(to_topic("ops")).await;
    let device = bench.device(ann, "desk").await;
    bench.store.set_filter(device, Some(vec!["ops".into()])).await.unwrap();
    bench.press(ann, id, crate::Pressed::Read).await;
    bench.store.end_session(&[0; 32]).await.unwrap();
    bench
        .store
        .add_user(tocsin_protocol::NewUser { name: "root".into(), display_name: None, role: Role::Admin })
        .await
        .unwrap();
    bench.store.remove_user("ann").await.unwrap();
    bench.store.remove_topic("ops").await.unwrap();
    let whole = bench.store.log(0, 1000).await.unwrap();
    assert_eq!(whole.len() as u64, bench.head());
    assert!(whole.iter().zip(1..).all(|(entry, seq)| entry.seq == seq), "{whole:?}");
    let mut paged = Vec::new();
    while let Some(last) = Some(paged.len() as u64).filter(|last| *last < bench.head()) {
        paged.extend(bench.store.log(last, 2).await.unwrap());
    }
    assert_eq!(paged, whole);
    assert!(bench.store.log(bench.head(), 10).await.unwrap().is_empty());
    assert!(bench.store.log(bench.head() + 5, 10).await.unwrap().is_empty());
}

/// Nothing of a message is lost on its way.
pub async fn all_fields_come_back(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let message = NewMessage {
        title: "Größe 大".into(),
        body: "# body\0".into(),
        format: Format::Markdown,
        tags: vec!["a".into(), "b".into()],
        click: Some("https://example.org/?a=1&b=2".into()),
        actions: vec![
            Action::OpenUrl { label: "Open".into(), url: "https://example.org".into() },
            Action::Acknowledge { label: None },
        ],
        key: Some("thing".into()),
        resolved: true,
        expires_in_ms: Some(5000),
        ..urgent(5, to_topic("ops"))
    };
    let (id, seq) = bench.publish(message.clone()).await;
    let seen = bench.store.message(crate::Viewer::Member(ann), id).await.unwrap().message;
    let log = bench.store.log(seq - 1, 1).await.unwrap();
    let Entry::Message(Some(stored)) = &log[0].entry else { panic!("{log:?}") };
    assert_eq!(stored.message, seen);
    assert_eq!((seen.cursor.seq, seen.cursor.epoch), (seq, bench.store.epoch()));
    assert_eq!(
        (seen.id, seen.thread, seen.sender.as_str(), seen.topic.as_deref()),
        (id, id, "ci", Some("ops"))
    );
    assert_eq!((seen.title, seen.body, seen.format), (message.title, message.body, message.format));
    assert_eq!(
        (seen.tags, seen.click, seen.actions, seen.key),
        (message.tags, message.click, message.actions, message.key)
    );
    assert_eq!((seen.priority, seen.resolved, seen.created_at), (message.priority, true, bench.hand.now()));
    assert_eq!(seen.expires_at, Some(bench.hand.now() + 5000));
    assert_eq!((seen.supersedes, seen.superseded_by, seen.expired), (None, None, false));
}

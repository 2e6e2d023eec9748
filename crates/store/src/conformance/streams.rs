//! Devices, where their streams start, and what is replayed.

use super::{Bench, MINUTE, keyed, to_people, to_topic};
use crate::{Error, NewMessage, OwedItem, Pressed};

/// Before the oldest message that its person still waits for, or at the head.
pub async fn a_new_device_starts_where_its_person_waits(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let first = bench.store.open_device(ann, "one").await.unwrap();
    assert!(first.new);
    assert_eq!(first.start, bench.head());
    let (_, received) = bench.publish(to_topic("ops")).await;
    bench.ack(first.id, received - 1, received).await;
    bench.publish(NewMessage { expires_in_ms: Some(MINUTE), ..to_topic("ops") }).await;
    bench.publish(keyed("ops", "k")).await;
    let (waiting, seq) = bench.publish(keyed("ops", "k")).await;
    bench.hand.step(2 * MINUTE);
    let second = bench.store.open_device(ann, "two").await.unwrap();
    assert_eq!(second.start, seq - 1, "what is received, expired or superseded is not waited for");
    assert_eq!(bench.store.open_device(ann, "two").await.unwrap().start, second.start);
    bench.hand.step(-2 * MINUTE);
    assert_eq!(bench.store.open_device(ann, "two").await.unwrap().start, received, "it is not over any more");
    bench.hand.step(2 * MINUTE);
    bench.press(ann, waiting, Pressed::Read).await;
    let third = bench.store.open_device(ann, "three").await.unwrap();
    assert_eq!(third.start, bench.head());
}

/// By its name, at the last position it acknowledged.
pub async fn a_device_goes_on_where_it_was(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (_, seq) = bench.publish(to_topic("ops")).await;
    bench.publish(to_topic("ops")).await;
    bench.ack(device, seq - 1, seq).await;
    let again = bench.store.open_device(ann, "desk").await.unwrap();
    assert_eq!((again.id, again.start, again.new), (device, seq, false));
    assert_ne!(bench.device(bob, "desk").await, device, "names are per person");
    let listed = bench.store.devices(Some(ann)).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].name.as_str(), listed[0].position), ("desk", Some(seq)));
    assert_eq!(bench.store.devices(None).await.unwrap().len(), 2);
}

/// Topics while a member, and what names them; nothing of others.
pub async fn a_replay_is_what_is_owed(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.user("bob").await;
    bench.topic("ops", &["ann", "bob"]).await;
    bench.topic("bobs", &["bob"]).await;
    let device = bench.device(ann, "desk").await;
    let (one, _) = bench.publish(to_topic("ops")).await;
    bench.publish(to_topic("bobs")).await;
    let (two, _) = bench.publish(to_people(&["ann"])).await;
    bench.publish(to_people(&["bob"])).await;
    assert_eq!(bench.replayed(device, 0).await, [one, two]);
    bench.ack(device, 0, bench.head()).await;
    bench.store.leave_topic("ops", "ann").await.unwrap();
    bench.publish(to_topic("ops")).await;
    bench.store.join_topic("ops", "ann").await.unwrap();
    let (three, _) = bench.publish(to_topic("ops")).await;
    assert_eq!(bench.replayed(device, 0).await, [one, two, three], "what was received stays");
}

/// `reached` is where to go on.
pub async fn a_replay_comes_in_pages(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.topic("other", &[]).await;
    let device = bench.device(ann, "desk").await;
    let mut all = Vec::new();
    for _ in 0..7 {
        all.push(bench.publish(to_topic("ops")).await.0);
        bench.publish(to_topic("other")).await;
    }
    let (mut after, mut found) = (0, Vec::new());
    while after < bench.head() {
        let page = bench.store.replay(device, after, bench.head(), 3).await.unwrap();
        assert!(page.items.len() <= 3 && page.reached > after);
        for item in page.items {
            let OwedItem::Message(message) = item else { panic!("{item:?}") };
            assert!(message.cursor.seq <= page.reached);
            found.push(message.id);
        }
        after = page.reached;
    }
    assert_eq!(found, all);
    let none = bench.store.replay(device, bench.head(), bench.head() + 10, 3).await.unwrap();
    assert_eq!((none.items.len(), none.reached), (0, bench.head()));
}

/// A person's presses come in between, at their positions.
pub async fn states_are_part_of_the_stream(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    bench.topic("ops", &["ann", "bob"]).await;
    let device = bench.device(ann, "desk").await;
    let (id, from) = bench.publish(to_topic("ops")).await;
    bench.press(ann, id, Pressed::Read).await;
    bench.press(bob, id, Pressed::Read).await;
    bench.press(ann, id, Pressed::Acknowledge).await;
    let replay = bench.store.replay(device, from, bench.head(), 10).await.unwrap();
    let changes: Vec<_> = replay
        .items
        .into_iter()
        .map(|item| match item {
            OwedItem::State(change) => (change.cursor.seq, change.id, change.acknowledged_at.is_some()),
            OwedItem::Message(message) => panic!("{message:?}"),
        })
        .collect();
    assert_eq!(changes, [(from + 1, id, false), (from + 3, id, true)]);
}

/// Messages up to it are routed by the old one.
pub async fn a_filter_counts_from_its_position(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("a", &["ann"]).await;
    bench.topic("b", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (a1, _) = bench.publish(to_topic("a")).await;
    let (b1, _) = bench.publish(to_topic("b")).await;
    let record = bench.store.set_filter(device, Some(vec!["b".into()])).await.unwrap();
    let (b, _) = bench.store.topic("b", None).await.unwrap();
    assert_eq!(record.filter.as_deref(), Some([b].as_slice()));
    bench.publish(to_topic("a")).await;
    let (b2, _) = bench.publish(to_topic("b")).await;
    bench.store.set_filter(device, None).await.unwrap();
    let (a3, _) = bench.publish(to_topic("a")).await;
    assert_eq!(bench.replayed(device, 0).await, [a1, b1, b2, a3]);
    let unknown = bench.store.set_filter(device, Some(vec!["nope".into()])).await;
    assert!(matches!(unknown, Err(Error::UnknownTopic(_))));
    assert_eq!(bench.store.devices(Some(ann)).await.unwrap()[0].filter, None);
}

/// A filter chooses among topics.
pub async fn direct_messages_pass_every_filter(bench: Bench) {
    let ann = bench.user("ann").await;
    let device = bench.device(ann, "desk").await;
    bench.store.set_filter(device, Some(vec![])).await.unwrap();
    let (id, _) = bench.publish(to_people(&["ann"])).await;
    assert_eq!(bench.replayed(device, 0).await, [id]);
}

/// Owed messages are not skipped silently.
pub async fn expired_and_superseded_are_flagged(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    bench.publish(NewMessage { expires_in_ms: Some(1000), ..to_topic("ops") }).await;
    bench.publish(keyed("ops", "k")).await;
    let (newer, _) = bench.publish(keyed("ops", "k")).await;
    bench.hand.step(1000);
    let replay = bench.store.replay(device, 0, bench.head(), 10).await.unwrap();
    let flags: Vec<_> = replay
        .items
        .into_iter()
        .map(|item| match item {
            OwedItem::Message(message) => (message.expired, message.superseded_by),
            OwedItem::State(change) => panic!("{change:?}"),
        })
        .collect();
    assert_eq!(flags, [(true, None), (false, Some(newer)), (false, None)]);
}

/// Nothing owed, and yet the position moves on.
pub async fn a_quiet_stretch_is_reached(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("other", &[]).await;
    let device = bench.device(ann, "desk").await;
    for _ in 0..5 {
        bench.publish(to_topic("other")).await;
    }
    let replay = bench.store.replay(device, 0, bench.head(), 2).await.unwrap();
    assert_eq!((replay.items.len(), replay.reached), (0, bench.head()));
}

/// Names end up in receipts; people who are gone have no devices.
pub async fn devices_need_a_name_and_a_person(bench: Bench) {
    let ann = bench.user("ann").await;
    for bad in ["", "a b", "../x", &"x".repeat(65)] {
        assert!(matches!(bench.store.open_device(ann, bad).await, Err(Error::Conflict(_))), "{bad}");
    }
    let device = bench.device(ann, "desk").await;
    bench.store.remove_user("ann").await.unwrap();
    assert!(matches!(bench.store.open_device(ann, "desk").await, Err(Error::NotFound(_))));
    assert!(matches!(bench.store.open_device(ann, "new").await, Err(Error::NotFound(_))));
    assert!(matches!(bench.store.set_filter(device, None).await, Err(Error::NotFound(_))));
    assert!(bench.store.devices(None).await.unwrap().is_empty());
}

//! Retention, epochs, the end. Stores of these cases keep bodies 7 days and receipts 90.

use tocsin_protocol::{NewTopic, State, limits::ALERTS_TOPIC};

use super::{Bench, DAY, keyed, repeatable, to_people, to_topic};
use crate::{
    Entry, EpochReason, Error, InboxQuery, Lost, NewMessage, PeoplePage, Press, Pressed, Pruned, Viewer,
};

async fn prune(bench: &Bench) -> Pruned {
    let mut all = Pruned::default();
    loop {
        let pruned = bench.store.prune().await.unwrap();
        all.messages += pruned.messages;
        all.lost += pruned.lost;
        for (person, count) in pruned.missed {
            *all.missed.entry(person).or_default() += count;
        }
        if !pruned.more {
            return all;
        }
    }
}

/// Gone from inbox, replay and log, but not from receipts.
pub async fn bodies_go_and_receipts_stay(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (old, seq) = bench.publish(to_topic("ops")).await;
    let (direct, _) = bench.publish(to_people(&["ann"])).await;
    bench.ack(device, 0, bench.head()).await;
    bench.hand.step(6 * DAY);
    let (new, _) = bench.publish(to_topic("ops")).await;
    assert_eq!(prune(&bench).await.messages, 0);
    bench.hand.step(DAY);
    assert_eq!(prune(&bench).await, Pruned { messages: 2, ..Pruned::default() });
    assert_eq!(bench.replayed(device, 0).await, [new]);
    let inbox = bench.store.inbox(ann, InboxQuery { limit: 9, ..Default::default() }).await.unwrap();
    assert_eq!(inbox.items.len(), 1);
    assert_eq!(bench.store.unread(ann).await.unwrap(), 1);
    let log = bench.store.log(seq - 1, 10).await.unwrap();
    assert_eq!((&log[0].entry, &log[1].entry), (&Entry::Message(None), &Entry::Message(None)));
    assert!(matches!(bench.store.message(Viewer::Member(ann), old).await, Err(Error::NotFound(_))));
    for id in [old, direct] {
        assert_eq!(bench.state(id, "ann").await, State::Received);
        assert_eq!(bench.receipt(id).await.title, "title");
    }
    let press = Press { user: ann, message: old, pressed: Pressed::Acknowledge, at: 0 };
    assert_eq!(bench.store.press(press).await.unwrap().message.body, "", "pressed offline, long ago");
    assert_eq!(bench.state(old, "ann").await, State::Acknowledged);
    assert_eq!(bench.store.stats().await.unwrap().messages, 1);
}

/// Its own rule.
pub async fn a_topic_keeps_longer(bench: Bench) {
    let ann = bench.user("ann").await;
    for (name, days) in [("short", Some(1)), ("long", Some(30)), ("usual", None)] {
        let members = vec!["ann".into()];
        let topic = NewTopic { name: name.into(), description: None, retention_days: days, members };
        bench.store.add_topic(topic).await.unwrap();
        bench.publish(to_topic(name)).await;
    }
    let device = bench.device(ann, "desk").await;
    for (days, left) in [(1, 2), (7, 1), (30, 0)] {
        bench.hand.step(days * DAY - (bench.hand.now() - super::START));
        prune(&bench).await;
        assert_eq!(bench.replayed(device, 0).await.len(), left, "after {days} days");
    }
}

/// Owed, unreceived, unexpired, not superseded, not withdrawn: that is a loss, and is said.
pub async fn what_was_lost_is_counted(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    bench.user("cy").await;
    bench.topic("ops", &["ann", "bob", "cy"]).await;
    let (desk, phone) = (bench.device(ann, "desk").await, bench.device(bob, "phone").await);
    let (received, seq) = bench.publish(to_topic("ops")).await;
    bench.ack(desk, seq - 1, seq).await;
    bench.hand.step(1);
    bench.publish(NewMessage { expires_in_ms: Some(DAY), ..to_topic("ops") }).await;
    bench.publish(keyed("ops", "k")).await;
    let (newest, end) = bench.publish(keyed("ops", "k")).await;
    bench.store.leave_topic("ops", "cy").await.unwrap();
    bench.hand.step(8 * DAY);
    let pruned = prune(&bench).await;
    // Bob: the received one and the newest version. Ann: the newest version.
    assert_eq!((pruned.messages, pruned.lost), (4, 3));
    assert_eq!(pruned.missed, [("ann".to_owned(), 1), ("bob".to_owned(), 2)].into());
    assert_eq!(bench.state(received, "bob").await, State::LostToRetention);
    assert_eq!(bench.state(newest, "cy").await, State::Withdrawn);
    assert_eq!(bench.receipt(newest).await.counts.missing, 0);
    let lost = bench.store.lost(phone, 0).await.unwrap();
    assert_eq!(lost, Lost { count: 2, since: Some(super::START) });
    let lost = bench.store.lost(phone, seq).await.unwrap();
    assert_eq!(lost, Lost { count: 1, since: Some(super::START + 1) });
    assert_eq!(bench.store.lost(desk, 0).await.unwrap().count, 1);
    assert_eq!(bench.store.lost(phone, end).await.unwrap(), Lost::default());
}

/// It is counted like everything, but administrators are not told of what they were told.
pub async fn a_lost_alert_is_not_alerted(bench: Bench) {
    bench.user("ann").await;
    bench.topic(ALERTS_TOPIC, &["ann"]).await;
    let (alert, _) = bench.publish(to_topic(ALERTS_TOPIC)).await;
    bench.hand.step(8 * DAY);
    let pruned = prune(&bench).await;
    assert_eq!((pruned.lost, pruned.missed.len()), (1, 0));
    assert_eq!(bench.state(alert, "ann").await, State::LostToRetention);
}

/// A range goes from before to after it: what was lost in between is not received by that.
pub async fn an_acknowledgement_does_not_cover_what_was_lost(bench: Bench) {
    let ann = bench.user("ann").await;
    for (name, days) in [("short", 1), ("long", 30)] {
        let members = vec!["ann".into()];
        let topic = NewTopic { name: name.into(), description: None, retention_days: Some(days), members };
        bench.store.add_topic(topic).await.unwrap();
    }
    let desk = bench.device(ann, "desk").await;
    let (before, start) = bench.publish(to_topic("long")).await;
    let (lost, _) = bench.publish(to_topic("short")).await;
    let (after, _) = bench.publish(to_topic("long")).await;
    bench.hand.step(DAY);
    assert_eq!(prune(&bench).await.lost, 1);
    bench.ack(desk, start - 1, bench.head()).await;
    let script = bench.device(ann, "script").await;
    bench.store.claim(script, 10).await.unwrap();
    for id in [before, after] {
        assert_eq!(bench.state(id, "ann").await, State::Received);
    }
    assert_eq!(bench.state(lost, "ann").await, State::LostToRetention);
    assert_eq!(bench.store.lost(desk, 0).await.unwrap().count, 1);
    // Read from what the list still shows of it: that is what the person says.
    bench.press(ann, lost, Pressed::Read).await;
    assert_eq!(bench.state(lost, "ann").await, State::Read);
    assert_eq!(bench.store.lost(desk, 0).await.unwrap().count, 0);
}

/// Much later, and what was asked under an idempotency key long before.
pub async fn receipts_go_too(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (old, seq) = bench.publish(repeatable("k", 1, to_topic("ops"))).await;
    bench.ack(device, seq - 1, seq).await;
    bench.press(ann, old, Pressed::Read).await;
    bench.publish(to_people(&["ann"])).await;
    bench.hand.step(89 * DAY);
    prune(&bench).await;
    assert_eq!(bench.state(old, "ann").await, State::Read);
    bench.hand.step(DAY);
    prune(&bench).await;
    assert!(matches!(
        bench.store.receipt(Viewer::Admin(None), old, PeoplePage::default()).await,
        Err(Error::NotFound(_))
    ));
    let (id, next) = bench.publish(to_topic("ops")).await;
    assert_eq!(next, bench.head());
    assert_eq!(bench.state(id, "ann").await, State::Missing);
    let log = bench.store.log(0, 100).await.unwrap();
    assert_eq!(log.len() as u64, bench.head(), "without a gap even so");
}

/// A position is never given out twice, even when everything up to it is gone.
pub async fn the_head_survives_pruning(bench: Bench) {
    bench.user("ann").await;
    bench.topic("ops", &[]).await;
    let (_, seq) = bench.publish(to_topic("ops")).await;
    bench.hand.step(100 * DAY);
    prune(&bench).await;
    assert_eq!(bench.head(), seq);
    assert_eq!(bench.publish(to_topic("ops")).await.1, seq + 1);
    assert_eq!(bench.store.snapshot().await.unwrap().seq, seq + 1);
}

/// Positions go on, cursors carry the new name.
pub async fn an_epoch_is_new_when_asked(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (id, seq) = bench.publish(to_topic("ops")).await;
    let old = bench.store.epoch();
    let new = bench.store.new_epoch(EpochReason::Asked).await.unwrap();
    assert_ne!(old, new);
    assert_eq!(bench.store.epoch(), new);
    assert_eq!(bench.head(), seq);
    let seen = bench.store.message(Viewer::Member(ann), id).await.unwrap().message;
    assert_eq!((seen.cursor.epoch, seen.cursor.seq), (new, seq));
    assert!(!bench.store.instance().is_empty());
}

/// And does nothing more.
pub async fn a_closed_store_says_so(bench: Bench) {
    bench.topic("ops", &[]).await;
    bench.store.probe().await.unwrap();
    bench.store.close().await;
    assert!(matches!(bench.store.publish(to_topic("ops")).await, Err(Error::Unavailable(_))));
    assert!(matches!(bench.store.users().await, Err(Error::Unavailable(_))));
    bench.store.close().await;
}

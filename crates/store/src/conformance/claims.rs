//! Clients that keep no cursor.

use tocsin_protocol::{MessageId, State};

use super::{Bench, MINUTE, START, to_topic};
use crate::{DeviceId, Entry};

async fn claimed(bench: &Bench, device: DeviceId, limit: usize) -> (u64, Vec<MessageId>, bool) {
    let claim = bench.store.claim(device, limit).await.unwrap();
    (claim.id, claim.messages.into_iter().map(|message| message.id).collect(), claim.more)
}

/// Then never again.
pub async fn a_claim_is_handed_out_once(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (old, _) = bench.publish(to_topic("ops")).await;
    let device = bench.device(ann, "script").await;
    let (new, _) = bench.publish(to_topic("ops")).await;
    assert_eq!(claimed(&bench, device, 10).await.1, [old, new]);
    assert!(claimed(&bench, device, 10).await.1.is_empty());
    let head = bench.head();
    assert_eq!(bench.store.claim(device, 10).await.unwrap().upto, head);
    assert_eq!(bench.head(), head, "it takes no position");
}

/// Its answer never arrived.
pub async fn a_claim_taken_back_is_free_again(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "script").await;
    let (one, _) = bench.publish(to_topic("ops")).await;
    let (two, _) = bench.publish(to_topic("ops")).await;
    let (claim, ids, _) = claimed(&bench, device, 10).await;
    assert_eq!(ids, [one, two]);
    bench.store.undo_claim(claim).await.unwrap();
    assert_eq!(bench.state(one, "ann").await, State::Missing);
    let (second, ids, _) = claimed(&bench, device, 10).await;
    assert_eq!(ids, [one, two]);
    assert_ne!(second, claim, "taking the first back again must not touch the second");
    bench.store.undo_claim(claim).await.unwrap();
    bench.store.undo_claim(9999).await.unwrap();
    assert!(claimed(&bench, device, 10).await.1.is_empty());
}

/// What one device of a person took, another does not get, each within its filter.
pub async fn claims_are_per_person(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.user("bob").await;
    bench.topic("a", &["ann", "bob"]).await;
    bench.topic("b", &["ann"]).await;
    let (one, two) = (bench.device(ann, "one").await, bench.device(ann, "two").await);
    let bob = bench.device(bench.store.user("bob").await.unwrap().0, "one").await;
    bench.store.set_filter(one, Some(vec!["a".into()])).await.unwrap();
    let (a1, _) = bench.publish(to_topic("a")).await;
    let (b1, _) = bench.publish(to_topic("b")).await;
    let (a2, _) = bench.publish(to_topic("a")).await;
    assert_eq!(claimed(&bench, one, 10).await.1, [a1, a2]);
    assert_eq!(claimed(&bench, two, 10).await.1, [b1]);
    assert_eq!(claimed(&bench, bob, 10).await.1, [a1, a2]);
}

/// `more` says to ask again.
pub async fn claims_come_in_pages(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "script").await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(bench.publish(to_topic("ops")).await.0);
    }
    let mut found = Vec::new();
    for (count, more) in [(2, true), (2, true), (1, false)] {
        let page = claimed(&bench, device, 2).await;
        assert_eq!((page.1.len(), page.2), (count, more));
        found.extend(page.1);
    }
    assert_eq!(found, all);
}

/// Not even one that lies around it.
pub async fn a_claim_taken_back_touches_no_other(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("a", &["ann"]).await;
    bench.topic("b", &["ann"]).await;
    let (all, only) = (bench.device(ann, "all").await, bench.device(ann, "only").await);
    bench.store.set_filter(only, Some(vec!["b".into()])).await.unwrap();
    let (a1, _) = bench.publish(to_topic("a")).await;
    let (b1, _) = bench.publish(to_topic("b")).await;
    let (a2, _) = bench.publish(to_topic("a")).await;
    let (inner, ids, _) = claimed(&bench, only, 10).await;
    assert_eq!(ids, [b1]);
    let (outer, ids, _) = claimed(&bench, all, 10).await;
    assert_eq!(ids, [a1, a2]);
    bench.store.undo_claim(inner).await.unwrap();
    assert_eq!(bench.state(b1, "ann").await, State::Missing);
    assert_eq!(bench.state(a1, "ann").await, State::Sent);
    assert_eq!(claimed(&bench, all, 10).await.1, [b1], "passed by before, free now");
    bench.store.undo_claim(outer).await.unwrap();
    assert_eq!(bench.state(b1, "ann").await, State::Sent);
    assert_eq!(bench.state(a2, "ann").await, State::Missing);
}

/// A client that changed its habit is not told again.
pub async fn a_claim_starts_after_what_was_acknowledged(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "script").await;
    let (_, seq) = bench.publish(to_topic("ops")).await;
    bench.ack(device, seq - 1, seq).await;
    let (new, _) = bench.publish(to_topic("ops")).await;
    assert_eq!(claimed(&bench, device, 10).await.1, [new]);
}

/// Neither received nor missing.
pub async fn claimed_is_sent(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (script, desk) = (bench.device(ann, "script").await, bench.device(ann, "desk").await);
    let (id, seq) = bench.publish(to_topic("ops")).await;
    bench.hand.step(MINUTE);
    claimed(&bench, script, 10).await;
    let receipt = bench.receipt(id).await;
    let counts = receipt.counts;
    assert_eq!((counts.sent, counts.received, counts.missing), (1, 0, 0));
    assert_eq!(receipt.people[0].sent_at, Some(START + MINUTE));
    bench.ack(desk, seq - 1, seq).await;
    let counts = bench.receipt(id).await.counts;
    assert_eq!((counts.sent, counts.received), (0, 1), "a further state is the state");
    let (left, _) = bench.publish(to_topic("ops")).await;
    claimed(&bench, script, 10).await;
    bench.store.leave_topic("ops", "ann").await.unwrap();
    assert_eq!(bench.state(left, "ann").await, State::Sent);
    let log = bench.store.log(0, 100).await.unwrap();
    assert!(matches!(log.last().unwrap().entry, Entry::Left { .. }));
}

/// However often it is asked for, and whatever was claimed and taken back meanwhile.
pub async fn a_start_follows_what_is_waited_for(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (reader, script) = (bench.device(ann, "reader").await, bench.device(ann, "script").await);
    let start = async || bench.store.open_device(ann, "script").await.unwrap();
    let (_, one) = bench.publish(to_topic("ops")).await;
    assert_eq!(start().await.start, one - 1);
    let (claim, ..) = claimed(&bench, script, 10).await;
    assert_eq!(start().await.start, one - 1, "sent is not received");
    bench.store.undo_claim(claim).await.unwrap();
    bench.ack(reader, one - 1, one).await;
    assert_eq!(start().await.start, bench.head());
    let (_, two) = bench.publish(to_topic("ops")).await;
    let (_, three) = bench.publish(to_topic("ops")).await;
    assert_eq!(start().await.start, two - 1);
    bench.ack(reader, two, three).await;
    assert_eq!(start().await.start, two - 1, "the older one is still waited for");
    bench.ack(reader, one, two).await;
    assert_eq!((start().await.start, start().await.position), (bench.head(), None));
}

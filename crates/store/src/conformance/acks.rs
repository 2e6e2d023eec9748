//! Acknowledgements, withdrawal, receipts.

use tocsin_protocol::{Shown, State};

use super::{Bench, MINUTE, START, keyed, to_people, to_topic, urgent};
use crate::{AckRange, DeviceId, NewMessage, Pressed, ShownRow};

/// `from < seq ≤ to`, no more.
pub async fn an_ack_is_a_range(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (before, _) = bench.publish(to_topic("ops")).await;
    let (first, seq) = bench.publish(to_topic("ops")).await;
    let (last, end) = bench.publish(to_topic("ops")).await;
    let (after, _) = bench.publish(to_topic("ops")).await;
    bench.ack(device, seq - 1, end).await;
    assert_eq!(bench.state(before, "ann").await, State::Missing);
    assert_eq!(bench.state(first, "ann").await, State::Received);
    assert_eq!(bench.state(last, "ann").await, State::Received);
    assert_eq!(bench.state(after, "ann").await, State::Missing);
    let row = bench.row(first, "ann").await;
    assert_eq!((row.device.as_deref(), row.received_at), (Some("desk"), Some(START)));
}

/// What lies between two of them, in the same minute too, was not acknowledged; where nothing owed lies there, nothing is.
pub async fn a_gap_between_acks_stays_one(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.topic("other", &[]).await;
    let device = bench.device(ann, "desk").await;
    let mut sent = Vec::new();
    for topic in ["ops", "other", "ops", "ops", "ops"] {
        sent.push(bench.publish(to_topic(topic)).await);
    }
    for place in [0, 2, 4] {
        bench.ack(device, sent[place].1 - 1, sent[place].1).await;
    }
    let mut states = Vec::new();
    for place in [0, 2, 3, 4] {
        states.push(bench.state(sent[place].0, "ann").await);
    }
    assert_eq!(states, [State::Received, State::Received, State::Missing, State::Received]);
    bench.store.join_topic("other", "ann").await.unwrap();
    assert_eq!(bench.receipt(sent[1].0).await.counts.owed, 0);
}

/// The first word stands, whatever comes later and in which order.
pub async fn acks_out_of_order_and_again(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let mut sent = Vec::new();
    for _ in 0..6 {
        sent.push(bench.publish(urgent(4, to_topic("ops"))).await);
    }
    let base = sent[0].1 - 1;
    let ack = async |from: u64, to: u64| {
        bench.ack(device, base + from, base + to).await;
        bench.hand.step(10 * MINUTE);
    };
    ack(4, 5).await;
    ack(1, 2).await;
    ack(0, 6).await;
    ack(0, 6).await;
    ack(6, 6).await;
    ack(5, 3).await;
    let mut minutes = Vec::new();
    for (id, _) in sent {
        let row = bench.row(id, "ann").await;
        assert_eq!(row.state, State::Received);
        minutes.push((row.received_at.unwrap() - START) / MINUTE);
    }
    assert_eq!(minutes, [20, 10, 20, 20, 0, 20]);
}

/// Nobody has stored what is not written yet.
pub async fn acks_of_the_future_end_at_the_head(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (first, seq) = bench.publish(to_topic("ops")).await;
    bench.ack(device, seq - 1, u64::MAX >> 2).await;
    let (second, _) = bench.publish(to_topic("ops")).await;
    assert_eq!(bench.state(first, "ann").await, State::Received);
    assert_eq!(bench.state(second, "ann").await, State::Missing);
    assert_eq!(bench.store.devices(None).await.unwrap()[0].position, Some(seq));
    bench.ack(DeviceId(999), 0, seq).await;
}

/// A range that covers nothing owed writes nothing; the next one that does moves the position past it.
pub async fn a_quiet_ack_moves_nothing(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.topic("other", &[]).await;
    let device = bench.device(ann, "desk").await;
    bench.publish(to_topic("other")).await;
    bench.ack(device, 0, bench.head()).await;
    assert_eq!(bench.store.devices(None).await.unwrap()[0].position, None);
    bench.publish(to_topic("ops")).await;
    bench.publish(to_topic("other")).await;
    bench.ack(device, 0, bench.head()).await;
    assert_eq!(bench.store.devices(None).await.unwrap()[0].position, Some(bench.head()));
    bench.ack(device, 0, 2).await;
    assert_eq!(bench.store.devices(None).await.unwrap()[0].position, Some(bench.head()), "forward only");
}

/// Received is once per person; the receipt names who was first.
pub async fn the_first_device_counts(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (desk, phone) = (bench.device(ann, "desk").await, bench.device(ann, "phone").await);
    let (id, seq) = bench.publish(to_topic("ops")).await;
    bench.ack(phone, seq - 1, seq).await;
    bench.hand.step(5 * MINUTE);
    bench.ack(desk, seq - 1, seq).await;
    let receipt = bench.receipt(id).await;
    assert_eq!((receipt.counts.owed, receipt.counts.received, receipt.counts.missing), (1, 1, 0));
    assert_eq!(receipt.people[0].device.as_deref(), Some("phone"));
    assert_eq!(receipt.people[0].received_at, Some(START));
}

/// Below priority 4 to the minute, from there on exactly; never before the message itself.
pub async fn urgent_times_are_exact(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let minute = START - START.rem_euclid(MINUTE) + MINUTE;
    bench.hand.step(minute - START);
    let mut times = Vec::new();
    for (second, priority) in [(0, 3), (10, 3), (20, 4), (30, 5), (40, 2)] {
        bench.hand.step(minute + second * 1000 - bench.hand.now());
        let (id, seq) = bench.publish(urgent(priority, to_topic("ops"))).await;
        bench.hand.step(500);
        bench.ack(device, seq - 1, seq).await;
        times.push((id, priority, bench.hand.now(), second));
    }
    for (id, priority, at, second) in times {
        let received = bench.row(id, "ann").await.received_at.unwrap();
        assert!(received >= minute + second * 1000, "not before it was sent");
        assert_eq!(received / MINUTE, at / MINUTE);
        assert!(priority < 4 || received == at, "{received} {at}");
    }
}

/// Not missing, not delivered, not listed; what was received or read stays.
pub async fn leaving_withdraws_what_is_owed(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.topic("other", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (received, seq) = bench.publish(to_topic("ops")).await;
    bench.ack(device, seq - 1, seq).await;
    let (read, _) = bench.publish(to_topic("ops")).await;
    bench.press(ann, read, Pressed::Read).await;
    let (expired, _) = bench.publish(NewMessage { expires_in_ms: Some(1), ..to_topic("ops") }).await;
    let (older, _) = bench.publish(keyed("ops", "k")).await;
    let (owed, seq) = bench.publish(keyed("ops", "k")).await;
    let (other, _) = bench.publish(to_topic("other")).await;
    bench.hand.step(10);
    bench.store.leave_topic("ops", "ann").await.unwrap();
    bench.ack(device, seq - 1, seq).await;
    let mut states = Vec::new();
    for id in [received, read, expired, older, owed, other] {
        states.push(bench.state(id, "ann").await);
    }
    let wanted =
        [State::Received, State::Read, State::Expired, State::Superseded, State::Withdrawn, State::Missing];
    assert_eq!(states, wanted);
    let counts = bench.receipt(owed).await.counts;
    assert_eq!((counts.owed, counts.missing, counts.withdrawn, counts.received), (1, 0, 1, 0));
    assert_eq!(bench.replayed(device, 0).await, [received, read, other]);
    assert_eq!(bench.store.unread(ann).await.unwrap(), 2);
}

/// A gap is a gap.
pub async fn joining_again_brings_nothing_back(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (withdrawn, _) = bench.publish(to_topic("ops")).await;
    bench.store.leave_topic("ops", "ann").await.unwrap();
    bench.publish(to_topic("ops")).await;
    bench.store.join_topic("ops", "ann").await.unwrap();
    let (owed, _) = bench.publish(to_topic("ops")).await;
    assert_eq!(bench.replayed(device, 0).await, [owed]);
    bench.ack(device, 0, bench.head()).await;
    assert_eq!(bench.state(withdrawn, "ann").await, State::Withdrawn);
    assert_eq!(bench.state(owed, "ann").await, State::Received);
}

/// Receipts of before speak of a removed person as before.
pub async fn a_removed_user_keeps_their_past(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (had, seq) = bench.publish(to_topic("ops")).await;
    bench.ack(device, seq - 1, seq).await;
    let (topic, _) = bench.publish(to_topic("ops")).await;
    let (direct, _) = bench.publish(to_people(&["ann"])).await;
    bench.store.remove_user("ann").await.unwrap();
    bench.user("ann").await;
    assert_eq!(bench.state(had, "ann").await, State::Received);
    assert_eq!(bench.state(topic, "ann").await, State::Withdrawn);
    assert_eq!(bench.state(direct, "ann").await, State::Withdrawn);
    assert_eq!(bench.receipt(had).await.people.len(), 1);
    let after = bench.store.publish(to_topic("ops")).await.unwrap().published;
    assert_eq!(after.audience, 0);
}

/// What the device did not take it did not store.
pub async fn an_ack_through_a_filter_covers_less(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("a", &["ann"]).await;
    bench.topic("b", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    bench.store.set_filter(device, Some(vec!["a".into()])).await.unwrap();
    let (a, from) = bench.publish(to_topic("a")).await;
    let (b, _) = bench.publish(to_topic("b")).await;
    bench.store.set_filter(device, None).await.unwrap();
    bench.ack(device, from - 1, bench.head()).await;
    assert_eq!(bench.state(a, "ann").await, State::Received);
    assert_eq!(bench.state(b, "ann").await, State::Missing);
}

/// Pending, then failed, then suppressed, then shown; the best of all devices.
pub async fn shown_goes_only_forward(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    bench.topic("ops", &["ann"]).await;
    let (desk, phone) = (bench.device(ann, "desk").await, bench.device(ann, "phone").await);
    let stranger = bench.device(bob, "desk").await;
    let (message, _) = bench.publish(to_topic("ops")).await;
    let report = async |device: DeviceId, shown: Shown, at: i64| {
        bench.store.report_shown(vec![ShownRow { device, message, shown, at }]).await.unwrap();
        let row = bench.row(message, "ann").await;
        (row.shown, row.shown_at)
    };
    bench.hand.step(MINUTE);
    assert_eq!(report(stranger, Shown::Shown, START).await, (None, None));
    assert_eq!(report(desk, Shown::Pending, START).await, (Some(Shown::Pending), None));
    assert_eq!(report(desk, Shown::Failed, START + 5).await, (Some(Shown::Failed), None));
    assert_eq!(report(desk, Shown::Suppressed, START + 9).await, (Some(Shown::Suppressed), None));
    assert_eq!(report(phone, Shown::Failed, START + 9).await, (Some(Shown::Suppressed), None));
    assert_eq!(report(desk, Shown::Failed, START + 9).await, (Some(Shown::Suppressed), None));
    assert_eq!(
        report(phone, Shown::Shown, START - 99).await,
        (Some(Shown::Shown), Some(START)),
        "not before it was sent"
    );
    assert_eq!(report(phone, Shown::Pending, START).await, (Some(Shown::Shown), Some(START)));
    assert_eq!(bench.receipt(message).await.counts.shown, 1);
    let unknown = tocsin_protocol::MessageId::random(&mut rand::rng());
    let row = ShownRow { device: desk, message: unknown, shown: Shown::Shown, at: START };
    bench.store.report_shown(vec![row]).await.unwrap();
}

/// Owed, unexpired, not superseded, not received.
pub async fn missing_is_who_waits(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.user("bob").await;
    bench.user("cy").await;
    bench.topic("ops", &["cy", "bob", "ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (id, seq) = bench.publish(NewMessage { expires_in_ms: Some(MINUTE), ..keyed("ops", "k") }).await;
    bench.ack(device, seq - 1, seq).await;
    let receipt = bench.receipt(id).await;
    assert_eq!(receipt.missing, ["bob", "cy"]);
    assert_eq!((receipt.counts.owed, receipt.counts.missing), (3, 2));
    bench.hand.step(MINUTE);
    assert_eq!(bench.receipt(id).await.missing, [""; 0]);
    assert_eq!(bench.state(id, "bob").await, State::Expired);
    let (newer, _) = bench.publish(keyed("ops", "k")).await;
    assert_eq!(bench.state(id, "bob").await, State::Superseded);
    assert_eq!(bench.receipt(id).await.superseded_by, Some(newer));
    assert_eq!(bench.receipt(newer).await.missing, ["ann", "bob", "cy"]);
}

/// So that a reader can tell whether it has seen something newer.
pub async fn a_receipt_is_as_of_the_head(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let device = bench.device(ann, "desk").await;
    let (id, seq) = bench.publish(to_topic("ops")).await;
    bench.publish(to_topic("ops")).await;
    let range = AckRange { device, from: seq - 1, to: seq, at: START };
    bench.store.acknowledge(vec![range, range]).await.unwrap();
    let receipt = bench.receipt(id).await;
    assert_eq!((receipt.as_of.seq, receipt.as_of.epoch), (bench.head(), bench.store.epoch()));
    assert_eq!((receipt.seq, receipt.title.as_str(), receipt.created_at), (seq, "title", START));
}

//! A storm of messages for one group, on a clock that only moves when it is told to.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

mod support;

use std::collections::BTreeMap;

use support::{Fate, Platform, courier, drain, is_legal, on_disk, publish_all, refusal};
use tocsin_delivery::{Class, Courier};
use tocsin_protocol::{DeliveryState as S, delivery::ChannelKind};
use tocsin_store::{
    NewMessage,
    conformance::{
        MINUTE,
        outbox::{Post, free},
        to_topic,
    },
    outbox::Limits,
};

const MANY: usize = 5_000;

fn robot_limits() -> Limits {
    Limits { windows: vec![(20, MINUTE)], digest_over: Some(20), at_once: 1, ..free() }
}

/// Several couriers at once, as if in processes of their own.
async fn together(post: &Post, couriers: &[Courier]) {
    loop {
        let turns = couriers.iter().map(Courier::turn);
        let turns: Vec<_> =
            futures_util::future::join_all(turns).await.into_iter().map(Result::unwrap).collect();
        if turns.iter().any(|turn| turn.jobs > 0) {
            continue;
        }
        match turns.iter().filter_map(|turn| turn.next).min() {
            Some(next) => post.bench.hand.step((next - post.bench.hand.now()).max(1)),
            None => return,
        }
    }
}

#[tokio::test]
async fn five_thousand_for_one_group_arrive_in_digests_at_the_legal_rate() {
    let (post, _dir) = on_disk();
    post.robot().await;
    let platform = Platform::new(ChannelKind::WecomRobot, robot_limits(), &post.bench.hand);
    // Now and then it is busy, or has had enough for a minute.
    platform.fate(|parcel, before| match (before, parcel.key.len() % 3, parcel.key.ends_with('5')) {
        (0, _, true) => Fate::Refuse(refusal(Class::Busy)),
        (0, 1, _) if parcel.key.ends_with('8') => {
            let wait = tocsin_delivery::Refusal { retry_after_ms: Some(MINUTE), ..refusal(Class::Busy) };
            Fate::Refuse(wait)
        }
        _ => Fate::Take,
    });
    let couriers: Vec<_> = (0..3).map(|_| courier(&post, post.outbox.clone())).collect();
    for courier in &couriers {
        courier.channels().attach("robot", platform.clone());
    }
    let message = |n: usize| NewMessage { title: format!("#{n}#"), ..to_topic("ops") };
    publish_all(&post.bench.store, (0..MANY).map(message).collect()).await;
    together(&post, &couriers).await;

    let shown = platform.shown();
    let times: Vec<_> = shown.iter().map(|got| got.at).collect();
    assert!(is_legal(&times, 20, MINUTE), "{times:?}");
    assert!(shown.iter().all(|got| got.body.len() <= 4096));
    assert!(shown.len() < MANY / 20, "{} requests", shown.len());
    let mut seen = BTreeMap::<usize, usize>::new();
    for body in shown.iter().map(|got| &got.body) {
        for number in body.split('#').filter_map(|part| part.parse().ok()) {
            *seen.entry(number).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), MANY, "none is lost");
    assert!(seen.values().all(|count| *count == 1), "none comes twice");
    // The ledger says which digest carried which message.
    let all = post.all().await;
    assert!(all.iter().all(|row| row.state == S::Accepted));
    let digests: Vec<_> = all.iter().filter(|row| row.message.is_none()).collect();
    let bodies: Vec<_> = shown.iter().filter(|got| got.body.contains("messages")).collect();
    assert_eq!(digests.len(), bodies.len());
    for row in all.iter().filter(|row| row.message.is_some()) {
        match row.digest {
            Some(digest) => {
                let place = digests.iter().position(|known| known.id == digest).unwrap();
                let key_end = format!("-{}", base36(digest));
                let body = bodies.iter().find(|got| got.key.ends_with(&key_end)).unwrap();
                assert!(body.body.contains(&row.title), "{} is not in digest {place}", row.title);
            }
            None => assert!(shown.iter().any(|got| got.body == row.title)),
        }
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 {
        digits.push(char::from_digit(u32::try_from(number % 36).unwrap(), 36).unwrap());
        number /= 36;
    }
    digits.iter().rev().collect()
}

#[tokio::test]
async fn a_member_gets_thirty_a_minute_and_a_thousand_an_hour_and_all_of_them() {
    let (post, _dir) = on_disk();
    post.desk(&["ann"]).await;
    let limits = Limits { windows: vec![(30, MINUTE), (1000, 60 * MINUTE)], ..free() };
    let platform = Platform::new(ChannelKind::Wecom, limits, &post.bench.hand);
    let courier = courier(&post, post.outbox.clone());
    courier.channels().attach("app", platform.clone());
    let message = |n: usize| NewMessage { title: format!("#{n}#"), ..to_topic("ops") };
    publish_all(&post.bench.store, (0..1_300).map(message).collect()).await;
    drain(&post, &courier).await;
    let times: Vec<_> = platform.shown().iter().map(|got| got.at).collect();
    assert_eq!(times.len(), 1_300);
    assert!(is_legal(&times, 30, MINUTE) && is_legal(&times, 1000, 60 * MINUTE));
    assert!(times[1_299] - times[0] < 75 * MINUTE, "no slower than it must be");
}

//! The program ends at each place where it can, and goes on after a restart.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

mod support;

use std::sync::Arc;

use support::{Brittle, Fate, Fuse, Got, Platform, courier, drain, in_memory, on_disk};
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

/// What one is sent, whatever the platform answers at first.
async fn desk(post: &Post, robot: bool) -> &'static str {
    if robot {
        post.robot().await;
    } else {
        post.desk(&["ann", "bob", "cid"]).await;
    }
    for title in ["a", "b", "c", "d"] {
        let message = NewMessage { title: format!("#{title}#"), ..to_topic("ops") };
        post.bench.store.publish(message).await.unwrap();
    }
    if robot { "robot" } else { "app" }
}

/// By whom and what a request is: some find no connection, some answers are lost.
fn fate(parcel: tocsin_delivery::Parcel<'_>, before: u32) -> Fate {
    let place = parcel.address.bytes().chain(parcel.body.bytes()).map(u32::from).sum::<u32>();
    match (before, place % 4) {
        (0, 1) => Fate::NotSent,
        (0, 2) => Fate::TakeSilently,
        _ => Fate::Take,
    }
}

/// The story with the program killed (or its store failing) at this place. Whether it came that far.
async fn story(post: Post, limits: Limits, robot: bool, fuse: Arc<Fuse>) -> (bool, Vec<Got>, Post) {
    let channel = desk(&post, robot).await;
    let kind = if robot { ChannelKind::WecomRobot } else { ChannelKind::Wecom };
    let platform = Platform::with_fuse(kind, limits, &post.bench.hand, fuse.clone());
    platform.fate(fate);
    let brittle = Arc::new(Brittle { outbox: post.outbox.clone(), fuse: fuse.clone() });
    let first = courier(&post, brittle);
    first.channels().attach(channel, platform.clone());
    let ended = fuse.guard(drain(&post, &first)).await;
    drop(first);
    // After the restart.
    let second = courier(&post, post.outbox.clone());
    second.channels().attach(channel, platform.clone());
    drain(&post, &second).await;
    (ended && !fuse.is_blown(), platform.shown(), post)
}

/// Everything is known or unknown; nothing is seen twice; what is said to be there is there.
async fn check(post: &Post, shown: &[Got], place: i64, always_there: bool) {
    for row in post.all().await.into_iter().filter(|row| row.message.is_some()) {
        let who = row.user.as_ref().map(|user| format!("id-{user}")).unwrap_or_default();
        let seen = shown.iter().filter(|got| got.address == who && got.body.contains(&row.title)).count();
        assert!(seen <= 1, "place {place}: {seen} times {row:?}");
        match row.state {
            S::Accepted => assert_eq!(seen, 1, "place {place}: {row:?}"),
            S::Unknown => assert!(!always_there, "place {place}: {row:?}"),
            other => panic!("place {place}: {other:?}"),
        }
    }
}

async fn everywhere(
    make: impl Fn() -> (Post, Option<tempfile::TempDir>),
    limits: Limits,
    robot: bool,
    fuse: fn(i64) -> Arc<Fuse>,
) -> i64 {
    let always_there = limits.repeat_safe_ms > 0;
    for place in 1.. {
        let (post, _dir) = make();
        let (through, shown, post) = story(post, limits.clone(), robot, fuse(place)).await;
        check(&post, &shown, place, always_there).await;
        if through {
            return place;
        }
    }
    0
}

fn memory() -> (Post, Option<tempfile::TempDir>) {
    (in_memory(), None)
}

fn disk() -> (Post, Option<tempfile::TempDir>) {
    let (post, dir) = on_disk();
    (post, Some(dir))
}

#[tokio::test]
async fn killed_anywhere_nothing_is_sent_twice_to_who_cannot_tell() {
    let places = everywhere(memory, free(), false, Fuse::after).await;
    assert!(places > 50, "{places}");
    everywhere(disk, free(), false, Fuse::after).await;
}

#[tokio::test]
async fn killed_anywhere_everything_arrives_once_where_repetitions_are_recognised() {
    let limits = Limits { repeat_safe_ms: 9 * MINUTE, ..free() };
    everywhere(memory, limits.clone(), false, Fuse::after).await;
    everywhere(disk, limits, false, Fuse::after).await;
}

#[tokio::test]
async fn killed_anywhere_a_digest_is_sent_once() {
    let limits = Limits { digest_over: Some(2), ..free() };
    let places = everywhere(memory, limits.clone(), true, Fuse::after).await;
    assert!(places > 6, "{places}");
    everywhere(disk, limits, true, Fuse::after).await;
}

#[tokio::test]
async fn a_store_that_fails_anywhere_loses_and_doubles_nothing() {
    everywhere(memory, free(), false, Fuse::failing).await;
    let limits = Limits { repeat_safe_ms: 9 * MINUTE, ..free() };
    everywhere(memory, limits, false, Fuse::failing).await;
    everywhere(disk, Limits { digest_over: Some(2), ..free() }, true, Fuse::failing).await;
}

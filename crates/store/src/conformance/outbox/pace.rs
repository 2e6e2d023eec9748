//! When the next try may be made: limits of the platforms, and clocks that are set back.

use super::{
    super::{DAY, MINUTE, to_people, to_topic},
    LEASE, Post, free, item, publish,
};
use crate::{
    NewMessage,
    outbox::{Again, Limits, Next, health::Omen},
};

/// The limit holds in every window and drops nothing.
pub async fn a_rate_limit_queues(post: Post) {
    post.desk(&["ann", "bob"]).await;
    let limits = Limits { windows: vec![(2, MINUTE), (3, 10 * MINUTE)], ..free() };
    for _ in 0..4 {
        publish(&post, to_people(&["ann"])).await;
    }
    let start = post.bench.hand.now();
    let mut times = Vec::new();
    while times.len() < 4 {
        let claimed = post.claim("app", limits.clone()).await;
        for job in &claimed.jobs {
            times.push(post.bench.hand.now() - start);
            post.run(job, Next::Accepted).await;
        }
        if claimed.jobs.is_empty() {
            let next = claimed.next.unwrap();
            assert!(next > post.bench.hand.now());
            post.bench.hand.step(next - post.bench.hand.now());
        }
    }
    assert_eq!(times, [0, 0, MINUTE, 10 * MINUTE]);
    publish(&post, to_people(&["bob"])).await;
    assert_eq!(post.claim("app", limits).await.jobs.len(), 1, "each recipient has its own");
}

/// A clock that was ahead does not stop a lane for as long as it was ahead.
pub async fn a_clock_set_back_delays_by_a_window_at_most(post: Post) {
    post.desk(&["ann"]).await;
    let limits = Limits { windows: vec![(1, MINUTE)], ..free() };
    publish(&post, to_topic("ops")).await;
    post.bench.hand.step(DAY / 2);
    let job = post.job("app", limits.clone()).await;
    post.run(&job, Next::Accepted).await;
    post.bench.hand.step(-DAY / 2);
    publish(&post, to_topic("ops")).await;
    let next = post.claim("app", limits.clone()).await.next.unwrap();
    assert!(next <= post.bench.hand.now() + MINUTE, "{}", next - post.bench.hand.now());
}

/// What was put off on a clock that was ahead does not wait until it is there again.
pub async fn a_clock_set_back_is_mended(post: Post) {
    post.desk(&["ann", "bob"]).await;
    publish(&post, to_topic("ops")).await;
    post.bench.hand.step(DAY / 2);
    let mut jobs = post.claim("app", free()).await.jobs;
    let retry = Next::Retry { at: post.bench.hand.now() + MINUTE, why: Again::Busy };
    post.run(&jobs.remove(0), retry).await;
    let held = jobs.remove(0);
    post.begin(&held).await.unwrap();
    post.bench.hand.step(-DAY / 2);
    assert_eq!(post.outbox.mend_times(LEASE).await.unwrap(), 1);
    assert_eq!(post.outbox.mend_times(LEASE).await.unwrap(), 0);
    let job = post.job("app", free()).await;
    post.run(&job, Next::Accepted).await;
    let next = post.claim("app", free()).await.next.unwrap();
    assert_eq!(next, post.bench.hand.now() + LEASE, "a lease is no longer than that");
}

/// A channel that was closed on a clock that was ahead is tried at once, by one delivery; at a start it stays closed.
pub async fn a_clock_set_back_leaves_no_channel_closed(post: Post) {
    post.desk(&["ann", "bob"]).await;
    post.bench.hand.step(DAY);
    publish(&post, to_people(&["ann"])).await;
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    assert!(post.settle(&job, &started, Next::Failed, Omen::Trip).await.opened);
    assert_eq!(post.outbox.mend_times(LEASE).await.unwrap(), 0, "nothing was set back");
    post.bench.hand.step(-DAY);
    publish(&post, to_topic("ops")).await;
    assert!(post.claim("app", free()).await.jobs.is_empty());
    assert_eq!(post.outbox.mend_times(LEASE).await.unwrap(), 1);
    assert_eq!(post.outbox.mend_times(LEASE).await.unwrap(), 0);
    let probe = post.job("app", free()).await;
    post.run(&probe, Next::Accepted).await;
    post.job("app", free()).await;
}

/// The same content again to the same person waits; another's, and a repetition of the same delivery, do not.
pub async fn the_same_content_keeps_its_distance(post: Post) {
    post.desk(&["ann"]).await;
    let limits = Limits { same_content_ms: MINUTE, repeat_safe_ms: DAY, ..free() };
    publish(&post, to_topic("ops")).await;
    publish(&post, to_topic("ops")).await;
    publish(&post, NewMessage { title: "other".into(), ..to_topic("ops") }).await;
    let job = post.job("app", limits.clone()).await;
    let retry = Next::Retry { at: post.bench.hand.now(), why: Again::Unsure };
    let started = post.begin(&job).await.unwrap();
    post.settle(&job, &started, retry, Omen::None).await;
    let job = post.job("app", limits.clone()).await;
    assert_eq!(item(&job).history.attempts, 1, "the same delivery again");
    post.run(&job, Next::Accepted).await;
    let job = post.job("app", limits.clone()).await;
    assert_eq!(item(&job).message.title, "other");
    post.run(&job, Next::Accepted).await;
    assert!(post.claim("app", limits.clone()).await.jobs.is_empty());
    post.bench.hand.step(MINUTE);
    let job = post.job("app", limits).await;
    post.run(&job, Next::Accepted).await;
}

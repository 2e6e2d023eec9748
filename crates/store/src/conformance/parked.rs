//! A channel that is not sent over for a while: what it holds back, and who learns of it.

use tocsin_protocol::Millis;

use super::{
    DAY, MINUTE,
    outbox::{Post, free, publish},
    to_topic,
};
use crate::outbox::{Again, Limits, Next, Settled, health::Omen};

/// One job more is refused, with a pause of this length.
async fn pause(post: &Post, span: Millis) -> Settled {
    let job = post.claim("app", Limits { at_once: 1, ..free() }).await.jobs.remove(0);
    let started = post.begin(&job).await.unwrap();
    let until = post.bench.hand.now() + span;
    post.settle(&job, &started, Next::Retry { at: until, why: Again::Paused }, Omen::Pause(until)).await
}

/// What a pause put off is due as soon as somebody reopens the channel, like what only waited behind it.
pub async fn what_a_pause_put_off_is_sent_when_it_is_reopened(post: Post) {
    post.desk(&["ann", "bob"]).await;
    publish(&post, to_topic("ops")).await;
    pause(&post, DAY / 2).await;
    let claimed = post.claim("app", free()).await;
    assert!(claimed.jobs.is_empty());
    assert_eq!(claimed.next, Some(post.bench.hand.now() + DAY / 2));
    post.outbox.reopen_channel("app").await.unwrap();
    assert_eq!(post.claim("app", free()).await.jobs.len(), 2);
}

/// Other reasons to wait are not the channel's: reopening it brings nothing forward.
pub async fn reopening_shortens_no_other_wait(post: Post) {
    post.desk(&["ann"]).await;
    let limits = Limits { windows: vec![(1, MINUTE)], ..free() };
    publish(&post, to_topic("ops")).await;
    let job = post.job("app", limits.clone()).await;
    post.run(&job, Next::Accepted).await;
    publish(&post, to_topic("ops")).await;
    post.outbox.reopen_channel("app").await.unwrap();
    assert!(post.claim("app", limits.clone()).await.jobs.is_empty(), "the platform's minute is full");
    post.bench.hand.step(MINUTE);
    let job = post.job("app", limits.clone()).await;
    post.run(&job, Next::Retry { at: post.bench.hand.now() + 2 * MINUTE, why: Again::Duplicate }).await;
    post.bench.hand.step(MINUTE);
    post.outbox.reopen_channel("app").await.unwrap();
    assert!(post.claim("app", limits).await.jobs.is_empty(), "the platform would take it for a repetition");
}


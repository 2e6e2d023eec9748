//! A channel that is not sent over for a while: what it holds back, and who learns of it.

use tocsin_protocol::Millis;

use super::{
    DAY, MINUTE,
    outbox::{Post, admin, free, publish},
    to_topic,
};
use crate::outbox::{
    Again, GIVE_UP_AFTER, Limits, Next, Settled,
    health::{FAULTS, LONG, Omen},
};

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

/// A stop of more than ten minutes is told when it begins, though it ends by itself; a short one is not.
pub async fn a_long_pause_is_told_once(post: Post) {
    post.desk(&["ann", "bob", "cid"]).await;
    admin(&post).await;
    publish(&post, to_topic("ops")).await;
    assert!(!pause(&post, LONG).await.alerted);
    post.bench.hand.step(LONG);
    let jobs = {
        post.outbox.reopen_channel("app").await.unwrap();
        post.claim("app", free()).await.jobs
    };
    let until = post.bench.hand.now() + GIVE_UP_AFTER / 2;
    let mut told = Vec::new();
    for job in &jobs {
        let started = post.begin(job).await.unwrap();
        let next = Next::Retry { at: until, why: Again::Paused };
        told.push(post.settle(job, &started, next, Omen::Pause(until)).await.alerted);
    }
    assert_eq!(told, [true, false, false], "all that were on their way at once are one stop");
    assert_eq!(post.alerts().await, ["app -1"]);
}

/// An outage is told once it is sure to last longer than ten minutes, and not with every probe.
pub async fn an_outage_is_told_once(post: Post) {
    post.desk(&["ann"]).await;
    admin(&post).await;
    publish(&post, to_topic("ops")).await;
    let begin = post.bench.hand.now();
    let mut told = Vec::new();
    for _ in 0..FAULTS + 12 {
        let job = loop {
            let claimed = post.claim("app", free()).await;
            match claimed.jobs.into_iter().next() {
                Some(job) => break job,
                None => post.bench.hand.step(claimed.next.unwrap() - post.bench.hand.now()),
            }
        };
        let next = Next::Retry { at: post.bench.hand.now(), why: Again::NotSent };
        if post.run(&job, next).await.alerted {
            told.push(post.bench.hand.now() - begin);
        }
    }
    assert!(post.bench.hand.now() - begin > 60 * MINUTE);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!((5 * MINUTE..LONG).contains(&told[0]), "{told:?}");
    assert_eq!(post.alerts().await, ["app connect"]);
}

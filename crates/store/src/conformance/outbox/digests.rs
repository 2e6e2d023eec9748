//! Digests: many messages in one.

use tocsin_protocol::{DeliveryState as S, delivery::Delivery};

use super::{super::to_topic, LEASE, Post, admin, free, publish};
use crate::{
    NewMessage,
    outbox::{Again, DeliveryId, Limits, Next, Start, StartOf, Work, health::Omen},
};

/// A flood becomes digests, and the ledger says which carried what.
pub async fn a_flood_becomes_digests(post: Post) {
    post.robot().await;
    let limits = Limits { digest_over: Some(2), ..free() };
    for n in 0..5 {
        publish(&post, NewMessage { title: format!("t{n}"), ..to_topic("ops") }).await;
    }
    let job = post.job("robot", limits.clone()).await;
    let Work::Digest(items) = &job.work else { panic!("{job:?}") };
    assert_eq!(
        items.iter().map(|i| i.message.title.as_str()).collect::<Vec<_>>(),
        ["t0", "t1", "t2", "t3", "t4"]
    );
    let what = StartOf::Digest(items[..4].iter().map(|item| item.id).collect());
    let started = post.outbox.begin(job.lease, Start { what, body: "four".into() }).await.unwrap();
    let states = |rows: &[Delivery]| rows.iter().map(|row| row.state).collect::<Vec<_>>();
    assert_eq!(
        states(&post.all().await),
        [S::Merged, S::Merged, S::Merged, S::Merged, S::Queued, S::Sending]
    );
    let busy = Next::Retry { at: post.bench.hand.now(), why: Again::Busy };
    post.settle(&job, &started, busy, Omen::None).await;
    // The fifth was queued before it.
    let fifth = post.job("robot", limits.clone()).await;
    post.run(&fifth, Next::Accepted).await;
    let job = post.job("robot", limits).await;
    let Work::Again { id, body, history } = &job.work else { panic!("{job:?}") };
    assert_eq!((*id, body.as_str(), history.busy), (started.delivery, "four", 1));
    let settled = post.run(&job, Next::Accepted).await;
    assert_eq!(settled.carried, 4);
    let all = post.all().await;
    assert!(all.iter().all(|row| row.state == S::Accepted), "{all:?}");
    assert!(all[..4].iter().all(|row| row.digest == Some(started.delivery.0.unsigned_abs())));
    let detail = post.outbox.delivery(started.delivery).await.unwrap();
    assert_eq!((detail.carries.len(), detail.attempts.len()), (4, 2));
    assert_eq!(post.outbox.delivery(DeliveryId(1)).await.unwrap().attempts.len(), 2, "those of its digest");
}

/// A digest of which nobody knows is not sent again, and so says each message in it.
pub async fn a_lost_digest_is_unknown_with_all_it_carries(post: Post) {
    post.robot().await;
    admin(&post).await;
    let limits = Limits { digest_over: Some(1), ..free() };
    for _ in 0..3 {
        publish(&post, to_topic("ops")).await;
    }
    let job = post.job("robot", limits.clone()).await;
    let started = post.begin(&job).await.unwrap();
    post.bench.hand.step(LEASE);
    assert!(post.claim("robot", limits.clone()).await.jobs.is_empty());
    assert!(post.all().await.iter().all(|row| row.state == S::Unknown));
    assert_eq!(post.alerts().await, ["robot lost"]);
    post.settle(&job, &started, Next::Accepted, Omen::Good).await;
    assert!(post.all().await.iter().all(|row| row.state == S::Accepted));
}

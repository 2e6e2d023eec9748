//! Whether a channel reaches a person: what every implementation of [`Outbox`](crate::outbox::Outbox) keeps of it.

use tocsin_protocol::DeliveryState as S;

use super::{
    outbox::{Post, free, said},
    to_topic,
};
use crate::outbox::{Next, Settlement, health::Omen};

async fn flag(post: &Post) -> Option<String> {
    post.outbox.bindings("app").await.unwrap().remove(0).flagged
}

/// A person who is not reached is shown so, is sent to nevertheless, and is shown so no more once they are reached.
pub async fn who_is_not_reached_is_shown_until_they_are(post: Post) {
    post.desk(&["ann", "bob"]).await;
    post.bench.publish(to_topic("ops")).await;
    for job in post.claim("app", free()).await.jobs {
        let started = post.begin(&job).await.unwrap();
        let flagged = (job.address == "id-ann").then(|| "refuses messages".to_owned());
        let next = if flagged.is_some() { Next::Failed } else { Next::Accepted };
        let end = Settlement { flagged, ..said(&job, &started, next, Omen::Good) };
        post.outbox.settle(end).await.unwrap();
    }
    assert_eq!(flag(&post).await.as_deref(), Some("refuses messages"));
    assert_eq!(post.outbox.bindings("app").await.unwrap()[1].flagged, None, "it is about one person");
    post.bench.publish(to_topic("ops")).await;
    assert_eq!(post.all().await[2].state, S::Queued, "what comes is tried");
    let jobs = post.claim("app", free()).await.jobs;
    let ann = jobs.iter().find(|job| job.address == "id-ann").unwrap();
    let started = post.begin(ann).await.unwrap();
    let busy = Next::Retry { at: post.bench.hand.now(), why: crate::outbox::Again::Busy };
    post.settle(ann, &started, busy, Omen::Fault).await;
    assert!(flag(&post).await.is_some(), "a busy platform says nothing about the person");
    let ann = post.job("app", free()).await;
    post.run(&ann, Next::Accepted).await;
    assert_eq!(flag(&post).await, None);
}

/// A new address begins anew.
pub async fn a_new_address_is_not_flagged(post: Post) {
    post.desk(&["ann"]).await;
    post.bench.publish(to_topic("ops")).await;
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    let flagged = Some("refuses messages".to_owned());
    let end = Settlement { flagged, ..said(&job, &started, Next::Failed, Omen::Good) };
    post.outbox.settle(end).await.unwrap();
    post.outbox.bind("app", "ann", "id-new").await.unwrap();
    assert_eq!(flag(&post).await, None);
}

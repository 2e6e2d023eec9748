//! What becomes of a delivery that is on its way when something happens to its message, its person or its channel.

use tocsin_protocol::DeliveryState as S;

use super::{
    DAY, keyed,
    outbox::{LEASE, Post, free, herald, publish},
    to_topic,
};
use crate::outbox::{
    Again, Bound, ClaimOrder, Claimed, DeliveryId, Job, Limits, Next, Started, Work, codes, health::Omen,
};

/// Begins the only job there is.
async fn on_its_way(post: &Post) -> (Job, Started) {
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    (job, started)
}

/// The platform asks for patience.
async fn refused(post: &Post, (job, started): &(Job, Started)) {
    let next = Next::Retry { at: post.bench.hand.now(), why: Again::Busy };
    post.settle(job, started, next, Omen::None).await;
}

/// A claim that serves no channel.
async fn serve_none(post: &Post) -> Claimed {
    let order = ClaimOrder { channels: Vec::new(), most: 100, lease_ms: LEASE, herald: Some(herald()) };
    post.outbox.claim_lanes(order).await.unwrap()
}

/// How the delivery of this id stands.
async fn end(post: &Post, (_, started): &(Job, Started)) -> (S, String) {
    let row = post.outbox.delivery(started.delivery).await.unwrap().delivery;
    (row.state, row.code.unwrap_or_default())
}

/// A newer version came, somebody stopped it, its person left: it cannot be called back, but it is not tried again.
pub async fn what_is_over_is_not_tried_again(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, keyed("ops", "disk")).await;
    let sent = on_its_way(&post).await;
    publish(&post, keyed("ops", "disk")).await;
    refused(&post, &sent).await;
    assert_eq!(end(&post, &sent).await, (S::Cancelled, codes::SUPERSEDED.into()));
    let newer = post.job("app", free()).await;
    post.run(&newer, Next::Accepted).await;

    let id = publish(&post, to_topic("ops")).await;
    let sent = on_its_way(&post).await;
    assert_eq!(post.outbox.cancel_deliveries(id).await.unwrap(), 0, "it does not wait");
    refused(&post, &sent).await;
    assert_eq!(end(&post, &sent).await, (S::Cancelled, codes::STOPPED.into()));

    publish(&post, to_topic("ops")).await;
    let sent = on_its_way(&post).await;
    post.bench.store.leave_topic("ops", "ann").await.unwrap();
    refused(&post, &sent).await;
    assert_eq!(end(&post, &sent).await, (S::Cancelled, codes::WITHDRAWN.into()));
    assert!(post.claim("app", free()).await.jobs.is_empty());
}

/// What may have arrived is not called cancelled, and what was lost is not repeated once it was stopped.
pub async fn what_is_over_and_may_have_arrived_is_unknown(post: Post) {
    post.desk(&["ann"]).await;
    let safe = Limits { repeat_safe_ms: DAY, ..free() };
    let id = publish(&post, to_topic("ops")).await;
    let sent = on_its_way(&post).await;
    post.outbox.cancel_deliveries(id).await.unwrap();
    let again = Next::Retry { at: post.bench.hand.now(), why: Again::Unsure };
    post.settle(&sent.0, &sent.1, again, Omen::None).await;
    assert_eq!(end(&post, &sent).await, (S::Unknown, codes::STOPPED.into()));

    let id = publish(&post, to_topic("ops")).await;
    let sent = on_its_way(&post).await;
    post.outbox.cancel_deliveries(id).await.unwrap();
    post.bench.hand.step(LEASE);
    assert!(post.claim("app", safe).await.jobs.is_empty());
    assert_eq!(end(&post, &sent).await, (S::Unknown, codes::LOST.into()));
    post.settle(&sent.0, &sent.1, Next::Accepted, Omen::Good).await;
    assert_eq!(end(&post, &sent).await.0, S::Accepted, "a stopped one that arrived is there");
}

/// It goes where its person is now, and fails where they are nowhere.
pub async fn what_comes_back_follows_its_person(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let sent = on_its_way(&post).await;
    post.outbox.bind("app", "ann", "id-new").await.unwrap();
    refused(&post, &sent).await;
    let job = post.job("app", free()).await;
    assert_eq!(job.address, "id-new");
    post.run(&job, Next::Accepted).await;

    publish(&post, to_topic("ops")).await;
    let sent = on_its_way(&post).await;
    post.outbox.unbind("app", Bound::User("ann".into())).await.unwrap();
    refused(&post, &sent).await;
    let claimed = post.claim("app", free()).await;
    assert!(claimed.jobs.is_empty(), "nothing is sent to who is not bound");
    assert_eq!(claimed.noticed.unbound, 1);
    assert_eq!(end(&post, &sent).await, (S::Failed, codes::UNBOUND.into()));
}

/// Nobody looks for answers of a channel that was removed; one that comes is believed.
pub async fn a_removed_channel_leaves_nothing_on_its_way(post: Post) {
    post.desk(&["ann", "bob"]).await;
    publish(&post, to_topic("ops")).await;
    let mut sent = Vec::new();
    for job in post.claim("app", free()).await.jobs {
        let started = post.begin(&job).await.unwrap();
        sent.push((job, started));
    }
    post.outbox.remove_channel("app").await.unwrap();
    for sent in &sent {
        assert_eq!(end(&post, sent).await, (S::Unknown, codes::REMOVED.into()));
    }
    post.settle(&sent[0].0, &sent[0].1, Next::Accepted, Omen::Good).await;
    assert_eq!(end(&post, &sent[0]).await.0, S::Accepted);
    refused(&post, &sent[1]).await;
    assert_eq!(end(&post, &sent[1]).await, (S::Cancelled, codes::REMOVED.into()), "it did not arrive");
    assert_eq!(serve_none(&post).await.next, None);
}

/// The same of a digest, with all it carries.
pub async fn a_removed_channel_leaves_no_digest_on_its_way(post: Post) {
    post.robot().await;
    let limits = Limits { digest_over: Some(1), ..free() };
    for _ in 0..3 {
        publish(&post, to_topic("ops")).await;
    }
    let job = post.job("robot", limits).await;
    assert!(matches!(job.work, Work::Digest(_)));
    post.begin(&job).await.unwrap();
    post.outbox.remove_channel("robot").await.unwrap();
    assert!(post.all().await.iter().all(|row| row.state == S::Unknown));
}

/// A worker that ended leaves nothing on its way at a channel that is locked away since: it waits, in doubt, and what is to
/// be done is decided when the channel is back.
pub async fn a_lease_ends_at_a_channel_that_is_not_served(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let sent = on_its_way(&post).await;
    assert_eq!(serve_none(&post).await.next, Some(post.bench.hand.now() + LEASE));
    post.bench.hand.step(LEASE);
    assert_eq!(serve_none(&post).await.noticed.repeated, 1);
    assert_eq!(end(&post, &sent).await.0, S::Queued);
    let safe = Limits { repeat_safe_ms: 2 * LEASE, ..free() };
    let job = post.job("app", safe).await;
    let Work::One(item) = &job.work else { panic!("{job:?}") };
    assert_eq!(item.history.unsure_at, Some(sent.1.at));
    post.begin(&job).await.unwrap();
    post.bench.hand.step(LEASE);
    serve_none(&post).await;
    assert_eq!(
        post.claim("app", free()).await.noticed.unknown,
        1,
        "where nothing is recognised it is not made again"
    );
    assert_eq!(post.only().await.id, DeliveryId(1).0.unsigned_abs());
    assert_eq!(post.only().await.state, S::Unknown);
}

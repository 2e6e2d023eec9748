//! Tries: from queued to confirmed, lost, repeated, outweighed.

use tocsin_protocol::{
    DeliveryState as S,
    delivery::{AttemptResult, Resend},
};

use super::{
    super::{DAY, MINUTE, to_topic},
    LEASE, Post, free, item, publish,
};
use crate::{
    Error,
    outbox::{Again, Confirmation, Limits, Next, codes, health::Omen},
};

/// From queued to confirmed, with every try on record.
pub async fn the_way_of_a_delivery(post: Post) {
    post.desk(&["ann"]).await;
    let id = publish(&post, to_topic("ops")).await;
    let row = post.only().await;
    assert_eq!((row.state, row.message), (S::Queued, Some(id)));
    let job = post.job("app", free()).await;
    assert_eq!((job.address.as_str(), item(&job).key.len()), ("id-ann", id.as_str().len() + 4));
    assert!(post.claim("app", free()).await.jobs.is_empty(), "it is leased");
    let started = post.begin(&job).await.unwrap();
    assert_eq!(post.only().await.state, S::Sending);
    let settled = post.settle(&job, &started, Next::Accepted, Omen::Good).await;
    assert!(!settled.late && settled.carried == 1);
    let again = post.settle(&job, &started, Next::Failed, Omen::None).await;
    assert!(again.late, "an answer is booked once");
    let said = Confirmation {
        channel: "app".into(),
        msgid: post.only().await.msgid,
        address: "id-ann".into(),
        failed: None,
        again: None,
    };
    assert_eq!(post.only().await.state, S::Accepted);
    assert!(post.outbox.confirm(said.clone(), None).await.unwrap());
    post.outbox.confirm(Confirmation { failed: Some("late".into()), ..said }, None).await.unwrap();
    assert_eq!(post.only().await.state, S::Confirmed);
    let detail = post.outbox.delivery(started.delivery).await.unwrap();
    assert_eq!(detail.attempts.len(), 1);
    assert_eq!(detail.attempts[0].address, "id-ann");
    assert_eq!(detail.attempts[0].result, AttemptResult::Accepted);
    assert_eq!(post.claim("app", free()).await.next, None, "nothing waits");
}

/// A try that had begun may have arrived; one that had not is made.
pub async fn a_lease_ends_by_itself(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let first = post.job("app", free()).await;
    assert_eq!(post.claim("app", free()).await.next, Some(post.bench.hand.now() + LEASE));
    post.bench.hand.step(LEASE);
    let second = post.job("app", free()).await;
    assert!(matches!(post.begin(&first).await, Err(Error::Gone)), "it has another lease now");
    let started = post.begin(&second).await.unwrap();
    post.bench.hand.step(LEASE);
    let claimed = post.claim("app", free()).await;
    assert!(claimed.jobs.is_empty());
    assert_eq!(claimed.noticed.unknown, 1);
    let row = post.only().await;
    assert_eq!((row.state, row.code.as_deref()), (S::Unknown, Some(codes::LOST)));
    assert!(post.settle(&second, &started, Next::Accepted, Omen::Good).await.late);
    assert_eq!(post.only().await.state, S::Accepted, "a late answer is believed");
}

/// Where the platform recognises a repetition, it is made under the same key and with the same bytes; only for so long.
pub async fn a_lost_try_is_repeated_while_that_is_safe(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let limits = Limits { repeat_safe_ms: 2 * LEASE, ..free() };
    let first = post.job("app", limits.clone()).await;
    let started = post.begin(&first).await.unwrap();
    post.bench.hand.step(LEASE);
    let second = post.job("app", limits.clone()).await;
    assert_eq!(item(&second).key, item(&first).key);
    assert_eq!(item(&second).body.as_deref(), Some("body"));
    assert_eq!(item(&second).history.unsure_at, Some(started.at));
    post.begin(&second).await.unwrap();
    post.bench.hand.step(LEASE);
    assert_eq!(post.claim("app", limits).await.noticed.unknown, 1, "counted from the first try");
    assert_eq!(post.only().await.state, S::Unknown);
}

/// A repetition that was put off until the platform would not recognise it is not made.
pub async fn a_repetition_that_comes_too_late_is_not_made(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let limits = Limits { repeat_safe_ms: MINUTE, ..free() };
    let job = post.job("app", limits.clone()).await;
    let started = post.begin(&job).await.unwrap();
    let retry = Next::Retry { at: post.bench.hand.now() + MINUTE, why: Again::Unsure };
    post.settle(&job, &started, retry, Omen::None).await;
    post.bench.hand.step(MINUTE);
    let claimed = post.claim("app", limits.clone()).await;
    assert!(claimed.jobs.is_empty());
    let row = post.only().await;
    assert_eq!((row.state, claimed.noticed.unknown), (S::Unknown, 1));
    // A person may: they know that it could be seen twice. What then gets lost is not repeated without them.
    post.outbox.resend(Resend::One { id: row.id, round: 0 }).await.unwrap();
    let job = post.job("app", limits.clone()).await;
    assert!(item(&job).history.resent);
    post.begin(&job).await.unwrap();
    post.bench.hand.step(LEASE);
    let long = Limits { repeat_safe_ms: DAY, ..free() };
    assert_eq!(post.claim("app", long).await.noticed.unknown, 1);
}

/// Two tries: the first is thought lost, and its answer comes while the second fails.
pub async fn an_accepted_first_try_outweighs_a_second_that_failed(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let limits = Limits { repeat_safe_ms: 10 * LEASE, ..free() };
    let first = post.job("app", limits.clone()).await;
    let one = post.begin(&first).await.unwrap();
    post.bench.hand.step(LEASE);
    let second = post.job("app", limits).await;
    let two = post.begin(&second).await.unwrap();
    post.settle(&first, &one, Next::Accepted, Omen::Good).await;
    assert_eq!(post.only().await.state, S::Sending, "the second is on its way");
    post.settle(&second, &two, Next::Unknown, Omen::Fault).await;
    assert_eq!(post.only().await.state, S::Accepted);
}

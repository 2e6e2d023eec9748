//! What every implementation of [`Outbox`](crate::outbox::Outbox) must do for people who cannot be reached any more.

use tocsin_protocol::{DeliveryState as S, delivery::Resend};

use super::{
    MINUTE,
    outbox::{Post, admin, free, publish, said},
    to_people, to_topic,
};
use crate::{
    Error,
    outbox::{Bound, Next, RESEND_MOST, Settlement, codes, health::Omen},
};

/// How each delivery stands, oldest first, those of alerts aside.
async fn ends(post: &Post) -> Vec<(S, String)> {
    let rows = post.all().await.into_iter();
    rows.map(|row| (row.state, row.code.unwrap_or_default())).collect()
}

fn unbound() -> (S, String) {
    (S::Failed, codes::UNBOUND.into())
}

/// However the address went (taken away, the platform's word, an answer), what waits fails and administrators are told:
/// once per channel and cause in ten minutes. What is published to a broken address fails and is told like that too.
pub async fn what_waits_for_a_lost_address_fails_and_is_told(post: Post) {
    admin(&post).await;
    post.desk(&["ann", "bob"]).await;
    publish(&post, to_people(&["ann"])).await;
    publish(&post, to_people(&["ann"])).await;
    post.outbox.unbind("app", Bound::User("ann".into())).await.unwrap();
    assert_eq!(ends(&post).await, [(S::Queued, String::new()), (S::Queued, String::new())]);
    let claimed = post.claim("app", free()).await;
    assert!(claimed.jobs.is_empty(), "nothing is sent");
    assert_eq!((claimed.noticed.unbound, claimed.noticed.alerts, claimed.next), (2, 1, None));
    assert_eq!(ends(&post).await, [unbound(), unbound()]);
    assert_eq!(post.alerts().await, ["app unbound"]);

    publish(&post, to_people(&["bob"])).await;
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    let broken = Some("unsubscribed".to_owned());
    post.outbox
        .settle(Settlement { broken, ..said(&job, &started, Next::Failed, Omen::Good) })
        .await
        .unwrap();
    publish(&post, to_people(&["bob"])).await;
    let noticed = post.claim("app", free()).await.noticed;
    assert_eq!((noticed.unbound, noticed.alerts), (1, 0), "told a moment ago");
    let last = post.all().await.pop().unwrap();
    assert_eq!((last.code.as_deref(), last.reason.as_deref()), (Some(codes::UNBOUND), Some("unsubscribed")));

    post.bench.hand.step(11 * MINUTE);
    publish(&post, to_people(&["bob"])).await;
    let noticed = post.claim("app", free()).await.noticed;
    assert_eq!((noticed.unbound, noticed.alerts), (1, 1));
    assert_eq!(post.alerts().await, ["app unbound", "app 40003", "app unbound"]);
}

/// A worker that claimed before the address went sends nothing; what may have arrived is not called failed.
pub async fn what_was_claimed_for_a_lost_address_is_not_begun(post: Post) {
    post.desk(&["ann", "bob"]).await;
    publish(&post, to_people(&["ann"])).await;
    let job = post.job("app", free()).await;
    post.outbox.unbind("app", Bound::Address("id-ann".into())).await.unwrap();
    assert!(matches!(post.begin(&job).await, Err(Error::Gone)));
    publish(&post, to_people(&["bob"])).await;
    let job = post.job("app", free()).await;
    post.run(&job, Next::Retry { at: 0, why: crate::outbox::Again::Unsure }).await;
    post.outbox.unbind("app", Bound::User("bob".into())).await.unwrap();
    let noticed = post.claim("app", free()).await.noticed;
    assert_eq!((noticed.unbound, noticed.unknown), (0, 1));
    assert_eq!(ends(&post).await, [unbound(), (S::Unknown, codes::UNBOUND.into())]);
}

/// A new address is for what comes then; what was lost is sent again by hand. A channel that goes takes all along.
pub async fn an_address_that_comes_back_takes_what_comes_then(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    post.outbox.unbind("app", Bound::User("ann".into())).await.unwrap();
    post.outbox.bind("app", "ann", "id-new").await.unwrap();
    publish(&post, to_topic("ops")).await;
    let jobs = post.claim("app", free()).await.jobs;
    assert_eq!(jobs.iter().map(|job| job.address.as_str()).collect::<Vec<_>>(), ["id-new"]);
    assert_eq!(ends(&post).await, [unbound(), (S::Queued, String::new())]);
    post.outbox.unbind("app", Bound::User("ann".into())).await.unwrap();
    post.outbox.remove_channel("app").await.unwrap();
    assert_eq!(ends(&post).await[1], (S::Cancelled, codes::REMOVED.into()));
}

/// "All that failed" takes what can be sent, however much that is older can not, in portions until nothing is left.
pub async fn what_cannot_be_sent_again_is_not_in_the_way(post: Post) {
    post.desk(&["ann", "bob"]).await;
    let mut publishing = tokio::task::JoinSet::new();
    for _ in 0..=RESEND_MOST {
        let store = post.bench.store.clone();
        publishing.spawn(async move { store.publish(to_people(&["bob"])).await });
    }
    while let Some(published) = publishing.join_next().await {
        published.unwrap().unwrap();
    }
    publish(&post, to_people(&["ann"])).await;
    for name in ["ann", "bob"] {
        post.outbox.unbind("app", Bound::User(name.into())).await.unwrap();
    }
    while post.claim("app", free()).await.noticed.unbound > 0 {}
    let all = Resend::Failed { until: post.bench.hand.now(), channel: None, message: None, unknown: false };
    assert_eq!(post.outbox.resend(all.clone()).await.unwrap(), 0, "nobody has an address");
    post.outbox.bind("app", "ann", "id-new").await.unwrap();
    assert_eq!(post.outbox.resend(all.clone()).await.unwrap(), 1, "behind a thousand that cannot be sent");
    post.outbox.bind("app", "bob", "id-newer").await.unwrap();
    assert_eq!(post.outbox.resend(all.clone()).await.unwrap(), RESEND_MOST as u64);
    assert_eq!(post.outbox.resend(all.clone()).await.unwrap(), 1);
    assert_eq!(post.outbox.resend(all).await.unwrap(), 0);
}

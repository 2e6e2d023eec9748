//! What people and platforms do later: sending again, confirming, looking.

use tocsin_protocol::{DeliveryState as S, delivery::Resend};

use super::{
    super::{to_people, to_topic},
    Post, admin, free, herald, item, publish,
};
use crate::outbox::{Confirmation, DeliveryId, DeliveryQuery, Limits, Next, health::Omen};

/// One click, two clicks, all at once.
pub async fn resending_is_once_per_click(post: Post) {
    post.desk(&["ann", "bob"]).await;
    publish(&post, to_topic("ops")).await;
    let mut keys = Vec::new();
    for job in post.claim("app", free()).await.jobs {
        keys.push(item(&job).key.clone());
        post.run(&job, Next::Failed).await;
    }
    let rows = post.all().await;
    let one = Resend::One { id: rows[0].id, round: rows[0].round };
    assert_eq!(post.outbox.resend(one.clone()).await.unwrap(), 1);
    assert_eq!(post.outbox.resend(one.clone()).await.unwrap(), 0);
    let job = post.job("app", free()).await;
    assert!(keys.contains(&item(&job).key), "what never arrived keeps its key");
    post.bench.hand.step(1);
    post.run(&job, Next::Failed).await;
    assert_eq!(post.outbox.resend(one).await.unwrap(), 0, "that click was for the round before");
    let seen = post.bench.hand.now() - 1;
    let all = |until| Resend::Failed { until, channel: Some("app".into()), message: None, unknown: false };
    assert_eq!(post.outbox.resend(all(seen)).await.unwrap(), 1, "not what failed after the click");
    assert_eq!(post.outbox.resend(all(seen)).await.unwrap(), 0);
    assert_eq!(post.outbox.resend(all(seen + 1)).await.unwrap(), 1);
    for job in post.claim("app", free()).await.jobs {
        post.run(&job, Next::Accepted).await;
    }
    let row = post.all().await.remove(0);
    assert_eq!(post.outbox.resend(Resend::One { id: row.id, round: row.round }).await.unwrap(), 1);
    let job = post.job("app", free()).await;
    assert!(!keys.contains(&item(&job).key), "what arrived rings again under another key");
}

/// A confirmation may overtake the answer, name nothing, or say that it failed.
pub async fn confirmations_find_their_delivery(post: Post) {
    post.desk(&["ann"]).await;
    admin(&post).await;
    let confirm = |msgid: Option<&str>, failed: Option<&str>| Confirmation {
        channel: "app".into(),
        msgid: msgid.map(str::to_owned),
        address: "id-ann".into(),
        failed: failed.map(str::to_owned),
        again: None,
    };
    publish(&post, to_topic("ops")).await;
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    let early = format!("m{}", started.attempt.0);
    assert!(!post.outbox.confirm(confirm(Some(&early), None), None).await.unwrap());
    post.settle(&job, &started, Next::Accepted, Omen::Good).await;
    assert_eq!(post.all().await[0].state, S::Confirmed);
    publish(&post, to_topic("ops")).await;
    let job = post.job("app", free()).await;
    post.run(&job, Next::Accepted).await;
    let failed = confirm(Some("0"), Some("failed:user block"));
    assert!(post.outbox.confirm(failed, Some(herald())).await.unwrap());
    let row = post.all().await.remove(1);
    assert_eq!((row.state, row.reason.as_deref()), (S::Failed, Some("failed:user block")));
    assert_eq!(post.alerts().await, ["app not_delivered"]);
    for _ in 0..2 {
        publish(&post, to_topic("ops")).await;
        let job = post.job("app", free()).await;
        post.run(&job, Next::Accepted).await;
    }
    assert!(!post.outbox.confirm(confirm(None, None), None).await.unwrap(), "it may be either");
}

/// A list in pages, and each filter.
pub async fn deliveries_are_listed(post: Post) {
    post.desk(&["ann", "bob"]).await;
    let id = publish(&post, to_topic("ops")).await;
    publish(&post, to_people(&["bob"])).await;
    let job = post.claim("app", Limits { at_once: 1, ..free() }).await.jobs.remove(0);
    post.run(&job, Next::Failed).await;
    let count = async |query: DeliveryQuery| {
        post.outbox.deliveries(DeliveryQuery { limit: 10, ..query }).await.unwrap().len()
    };
    let none = DeliveryQuery::default;
    assert_eq!(count(none()).await, 3);
    assert_eq!(count(DeliveryQuery { before: Some(DeliveryId(3)), ..none() }).await, 2);
    assert_eq!(count(DeliveryQuery { states: vec![S::Failed, S::Unknown], ..none() }).await, 1);
    assert_eq!(count(DeliveryQuery { user: Some("bob".into()), ..none() }).await, 2);
    assert_eq!(count(DeliveryQuery { topic: Some("ops".into()), ..none() }).await, 2);
    assert_eq!(count(DeliveryQuery { channel: Some("none".into()), ..none() }).await, 0);
    assert_eq!(count(DeliveryQuery { message: Some(id), ..none() }).await, 2);
    assert_eq!(count(DeliveryQuery { since: Some(post.bench.hand.now() + 1), ..none() }).await, 0);
    assert_eq!(count(DeliveryQuery { until: Some(post.bench.hand.now() + 1), ..none() }).await, 3);
}

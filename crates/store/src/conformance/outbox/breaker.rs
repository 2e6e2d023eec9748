//! The breaker of a channel, and who is told.

use tocsin_protocol::delivery::{ChannelKind, ChannelSettings, Flow};

use super::{
    super::{MINUTE, to_people, to_topic},
    Post, admin, free, item, publish,
};
use crate::{
    Error,
    outbox::{
        ALERTS, Again, Limits, Next,
        health::{FAULTS, Omen, TRIP_OPEN},
    },
};

/// Faults open the breaker, one probe goes out, its success closes it.
pub async fn the_breaker_opens_probes_and_closes(post: Post) {
    let people: Vec<String> = (0..FAULTS + 2).map(|n| format!("u{n}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    post.desk(&people).await;
    publish(&post, to_topic("ops")).await;
    let later = post.bench.hand.now() + 1;
    let jobs = post.claim("app", Limits { at_once: FAULTS as usize, ..free() }).await.jobs;
    assert_eq!(jobs.len(), FAULTS as usize);
    for job in &jobs {
        let settled = post.run(job, Next::Retry { at: later, why: Again::NotSent }).await;
        assert!(!settled.alerted);
    }
    let claimed = post.claim("app", free()).await;
    assert!(claimed.jobs.is_empty());
    let health = post.outbox.channel_health().await.unwrap().remove(0);
    assert_eq!(
        (health.flow, health.until, health.queued),
        (Flow::Parked, claimed.next, u64::from(FAULTS) + 2)
    );
    post.bench.hand.step(claimed.next.unwrap() - post.bench.hand.now());
    let probe = post.job("app", free()).await;
    assert!(post.claim("app", free()).await.jobs.is_empty(), "one probe at a time");
    post.run(&probe, Next::Accepted).await;
    assert_eq!(post.claim("app", free()).await.jobs.len(), FAULTS as usize + 1);
}

/// What needs a human stops the channel; what was told once is not told again for a while; reopening is at once.
pub async fn a_tripped_channel_waits_for_a_human(post: Post) {
    post.desk(&["ann", "bob"]).await;
    admin(&post).await;
    publish(&post, to_topic("ops")).await;
    let job = post.claim("app", Limits { at_once: 1, ..free() }).await.jobs.remove(0);
    let started = post.begin(&job).await.unwrap();
    let settled = post.settle(&job, &started, Next::Failed, Omen::Trip).await;
    assert!(settled.opened && settled.alerted);
    assert_eq!(post.claim("app", free()).await.next, Some(post.bench.hand.now() + TRIP_OPEN.0));
    post.outbox.reopen_channel("app").await.unwrap();
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    assert!(!post.settle(&job, &started, Next::Failed, Omen::Trip).await.alerted);
    assert_eq!(post.alerts().await, ["app 40003"]);
    let members = post.bench.store.members(ALERTS).await.unwrap();
    assert_eq!(members.into_iter().map(|user| user.name).collect::<Vec<_>>(), ["boss"]);
    post.bench.hand.step(10 * MINUTE);
    post.outbox.reopen_channel("app").await.unwrap();
    publish(&post, to_people(&["ann"])).await;
    let job = post.job("app", free()).await;
    post.run(&job, Next::Failed).await;
    assert_eq!(post.alerts().await.len(), 2, "ten minutes later it is told again");
}

/// An alert that cannot be delivered makes no other one.
pub async fn alerts_raise_none(post: Post) {
    post.desk(&["ann"]).await;
    admin(&post).await;
    post.outbox.bind("app", "boss", "id-boss").await.unwrap();
    publish(&post, to_topic("ops")).await;
    let job = post.job("app", free()).await;
    assert!(post.run(&job, Next::Failed).await.alerted);
    let job = post.job("app", free()).await;
    assert_eq!((job.address.as_str(), item(&job).message.topic.as_deref()), ("id-boss", Some(ALERTS)));
    post.bench.hand.step(10 * MINUTE);
    assert!(!post.run(&job, Next::Failed).await.alerted);
    assert_eq!(post.alerts().await.len(), 1);
}

/// What is disabled keeps its queue; what somebody changes is looked at anew.
pub async fn a_disabled_channel_waits(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    let set = |enabled, kind| ChannelSettings {
        kind,
        display_name: Some("App".into()),
        enabled: Some(enabled),
        config: serde_json::json!({"agent": 7}),
    };
    let channel = post.outbox.put_channel("app", set(false, ChannelKind::Wecom)).await.unwrap();
    assert_eq!(channel.config["agent"], 7);
    assert!(post.claim("app", free()).await.jobs.is_empty());
    publish(&post, to_topic("ops")).await;
    assert_eq!(post.all().await.len(), 1, "nothing is queued for it");
    let other = post.outbox.put_channel("app", set(true, ChannelKind::Wechat)).await;
    assert!(matches!(other, Err(Error::Conflict(_))));
    let changed = post.outbox.outbox_changed();
    let before = *changed.borrow();
    post.outbox.put_channel("app", set(true, ChannelKind::Wecom)).await.unwrap();
    assert_ne!(*changed.borrow(), before);
    post.job("app", free()).await;
}

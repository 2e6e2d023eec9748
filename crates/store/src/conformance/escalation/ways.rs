//! Steps over channels.

use tocsin_protocol::{
    DeliveryState as S,
    account::TopicChange,
    delivery::{ChannelKind, ChannelSettings, Resend},
    escalation::{Milestone as M, StepOutcome as O},
};

use super::{Watch, free, next, over, repeated, step, to_people, to_topic};
use crate::{
    Pressed,
    conformance::outbox::admin,
    outbox::{ALERT_EVERY, ALERTS, Next, Work},
};

/// One that arrived rings again under another key; one that waits is left; one that failed is tried again.
pub async fn a_channel_rings_again_and_leaves_what_waits(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.app(&["ann"]).await;
    watch.policy(vec![repeated(3, 60, over(&["app"], step(60, M::AcknowledgedByAny)))]).await;
    let id = watch.alert(4).await;
    assert!(watch.post.all().await.is_empty(), "no route leads there");
    assert_eq!(watch.after(60).await, [O::Notified]);
    let row = watch.post.only().await;
    assert_eq!((row.state, row.user.as_deref(), row.message), (S::Queued, Some("ann"), Some(id)));
    assert_eq!(watch.after(60).await, [O::Notified], "it is on its way");
    assert_eq!(
        (watch.post.only().await.round, watch.bench().row(id, "ann").await.reminded_at.is_some()),
        (0, true)
    );
    let job = watch.post.job("app", free()).await;
    let Work::One(first) = &job.work else { panic!("{job:?}") };
    watch.post.run(&job, Next::Accepted).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    let job = watch.post.job("app", free()).await;
    let Work::One(second) = &job.work else { panic!("{job:?}") };
    assert_ne!(first.key, second.key, "the platform is to show it again");
    watch.post.run(&job, Next::Failed).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    let row = watch.post.only().await;
    assert_eq!((row.state, row.round), (S::Queued, 2));
    assert_eq!(watch.escalation(id).await.steps[3].via, ["app"]);
}

/// Without an address there is no way, and nobody to tell.
pub async fn who_has_no_address_is_not_told(watch: Watch) {
    watch.desk(&["ann", "bob"], &["cid"]).await;
    watch.app(&["ann"]).await;
    watch
        .policy(vec![over(&["app"], step(60, M::AcknowledgedByAny)), over(&["app"], next(120, &["cid"]))])
        .await;
    let id = watch.alert(4).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    assert_eq!(watch.told(id).await, [["ann"]]);
    assert_eq!(watch.after(60).await, [O::Nobody]);
    let row = watch.bench().row(id, "cid").await;
    assert!(row.escalated.is_some(), "it is in their inbox all the same");
    assert_eq!(row.reminded_at, None);
}

/// A copy of an alert is about an alert: that it fails makes no other one.
pub async fn a_failing_copy_of_an_alert_raises_none(watch: Watch) {
    watch.desk(&["ann"], &["dave"]).await;
    admin(&watch.post).await;
    watch.app(&["ann", "dave"]).await;
    watch.post.route("app", None, None, 1).await;
    watch.policy(vec![next(60, &["dave"])]).await;
    watch.bench().topic(ALERTS, &[]).await;
    let change = TopicChange { policy: Some("night".into()), ..TopicChange::default() };
    watch.bench().store.change_topic(ALERTS, change).await.unwrap();
    watch.bench().publish(to_topic("ops")).await;
    let job = watch.post.job("app", free()).await;
    assert!(watch.post.run(&job, Next::Failed).await.alerted);
    assert_eq!(watch.after(60).await, [O::Notified]);
    watch.bench().hand.step(ALERT_EVERY);
    let job = watch.post.job("app", free()).await;
    assert_eq!(job.address, "id-dave");
    assert!(!watch.post.run(&job, Next::Failed).await.alerted);
    assert_eq!(watch.post.alerts().await.len(), 1);
}

/// The group gets it once, with the people that are meant.
pub async fn a_group_is_told_of_whom(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &["cid"]).await;
    watch.robot(&["ann", "bob", "cid"]).await;
    let all = super::Step { unless: M::AcknowledgedByAll, ..step(60, M::AcknowledgedByAny) };
    watch.policy(vec![over(&["robot"], all), over(&["robot"], next(120, &["cid"]))]).await;
    let id = watch.alert(4).await;
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    let job = watch.post.job("robot", free()).await;
    let Work::One(item) = &job.work else { panic!("{job:?}") };
    assert_eq!((item.user.clone(), item.mentions.as_slice()), (None, ["bob-id".to_owned()].as_slice()));
    watch.post.run(&job, Next::Accepted).await;
    // Everybody is asked, so one who acknowledged does not hold this one.
    assert_eq!(watch.after(60).await, [O::Held]);
    watch.post.channel("late", ChannelKind::WecomRobot).await;
    watch.post.outbox.bind("late", "cid", "c").await.unwrap();
    watch.policy(vec![over(&["late"], next(60, &["cid"]))]).await;
    let other = watch.alert(4).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    let job = watch.post.job("late", free()).await;
    let Work::One(item) = &job.work else { panic!("{job:?}") };
    assert_eq!((item.message.id, item.mentions.as_slice()), (other, ["c".to_owned()].as_slice()));
}

/// Nobody gets a card for what somebody took care of; what a route sends goes out.
pub async fn a_settled_step_is_not_sent(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &["cid"]).await;
    watch.app(&["ann", "bob", "cid"]).await;
    watch.post.route("app", None, Some("bob"), 1).await;
    watch
        .policy(vec![over(&["app"], step(60, M::AcknowledgedByAny)), over(&["app"], next(120, &["cid"]))])
        .await;
    let id = watch.alert(4).await;
    watch.after(60).await;
    watch.after(60).await;
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    let mut states: Vec<_> =
        watch.post.all().await.into_iter().map(|row| (row.user.unwrap(), row.state)).collect();
    states.sort();
    let expected = [("ann", S::Cancelled), ("bob", S::Queued), ("cid", S::Cancelled)];
    assert_eq!(states, expected.map(|(user, state)| (user.to_owned(), state)));
}

/// What is switched off, or removed since, is passed over.
pub async fn a_switched_off_channel_is_no_way(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.app(&["ann"]).await;
    watch.post.channel("gone", ChannelKind::Wecom).await;
    watch.policy(vec![over(&["app", "gone"], step(60, M::AcknowledgedByAny))]).await;
    watch.alert_with(to_topic("ops")).await;
    watch.post.outbox.remove_channel("gone").await.unwrap();
    let off = ChannelSettings {
        kind: ChannelKind::Wecom,
        display_name: None,
        enabled: Some(false),
        config: serde_json::json!({}),
    };
    watch.post.outbox.put_channel("app", off).await.unwrap();
    assert_eq!(watch.after(60).await, [O::Nobody]);
    assert!(watch.post.all().await.is_empty());
}

/// What names people is theirs alone.
pub async fn what_names_people_is_not_for_a_group(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.post.channel("robot", ChannelKind::WecomRobot).await;
    watch.policy(vec![over(&["robot"], step(60, M::AcknowledgedByAny))]).await;
    let id = watch.alert_with(to_people(&["ann"])).await;
    assert_eq!(watch.after(60).await, [O::Nobody]);
    assert!(watch.post.all().await.is_empty());
    let again = tocsin_protocol::escalation::ResendMessage {
        people: None,
        via: vec!["robot".into()],
        until: watch.bench().hand.now(),
    };
    let refused = watch.escalations.resend_message(crate::Viewer::Admin(None), id, again).await;
    assert!(matches!(refused, Err(crate::Error::Invalid(_))));
}

/// A step does not say that it told somebody whom nothing mentions: what is on its way to the group mentions others.
pub async fn who_is_asked_for_meanwhile_is_mentioned_after_it(watch: Watch) {
    let ids = watch.desk(&["ann"], &["bob", "cid"]).await;
    let list = ["ann", "bob", "cid"];
    watch.robot(&list).await;
    watch.post.route("robot", Some("ops"), None, 1).await;
    let steps = [60, 120, 180, 240].map(|after| over(&["robot"], next(after, &list)));
    watch.policy(steps.to_vec()).await;
    let next_of = async |settled| {
        let job = watch.post.job("robot", free()).await;
        let Work::One(item) = &job.work else { panic!("{job:?}") };
        watch.post.run(&job, settled).await;
        (item.key.clone(), item.mentions.clone())
    };
    for (end, rung) in
        [(Next::Accepted, true), (Next::Unknown, true), (Next::Failed, true), (Next::Accepted, false)]
    {
        let failed = end == Next::Failed;
        let id = watch.alert(4).await;
        for _ in 0..3 {
            assert_eq!(watch.after(60).await, [O::Notified]);
        }
        assert_eq!(watch.told(id).await, [["ann"], ["bob"], ["cid"]]);
        if !rung {
            watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
        }
        let (first, mentions) = next_of(end).await;
        assert_eq!(mentions, ["ann-id"], "the members of its topic");
        if failed {
            assert_eq!(watch.send_all("robot").await, 0, "not where that fails");
            let again = Resend::Failed {
                until: watch.bench().hand.now(),
                channel: None,
                message: Some(id),
                unknown: false,
            };
            assert_eq!(watch.post.outbox.resend(again).await.unwrap(), 1);
            assert_eq!(next_of(Next::Accepted).await, (first.clone(), mentions));
        }
        if !rung {
            assert_eq!(watch.send_all("robot").await, 0, "nobody else once it is settled");
            continue;
        }
        let (second, mentions) = next_of(Next::Accepted).await;
        assert_eq!(mentions, ["bob-id", "cid-id"]);
        assert_ne!(first, second, "no repetition");
        assert_eq!(watch.send_all("robot").await, 0);
        watch.escalations.cancel(crate::Viewer::Admin(None), id).await.unwrap();
    }
}

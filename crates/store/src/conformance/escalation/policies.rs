//! Policies, and what they would do.

use tocsin_protocol::{
    Priority,
    account::TopicChange,
    delivery::{ChannelKind, ChannelSettings},
    escalation::{
        DryRun, Milestone as M, PolicySettings, Quiet, REPEATS, STEPS, StepOutcome as O, TimelineWarning,
    },
};

use super::{SECOND, Watch, next, over, repeated, step, to_topic, urgent};
use crate::{Error, NewMessage, conformance::START};

fn settings(steps: Vec<super::Step>) -> PolicySettings {
    PolicySettings { display_name: None, steps, quiet: None }
}

async fn attach(watch: &Watch, policy: &str) -> crate::Result<tocsin_protocol::Topic> {
    let change = TopicChange { policy: Some(policy.into()), ..TopicChange::default() };
    watch.bench().store.change_topic("ops", change).await
}

/// By name, with the topics they are attached to; a message may name another.
pub async fn policies_are_listed_attached_and_removed(watch: Watch) {
    watch.desk(&["ann"], &["Bob"]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let day = PolicySettings { display_name: Some("By day".into()), ..settings(vec![next(30, &["bob"])]) };
    let made = watch.escalations.put_policy("day", day).await.unwrap();
    assert_eq!((made.display_name.as_str(), made.steps.clone()), ("By day", vec![next(30, &["Bob"])]));
    let kept = watch.escalations.put_policy("day", settings(vec![next(40, &["Bob"])])).await.unwrap();
    assert_eq!(kept.display_name, "By day");
    assert!(matches!(attach(&watch, "noon").await, Err(Error::NotFound("policy"))));
    assert_eq!(attach(&watch, "night").await.unwrap().policy.as_deref(), Some("night"));
    let listed = watch.escalations.policies().await.unwrap();
    let names: Vec<_> = listed.iter().map(|policy| (policy.name.as_str(), policy.topics.len())).collect();
    assert_eq!(names, [("day", 0), ("night", 1)]);
    let (plain, _) = watch.bench().publish(to_topic("ops")).await;
    let other = NewMessage { policy: Some("day".into()), ..to_topic("ops") };
    let (other, _) = watch.bench().publish(other).await;
    assert_eq!(watch.escalation(plain).await.policy, "night");
    assert_eq!(watch.escalation(other).await.policy, "day");
    watch.escalations.remove_policy("night").await.unwrap();
    assert!(matches!(watch.escalations.policy("night").await, Err(Error::NotFound("policy"))));
    assert!(matches!(watch.escalations.remove_policy("night").await, Err(Error::NotFound("policy"))));
    assert_eq!(watch.bench().store.topic("ops", None).await.unwrap().1.policy, None);
    let (free, _) = watch.bench().publish(to_topic("ops")).await;
    assert_eq!(watch.bench().receipt(free).await.escalation, None);
    attach(&watch, "day").await.unwrap();
    assert_eq!(attach(&watch, "").await.unwrap().policy, None);
}

/// Found wrong when it is saved, not at night.
pub async fn what_cannot_be_a_policy_is_refused(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    let any = || step(60, M::AcknowledgedByAny);
    let quiet = |from: &str, zone: &str| {
        let quiet = Quiet { from: from.into(), to: "07:00".into(), zone: zone.into() };
        PolicySettings { quiet: Some(quiet), ..settings(vec![any()]) }
    };
    let endless = super::Step { repeat: 1, ..any() };
    for (what, wrong) in [
        ("no steps", settings(vec![])),
        ("too many", settings(vec![any(); STEPS + 1])),
        ("out of order", settings(vec![step(60, M::ReadByAny), step(30, M::ReadByAny)])),
        ("too late", settings(vec![step(8 * 24 * 3600, M::ReadByAny)])),
        ("too long", settings(vec![repeated(2, 4 * 24 * 3600, any())])),
        ("too often", settings(vec![repeated(REPEATS + 1, 30, any())])),
        ("too fast", settings(vec![repeated(1, 29, any())])),
        ("no interval", settings(vec![endless])),
        ("no way", settings(vec![over(&[], any())])),
        ("no such way", settings(vec![over(&["app"], any())])),
        ("a way twice", settings(vec![over(&["desktop", "desktop"], any())])),
        ("nobody", settings(vec![next(60, &[])])),
        ("somebody twice", settings(vec![next(60, &["ann", "ANN"])])),
        ("no time", quiet("7 pm", "UTC")),
        ("no zone", quiet("22:00", "Nowhere")),
        ("no night", quiet("07:00", "UTC")),
    ] {
        let error = watch.escalations.put_policy("night", wrong.clone()).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{what}: {error}");
        let what_if = DryRun { policy: wrong, topic: None, priority: Priority::DEFAULT, at: None };
        assert!(watch.escalations.dry_run(what_if).await.is_err(), "{what}");
    }
    let stranger = watch.escalations.put_policy("night", settings(vec![next(60, &["eve"])])).await;
    assert!(matches!(stranger, Err(Error::UnknownUser(_))));
    let unnamed = watch.escalations.put_policy("a b", settings(vec![any()])).await;
    assert!(matches!(unnamed, Err(Error::Invalid(_))));
    assert_eq!(watch.escalations.policies().await.unwrap(), []);
}

/// What it says is what happens.
pub async fn a_dry_run_tells_when_and_whom(watch: Watch) {
    watch.desk(&["ann", "bob"], &["cid", "dan"]).await;
    let quiet = Quiet { from: "08:02".into(), to: "09:00".into(), zone: "UTC".into() };
    let steps = vec![
        step(60, M::AcknowledgedByAny),
        repeated(1, 60, next(90, &["cid", "dan"])),
        step(300, M::AcknowledgedByAny),
    ];
    let policy = PolicySettings { quiet: Some(quiet), ..settings(steps) };
    let what = DryRun {
        policy: policy.clone(),
        topic: Some("ops".into()),
        priority: Priority::HIGH,
        at: Some(START),
    };
    let timeline = watch.escalations.dry_run(what.clone()).await.unwrap();
    assert_eq!(timeline.warnings, []);
    let minute = |at: i64| (at - START) / SECOND;
    let told: Vec<_> = timeline
        .steps
        .iter()
        .map(|step| (step.step, step.repeat, minute(step.at), step.put_off, step.people.join(" ")))
        .collect();
    let row = |step, repeat, at, put_off, people: &str| (step, repeat, at, put_off, people.to_owned());
    let expected = [
        row(1, 0, 60, false, "ann bob"),
        row(2, 0, 90, false, "cid"),
        row(2, 1, 3600, true, "dan"),
        row(3, 0, 3750, false, "ann bob cid dan"),
    ];
    assert_eq!(told, expected);
    // The same, run.
    watch.escalations.put_policy("night", policy).await.unwrap();
    let id = watch.alert_with(urgent(4, to_topic("ops"))).await;
    while let Some(next) = watch.escalation(id).await.next {
        watch.bench().hand.step(next.at - watch.bench().hand.now());
        assert_eq!(watch.run().await.steps[0].outcome, O::Notified);
    }
    let runs = watch.escalation(id).await.steps;
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names.join(" ")
    };
    let ran: Vec<_> =
        runs.iter().map(|run| (run.step, run.repeat, minute(run.at), sorted(run.people.clone()))).collect();
    assert_eq!(ran, expected.map(|row| (row.0, row.1, row.2, row.4)));
    let critical = watch.escalations.dry_run(DryRun { priority: Priority::MAX, ..what }).await.unwrap();
    assert!(critical.steps.iter().all(|step| !step.put_off));
}

/// Who cannot be reached, what is switched off, whom nobody tells.
pub async fn a_dry_run_warns(watch: Watch) {
    watch.desk(&["ann", "bob"], &[]).await;
    watch.bench().topic("empty", &[]).await;
    watch.app(&["ann"]).await;
    let off = ChannelSettings {
        kind: ChannelKind::WecomRobot,
        display_name: None,
        enabled: Some(false),
        config: serde_json::json!({}),
    };
    watch.post.outbox.put_channel("robot", off).await.unwrap();
    let steps = vec![over(&["app", "robot"], repeated(2, 60, step(60, M::ReadByAny)))];
    let what = |topic: &str| DryRun {
        policy: settings(steps.clone()),
        topic: Some(topic.into()),
        priority: Priority::DEFAULT,
        at: None,
    };
    let warned = watch.escalations.dry_run(what("ops")).await.unwrap().warnings;
    let no_address = TimelineWarning::NoAddress { user: "bob".into(), channel: "app".into() };
    let switched_off = TimelineWarning::ChannelOff { channel: "robot".into() };
    assert_eq!(warned, [no_address, switched_off.clone()]);
    let warned = watch.escalations.dry_run(what("empty")).await.unwrap().warnings;
    assert_eq!(warned, [TimelineWarning::Nobody { step: 1 }, switched_off]);
    assert!(watch.escalations.dry_run(what("none")).await.is_err());
    let named =
        DryRun { topic: None, policy: settings(vec![step(1, M::ReadByAny), next(2, &["bob"])]), ..what("") };
    let named = watch.escalations.dry_run(named).await.unwrap();
    assert_eq!(
        (&named.steps[0].people, &named.warnings),
        (&vec!["bob".into()], &vec![TimelineWarning::NoTopic])
    );
    // Whoever was brought in is told with the others.
    let steps = vec![next(60, &["bob"]), step(120, M::AcknowledgedByAny)];
    let brought =
        watch.escalations.dry_run(DryRun { policy: settings(steps), ..what("empty") }).await.unwrap();
    assert_eq!((&brought.steps[1].people, &brought.warnings), (&vec!["bob".into()], &vec![]));
}

/// The desktop is a way already.
pub async fn no_channel_is_named_desktop(watch: Watch) {
    let settings = ChannelSettings {
        kind: ChannelKind::Webhook,
        display_name: None,
        enabled: None,
        config: serde_json::json!({}),
    };
    assert!(matches!(watch.post.outbox.put_channel("desktop", settings).await, Err(Error::Conflict(_))));
}

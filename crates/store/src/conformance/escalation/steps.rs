//! When steps run, and whom they tell.

use tocsin_protocol::{
    EscalationState as E, State,
    escalation::{Milestone as M, PolicySettings, Quiet, StepOutcome as O},
};

use super::{SECOND, Watch, next, repeated, step, to_topic, urgent};
use crate::{NewMessage, Pressed, conformance::START};

/// Before its time nothing, at its time once, whoever looks again.
pub async fn a_step_runs_at_its_time_and_once(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    let phone = watch.bench().device(ids[0], "phone").await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let id = watch.alert(4).await;
    let due = watch.bench().hand.now() + 60 * SECOND;
    let planned = watch.escalation(id).await;
    assert_eq!((planned.state, planned.next.unwrap().at, planned.steps.len()), (E::Running, due, 0));
    assert_eq!(watch.run().await.next, Some(due));
    assert_eq!(watch.after(59).await, []);
    assert_eq!(watch.after(1).await, [O::Notified]);
    assert_eq!(watch.run().await.steps, [], "it ran");
    let ran = watch.escalation(id).await.steps.remove(0);
    assert_eq!((ran.step, ran.repeat, ran.due_at, ran.at), (1, 0, due, due));
    assert_eq!((ran.people, ran.via), (vec!["ann".to_owned(), "bob".into()], vec!["desktop".to_owned()]));
    assert_eq!(watch.reminded(phone).await, [id]);
    assert_eq!(watch.bench().row(id, "ann").await.reminded_at, Some(due));
    let later = watch.bench().device(ids[1], "later").await;
    assert_eq!(watch.reminded(later).await, [id], "devices that come later are told too");
}

/// A condition that holds tells nobody; one that does not, only those it is about.
pub async fn what_holds_is_not_told(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    let phone = watch.bench().device(ids[0], "phone").await;
    watch.policy(vec![step(60, M::ReceivedByAny), step(60, M::ReceivedByAll), step(60, M::ReadByAny)]).await;
    let id = watch.alert(4).await;
    watch.bench().ack(phone, watch.bench().head() - 1, watch.bench().head()).await;
    assert_eq!(watch.after(60).await, [O::Held]);
    assert_eq!(watch.run().await.steps[0].outcome, O::Notified, "the next one is due as well");
    assert_eq!(watch.run().await.steps[0].outcome, O::Notified);
    assert_eq!(watch.told(id).await, [vec![], vec!["bob".to_owned()], vec!["ann".into(), "bob".into()]]);
}

/// In the order of the list, over several steps, from the first again after the last.
pub async fn the_next_one_each_time(watch: Watch) {
    let ids = watch.desk(&["ann"], &["bob", "cid"]).await;
    watch.policy(vec![repeated(1, 60, next(60, &["bob", "cid"])), next(180, &["bob", "cid"])]).await;
    let shown = NewMessage { tags: vec!["disk".into()], ..urgent(5, to_topic("ops")) };
    let id = watch.alert_with(shown).await;
    for _ in 0..3 {
        assert_eq!(watch.after(60).await, [O::Notified]);
    }
    assert_eq!(watch.told(id).await, [["bob"], ["cid"], ["bob"]]);
    let log = watch.log().await;
    let copies: Vec<_> = log.iter().filter(|stored| stored.message.escalates == Some(id)).collect();
    assert_eq!(copies.len(), 2, "who is there already is told of what they have");
    let copy = &copies[0].message;
    assert_eq!((copy.title.as_str(), copy.tags.as_slice()), ("title", ["disk".to_owned()].as_slice()));
    assert_eq!((copy.thread, copy.priority.get(), copy.sender.as_str()), (copy.id, 5, "ci"));
    let phone = watch.bench().device(ids[1], "phone").await;
    assert_eq!(watch.reminded(phone).await, [copy.id], "not when it came: once more");
    let receipt = watch.bench().receipt(id).await;
    let names: Vec<_> =
        receipt.people.iter().map(|row| (row.user.as_str(), row.escalated.is_some())).collect();
    assert_eq!(names, [("ann", false), ("bob", true), ("cid", true)]);
    assert_eq!((receipt.counts.owed, receipt.counts.missing), (3, 3));
}

/// Each list from its beginning.
pub async fn another_list_begins_with_its_first(watch: Watch) {
    watch.desk(&["ann"], &["bob", "cid", "dan"]).await;
    let lists = [&["bob"][..], &["cid", "dan"], &["bob", "cid"], &["cid", "dan"]];
    watch.policy((1..).zip(lists).map(|(place, list)| next(60 * place, list)).collect()).await;
    let id = watch.alert(4).await;
    for _ in lists {
        assert_eq!(watch.after(60).await, [O::Notified]);
    }
    assert_eq!(watch.told(id).await, [["bob"], ["cid"], ["bob"], ["dan"]]);
}

/// Whoever is gone, or as far as the step asks already, is no help.
pub async fn who_is_done_is_passed_over(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &["cid", "dan"]).await;
    let all = super::Step { unless: M::AcknowledgedByAll, ..next(60, &["cid", "ann", "dan"]) };
    watch.policy(vec![all]).await;
    let id = watch.alert(4).await;
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    watch.bench().store.remove_user("cid").await.unwrap();
    assert_eq!(watch.after(60).await, [O::Notified]);
    assert_eq!(watch.told(id).await, [["dan"]]);
}

/// After a sleep the first overdue step runs at once, and the others as long after it as they should.
pub async fn a_late_step_keeps_the_distance(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny), step(90, M::AcknowledgedByAny)]).await;
    watch.alert(4).await;
    watch.bench().hand.step(3600 * SECOND);
    let ran = watch.run().await;
    assert_eq!((ran.steps.len(), ran.steps[0].late_ms), (1, 3540 * SECOND));
    assert_eq!(ran.next, Some(watch.bench().hand.now() + 30 * SECOND));
    assert_eq!(watch.run().await.steps, []);
    assert_eq!(watch.after(30).await, [O::Notified]);
}

/// One step of each, in the order of their times, not more than asked for.
pub async fn steps_of_several_messages_run_in_order(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(watch.alert(4).await);
        watch.bench().hand.step(SECOND);
    }
    watch.bench().hand.step(60 * SECOND);
    let order = |most| crate::escalation::RunOrder { most, woke: false, words: None };
    let mut ran = watch.escalations.run_due(order(2)).await.unwrap();
    assert!(ran.next.is_some_and(|at| at <= watch.bench().hand.now()), "there is more");
    ran.steps.extend(watch.escalations.run_due(order(2)).await.unwrap().steps);
    assert_eq!(ran.steps.iter().map(|ran| ran.message).collect::<Vec<_>>(), ids);
}

/// Its end is noticed at its time, and no step runs behind it.
pub async fn an_expired_message_escalates_no_more(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny), step(120, M::AcknowledgedByAny)]).await;
    let short = NewMessage { expires_in_ms: Some(100 * SECOND), ..to_topic("ops") };
    let id = watch.alert_with(short).await;
    let ends = watch.bench().hand.now() + 100 * SECOND;
    assert_eq!(watch.after(60).await, [O::Notified]);
    let running = watch.escalation(id).await;
    assert_eq!((running.state, running.next), (E::Running, None), "nothing comes before it expires");
    assert_eq!(watch.run().await.next, Some(ends));
    assert_eq!(watch.after(3600).await, []);
    let over = watch.escalation(id).await;
    assert_eq!((over.state, over.ended_at, over.steps.len()), (E::Expired, Some(ends), 1));
    assert_eq!(watch.run().await.next, None);
}

/// Nights are for sleeping, except at priority 5.
pub async fn quiet_hours_put_off_what_is_not_critical(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    // Cases begin on 2027-01-15 at 08:00 UTC.
    let quiet = Quiet { from: "08:00".into(), to: "09:00".into(), zone: "UTC".into() };
    let steps = vec![step(60, M::AcknowledgedByAny), step(120, M::AcknowledgedByAny)];
    let settings = PolicySettings { display_name: None, steps, quiet: Some(quiet) };
    watch.escalations.put_policy("night", settings).await.unwrap();
    let (calm, critical) = (watch.alert(4).await, watch.alert(5).await);
    assert_eq!(watch.after(60).await, [O::Notified]);
    let waits = watch.escalation(calm).await;
    assert_eq!(waits.next.unwrap().at, START + 3600 * SECOND);
    assert_eq!(watch.escalation(critical).await.steps.len(), 1);
    assert_eq!(watch.after(3539).await, [O::Notified], "of the critical one");
    assert_eq!(watch.after(1).await, [O::Notified]);
    let next = watch.escalation(calm).await.next.unwrap();
    assert_eq!((next.step, next.at), (2, START + 3660 * SECOND), "as long behind as it should");
}

/// What was planned by the later clock moves with it.
pub async fn a_clock_set_back_loses_no_step_and_repeats_none(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny), step(90, M::AcknowledgedByAny)]).await;
    let id = watch.alert(4).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    watch.bench().hand.step(-86_400 * SECOND);
    assert_eq!(watch.run().await.next, Some(watch.bench().hand.now() + 30 * SECOND));
    assert_eq!(watch.after(30).await, [O::Notified]);
    let steps: Vec<_> = watch.escalation(id).await.steps.iter().map(|run| run.step).collect();
    assert_eq!(steps, [1, 2]);
}

/// A clock that goes back little by little is back by that much all the same.
pub async fn a_clock_set_back_in_parts_is_set_back(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    watch.run().await;
    let earlier = watch.alert(4).await;
    watch.bench().hand.step(2 * SECOND);
    let later = watch.alert(4).await;
    let due = async |id| watch.escalation(id).await.next.map(|next| next.at - watch.bench().hand.now());
    watch.bench().hand.step(-6 * SECOND);
    watch.run().await;
    assert_eq!((due(earlier).await, due(later).await), (Some(64 * SECOND), Some(60 * SECOND)));
    watch.bench().hand.step(-3 * SECOND);
    watch.run().await;
    assert_eq!((due(earlier).await, due(later).await), (Some(60 * SECOND), Some(63 * SECOND)));
}

/// The last step is not the end: people have as long as they had before it.
pub async fn people_have_time_to_answer_the_last_step(watch: Watch) {
    let ids = watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let id = watch.alert(4).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    assert_eq!(watch.state(id).await, E::Running);
    assert_eq!(watch.after(59).await, []);
    assert_eq!(watch.state(id).await, E::Running);
    watch.bench().hand.step(SECOND);
    let ran = watch.run().await;
    assert_eq!((ran.steps.len(), ran.ended, ran.next), (0, 1, None));
    assert_eq!(watch.state(id).await, E::Exhausted);
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    let over = watch.escalation(id).await;
    assert_eq!((over.state, over.by.as_deref()), (E::Acknowledged, Some("ann")), "late is not never");
}

/// Changing a policy, or removing it, changes nothing that is under way.
pub async fn a_policy_is_that_of_the_publish(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let first = watch.alert(4).await;
    watch.policy(vec![step(600, M::AcknowledgedByAny)]).await;
    let second = watch.alert(4).await;
    watch.escalations.remove_policy("night").await.unwrap();
    assert_eq!(watch.after(60).await, [O::Notified]);
    assert_eq!((watch.told(first).await.len(), watch.told(second).await.len()), (1, 0));
    assert_eq!(watch.escalation(second).await.policy, "night");
    let unknown = NewMessage { policy: Some("night".into()), ..to_topic("ops") };
    let head = watch.bench().head();
    assert!(matches!(watch.bench().store.publish(unknown).await, Err(crate::Error::NotFound("policy"))));
    assert_eq!(watch.bench().head(), head, "nothing was stored");
}

/// Without one nothing is due, and nothing is said of it.
pub async fn no_policy_no_escalation(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let (id, _) = watch.bench().publish(urgent(5, to_topic("ops"))).await;
    assert_eq!(watch.run().await, crate::escalation::Ran::default());
    let receipt = watch.bench().receipt(id).await;
    assert_eq!((receipt.escalation, receipt.people[0].state), (None, State::Missing));
}

//! How escalations end.

use tocsin_protocol::{
    EscalationState as E, State,
    escalation::{Milestone as M, Settled, StepOutcome as O},
};

use super::{SECOND, Watch, keyed, next, over, step, to_topic, urgent};
use crate::{DeviceId, MessageId, NewMessage, OwedItem, Pressed, Viewer};

/// Who took care of a message, as a stream says.
async fn said(watch: &Watch, device: DeviceId, id: MessageId) -> Option<Settled> {
    let items = watch.bench().store.replay(device, 0, watch.bench().head(), 100).await.unwrap().items;
    items.into_iter().find_map(|item| match item {
        OwedItem::State(change) if change.id == id => change.settled,
        _ => None,
    })
}

/// One presses, all are relieved, no step runs.
pub async fn one_acknowledgement_settles_it_for_all(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let id = watch.alert(5).await;
    watch.bench().hand.step(SECOND);
    let at = watch.bench().hand.now();
    watch.bench().press(ids[0], id, Pressed::Read).await;
    assert_eq!(watch.state(id).await, E::Running, "reading is not enough");
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    let over = watch.escalation(id).await;
    assert_eq!((over.state, over.ended_at, over.by.as_deref()), (E::Acknowledged, Some(at), Some("ann")));
    assert_eq!(over.next, None);
    assert_eq!(watch.run().await.next, None);
    let settled = Some(Settled { by: "ann".into(), at });
    for (user, expected) in [(ids[1], settled.clone()), (ids[0], None)] {
        let view = watch.bench().store.message(Viewer::Member(user), id).await.unwrap();
        assert_eq!(view.settled, expected);
        let device = watch.bench().device(user, "phone").await;
        assert_eq!(said(&watch, device, id).await, expected);
    }
    assert_eq!(watch.after(600).await, []);
}

/// Whoever was brought in acknowledges for the message that they were brought in for.
pub async fn a_copy_counts_for_the_original(watch: Watch) {
    let ids = watch.desk(&["ann"], &["bob"]).await;
    watch.policy(vec![next(60, &["bob"]), next(120, &["bob"])]).await;
    let id = watch.alert(5).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    let copy = watch.copy(id, "bob").await;
    // By a clock that is a little behind.
    let (phone, head) = (watch.bench().device(ids[1], "phone").await, watch.bench().head());
    watch.bench().hand.step(-SECOND);
    watch.bench().ack(phone, 0, head).await;
    watch.bench().hand.step(SECOND);
    let received = watch.bench().row(id, "bob").await.received_at;
    assert_eq!(received, Some(watch.bench().hand.now()), "not before there was one");
    watch.bench().press(ids[1], copy, Pressed::Acknowledge).await;
    let over = watch.escalation(id).await;
    assert_eq!((over.state, over.by.as_deref()), (E::Acknowledged, Some("bob")));
    let counts = watch.bench().store.counts(id).await.unwrap();
    assert_eq!((counts.owed, counts.acknowledged, counts.missing), (2, 1, 1));
    assert!(counts.reached(M::AcknowledgedByAny));
    let seen = watch.bench().store.message(Viewer::Member(ids[0]), id).await.unwrap();
    assert_eq!(seen.settled.unwrap().by, "bob");
    let row = watch.bench().row(id, "bob").await;
    assert_eq!((row.state, row.escalated), (State::Acknowledged, Some(copy)));
    assert_eq!(watch.after(600).await, []);
}

/// A policy that asks for everybody goes on until everybody did.
pub async fn everybodys_acknowledgement_where_it_is_asked_for(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAll), step(120, M::AcknowledgedByAny)]).await;
    let id = watch.alert(5).await;
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    assert_eq!(watch.state(id).await, E::Running);
    assert_eq!(watch.after(60).await, [O::Notified]);
    assert_eq!(watch.told(id).await, [["bob"]], "only those who have not");
    assert_eq!(watch.after(60).await, [O::Held]);
    watch.bench().press(ids[1], id, Pressed::Acknowledge).await;
    assert_eq!(watch.state(id).await, E::Acknowledged);
}

/// Where everybody is asked, somebody who is removed is not.
pub async fn who_leaves_is_not_waited_for(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAll)]).await;
    let id = watch.alert(5).await;
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    watch.bench().store.leave_topic("ops", "bob").await.unwrap();
    assert_eq!(watch.after(60).await, []);
    let over = watch.escalation(id).await;
    assert_eq!((over.state, over.by, over.steps.len()), (E::Acknowledged, None, 0));
}

/// Those who stay have all acknowledged: it ends at once, and what it had queued is not sent.
pub async fn who_leaves_last_ends_what_asks_for_all(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.app(&["ann", "bob"]).await;
    let all = |after| step(after, M::AcknowledgedByAll);
    watch.policy(vec![over(&["app"], all(60)), all(3600)]).await;
    let to_both = NewMessage { to: vec!["ann".into(), "bob".into()], topic: None, ..to_topic("ops") };
    for message in [to_topic("ops"), to_both] {
        let id = watch.alert_with(urgent(5, message)).await;
        watch.after(60).await;
        watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
        assert_eq!(watch.state(id).await, E::Running);
        let named = watch.bench().receipt(id).await.topic.is_none();
        if named {
            watch.bench().store.remove_user("bob").await.unwrap();
        } else {
            watch.bench().store.leave_topic("ops", "bob").await.unwrap();
        }
        let over = watch.escalation(id).await;
        assert_eq!((over.state, over.by, over.next), (E::Acknowledged, None, None));
        assert_eq!(watch.send_all("app").await, 0);
    }
}

/// The steps go on where they were: a sender that repeats itself must not keep them from running.
pub async fn a_newer_version_takes_over(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny), step(90, M::AcknowledgedByAny)]).await;
    let first = watch.alert_with(keyed("ops", "disk")).await;
    watch.bench().hand.step(30 * SECOND);
    let second = watch.alert_with(keyed("ops", "disk")).await;
    assert_eq!(watch.state(first).await, E::Superseded);
    assert_eq!(watch.after(30).await, [O::Notified], "counted from the first version");
    assert_eq!((watch.told(first).await.len(), watch.told(second).await.len()), (0, 1));
    watch.policy(vec![step(600, M::AcknowledgedByAny)]).await;
    let third = watch.bench().publish(keyed("ops", "disk")).await.0;
    let next = watch.escalation(third).await.next.unwrap();
    assert_eq!((next.step, next.at), (2, watch.bench().hand.now() + 30 * SECOND), "as it began");
    let worse = watch.alert_with(urgent(5, keyed("ops", "disk"))).await;
    let anew = watch.escalation(worse).await.next.unwrap();
    assert_eq!(
        (anew.step, anew.at),
        (1, watch.bench().hand.now() + 600 * SECOND),
        "what is worse begins anew"
    );
    let soon = NewMessage { expires_in_ms: Some(10 * SECOND), ..urgent(5, keyed("ops", "disk")) };
    let soon = watch.alert_with(soon).await;
    assert_eq!(watch.run().await.next, Some(watch.bench().hand.now() + 10 * SECOND));
    assert_eq!(watch.after(10).await, []);
    assert_eq!(watch.state(soon).await, E::Expired);
}

/// Who was brought in has the newer version too, and the next of the list is the next; an acknowledgement of either version
/// of theirs counts for the newest.
pub async fn a_newer_version_reaches_those_brought_in(watch: Watch) {
    let ids = watch.desk(&["ann"], &["bob", "cid"]).await;
    watch
        .policy(vec![next(60, &["bob", "cid"]), next(120, &["bob", "cid"]), next(180, &["bob", "cid"])])
        .await;
    let first = watch.alert_with(urgent(5, keyed("ops", "disk"))).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    let copy = watch.copy(first, "bob").await;
    let words = NewMessage { title: "fuller".into(), ..urgent(5, keyed("ops", "disk")) };
    let second = watch.alert_with(words).await;
    let newer = watch.copy(second, "bob").await;
    let seen = watch.bench().store.message(Viewer::Member(ids[1]), newer).await.unwrap().message;
    assert_eq!((seen.title.as_str(), seen.thread, seen.escalates), ("fuller", copy, Some(second)));
    assert_eq!(watch.after(60).await, [O::Notified]);
    assert_eq!(watch.told(second).await, [["cid"]]);
    assert_eq!(watch.bench().store.counts(second).await.unwrap().owed, 3);
    watch.bench().press(ids[1], copy, Pressed::Acknowledge).await;
    let over = watch.escalation(second).await;
    assert_eq!((over.state, over.by.as_deref()), (E::Acknowledged, Some("bob")));
    assert_eq!(watch.after(600).await, []);
}

/// What carries over and is enough asks nobody again; what is more urgent does.
pub async fn an_acknowledgement_that_stands_starts_nothing(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &["cid"]).await;
    watch.policy(vec![next(60, &["cid"])]).await;
    let first = watch.alert_with(keyed("ops", "disk")).await;
    watch.bench().press(ids[0], first, Pressed::Acknowledge).await;
    let same = watch.alert_with(keyed("ops", "disk")).await;
    assert_eq!(watch.state(same).await, E::Acknowledged);
    let worse = watch.alert_with(urgent(5, keyed("ops", "disk"))).await;
    assert_eq!(watch.state(worse).await, E::Running);
    let resolved = NewMessage { resolved: true, ..keyed("ops", "disk") };
    let over = watch.alert_with(resolved).await;
    assert_eq!(watch.bench().receipt(over).await.escalation, None);
    // Acknowledged by somebody whom the newer version would not reach.
    let again = watch.alert_with(urgent(5, keyed("ops", "disk"))).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    let copy = watch.copy(again, "cid").await;
    watch.bench().press(ids[2], copy, Pressed::Acknowledge).await;
    let still = watch.alert_with(urgent(5, keyed("ops", "disk"))).await;
    assert_eq!(watch.state(still).await, E::Acknowledged);
    assert_eq!(watch.after(600).await, []);
}

/// Brought in, then added to the topic: the newer version is theirs as a member, and follows their copy.
pub async fn who_belongs_to_it_by_now_has_it_once(watch: Watch) {
    let ids = watch.desk(&["ann"], &["bob"]).await;
    watch.policy(vec![next(60, &["bob"]), step(120, M::AcknowledgedByAny)]).await;
    let first = watch.alert_with(keyed("ops", "disk")).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    let copy = watch.copy(first, "bob").await;
    watch.bench().store.join_topic("ops", "bob").await.unwrap();
    let second = watch.alert_with(keyed("ops", "disk")).await;
    let sent: Vec<_> = watch.log().await.iter().map(|stored| stored.message.id).collect();
    assert_eq!(sent, [first, copy, second]);
    let seen = watch.bench().store.message(Viewer::Member(ids[1]), copy).await.unwrap();
    assert_eq!(seen.message.superseded_by, Some(second));
    let row = watch.bench().row(second, "bob").await;
    assert_eq!((row.state, row.escalated), (State::Missing, None));
    watch.bench().press(ids[1], second, Pressed::Acknowledge).await;
    let over = watch.escalation(second).await;
    assert_eq!((over.state, over.by.as_deref()), (E::Acknowledged, Some("bob")));
    let counts = watch.bench().store.counts(second).await.unwrap();
    assert_eq!((counts.owed, counts.acknowledged, counts.missing), (2, 1, 1));
    assert_eq!(watch.after(600).await, []);
}

/// What they did with their copy counts for the newer version: before it comes, and after.
pub async fn what_was_acknowledged_goes_with_who_joins(watch: Watch) {
    let ids = watch.desk(&["ann"], &["bob", "cid"]).await;
    watch
        .policy(vec![next(60, &["bob", "cid"]), next(120, &["bob", "cid"]), step(300, M::AcknowledgedByAll)])
        .await;
    let first = watch.alert_with(keyed("ops", "disk")).await;
    for _ in 0..2 {
        assert_eq!(watch.after(60).await, [O::Notified]);
    }
    let copies = [watch.copy(first, "bob").await, watch.copy(first, "cid").await];
    watch.bench().press(ids[1], copies[0], Pressed::Acknowledge).await;
    for name in ["bob", "cid"] {
        watch.bench().store.join_topic("ops", name).await.unwrap();
    }
    let second = watch.alert_with(keyed("ops", "disk")).await;
    assert_eq!(watch.bench().state(second, "bob").await, State::Acknowledged);
    assert_eq!(watch.state(second).await, E::Running);
    watch.bench().press(ids[2], copies[1], Pressed::Acknowledge).await;
    assert_eq!(watch.bench().state(second, "cid").await, State::Acknowledged);
    watch.bench().press(ids[0], second, Pressed::Acknowledge).await;
    assert_eq!(watch.state(second).await, E::Acknowledged);
}

/// Through any number of versions, also those that are not owed to whoever acknowledged it; until it is worse or back.
pub async fn what_somebody_took_care_of_stays_so(watch: Watch) {
    let ids = watch.desk(&["ann", "cid"], &["bob"]).await;
    let phone = watch.bench().device(ids[0], "phone").await;
    watch.policy(vec![next(60, &["bob"])]).await;
    let disk = watch.alert_with(keyed("ops", "disk")).await;
    let fan = watch.alert_with(keyed("ops", "fan")).await;
    assert_eq!(watch.after(60).await, [O::Notified, O::Notified]);
    let copy = watch.copy(disk, "bob").await;
    let at = watch.bench().hand.now();
    watch.bench().press(ids[2], copy, Pressed::Acknowledge).await;
    watch.bench().press(ids[1], fan, Pressed::Acknowledge).await;
    watch.bench().store.leave_topic("ops", "cid").await.unwrap();
    for _ in 0..3 {
        watch.bench().hand.step(SECOND);
        for (key, by) in [("disk", "bob"), ("fan", "cid")] {
            let id = watch.alert_with(keyed("ops", key)).await;
            let over = watch.escalation(id).await;
            assert_eq!(
                (over.state, over.by.as_deref(), over.ended_at),
                (E::Acknowledged, Some(by), Some(at))
            );
            assert_eq!((over.next, over.steps.len()), (None, 0));
            let settled = Some(Settled { by: by.into(), at });
            let view = watch.bench().store.message(Viewer::Member(ids[0]), id).await.unwrap();
            assert_eq!(view.settled, settled);
            assert_eq!(said(&watch, phone, id).await, settled);
        }
    }
    assert_eq!(watch.after(600).await, []);
    let worse = watch.alert_with(urgent(5, keyed("ops", "disk"))).await;
    assert_eq!(watch.state(worse).await, E::Running);
    let fine = watch.alert_with(NewMessage { resolved: true, ..keyed("ops", "fan") }).await;
    assert_eq!(watch.bench().receipt(fine).await.escalation, None);
    let back = watch.alert_with(keyed("ops", "fan")).await;
    assert_eq!(watch.state(back).await, E::Running);
}

/// A copy is followed by one that says that it is over.
pub async fn what_is_over_is_over_for_those_brought_in(watch: Watch) {
    let ids = watch.desk(&["ann"], &["bob"]).await;
    watch.policy(vec![next(60, &["bob"])]).await;
    let first = watch.alert_with(urgent(5, keyed("ops", "disk"))).await;
    assert_eq!(watch.after(60).await, [O::Notified]);
    let copy = watch.copy(first, "bob").await;
    let resolved = NewMessage { resolved: true, title: "fine".into(), ..urgent(5, keyed("ops", "disk")) };
    let (over, _) = watch.bench().publish(resolved).await;
    let seen = watch.bench().store.message(Viewer::Member(ids[1]), copy).await.unwrap();
    let newer = seen.message.superseded_by.unwrap();
    let newer = watch.bench().store.message(Viewer::Member(ids[1]), newer).await.unwrap().message;
    assert_eq!((newer.title.as_str(), newer.resolved, newer.thread), ("fine", true, copy));
    assert_eq!(newer.escalates, Some(over));
}

/// An acknowledgement of the older version that comes after the newer one settles that.
pub async fn settling_comes_late_too(watch: Watch) {
    let ids = watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let first = watch.alert_with(keyed("ops", "disk")).await;
    let second = watch.alert_with(keyed("ops", "disk")).await;
    watch.bench().press(ids[0], first, Pressed::Acknowledge).await;
    assert_eq!((watch.state(first).await, watch.state(second).await), (E::Superseded, E::Acknowledged));
}

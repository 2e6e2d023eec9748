//! What a newer version takes along of an escalation, and what not.

use tocsin_protocol::{EscalationState as E, State, escalation::Milestone as M};

use super::{SECOND, Watch, keyed, next, step, to_people, to_topic, urgent};
use crate::{Authority, NewMessage, Pressed, Sender, TokenId, Viewer};

/// Also where the policy came with the message, or is the topic's no more: what runs is a copy.
pub async fn a_worse_version_begins_the_same_steps_anew(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny), step(90, M::AcknowledgedByAny)]).await;
    watch.alert_with(urgent(3, keyed("ops", "disk"))).await;
    assert_eq!(watch.after(60).await.len(), 1);
    watch.escalations.remove_policy("night").await.unwrap();
    let (worse, _) = watch.bench().publish(urgent(4, keyed("ops", "disk"))).await;
    let first = async |id| {
        watch.escalation(id).await.next.map(|next| (next.step, next.at - watch.bench().hand.now()))
    };
    assert_eq!(first(worse).await, Some((1, 60 * SECOND)));
    watch.bench().hand.step(30 * SECOND);
    watch.escalations.cancel(Viewer::Admin(None), worse).await.unwrap();
    let (again, _) = watch.bench().publish(urgent(4, keyed("ops", "disk"))).await;
    assert_eq!(first(again).await, Some((1, 60 * SECOND)), "after a cancelled one, too");
    let resolved = NewMessage { resolved: true, ..urgent(4, keyed("ops", "disk")) };
    let (resolved, _) = watch.bench().publish(resolved).await;
    assert_eq!(watch.bench().receipt(resolved).await.escalation, None);
    let (anew, _) = watch.bench().publish(urgent(4, keyed("ops", "disk"))).await;
    assert_eq!(
        watch.bench().receipt(anew).await.escalation,
        None,
        "what was named went as far as what it was named for"
    );
}

/// Whoever was brought in hears of what became of it, whoever ended it.
pub async fn who_was_brought_in_hears_of_all_versions(watch: Watch) {
    let ids = watch.desk(&["ann"], &["bob"]).await;
    watch.policy(vec![next(60, &["bob"]), step(600, M::AcknowledgedByAny)]).await;
    for settled in [false, true] {
        let first = watch.alert_with(urgent(5, keyed("ops", "disk"))).await;
        watch.after(60).await;
        let copy = watch.copy(first, "bob").await;
        if settled {
            watch.bench().press(ids[0], first, Pressed::Acknowledge).await;
        } else {
            watch.escalations.cancel(Viewer::Admin(None), first).await.unwrap();
        }
        let (second, _) = watch.bench().publish(urgent(5, keyed("ops", "disk"))).await;
        let newer = watch.copy(second, "bob").await;
        assert_eq!(watch.bench().row(first, "bob").await.state, State::Superseded);
        let end = NewMessage { resolved: true, ..urgent(5, keyed("ops", "disk")) };
        let (third, _) = watch.bench().publish(end).await;
        let last = watch.copy(third, "bob").await;
        for (id, next) in [(copy, Some(newer)), (newer, Some(last)), (last, None)] {
            let seen = watch.bench().store.message(Viewer::Member(ids[1]), id).await.unwrap().message;
            assert_eq!((seen.superseded_by, seen.resolved), (next, next.is_none()));
        }
    }
}

/// A policy reaches people and channels that others have nothing to do with.
pub async fn only_an_admin_takes_steps_along_to_others(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &["cid", "dan"]).await;
    watch.policy(vec![next(60, &["cid"]), next(120, &["cid"])]).await;
    for (authority, goes_along) in [(Authority::Member(ids[0]), false), (Authority::All, true)] {
        let sender = Sender { token: TokenId(7), user: Some(ids[0]), name: "ann".into(), authority };
        let first = watch
            .alert_with(NewMessage {
                sender: Sender { authority: Authority::All, ..sender.clone() },
                ..to_topic("ops")
            })
            .await;
        watch.after(60).await;
        let copy = watch.copy(first, "cid").await;
        let moved = NewMessage { sender, replaces: Some(first), ..to_people(&["dan"]) };
        let (moved, _) = watch.bench().publish(moved).await;
        assert_eq!(watch.state(first).await, E::Superseded);
        let known = watch.bench().receipt(moved).await;
        assert_eq!(
            (known.escalation.is_some(), known.people.len()),
            (goes_along, if goes_along { 2 } else { 1 })
        );
        let seen = watch.bench().store.message(Viewer::Member(ids[2]), copy).await.unwrap().message;
        assert!(seen.superseded_by.is_some(), "it is not waited for any more");
        assert_eq!(watch.bench().row(first, "cid").await.state, State::Superseded);
    }
}

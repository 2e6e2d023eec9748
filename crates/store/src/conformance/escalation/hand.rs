//! What people do by hand.

use tocsin_protocol::{
    DeliveryState as S, EscalationState as E,
    delivery::ChannelKind,
    escalation::{Cancelled, Milestone as M, ResendMessage, ResentMessage},
};

use super::{SECOND, Watch, keyed, over, step, to_people, to_topic};
use crate::{Error, MessageId, NewMessage, Pressed, TokenId, Viewer};

const BOSS: Viewer = Viewer::Admin(None);

fn again(until: i64, people: Option<&[&str]>, via: &[&str]) -> ResendMessage {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    ResendMessage { people: people.map(names), via: names(via), until }
}

/// Its steps and its deliveries; what was done once is not done again.
pub async fn cancelling_stops_all_that_waits(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.app(&["ann", "bob"]).await;
    watch.post.route("app", None, Some("bob"), 1).await;
    watch.policy(vec![over(&["app"], step(60, M::AcknowledgedByAny)), step(120, M::AcknowledgedByAny)]).await;
    let id = watch.alert(4).await;
    watch.after(60).await;
    let cancelled = watch.escalations.cancel(Viewer::Admin(Some(ids[1])), id).await.unwrap();
    assert_eq!(cancelled, Cancelled { escalation: true, deliveries: 2 });
    let over = watch.escalation(id).await;
    assert_eq!((over.state, over.by.as_deref()), (E::Cancelled, Some("bob")));
    let again = watch.escalations.cancel(BOSS, id).await.unwrap();
    assert_eq!(again, Cancelled { escalation: false, deliveries: 0 });
    assert_eq!(watch.escalation(id).await, over);
    assert_eq!(watch.after(60).await, []);
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    assert_eq!(watch.state(id).await, E::Cancelled);
}

/// Nobody else may.
pub async fn only_sender_and_admins_act(watch: Watch) {
    let ids = watch.desk(&["ann"], &[]).await;
    let (id, _) = watch.bench().publish(to_topic("ops")).await;
    let until = watch.bench().hand.now();
    for (viewer, may) in [
        (Viewer::Member(ids[0]), false),
        (Viewer::Sender(TokenId(2)), false),
        (Viewer::Sender(TokenId(1)), true),
        (BOSS, true),
    ] {
        let cancelled = watch.escalations.cancel(viewer, id).await;
        let sent = watch.escalations.resend_message(viewer, id, again(until, None, &["desktop"])).await;
        assert_eq!((cancelled.is_ok(), sent.is_ok()), (may, may), "{viewer:?}");
    }
}

/// A second click on the same receipt sends nothing; a look at a newer one does.
pub async fn a_resend_is_once_per_look(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    let (phone, desk) =
        (watch.bench().device(ids[0], "phone").await, watch.bench().device(ids[1], "desk").await);
    let (id, seq) = watch.bench().publish(to_topic("ops")).await;
    watch.bench().ack(desk, seq - 1, seq).await;
    let click = async |until| {
        watch.escalations.resend_message(BOSS, id, again(until, None, &["desktop"])).await.unwrap()
    };
    let looked = watch.bench().receipt(id).await.as_of_ms;
    assert_eq!(click(looked).await, ResentMessage { reminded: 1, ..ResentMessage::default() });
    assert_eq!(click(looked).await, ResentMessage { already: 1, ..ResentMessage::default() });
    watch.bench().hand.step(SECOND);
    assert_eq!(click(looked).await.already, 1);
    let looked = watch.bench().receipt(id).await.as_of_ms;
    assert_eq!(click(looked).await.reminded, 1);
    assert_eq!(watch.reminded(phone).await, [id, id]);
    assert_eq!(watch.reminded(desk).await, [] as [MessageId; 0], "who has it is left alone");
}

/// The clock was set back since: what was sent by the later one is no answer to who looks now.
pub async fn a_resend_by_a_later_clock_holds_nothing_up(watch: Watch) {
    let ids = watch.desk(&["ann"], &[]).await;
    let phone = watch.bench().device(ids[0], "phone").await;
    let (id, _) = watch.bench().publish(to_topic("ops")).await;
    let click = async || {
        let until = watch.bench().receipt(id).await.as_of_ms;
        watch.escalations.resend_message(BOSS, id, again(until, None, &["desktop"])).await.unwrap()
    };
    assert_eq!(click().await.reminded, 1);
    watch.bench().hand.step(-86_400 * SECOND);
    assert_eq!(click().await, ResentMessage { reminded: 1, ..ResentMessage::default() });
    assert_eq!(click().await.already, 1, "once per look");
    watch.bench().hand.step(-SECOND);
    assert_eq!(click().await.already, 1, "a clock that is being corrected");
    assert_eq!(watch.reminded(phone).await, [id, id]);
}

/// Devices would not show it: neither what expired nor what somebody took care of.
pub async fn what_is_over_is_not_shown_again(watch: Watch) {
    let ids = watch.desk(&["ann", "bob"], &[]).await;
    watch.app(&["ann"]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let ask = async |id, via: &[&str]| {
        let what = again(watch.bench().hand.now(), None, via);
        watch.escalations.resend_message(BOSS, id, what).await
    };
    let settled = watch.alert(4).await;
    watch.bench().press(ids[1], settled, Pressed::Acknowledge).await;
    let short = NewMessage { expires_in_ms: Some(SECOND), ..to_topic("ops") };
    let (expired, _) = watch.bench().publish(short).await;
    watch.bench().hand.step(SECOND);
    for (id, why) in [(settled, "bob took care"), (expired, "expired")] {
        let refused = ask(id, &["app", "desktop"]).await;
        assert!(matches!(&refused, Err(Error::Conflict(said)) if said.contains(why)), "{refused:?}");
    }
    for id in [settled, expired] {
        assert_eq!(ask(id, &["app"]).await.unwrap().queued, 1, "a phone shows what it is sent");
    }
}

/// Whom it names, whatever they did, as far as there is a way.
pub async fn a_resend_to_some_over_a_channel(watch: Watch) {
    let ids = watch.desk(&["ann", "bob", "cid"], &[]).await;
    watch.app(&["ann", "cid"]).await;
    let (id, _) = watch.bench().publish(to_topic("ops")).await;
    watch.bench().press(ids[0], id, Pressed::Acknowledge).await;
    let looked = watch.bench().hand.now();
    let what = again(looked, Some(&["ann", "bob"]), &["app"]);
    let sent = watch.escalations.resend_message(BOSS, id, what.clone()).await.unwrap();
    let expected = ResentMessage { queued: 1, unreachable: vec!["bob".into()], ..ResentMessage::default() };
    assert_eq!(sent, expected);
    assert_eq!(watch.post.only().await.user.as_deref(), Some("ann"));
    let sent = watch.escalations.resend_message(BOSS, id, what).await.unwrap();
    assert_eq!((sent.queued, sent.already), (0, 1));
    watch.bench().hand.step(SECOND);
    let later = again(watch.bench().hand.now(), Some(&["ann"]), &["app"]);
    let sent = watch.escalations.resend_message(BOSS, id, later).await.unwrap();
    assert_eq!((sent.queued, sent.already), (0, 1), "it is on its way");
    assert_eq!(watch.send_all("app").await, 1);
    watch.post.channel("robot", ChannelKind::WecomRobot).await;
    watch.bench().hand.step(SECOND);
    let group = again(watch.bench().hand.now(), None, &["robot"]);
    assert_eq!(watch.escalations.resend_message(BOSS, id, group).await.unwrap().queued, 1, "once for all");
    watch.escalations.cancel(BOSS, id).await.unwrap();
    watch.bench().hand.step(SECOND);
    let group = again(watch.bench().hand.now(), None, &["robot"]);
    watch.escalations.resend_message(BOSS, id, group).await.unwrap();
    let robot = watch.post.all().await.into_iter().find(|row| row.user.is_none()).unwrap();
    assert_eq!((robot.state, robot.round), (S::Queued, 1), "a person may think again");
}

/// What is no way, nobody's, or not the newest.
pub async fn what_cannot_be_sent_again(watch: Watch) {
    watch.desk(&["ann"], &["bob"]).await;
    let (id, _) = watch.bench().publish(keyed("ops", "disk")).await;
    let until = watch.bench().hand.now();
    let refused = async |what| watch.escalations.resend_message(BOSS, id, what).await.unwrap_err();
    assert!(matches!(refused(again(until, None, &[])).await, Error::Invalid(_)));
    assert!(matches!(refused(again(until, None, &["app"])).await, Error::NotFound("channel")));
    assert!(matches!(refused(again(until, Some(&["bob"]), &["desktop"])).await, Error::Invalid(_)));
    assert!(matches!(refused(again(until, Some(&["eve"]), &["desktop"])).await, Error::UnknownUser(_)));
    watch.bench().publish(keyed("ops", "disk")).await;
    assert!(matches!(refused(again(until, None, &["desktop"])).await, Error::Conflict(_)));
    let (direct, _) = watch.bench().publish(to_people(&["bob"])).await;
    let sent = watch.escalations.resend_message(BOSS, direct, again(until, None, &["desktop"])).await;
    assert_eq!(sent.unwrap().reminded, 1);
}

/// The same people over another way are other people.
pub async fn a_resend_is_once_per_way(watch: Watch) {
    watch.desk(&["ann", "bob"], &[]).await;
    watch.app(&["ann", "bob"]).await;
    let (id, _) = watch.bench().publish(to_topic("ops")).await;
    let until = watch.bench().hand.now();
    let click = async |people: &[&str], via: &[&str]| {
        watch.escalations.resend_message(BOSS, id, again(until, Some(people), via)).await.unwrap()
    };
    let none = ResentMessage::default();
    assert_eq!(click(&["ann"], &["desktop"]).await, ResentMessage { reminded: 1, ..none.clone() });
    assert_eq!(click(&["ann"], &["app"]).await, ResentMessage { queued: 1, ..none.clone() });
    assert_eq!(click(&["ann"], &["app", "desktop"]).await, ResentMessage { already: 1, ..none.clone() });
    let both = click(&["ann", "bob"], &["desktop", "app", "desktop"]).await;
    assert_eq!(both, ResentMessage { reminded: 1, queued: 1, already: 1, ..none });
}

/// A token of a topic reaches nobody that the topic does not.
pub async fn a_sender_keeps_to_its_topic(watch: Watch) {
    use tocsin_protocol::{account::TopicChange, receipt::Report};

    use crate::{Authority, NewMessage, Sender};

    watch.desk(&["ann"], &["bob"]).await;
    watch.app(&["ann"]).await;
    watch.post.channel("hook", ChannelKind::Webhook).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let topic = watch.bench().store.topic("ops", None).await.unwrap().0;
    let plain = to_topic("ops");
    let authority = Authority::Topics([topic].into_iter().collect());
    let plain = NewMessage { sender: Sender { authority, ..plain.sender.clone() }, ..plain };
    let named = NewMessage { policy: Some("night".into()), ..plain.clone() };
    let report = Some(Report { channel: "hook".into(), on: vec![M::ReadByAny] });
    let reported = NewMessage { report, ..plain.clone() };
    let publish = async |new: &NewMessage| watch.bench().store.publish(new.clone()).await.map(drop);
    let head = watch.bench().head();
    for new in [&named, &reported] {
        assert!(matches!(publish(new).await, Err(Error::Forbidden(_))));
    }
    assert_eq!(watch.bench().head(), head, "nothing was stored");
    let attach = TopicChange { policy: Some("night".into()), ..TopicChange::default() };
    watch.bench().store.change_topic("ops", attach).await.unwrap();
    watch.post.route("hook", Some("ops"), None, 5).await;
    for new in [&named, &reported] {
        publish(new).await.unwrap();
    }
    let (id, _) = watch.bench().publish(plain).await;
    let sender = Viewer::Sender(TokenId(1));
    let until = watch.bench().hand.now();
    let resend = async || watch.escalations.resend_message(sender, id, again(until, None, &["app"])).await;
    assert!(matches!(resend().await, Err(Error::Forbidden(_))));
    watch.post.route("app", Some("ops"), Some("bob"), 5).await;
    assert_eq!(resend().await.unwrap().queued, 1);
}

//! The limits that the production channels keep, as the platform counts them.

use tocsin_delivery::{Outcome, line};
use tocsin_protocol::{DeliveryState as S, delivery::ChannelKind};
use tocsin_store::{
    NewMessage,
    conformance::{MINUTE, to_topic},
};
use tocsin_wechat_sim::State;

use super::{
    desk::{Desk, Plan, marks},
    support::is_legal,
};

#[tokio::test]
async fn a_member_loses_nothing_to_the_limits_that_drop_without_a_word() {
    const MANY: usize = 1_100;
    let desk = Desk::open(Plan::of(ChannelKind::Wecom, 1)).await;
    let message = |n: usize| NewMessage { title: format!("#{n}#"), ..to_topic("ops") };
    let begin = desk.now();
    desk.publish_many((0..MANY).map(message).collect()).await;
    desk.drain().await;
    let (dropped, mut times, seen) = desk.sim.world(|world| {
        let dropped = world.inbox.all().iter().filter(|item| item.state == State::Dropped).count();
        let times: Vec<_> = world.inbox.shown().map(|item| item.at_ms).collect();
        (dropped, times, marks(world.inbox.shown().map(|item| item.text.as_str())))
    });
    times.sort_unstable();
    assert_eq!((dropped, times.len()), (0, MANY));
    assert!(is_legal(&times, 30, MINUTE), "thirty a minute");
    assert!(is_legal(&times, 1_000, 60 * MINUTE), "a thousand an hour");
    // As fast as that allows: a thousand in 34 minutes, the rest when the first are an hour old.
    assert!(desk.now() - begin < 65 * MINUTE, "{} minutes", (desk.now() - begin) / MINUTE);
    assert!(seen.len() == MANY && seen.values().all(|times| *times == 1), "each once: {seen:?}");
}

#[tokio::test]
async fn the_same_content_goes_to_a_follower_once_a_minute() {
    let desk = Desk::open(Plan::of(ChannelKind::Wechat, 2)).await;
    desk.sim.world(|world| world.behaviour.identical_content_rule = true);
    let same = NewMessage { title: "the same".into(), ..to_topic("ops") };
    let other = NewMessage { title: "another".into(), ..to_topic("ops") };
    desk.publish_many(vec![same.clone(), same.clone(), same, other]).await;
    desk.drain().await;
    assert_eq!(desk.answered("message/template/send", 40241), 0, "the platform had nothing to refuse");
    for address in ["id-u0", "id-u1"] {
        let times: Vec<_> = desk.sim.world(|world| {
            let same = world.inbox.of(address).filter(|item| item.contains("the same"));
            same.map(|item| item.at_ms).collect()
        });
        assert_eq!(times.len(), 3);
        assert!(is_legal(&times, 1, MINUTE), "{times:?}");
    }
    assert_eq!(desk.shown("another"), 2);
    assert!(desk.post.all().await.iter().all(|row| row.state == S::Accepted));
}

#[tokio::test]
async fn tests_take_their_place_in_the_minute() {
    const ROBOT: &str = "webhook/send";
    let desk = Desk::open(Plan::of(ChannelKind::WecomRobot, 0)).await;
    for n in 0..17 {
        desk.publish(&format!("#{n}#")).await;
    }
    desk.drain().await;
    let message = desk.newest().await;
    let mut tests = Vec::new();
    for _ in 0..4 {
        tests.push(desk.line.try_out(&message, "", "test").await);
    }
    assert!(tests[..2].iter().all(|outcome| matches!(outcome, Outcome::Accepted { .. })), "{tests:?}");
    for outcome in &tests[2..] {
        let failing = line::of_outcome(ChannelKind::WecomRobot, outcome, "").unwrap();
        assert_eq!((failing.code.as_str(), failing.remedy.as_str()), ("minute_full", "wait"));
        assert!(failing.message.contains("60 seconds"), "{}", failing.message);
    }
    for n in 17..20 {
        desk.publish(&format!("#{n}#")).await;
    }
    desk.drain().await;
    assert_eq!(desk.answered(ROBOT, 45009), 0, "the platform had nothing to refuse");
    let times: Vec<_> = desk.sim.world(|world| world.inbox.shown().map(|item| item.at_ms).collect());
    assert!(times.len() == 22 && is_legal(&times, 20, MINUTE), "{times:?}");
    assert!(
        matches!(desk.line.try_out(&message, "", "test").await, Outcome::Accepted { .. }),
        "a minute later"
    );
}

//! Rows of the platforms' fault table, each through courier, client and simulator to the phone.

use tocsin_protocol::{
    DeliveryState as S,
    delivery::{AttemptResult, ChannelKind, Flow},
};
use tocsin_store::{
    NewMessage,
    conformance::{DAY, MINUTE, to_topic},
    outbox::DeliveryId,
};
use tocsin_wechat_sim::{Fault, Kind};

use super::desk::{CHANNEL, Desk, Plan};

const TEMPLATE: &str = "message/template/send";
const APP: &str = "message/send";
const ROBOT: &str = "webhook/send";

async fn results(desk: &Desk) -> Vec<AttemptResult> {
    let detail = desk.post.outbox.delivery(DeliveryId(1)).await.unwrap();
    detail.attempts.into_iter().map(|attempt| attempt.result).collect()
}

#[tokio::test]
async fn a_token_refused_for_good_parks_the_channel_at_few_requests() {
    let desk = Desk::open(Plan::of(ChannelKind::Wechat, 1)).await;
    desk.sim.inject(Fault::errcode(40001).on(TEMPLATE));
    for n in 0..10 {
        desk.publish(&format!("m{n}")).await;
    }
    desk.work(60 * MINUTE).await;
    assert_eq!(desk.health().await.flow, Flow::Parked);
    assert_eq!(desk.shown(""), 0);
    assert!(desk.calls(TEMPLATE) <= 40, "{} in an hour", desk.calls(TEMPLATE));
    assert!(desk.tokens() <= 20, "{} in an hour", desk.tokens());
    assert!(desk.post.all().await.iter().any(|row| row.state == S::Queued), "most of it waits");
    // Somebody changed what was wrong.
    desk.sim.world(tocsin_wechat_sim::World::heal);
    desk.pass(20 * MINUTE);
    desk.post.outbox.reopen_channel(CHANNEL).await.unwrap();
    desk.drain().await;
    let all = desk.post.all().await;
    let accepted = all.iter().filter(|row| row.state == S::Accepted).count();
    assert!(accepted >= 5, "{accepted} of ten");
    assert_eq!(desk.shown(""), accepted, "and each once");
}

#[tokio::test]
async fn the_days_quota_parks_it_across_midnight_and_it_goes_on_by_itself() {
    let desk = Desk::open(Plan::of(ChannelKind::Wechat, 8)).await;
    desk.sim.world(|world| world.behaviour.template_per_day = 5);
    desk.publish("quota").await;
    desk.work(MINUTE).await;
    assert_eq!(desk.shown("quota"), 5);
    let parked = desk.health().await;
    let midnight = tocsin_midnight(desk.now());
    assert_eq!((parked.flow, parked.until, parked.queued), (Flow::Parked, Some(midnight), 3));
    desk.work(midnight - desk.now() - 1).await;
    assert_eq!(desk.calls(TEMPLATE), 8, "all that were on their way at once, and none after");
    desk.drain().await;
    assert_eq!(desk.shown("quota"), 8);
    assert!(desk.now() < midnight + MINUTE);
    assert!(desk.post.all().await.iter().all(|row| row.state == S::Accepted));
}

/// When the platform's day ends: midnight in Shanghai, which has kept UTC+8 since 1991.
fn tocsin_midnight(now: i64) -> i64 {
    const SHANGHAI: i64 = 8 * 60 * MINUTE;
    ((now + SHANGHAI).div_euclid(DAY) + 1) * DAY - SHANGHAI
}

#[tokio::test]
async fn a_minutes_quota_is_waited_out_for_a_minute() {
    let desk = Desk::open(Plan::of(ChannelKind::Wechat, 8)).await;
    desk.sim.world(|world| world.behaviour.template_per_minute = 5);
    let begin = desk.now();
    desk.publish("quota").await;
    desk.drain().await;
    assert_eq!(desk.shown("quota"), 8);
    assert!((begin + MINUTE..begin + 3 * MINUTE).contains(&desk.now()), "{}", desk.now() - begin);
    assert!(desk.calls(TEMPLATE) <= 8 + 4, "{}", desk.calls(TEMPLATE));
}

#[tokio::test]
async fn one_full_minute_that_refuses_many_at_once_is_one_pause() {
    let desk = Desk::open(Plan::of(ChannelKind::Wecom, 8)).await;
    let begin = desk.now();
    desk.sim.inject(Fault::errcode(45009).on(APP).times(8));
    desk.publish("full").await;
    desk.work(1).await;
    assert_eq!((desk.calls(APP), desk.health().await.until), (8, Some(begin + MINUTE)));
    desk.work(3 * MINUTE).await;
    assert_eq!((desk.shown("full"), desk.answered(APP, 45009)), (8, 8));
}

#[tokio::test]
async fn busy_twice_is_three_requests_with_growing_pauses_and_one_message() {
    for (kind, path) in [(ChannelKind::Wecom, APP), (ChannelKind::Wechat, TEMPLATE)] {
        let desk = Desk::open(Plan::of(kind, 1)).await;
        desk.sim.inject(Fault::errcode(-1).on(path).times(2));
        desk.publish("busy").await;
        desk.drain().await;
        assert_eq!((desk.calls(path), desk.shown("busy")), (3, 1));
        assert_eq!(desk.only().await.state, S::Accepted);
        let times = desk.times(path);
        let (first, second) = (times[1] - times[0], times[2] - times[1]);
        assert!(first > 0 && second > first, "{first} {second}");
    }
}

#[tokio::test]
async fn a_gateway_that_fails_after_the_message_was_taken_makes_no_second_one() {
    for (kind, path) in [(ChannelKind::Wecom, APP), (ChannelKind::Wechat, TEMPLATE)] {
        for status in [500, 502, 429] {
            let desk = Desk::open(Plan::of(kind, 1)).await;
            desk.sim.inject(Fault::http(status).on(path).after().times(2));
            desk.publish("gateway").await;
            desk.drain().await;
            assert_eq!((desk.calls(path), desk.shown("gateway")), (3, 1), "{kind:?} {status}");
            assert_eq!(desk.only().await.state, S::Accepted);
            let unknown = AttemptResult::Unknown;
            assert_eq!(results(&desk).await, [unknown, unknown, AttemptResult::Accepted]);
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_leaves_one_message_on_the_phone() {
    for (kind, path) in [(ChannelKind::Wechat, TEMPLATE), (ChannelKind::Wecom, APP)] {
        for fault in [Kind::Timeout, Kind::Reset, Kind::HalfBody] {
            let desk = Desk::open(Plan::of(kind, 1).impatient()).await;
            desk.sim.inject(Fault::new(fault).on(path).after().times(1));
            desk.publish("taken").await;
            desk.drain().await;
            assert_eq!(desk.shown("taken"), 1, "{kind:?} {fault:?}");
            assert_eq!(desk.calls(path), 2, "{kind:?} {fault:?}");
            assert_eq!(desk.only().await.state, S::Accepted);
        }
    }
}

#[tokio::test]
async fn the_repetition_that_the_platform_refuses_as_one_is_the_message() {
    let desk = Desk::open(Plan::of(ChannelKind::Wechat, 1)).await;
    desk.sim.world(|world| {
        world.behaviour.template_duplicate = tocsin_wechat_sim::TemplateDuplicate::Refused;
    });
    desk.sim.inject(Fault::new(Kind::Reset).on(TEMPLATE).after().times(1));
    desk.publish("taken").await;
    desk.drain().await;
    assert_eq!((desk.shown("taken"), desk.only().await.state), (1, S::Accepted));
}

#[tokio::test]
async fn at_a_robot_nobody_knows_and_nothing_is_repeated() {
    for fault in [Fault::new(Kind::Reset).after(), Fault::http(502).after(), Fault::new(Kind::Timeout)] {
        let desk = Desk::open(Plan::of(ChannelKind::WecomRobot, 0).impatient()).await;
        desk.sim.inject(fault.on(ROBOT).times(1));
        desk.publish("once").await;
        desk.drain().await;
        assert_eq!((desk.calls(ROBOT), desk.shown("once")), (1, 1));
        assert_eq!(desk.only().await.state, S::Unknown);
    }
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_named_and_parks_the_channel() {
    for (kind, code) in [(ChannelKind::Wechat, "40164"), (ChannelKind::Wecom, "60020")] {
        let desk = Desk::open(Plan::of(kind, 3)).await;
        let list = serde_json::json!({
            "oa_allow_list": ["198.51.100.1"], "wecom_allow_list": ["198.51.100.1"], "seen_ip": "203.0.113.7"
        });
        desk.sim.configure(&list).unwrap();
        desk.publish("m").await;
        desk.work(MINUTE).await;
        let health = desk.health().await;
        assert_eq!((health.flow, health.code.as_deref()), (Flow::Parked, Some(code)));
        assert!(health.reason.unwrap().contains("203.0.113.7"));
        desk.sim.configure(&serde_json::json!({"oa_allow_list": null, "wecom_allow_list": null})).unwrap();
    }
}

#[tokio::test]
async fn each_of_a_desk_has_a_result_of_their_own() {
    // Each is asked for alone, so whoever is not taken is all of a call's recipients.
    let desk = Desk::open(Plan::of(ChannelKind::Wecom, 4)).await;
    desk.sim.inject(Fault::new(Kind::InvalidUser).on(APP).to("id-u1"));
    desk.sim.inject(Fault::new(Kind::UnlicensedUser).on(APP).to("id-u2"));
    desk.publish_many(vec![NewMessage { title: "m".into(), ..to_topic("ops") }]).await;
    desk.drain().await;
    let told: Vec<_> =
        desk.post.all().await.into_iter().map(|row| (row.user.unwrap(), row.state, row.code)).collect();
    let failed = |user: &str, code: &str| (user.to_owned(), S::Failed, Some(code.to_owned()));
    let accepted = |user: &str| (user.to_owned(), S::Accepted, None);
    assert_eq!(told.len(), 4);
    for expected in [accepted("u0"), failed("u1", "81013"), failed("u2", "81013"), accepted("u3")] {
        assert!(told.contains(&expected), "{expected:?} in {told:?}");
    }
    assert_eq!(desk.calls(APP), 4, "nobody is asked about twice");
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_asked_for_once_more() {
    let desk = Desk::open(Plan::of(ChannelKind::Wecom, 1)).await;
    desk.sim.inject(Fault::new(Kind::Malformed).on(APP));
    desk.publish("odd").await;
    desk.drain().await;
    let row = desk.only().await;
    assert_eq!((row.state, row.code.as_deref()), (S::Unknown, Some("unreadable")));
    assert_eq!((desk.calls(APP), desk.shown("odd")), (2, 1));
}

#[tokio::test]
async fn a_template_that_is_refused_by_mistake_is_tried_once_more() {
    let desk = Desk::open(Plan::of(ChannelKind::Wechat, 1)).await;
    let begin = desk.now();
    desk.sim.inject(Fault::errcode(40037).on(TEMPLATE).times(1));
    desk.publish("burst").await;
    desk.drain().await;
    assert_eq!((desk.only().await.state, desk.calls(TEMPLATE), desk.shown("burst")), (S::Accepted, 2, 1));
    assert!(desk.now() >= begin + MINUTE);

    let desk = Desk::open(Plan::of(ChannelKind::Wechat, 1)).await;
    desk.sim.inject(Fault::errcode(40037).on(TEMPLATE));
    desk.publish("for good").await;
    desk.drain().await;
    assert_eq!((desk.only().await.state, desk.calls(TEMPLATE)), (S::Failed, 2));
    assert_eq!(desk.health().await.flow, Flow::Parked);
}

#[tokio::test]
async fn an_address_that_was_refused_for_an_hour_is_not_asked_about_before() {
    let desk = Desk::open(Plan::of(ChannelKind::Wechat, 1)).await;
    let over = desk.now() + 60 * MINUTE;
    desk.sim.inject(Fault::errcode(89507).on("token").until_ms(over));
    for n in 0..5 {
        desk.publish(&format!("m{n}")).await;
    }
    desk.work(over - desk.now() - 1).await;
    let failed =
        |all: Vec<tocsin_protocol::Delivery>| all.iter().filter(|row| row.state == S::Failed).count();
    assert_eq!(failed(desk.post.all().await), 1, "the one that learned of it");
    assert_eq!(desk.tokens(), 1);
    desk.drain().await;
    assert_eq!((failed(desk.post.all().await), desk.shown("")), (1, 4));
    assert!(desk.now() < over + 2 * MINUTE);
}

#[tokio::test]
async fn what_did_not_fit_is_said_beside_the_try() {
    let long = NewMessage { title: "x".repeat(60), ..to_topic("ops") };
    let plain = Plan::of(ChannelKind::Wechat, 1);
    let robot =
        Plan { config: serde_json::json!({"style": "markdown_v2"}), ..Plan::of(ChannelKind::WecomRobot, 1) };
    for (plan, words) in [(plain, "data.thing1"), (robot, "@id-u0")] {
        let desk = Desk::open(plan).await;
        desk.publish_many(vec![long.clone()]).await;
        desk.drain().await;
        let detail = desk.post.outbox.delivery(DeliveryId(1)).await.unwrap();
        let attempt = &detail.attempts[0];
        assert_eq!((attempt.code.as_deref(), attempt.reason.as_deref()), (Some("fitted"), Some(words)));
        assert_eq!((detail.delivery.state, detail.delivery.code), (S::Accepted, None));
    }
    let desk = Desk::open(Plan::of(ChannelKind::Wechat, 1)).await;
    desk.publish("short").await;
    desk.drain().await;
    assert_eq!(desk.post.outbox.delivery(DeliveryId(1)).await.unwrap().attempts[0].code, None);
}

#[tokio::test]
async fn who_is_not_reached_is_shown_with_their_address_until_they_are() {
    let official = [43101, 48002, 43019].map(|code| (ChannelKind::Wechat, TEMPLATE, Fault::errcode(code)));
    let wecom = [81013, 50002, 701_099].map(|code| (ChannelKind::Wecom, APP, Fault::errcode(code)));
    let named = [Kind::InvalidUser, Kind::UnlicensedUser]
        .map(|kind| (ChannelKind::Wecom, APP, Fault::new(kind).to("id-u0")));
    for (kind, path, fault) in official.into_iter().chain(wecom).chain(named) {
        let desk = Desk::open(Plan::of(kind, 1)).await;
        let what = format!("{fault:?}");
        desk.sim.inject(fault.on(path).times(1));
        desk.publish("refused").await;
        desk.drain().await;
        assert_eq!((desk.only().await.state, desk.calls(path)), (S::Failed, 1), "{what}");
        let binding = async || desk.post.outbox.bindings(CHANNEL).await.unwrap().remove(0);
        let bound = binding().await;
        assert!(bound.flagged.is_some() && bound.broken.is_none(), "{what}: {bound:?}");
        desk.publish("next").await;
        desk.drain().await;
        assert_eq!((desk.shown("next"), binding().await.flagged), (1, None), "{what}");
    }
}

#[tokio::test]
async fn who_follows_no_more_is_unbound_and_not_asked_about_again() {
    for code in [43004, 40003] {
        let desk = Desk::open(Plan::of(ChannelKind::Wechat, 1)).await;
        desk.sim.inject(Fault::errcode(code).on(TEMPLATE));
        desk.publish("first").await;
        desk.publish("second").await;
        desk.drain().await;
        assert_eq!(desk.calls(TEMPLATE), 1);
        assert!(desk.post.outbox.bindings(CHANNEL).await.unwrap()[0].broken.is_some());
        assert!(desk.post.all().await.iter().all(|row| row.state == S::Failed));
    }
}

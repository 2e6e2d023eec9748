//! Pushes of the platforms under bad conditions: the store hangs, the same push comes again and again, out of order, late
//! or forged.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use tocsin_wechat::crypto::{AesKey, decrypt};
use tocsin_wechat_sim::{Fault, Record, World, seed};

use crate::{
    desk::{CALLBACK_KEY, Desk, PATIENCE, ann, way_is},
    office::{Answer, send},
};

/// How long a push is taken after it was signed.
const FRESH_MS: i64 = 5 * 60 * 1000;
const BINDINGS: &str = "/v1/channels/oa/bindings";

/// Nothing can be written while it lives.
struct Held(Connection);

impl Held {
    fn by_somebody_else(desk: &Desk) -> Self {
        let other = Connection::open(desk.office.data_dir().path().join("tocsin.db")).unwrap();
        other.busy_timeout(PATIENCE).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(other)
    }

    fn release(self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

impl Desk {
    /// The first push of this event, once it was answered.
    async fn pushed(&self, event: &'static str) -> Record {
        let found = self.sim.wait_for("an answer to a push", PATIENCE, |world| {
            let record = world.callbacks.of(event).next()?;
            (!record.tries.is_empty()).then(|| record.clone())
        });
        found.await.unwrap()
    }

    /// The same request once more, byte for byte.
    async fn repeat(&self, push: &Record) -> Answer {
        self.push(&push.url, &push.body, &push.content_type).await
    }

    async fn push(&self, url: &str, body: &str, content_type: &str) -> Answer {
        let request = self.office.http.post(url).header("content-type", content_type);
        send(request.body(body.to_owned())).await
    }

    async fn is_bound(&self, openid: &str) -> bool {
        self.office.get(&self.office.root, BINDINGS).await.is(200)[0]["address"] == openid
    }

    /// From now on the platform keeps its pushes back.
    fn hold(&self) {
        self.sim.configure(&json!({"callback_hold": true})).unwrap();
    }

    async fn held(&self, count: usize) {
        let held = |world: &World| (world.callbacks.held() == count).then_some(());
        self.sim.wait_for("pushes that are held back", PATIENCE, held).await.unwrap();
    }

    /// Sends what was kept back, the last first.
    async fn release_the_last_first(&self) {
        let release = self.office.http.post(format!("{}/sim/callback/release", self.sim.oa_url()));
        send(release.json(&json!({"reverse": true}))).await.is(200);
    }
}

/// What an answer of ours says on the button.
fn button(reply: &str) -> String {
    let between = |text: &str, tag: &str| {
        let inside = text.split(&format!("<{tag}>")).nth(1).unwrap().split(&format!("</{tag}>")).next();
        inside.unwrap().trim_start_matches("<![CDATA[").trim_end_matches("]]>").to_owned()
    };
    let key = AesKey::parse(CALLBACK_KEY).unwrap();
    let plain = decrypt(&key, seed::CORPID, &between(reply, "Encrypt")).unwrap();
    between(&String::from_utf8(plain).unwrap(), "ReplaceName")
}

/// The platform waits five seconds and then counts the push as lost. It is answered before, whatever the store does, and
/// what it said is done when the store can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_answered_in_time_while_the_store_hangs() {
    // Far below the platform's five.
    let desk = Desk::with(|config| config.answer_pushes_within = Duration::from_millis(300)).await;
    desk.wecom(true).await;
    let id = desk.urgent("db-1").await;
    let card = desk.on_the_phone().await;
    desk.receipt(&id, "accepted", way_is("accepted")).await;
    let held = Held::by_somebody_else(&desk);
    desk.sim.press(card.id, "acknowledge").unwrap();
    let push = desk.pushed("template_card_event").await;
    assert_eq!(push.tries[0].status, Some(200), "{:?}", push.tries);
    assert!(push.taken && push.tries.len() == 1, "{:?}", push.tries);
    assert_eq!(desk.repeat(&push).await.status.as_u16(), 200, "a repetition does not wait for the first");
    let receipt = desk.receipt(&id, "readable", |_| true).await;
    assert_eq!(ann(&receipt)["state"], "sent", "the store still hangs");
    held.release();
    desk.receipt(&id, "acknowledged", |receipt| ann(receipt)["state"] == "acknowledged").await;
    desk.office.close().await;
}

#[tokio::test]
async fn an_identical_press_is_answered_as_the_first_was() {
    let desk = Desk::open().await;
    desk.wecom(true).await;
    let id = desk.urgent("db-1").await;
    let card = desk.on_the_phone().await;
    desk.sim.configure(&json!({"callback_copies": 3})).unwrap();
    desk.sim.press(card.id, "acknowledge").unwrap();
    let all = desk.sim.wait_for("three pushes", PATIENCE, |world| {
        let pushes: Vec<Record> = world.callbacks.of("template_card_event").cloned().collect();
        (pushes.iter().filter(|push| !push.tries.is_empty()).count() == 3).then_some(pushes)
    });
    let all = all.await.unwrap();
    let said: Vec<String> = all.iter().map(|push| button(&push.tries[0].reply)).collect();
    assert_eq!(said, ["Acknowledged"; 3]);
    let receipt = desk.receipt(&id, "acknowledged", |receipt| ann(receipt)["state"] == "acknowledged").await;
    assert_eq!(receipt["counts"]["acknowledged"], 1);
    assert_eq!(button(&desk.repeat(&all[0]).await.text), "Acknowledged");
    desk.office.close().await;
}

/// Repetitions are answered and do nothing: what they said has been done, and something else may have happened since.
#[tokio::test]
async fn what_was_done_is_not_done_again_however_often_and_in_whatever_order_it_comes() {
    let desk = Desk::open().await;
    let openid = desk.official_for_ann().await;
    desk.sim.unfollow(&openid).unwrap();
    let left = desk.pushed("unsubscribe").await;
    assert!(left.taken, "{:?}", left.tries);
    assert!(!desk.is_bound(&openid).await);
    desk.sim.follow(&openid);
    let came = desk.pushed("subscribe").await;
    desk.bind("oa", &openid).await;
    for push in [&left, &came, &left, &left, &came] {
        let answer = desk.repeat(push).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, push.tries[0].reply.as_str()));
        assert!(desk.is_bound(&openid).await, "it was done once and is over");
    }
    // Shortly before it is too old, and after.
    desk.office.pass(FRESH_MS - 60_000);
    assert_eq!(desk.repeat(&left).await.status.as_u16(), 200);
    assert!(desk.is_bound(&openid).await);
    desk.office.pass(2 * FRESH_MS);
    assert_eq!(desk.repeat(&left).await.status.as_u16(), 401, "recorded and played back later");
    assert!(desk.is_bound(&openid).await);
    desk.office.close().await;
}

/// The platform keeps no order: of somebody who left and came back it may tell first that they came back.
#[tokio::test]
async fn whoever_came_back_stays_bound_although_it_is_told_late_that_they_left() {
    let desk = Desk::open().await;
    let openid = desk.official_for_ann().await;
    let ticket = desk.code_for_ann().await;
    desk.hold();
    desk.sim.unfollow(&openid).unwrap();
    desk.held(1).await;
    desk.pass(5_000);
    desk.sim.scan(&openid, &ticket).unwrap();
    desk.held(2).await;
    desk.release_the_last_first().await;
    let told = desk.sim.world(|world| {
        world.callbacks.records().iter().map(|push| (push.event.clone(), push.taken)).collect::<Vec<_>>()
    });
    assert_eq!(told, [("subscribe".to_owned(), true), ("unsubscribe".to_owned(), true)]);
    assert!(desk.is_bound(&openid).await, "they follow");
    desk.pass(5_000);
    desk.sim.unfollow(&openid).unwrap();
    desk.read_until(BINDINGS, "unbound", |bound| *bound == json!([])).await;
    desk.office.close().await;
}

#[tokio::test]
async fn what_one_channel_was_told_another_still_acts_on() {
    let desk = Desk::open().await;
    let openid = desk.official_for_ann().await;
    desk.account("twin").await;
    desk.bind("twin", &openid).await;
    desk.sim.unfollow(&openid).unwrap();
    let left = desk.pushed("unsubscribe").await;
    let url = left.url.replace("/wechat/oa", "/wechat/twin");
    assert_eq!(desk.push(&url, &left.body, &left.content_type).await.status.as_u16(), 200);
    let bound = desk.office.get(&desk.office.root, "/v1/channels/twin/bindings").await.is(200);
    assert_eq!(bound, json!([]));
    desk.office.close().await;
}

/// Somebody stops following while a message waits for them: it fails, and administrators are told whom it did not reach.
#[tokio::test]
async fn what_waits_for_somebody_who_left_fails_and_is_told() {
    let desk = Desk::open().await;
    let openid = desk.official_for_ann().await;
    desk.sim.inject(Fault::errcode(45011).on("template/send"));
    let id = desk.urgent("db-1").await;
    let way = |receipt: &Value| ann(receipt)["ways"][0].clone();
    desk.receipt(&id, "told to wait", |receipt| way(receipt)["code"] == "45011").await;
    desk.sim.unfollow(&openid).unwrap();
    let receipt = desk.receipt(&id, "failed", |receipt| way(receipt)["state"] == "failed").await;
    assert_eq!(way(&receipt)["code"], "unbound");
    let told = desk.office.get(&desk.office.root, "/v1/messages?topic=_alerts").await.is(200);
    let alert = told["items"][0]["body"].as_str().unwrap();
    assert!(alert.contains("“db-1” did not reach ann") && alert.contains("unbound"), "{alert}");
    desk.office.close().await;
}

#[tokio::test]
async fn what_somebody_changed_on_the_way_is_refused() {
    let desk = Desk::open().await;
    let openid = desk.official_for_ann().await;
    desk.sim.unfollow(&openid).unwrap();
    let push = desk.pushed("unsubscribe").await;
    desk.bind("oa", &openid).await;
    let (head, signature) = push.url.rsplit_once("msg_signature=").unwrap();
    let rest = signature.find('&').map_or("", |end| &signature[end..]);
    let forged = format!("{head}msg_signature={}{rest}", "0".repeat(40));
    let other_time = {
        let (head, time) = push.url.split_once("timestamp=").unwrap();
        let end = time.find('&').unwrap_or(time.len());
        format!("{head}timestamp={}{}", time[..end].parse::<i64>().unwrap() + 1, &time[end..])
    };
    // One character of what is encrypted.
    let place = push.body.find("<Encrypt>").unwrap() + 60;
    let was = &push.body[place..=place];
    let mut body = push.body.clone();
    body.replace_range(place..=place, if was == "A" { "B" } else { "A" });
    for (url, body) in [(&forged, &push.body), (&other_time, &push.body), (&push.url, &body)] {
        let answer = desk.push(url, body, &push.content_type).await;
        assert_eq!(answer.status.as_u16(), 401, "{url}: {}", answer.text);
        assert!(desk.is_bound(&openid).await);
    }
    desk.office.close().await;
}

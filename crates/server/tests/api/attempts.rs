//! What is kept of each try: whom it was for, when it ran, and the platform's very words.

use serde_json::{Value, json};
use tocsin_wechat_sim::{Fault, TemplateFate};

use crate::desk::{Desk, USERID};

impl Desk {
    /// The delivery of this message, with its tries, once this is true of it.
    async fn delivery(&self, message: &str, says: impl Fn(&Value) -> bool) -> Value {
        let listed = format!("/v1/deliveries?message={message}");
        let listed = self.read_until(&listed, "a delivery", |found| says(&found["items"][0])).await;
        self.office
            .get(&self.office.root, &format!("/v1/deliveries/{}", listed["items"][0]["id"]))
            .await
            .is(200)
    }
}

fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |delivery| delivery["state"] == state
}

#[tokio::test]
async fn each_try_is_kept_with_the_platforms_code_words_id_and_its_times() {
    let desk = Desk::open().await;
    desk.wecom(false).await;
    let busy = Fault { errmsg: Some("system is out to lunch".into()), ..Fault::errcode(-1) };
    desk.sim.inject(busy.on("message/send").times(1));
    let before = (desk.office.state.clock)();
    let id = desk.urgent("db-1").await;
    let detail = desk.delivery(&id, is("accepted")).await;
    let attempts = detail["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{detail:#}");
    assert_eq!((&attempts[0]["result"], &attempts[0]["code"]), (&json!("refused"), &json!("-1")));
    assert!(attempts[0]["reason"].as_str().unwrap().starts_with("system is out to lunch"), "{detail:#}");
    assert_eq!(attempts[0].get("msgid"), None);
    let msgid = desk.sim.world(|world| world.inbox.shown().next().unwrap().msgid.clone());
    assert_eq!(attempts[1]["result"], "accepted");
    assert_eq!(attempts[1]["msgid"].as_str(), msgid.as_deref());
    assert_eq!(detail["delivery"]["msgid"].as_str(), msgid.as_deref());
    assert!(attempts.iter().all(|attempt| attempt["address"] == USERID));
    let times: Vec<i64> = attempts
        .iter()
        .flat_map(|attempt| ["started_at", "ended_at"].map(|time| attempt[time].as_i64().unwrap()))
        .collect();
    assert!(times.is_sorted() && times[0] >= before && times[3] <= (desk.office.state.clock)(), "{times:?}");
    assert!(times[2] > times[1], "the second waited");

    desk.sim.inject(Fault::errcode(81013).on("message/send").times(1));
    let id = desk.urgent("db-2").await;
    let detail = desk.delivery(&id, is("failed")).await;
    let attempt = &detail["attempts"][0];
    assert_eq!((&attempt["result"], &attempt["code"]), (&json!("refused"), &json!("81013")));
    assert!(attempt["reason"].as_str().unwrap().contains("all invalid"), "{detail:#}");
    assert_eq!(detail["delivery"]["code"], "81013");
    desk.office.close().await;
}

#[tokio::test]
async fn what_the_platform_lost_is_sent_once_more_when_it_says_so() {
    let desk = Desk::open().await;
    let openid = desk.official_for_ann().await;
    let fate = |fate: TemplateFate| {
        desk.sim.world(|world| world.account_mut().unwrap().followers.get_mut(&openid).unwrap().fate = fate);
    };
    fate(TemplateFate::SystemFailed);
    let id = desk.urgent("db-1").await;
    let waiting = desk.delivery(&id, |delivery| delivery["code"] == "not_delivered").await;
    assert_eq!(waiting["delivery"]["state"], "queued", "{waiting:#}");
    assert_eq!(waiting["attempts"][0]["reason"], "failed: system failed");
    fate(TemplateFate::Success);
    desk.office.pass(61_000);
    // Whatever comes wakes the courier.
    desk.urgent("db-2").await;
    let detail = desk.delivery(&id, is("confirmed")).await;
    let results: Vec<_> =
        detail["attempts"].as_array().unwrap().iter().map(|attempt| attempt["result"].clone()).collect();
    assert_eq!(results, [json!("refused"), json!("accepted")], "{detail:#}");
    assert_ne!(detail["attempts"][0]["msgid"], detail["attempts"][1]["msgid"]);
    let shown = desk.sim.world(|world| world.inbox.shown().filter(|item| item.contains("db-1")).count());
    assert_eq!(shown, 1);
    desk.office.close().await;
}

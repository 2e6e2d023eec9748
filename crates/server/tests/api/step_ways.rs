//! The ways of a policy's step, each to its end: devices, an app, an official account, a group and a webhook, with the
//! simulator in place of the platforms. What a step did is read off the receipt.

use serde_json::{Value, json};
use tocsin_wechat_sim::{Channel, Item, seed};

use crate::{
    desk::{Desk, PATIENCE, ann},
    office::{Office, send},
    receiver::{HOOK, Receiver},
};

/// Who bob is at WeCom.
const BOB: &str = "lisi";
const DAY: i64 = 24 * 3_600_000;

/// Lets time pass, and has the server look at its clock: that of a test wakes nobody, a message that sets something going
/// does. Its id; it has a step of its own a minute later.
pub async fn pass(office: &Office, ms: i64) -> String {
    put_policy(office, "wake", over(&["desktop"])).await;
    office.pass(ms);
    let message = json!({"topic": "private", "title": "wake", "policy": "wake"});
    office.post(&office.root, "/v1/messages", message).await.is(201)["id"].as_str().unwrap().into()
}

async fn put_policy(office: &Office, name: &str, policy: Value) {
    let path = format!("/v1/policies/{name}");
    send(office.request("PUT", &path).bearer_auth(&office.root).json(&policy)).await.is(200);
}

/// After a minute whoever has not read it, over these ways.
fn over(via: &[&str]) -> Value {
    let step = json!({"after_s": 60, "unless": "read_by_all", "notify": {"who": "missing"}, "via": via});
    json!({"steps": [step]})
}

async fn publish_under(office: &Office, policy: Value, priority: u8) -> String {
    put_policy(office, "night", policy).await;
    let message = json!({
        "topic": "ops", "title": "db-1", "body": "/ is full", "priority": priority, "policy": "night",
        "actions": [{"type": "acknowledge"}],
    });
    office.post(&office.root, "/v1/messages", message).await.is(201)["id"].as_str().unwrap().into()
}

async fn read(office: &Office, token: &str, id: &str) {
    office.call(token, "POST", &format!("/v1/messages/{id}/read")).await.is(200);
}

fn bob(receipt: &Value) -> Value {
    let people = receipt["people"].as_array().unwrap();
    people.iter().find(|person| person["user"] == "bob").unwrap().clone()
}

fn ran(receipt: &Value) -> bool {
    // Ways are read after the rest: they may be of a moment later.
    receipt["escalation"]["steps"][0].is_object()
}

/// A channel and how far it is.
fn way(way: &Value) -> (&str, &str) {
    (way["channel"].as_str().unwrap_or_default(), way["state"].as_str().unwrap_or_default())
}

/// One step ran, and told these people over these ways.
#[track_caller]
fn told(receipt: &Value, people: &[&str], via: &[&str]) {
    let steps = receipt["escalation"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{receipt:#}");
    let step = &steps[0];
    assert_eq!(
        (&step["step"], &step["repeat"], &step["outcome"]),
        (&json!(1), &json!(0), &json!("notified"))
    );
    assert_eq!((&step["people"], &step["via"]), (&json!(people), &json!(via)), "{step:#}");
}

impl Desk {
    async fn bind_bob(&self, channel: &str, address: &str) {
        let path = format!("/v1/channels/{channel}/bindings/bob");
        self.put(&path, json!({"address": address})).await.is(200);
    }

    /// A robot called `group`, where both are known.
    async fn robot(&self) {
        let config = json!({"base_url": self.sim.wecom_url(), "proxy": "none"});
        self.put("/v1/channels/group", json!({"kind": "wecom-robot", "config": config})).await.is(200);
        let key = self.sim.world(|world| world.robot().unwrap().key.clone());
        self.put("/v1/channels/group/secrets/key", json!({"secret": key})).await.is(204);
        self.bind("group", "ZhangSan").await;
        self.bind_bob("group", BOB).await;
    }

    /// Lets time pass everywhere.
    async fn minute(&self) -> String {
        self.sim.clock().shift(60_000);
        pass(&self.office, 60_000).await
    }

    /// What the phones show, once there are so many.
    async fn items(&self, count: usize) -> Vec<Item> {
        let look = self.sim.wait_for("messages on the phones", PATIENCE, |world| {
            let shown: Vec<Item> = world.inbox.shown().cloned().collect();
            (shown.len() >= count).then_some(shown)
        });
        look.await.unwrap()
    }
}

#[tokio::test]
async fn a_step_sends_a_card_to_who_is_missing() {
    let desk = Desk::open().await;
    desk.wecom(true).await;
    desk.bind_bob("app", BOB).await;
    let id = publish_under(&desk.office, over(&["app"]), 3).await;
    read(&desk.office, &desk.office.ann, &id).await;
    desk.minute().await;
    let card = desk.on_the_phone().await;
    assert_eq!((card.channel, card.to.as_str(), card.title.as_str()), (Channel::WeCom, BOB, "db-1"));
    let is_there = |receipt: &Value| ran(receipt) && way(&bob(receipt)["ways"][0]) == ("app", "accepted");
    let receipt = desk.receipt(&id, "a card", is_there).await;
    told(&receipt, &["bob"], &["app"]);
    assert_eq!(ann(&receipt).get("ways"), None, "who read it is not asked again");
    assert!(bob(&receipt)["reminded_at"].is_number() && ann(&receipt).get("reminded_at").is_none());

    desk.sim.press(card.id, "acknowledge").unwrap();
    let ended = desk.receipt(&id, "the end", |receipt| receipt["escalation"]["state"] != "running").await;
    let escalation = &ended["escalation"];
    assert_eq!((&escalation["state"], &escalation["by"]), (&json!("acknowledged"), &json!("bob")));
    assert_eq!(desk.shown(), 1);
    desk.office.close().await;
}

#[tokio::test]
async fn a_step_sends_a_template_of_an_official_account() {
    let desk = Desk::open().await;
    let openid = desk.official_for_ann().await;
    let id = publish_under(&desk.office, over(&["oa"]), 3).await;
    desk.minute().await;
    let item = desk.on_the_phone().await;
    assert_eq!((item.channel, &item.to), (Channel::OaTemplate, &openid));
    assert!(item.contains("db-1"), "{item:?}");
    let is_there = |receipt: &Value| ran(receipt) && way(&ann(receipt)["ways"][0]) == ("oa", "confirmed");
    let receipt = desk.receipt(&id, "the platform's word", is_there).await;
    // bob has no address there: nobody told him.
    told(&receipt, &["ann"], &["oa"]);
    assert_eq!((&ann(&receipt)["state"], &bob(&receipt)["why"]), (&json!("received"), &json!("no_way")));
    assert_eq!(desk.shown(), 1);
    desk.office.close().await;
}

#[tokio::test]
async fn a_robot_mentions_who_is_missing_and_nobody_else() {
    let desk = Desk::open().await;
    desk.robot().await;
    desk.put("/v1/routes", json!({"channel": "group", "topic": "ops", "from_priority": 1})).await.is(204);
    let id = publish_under(&desk.office, over(&["group"]), 3).await;
    let posted = desk.items(1).await.remove(0);
    assert_eq!(posted.mentioned, ["ZhangSan", BOB], "by its route it is for everybody");
    let is_there = |receipt: &Value| way(&receipt["groups"][0]) == ("group", "accepted");
    desk.receipt(&id, "in the group", is_there).await;
    read(&desk.office, &desk.office.ann, &id).await;
    desk.minute().await;
    let again = desk.items(2).await.remove(1);
    assert_eq!((again.channel, &again.mentioned), (Channel::Robot, &vec![BOB.to_owned()]));
    assert!(again.contains("db-1"), "{again:?}");
    let is_there = |receipt: &Value| ran(receipt) && is_there(receipt);
    let receipt = desk.receipt(&id, "in the group again", is_there).await;
    told(&receipt, &["bob"], &["group"]);
    assert_eq!(receipt["groups"].as_array().unwrap().len(), 1);
    assert!(bob(&receipt)["reminded_at"].is_number() && ann(&receipt).get("reminded_at").is_none());
    assert_eq!(desk.shown(), 2);
    desk.office.close().await;
}

#[tokio::test]
async fn a_step_reaches_a_webhook_as_an_event_of_its_own() {
    let desk = Desk::open().await;
    let mut receiver = Receiver::connected(&desk.office).await;
    desk.bind(HOOK, "ann@example.com").await;
    desk.bind_bob(HOOK, "bob@example.com").await;
    desk.put("/v1/routes", json!({"channel": HOOK, "topic": "ops", "from_priority": 1})).await.is(204);
    let id = publish_under(&desk.office, over(&[HOOK]), 3).await;
    let first = receiver.next().await;
    assert_eq!(first.body["data"]["mentions"], json!(["ann@example.com", "bob@example.com"]));
    let is_there = |receipt: &Value| way(&receipt["groups"][0]) == (HOOK, "accepted");
    desk.receipt(&id, "at its address", is_there).await;
    read(&desk.office, &desk.office.ann, &id).await;
    desk.minute().await;
    let again = receiver.next().await;
    assert_ne!(first.id, again.id, "meant to come again");
    assert_eq!((&again.body["type"], &again.body["data"]["id"]), (&json!("message.published"), &json!(id)));
    assert_eq!(again.body["data"]["mentions"], json!(["bob@example.com"]));
    let is_there = |receipt: &Value| ran(receipt) && is_there(receipt);
    told(&desk.receipt(&id, "at its address again", is_there).await, &["bob"], &[HOOK]);
    receiver.nothing_else(&desk.office).await;
    desk.office.close().await;
}

#[tokio::test]
async fn a_step_over_the_desktop_is_a_reminder_in_the_stream() {
    let desk = Desk::open().await;
    let office = &desk.office;
    let poll = async |rest: &str| office.get(&office.ann, &format!("/poll?device=phone{rest}")).await.is(200);
    poll("").await;
    let id = publish_under(office, over(&["desktop"]), 3).await;
    let page = poll("").await;
    assert_eq!(page["messages"][0]["id"], id.as_str());
    let cursor = page["cursor"].as_str().unwrap();
    desk.minute().await;
    let page = poll(&format!("&wait=30&cursor={cursor}")).await;
    let reminder = &page["states"][0];
    assert_eq!((&page["messages"], &reminder["id"]), (&json!([]), &json!(id)), "{page}");
    assert_eq!(page["states"].as_array().unwrap().len(), 1, "hers alone: {page}");
    // It was there when the reminder was: both are one transaction.
    let receipt = desk.receipt(&id, "there", |_| true).await;
    told(&receipt, &["ann", "bob"], &["desktop"]);
    assert!(reminder["remind_at"].is_number(), "{reminder}");
    for person in [ann(&receipt), bob(&receipt)] {
        assert_eq!(person["reminded_at"], reminder["remind_at"], "also who is not there now");
    }
    desk.office.close().await;
}

#[tokio::test]
async fn one_step_takes_every_way() {
    let desk = Desk::open().await;
    let mut receiver = Receiver::connected(&desk.office).await;
    desk.wecom(false).await;
    desk.official_for_ann().await;
    desk.robot().await;
    desk.bind_bob("app", BOB).await;
    let ways = ["desktop", "app", "oa", "group", HOOK];
    let id = publish_under(&desk.office, over(&ways), 3).await;
    desk.minute().await;
    assert_eq!(receiver.next().await.body["data"]["id"], id.as_str());
    let is_there = |receipt: &Value| {
        let (ann, bob) = (ann(receipt), bob(receipt));
        let there =
            [&ann["ways"][0], &ann["ways"][1], &bob["ways"][0], &receipt["groups"][0], &receipt["groups"][1]];
        let expected = [
            ("app", "accepted"),
            ("oa", "confirmed"),
            ("app", "accepted"),
            ("group", "accepted"),
            (HOOK, "accepted"),
        ];
        ran(receipt) && there.map(way) == expected
    };
    told(&desk.receipt(&id, "everywhere", is_there).await, &["ann", "bob"], &ways);
    let mut shown: Vec<(Channel, String)> =
        desk.items(4).await.into_iter().map(|item| (item.channel, item.to)).collect();
    shown.sort_by_key(|(channel, to)| (format!("{channel:?}"), to.clone()));
    let group = desk.sim.world(|world| world.robot().unwrap().group.clone());
    let expected = [
        (Channel::OaTemplate, seed::openid("wangfang")),
        (Channel::Robot, group),
        (Channel::WeCom, BOB.to_owned()),
        (Channel::WeCom, "zhangsan".to_owned()),
    ];
    assert_eq!(shown, expected, "each once");
    receiver.nothing_else(&desk.office).await;
    desk.office.close().await;
}

#[tokio::test]
async fn what_a_step_has_queued_is_not_sent_once_it_is_cancelled() {
    let desk = Desk::open().await;
    desk.wecom(false).await;
    let (office, root) = (&desk.office, &desk.office.root);
    // What goes over it waits.
    office.call(root, "DELETE", "/v1/channels/app/secrets/secret").await.is(204);
    let mut policy = over(&["app"]);
    policy["steps"][0]["repeat"] = json!(5);
    policy["steps"][0]["every_s"] = json!(60);
    let id = publish_under(office, policy, 3).await;
    desk.minute().await;
    let waiting = desk
        .receipt(&id, "queued", |receipt| ran(receipt) && way(&ann(receipt)["ways"][0]) == ("app", "queued"))
        .await;
    told(&waiting, &["ann"], &["app"]);

    let cancelled = office.call(root, "POST", &format!("/v1/messages/{id}/cancel")).await.is(200);
    assert_eq!(cancelled, json!({"escalation": true, "deliveries": 1}));
    let receipt = desk.receipt(&id, "there", |_| true).await;
    assert_eq!(way(&ann(&receipt)["ways"][0]), ("app", "cancelled"));
    let escalation = &receipt["escalation"];
    assert_eq!((&escalation["state"], &escalation["by"]), (&json!("cancelled"), &json!("root")));
    // Once a step that is due later than the next of this message has run, that one will not.
    let later = desk.minute().await;
    desk.minute().await;
    desk.receipt(&later, "a later step", ran).await;
    told(&desk.receipt(&id, "there", |_| true).await, &["ann"], &["app"]);

    desk.put("/v1/channels/app/secrets/secret", json!({"secret": desk.app_secret()})).await.is(204);
    let other = desk.urgent("db-2").await;
    desk.receipt(&other, "sent", |receipt| way(&ann(receipt)["ways"][0]) == ("app", "accepted")).await;
    let shown = desk.items(1).await;
    assert_eq!(shown.iter().map(|item| item.title.as_str()).collect::<Vec<_>>(), ["db-2"]);
    desk.office.close().await;
}

#[tokio::test]
async fn quiet_hours_put_a_step_off_unless_it_is_critical() {
    let desk = Desk::open().await;
    let office = &desk.office;
    let probe = desk.urgent("what time it is").await;
    let now = office.get(&office.root, &format!("/v1/messages/{probe}")).await.is(200);
    let now = now["created_at"].as_i64().unwrap();
    // Eleven in the evening.
    office.pass((23 * 3_600_000 - now % DAY).rem_euclid(DAY));
    let mut policy = over(&["desktop"]);
    policy["quiet"] = json!({"from": "22:00", "to": "07:00", "zone": "UTC"});
    let high = publish_under(office, policy.clone(), 4).await;
    let critical = publish_under(office, policy.clone(), 5).await;
    let night = desk.receipt(&high, "there", |_| true).await;
    let morning = (night["created_at"].as_i64().unwrap() / DAY + 1) * DAY + 7 * 3_600_000;
    assert_eq!(night["escalation"]["next"]["at"], morning);
    for (priority, put_off) in [(4, true), (5, false)] {
        let asked =
            json!({"policy": policy, "topic": "ops", "priority": priority, "at": night["created_at"]});
        let timeline = office.post(&office.root, "/v1/policies/dry-run", asked).await.is(200);
        assert_eq!(timeline["steps"][0]["put_off"], put_off, "{timeline}");
    }

    pass(office, 60_000).await;
    desk.receipt(&critical, "the critical one", ran).await;
    assert!(!ran(&desk.receipt(&high, "there", |_| true).await), "it was stored before the critical one");
    pass(office, 8 * 3_600_000).await;
    let receipt = desk.receipt(&high, "in the morning", ran).await;
    told(&receipt, &["ann", "bob"], &["desktop"]);
    assert_eq!(receipt["escalation"]["steps"][0]["due_at"], morning);
    desk.office.close().await;
}

//! What became of a message, told to a webhook: the real server, and a receiver of our own.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tocsin_store::Store as _;

use crate::{
    office::{Answer, Office, send},
    receiver::{HOOK, Receiver, Told},
    step_ways::pass,
};

const ENGLISH: &str = include_str!("../../../../docs/webhooks.md");
const CHINESE: &str = include_str!("../../../../docs/webhooks.zh-CN.md");

async fn put(office: &Office, path: &str, body: Value) -> Answer {
    send(office.request("PUT", path).bearer_auth(&office.root).json(&body)).await
}

async fn route(office: &Office, topic: &str, from_priority: u8) {
    let route = json!({"channel": HOOK, "topic": topic, "from_priority": from_priority});
    put(office, "/v1/routes", route).await.is(204);
}

/// A message to `ops` that asks for a report, and what else is said of it.
fn asking(on: &[&str], more: Value) -> Value {
    let mut message = json!({"topic": "ops", "title": "db-1", "report": {"channel": HOOK, "on": on}});
    let Value::Object(more) = more else { panic!("{more}") };
    message.as_object_mut().unwrap().extend(more);
    message
}

/// Its id.
async fn publish(office: &Office, token: &str, message: Value) -> String {
    office.post(token, "/v1/messages", message).await.is(201)["id"].as_str().unwrap().into()
}

async fn press(office: &Office, token: &str, what: &str, id: &str) {
    office.call(token, "POST", &format!("/v1/messages/{id}/{what}")).await.is(200);
}

/// A device of ann's asks for what comes after its cursor; what it had before is acknowledged by that.
async fn poll(office: &Office, cursor: &str) -> String {
    let answer = office.get(&office.ann, &format!("/poll?device=phone{cursor}")).await.is(200);
    format!("&cursor={}", answer["cursor"].as_str().unwrap())
}

fn kind(told: &Told) -> &str {
    told.body["type"].as_str().unwrap()
}

/// The example of the documentation, as if it were about this message.
fn documented(page: &str, told: &Told) -> Value {
    let from = page.find(r#"{"type":"receipt."#).unwrap();
    let mut example: Value =
        serde_json::Deserializer::from_str(&page[from..]).into_iter().next().unwrap().unwrap();
    example["timestamp"] = told.body["timestamp"].clone();
    example["data"]["id"] = told.body["data"]["id"].clone();
    example
}

#[tokio::test]
async fn each_milestone_is_told_once_when_it_is_reached() {
    let office = Office::open().await;
    let mut receiver = Receiver::connected(&office).await;
    route(&office, "ops", 1).await;
    let cursor = poll(&office, "").await;
    let on = [
        "acknowledged_by_all",
        "acknowledged_by_any",
        "read_by_all",
        "read_by_any",
        "received_by_all",
        "received_by_any",
    ];
    let id = publish(&office, &office.sender, asking(&on, json!({}))).await;
    let mut all = vec![receiver.next().await];
    assert_eq!(kind(&all[0]), "message.published");
    let cursor = poll(&office, &cursor).await;
    poll(&office, &cursor).await;
    all.push(receiver.next().await);
    let data = &all[1].body["data"];
    assert_eq!((kind(&all[1]), &data["id"]), ("receipt.received_by_any", &json!(id)));
    assert_eq!((&data["reached"], &data["missing"]), (&json!(true), &json!(["bob"])));
    assert_eq!(data["unacknowledged"], json!(["ann", "bob"]));
    let presses = [
        (&office.bob, "read", &["receipt.received_by_all", "receipt.read_by_any"][..]),
        (&office.ann, "acknowledge", &["receipt.read_by_all", "receipt.acknowledged_by_any"]),
        (&office.bob, "acknowledge", &["receipt.acknowledged_by_all"]),
    ];
    for (token, what, kinds) in presses {
        press(&office, token, what, &id).await;
        for expected in kinds {
            let told = receiver.next().await;
            assert_eq!((kind(&told), &told.body["data"]["id"]), (*expected, &json!(id)));
            all.push(told);
        }
    }
    press(&office, &office.ann, "acknowledge", &id).await;
    receiver.nothing_else(&office).await;

    for page in [ENGLISH, CHINESE] {
        assert_eq!(all[5].body, documented(page, &all[5]));
    }
    let ids: BTreeSet<&str> = all.iter().map(|told| told.id.as_str()).collect();
    assert_eq!(ids.len(), 7, "each is an event of its own");
    let sent = office.get(&office.root, &format!("/v1/deliveries?message={id}")).await.is(200);
    let sent: Vec<_> =
        sent["items"].as_array().unwrap().iter().map(|item| (&item["state"], &item["attempts"])).collect();
    assert_eq!(sent, [(&json!("accepted"), &json!(1)); 7]);
    let receipt = office.get(&office.root, &format!("/v1/messages/{id}/receipt")).await.is(200);
    assert_eq!(receipt["groups"].as_array().unwrap().len(), 1, "a report is no way to anybody");
    office.close().await;
}

#[tokio::test]
async fn a_receiver_that_is_down_is_told_again_under_the_same_id() {
    let office = Office::open().await;
    let mut receiver = Receiver::connected(&office).await;
    let id = publish(&office, &office.root, asking(&["acknowledged_by_any"], json!({}))).await;
    receiver.answer(StatusCode::SERVICE_UNAVAILABLE);
    press(&office, &office.ann, "acknowledge", &id).await;
    let (refused, taken) = (receiver.next().await, receiver.next().await);
    assert_eq!(kind(&refused), "receipt.acknowledged_by_any");
    assert_eq!((refused.id, refused.text), (taken.id, taken.text));
    receiver.nothing_else(&office).await;
    let sent = office.get(&office.root, &format!("/v1/deliveries?message={id}")).await.is(200);
    let sent: Vec<_> =
        sent["items"].as_array().unwrap().iter().map(|item| (&item["state"], &item["attempts"])).collect();
    assert_eq!(sent, [(&json!("accepted"), &json!(2))]);
    office.close().await;
}

#[tokio::test]
async fn what_expires_before_it_is_reached_is_missed() {
    let office = Office::open().await;
    let mut receiver = Receiver::connected(&office).await;
    let on = ["received_by_any", "received_by_all", "acknowledged_by_any"];
    let id = publish(&office, &office.root, asking(&on, json!({"expires_in": 60}))).await;
    press(&office, &office.ann, "read", &id).await;
    assert_eq!(kind(&receiver.next().await), "receipt.received_by_any");
    pass(&office, 60_000).await;
    for milestone in ["received_by_all", "acknowledged_by_any"] {
        let told = receiver.next().await;
        let data = &told.body["data"];
        assert_eq!((kind(&told), &data["reached"]), ("receipt.missed", &json!(false)), "{}", told.text);
        assert_eq!((&data["milestone"], &data["id"]), (&json!(milestone), &json!(id)));
        let counts = &data["counts"];
        assert_eq!((&counts["received"], &counts["given_up"]), (&json!(1), &json!(1)), "{counts}");
    }
    press(&office, &office.ann, "acknowledge", &id).await;
    receiver.nothing_else(&office).await;
    office.close().await;
}

/// Whoever stops a message learns what was not reached, and of what was reached before nothing is lost.
#[tokio::test]
async fn what_is_cancelled_before_it_is_reached_is_missed() {
    let office = Office::open().await;
    let mut receiver = Receiver::connected(&office).await;
    let step = json!({"after_s": 60, "unless": "acknowledged_by_any", "notify": {"who": "missing"}, "via": ["desktop"]});
    put(&office, "/v1/policies/night", json!({"steps": [step]})).await.is(200);
    let message = asking(&["read_by_any", "acknowledged_by_any"], json!({"policy": "night"}));
    let id = publish(&office, &office.root, message).await;
    receiver.answer(StatusCode::SERVICE_UNAVAILABLE);
    press(&office, &office.ann, "read", &id).await;
    let refused = receiver.next().await;
    let cancel = format!("/v1/messages/{id}/cancel");
    let cancelled = office.call(&office.root, "POST", &cancel).await.is(200);
    assert_eq!(cancelled, json!({"escalation": true, "deliveries": 0}), "a report is none of the message's");
    let mut told = [receiver.next().await, receiver.next().await];
    told.sort_by_key(|told| kind(told).to_owned());
    let [missed, again] = &told;
    assert_eq!((&again.id, &again.text), (&refused.id, &refused.text));
    assert_eq!(
        (kind(missed), &missed.body["data"]["milestone"]),
        ("receipt.missed", &json!("acknowledged_by_any"))
    );
    press(&office, &office.ann, "acknowledge", &id).await;
    receiver.nothing_else(&office).await;
    office.close().await;
}

#[tokio::test]
async fn who_may_not_use_the_channel_is_refused() {
    let office = Office::open().await;
    let mut receiver = Receiver::connected(&office).await;
    let message = asking(&["read_by_any"], json!({"priority": 4}));
    let refused = async |token: &str, message: &Value| {
        let answer = office.post(token, "/v1/messages", message.clone()).await;
        answer.refuses(403, "forbidden");
    };
    refused(&office.sender, &message).await;
    refused(&office.ann, &message).await;
    // From another topic a route leads there.
    route(&office, "private", 1).await;
    refused(&office.sender, &message).await;
    let mut direct = json!({"to": ["bob"], "title": "db-1"});
    direct["report"] = message["report"].clone();
    refused(&office.ann, &direct).await;

    let post = async |message| office.post(&office.root, "/v1/messages", message).await;
    post(asking(&[], json!({}))).await.refuses(422, "invalid_field");
    post(asking(&["answered"], json!({}))).await.refuses(400, "bad_request");
    let other = |channel: &str| asking(&[], json!({"report": {"channel": channel, "on": ["read_by_any"]}}));
    post(other("none")).await.refuses(404, "not_found");
    put(&office, "/v1/channels/group", json!({"kind": "wecom-robot", "config": {}})).await.is(200);
    post(other("group")).await.refuses(422, "invalid_field");
    assert_eq!(office.store.stats().await.unwrap().messages, 0);

    // A route is enough, also one that the message itself does not take.
    route(&office, "ops", 5).await;
    for token in [&office.sender, &office.ann] {
        let id = publish(&office, token, message.clone()).await;
        press(&office, &office.bob, "read", &id).await;
        let told = receiver.next().await;
        assert_eq!((kind(&told), &told.body["data"]["id"]), ("receipt.read_by_any", &json!(id)));
    }
    receiver.nothing_else(&office).await;
    office.close().await;
}

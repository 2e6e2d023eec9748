//! A webhook from its settings to a message at its address: the real server, and a receiver of our own.

use serde_json::{Value, json};

use crate::{
    office::{Answer, Office, send},
    receiver::{KEY, Receiver},
};

async fn put(office: &Office, path: &str, body: Value) -> Answer {
    send(office.request("PUT", path).bearer_auth(&office.root).json(&body)).await
}

#[tokio::test]
async fn a_webhook_is_set_up_tested_and_told() {
    let office = Office::open().await;
    let mut receiver = Receiver::open().await;
    let plain = json!({"kind": "webhook", "config": {"url": "http://ops.example/in"}});
    put(&office, "/v1/channels/hook", plain).await.refuses(422, "invalid_field");
    let settings = json!({"kind": "webhook", "config": {"url": receiver.url}});
    let made = put(&office, "/v1/channels/hook", settings).await;
    assert_eq!(made.is(200)["standing"], json!({"state": "secret_missing", "part": "key"}));
    let short = json!({"secret": "whsec_c2hvcnQ="});
    put(&office, "/v1/channels/hook/secrets/key", short).await.refuses(422, "invalid_field");
    put(&office, "/v1/channels/hook/secrets/key", json!({"secret": KEY})).await.is(204);

    let test = office.post(&office.root, "/v1/channels/hook/test", json!({})).await.is(200);
    assert_eq!((&test["token"]["result"], &test["message"]["result"]), (&json!("skipped"), &json!("passed")));
    assert_eq!(receiver.next().await.body["type"], "test");

    put(&office, "/v1/routes", json!({"channel": "hook", "topic": "ops", "from_priority": 1})).await.is(204);
    let message = json!({"topic": "ops", "title": "db-1", "body": "/ is full"});
    let id = office.post(&office.sender, "/v1/messages", message).await.is(201)["id"].clone();
    let said = receiver.next().await.body;
    assert_eq!((&said["type"], &said["data"]["id"]), (&json!("message.published"), &id));
    office.close().await;
}

//! A webhook from its settings to a message at its address: the real server, and a receiver of our own.

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use serde_json::{Value, json};
use tocsin_delivery::webhook::Key;
use tokio::{net::TcpListener, sync::mpsc};

use crate::office::{Answer, Office, send};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Where requests go, and what came.
async fn receiver() -> (String, mpsc::Receiver<(HeaderMap, Bytes)>) {
    let (tell, told) = mpsc::channel(8);
    let take = move |headers: HeaderMap, body: Bytes| {
        let tell = tell.clone();
        async move { tell.send((headers, body)).await.unwrap() }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/in", post(take))).await });
    (url, told)
}

/// What it says, if the signature is right.
fn opened((headers, body): (HeaderMap, Bytes)) -> Value {
    let header = |name: &str| headers[name].to_str().unwrap();
    let (at, body) = (header("webhook-timestamp").parse().unwrap(), std::str::from_utf8(&body).unwrap());
    let signature = Key::parse(KEY).unwrap().sign(header("webhook-id"), at, body);
    assert_eq!(header("webhook-signature"), signature);
    serde_json::from_str(body).unwrap()
}

async fn put(office: &Office, path: &str, body: Value) -> Answer {
    send(office.request("PUT", path).bearer_auth(&office.root).json(&body)).await
}

#[tokio::test]
async fn a_webhook_is_set_up_tested_and_told() {
    let office = Office::open().await;
    let (url, mut told) = receiver().await;
    let plain = json!({"kind": "webhook", "config": {"url": "http://ops.example/in"}});
    put(&office, "/v1/channels/hook", plain).await.refuses(422, "invalid_field");
    let made = put(&office, "/v1/channels/hook", json!({"kind": "webhook", "config": {"url": url}})).await;
    assert_eq!(made.is(200)["standing"], json!({"state": "secret_missing", "part": "key"}));
    let short = json!({"secret": "whsec_c2hvcnQ="});
    put(&office, "/v1/channels/hook/secrets/key", short).await.refuses(422, "invalid_field");
    put(&office, "/v1/channels/hook/secrets/key", json!({"secret": KEY})).await.is(204);

    let test = office.post(&office.root, "/v1/channels/hook/test", json!({})).await.is(200);
    assert_eq!((&test["token"]["result"], &test["message"]["result"]), (&json!("skipped"), &json!("passed")));
    assert_eq!(opened(told.recv().await.unwrap())["type"], "test");

    put(&office, "/v1/routes", json!({"channel": "hook", "topic": "ops", "from_priority": 1})).await.is(204);
    let message = json!({"topic": "ops", "title": "db-1", "body": "/ is full"});
    let id = office.post(&office.sender, "/v1/messages", message).await.is(201)["id"].clone();
    let said = opened(told.recv().await.unwrap());
    assert_eq!((&said["type"], &said["data"]["id"]), (&json!("message.published"), &id));
    office.close().await;
}

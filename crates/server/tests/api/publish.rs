//! `POST /v1/messages`.

use serde_json::{Value, json};
use tocsin_store::Store as _;

use crate::office::{Office, send};

#[tokio::test]
async fn a_publish_answers_with_id_seq_and_audience() {
    let office = Office::open().await;
    let made = office
        .post(
            &office.sender,
            "/v1/messages",
            json!({
                "topic": "ops", "title": "Disk", "body": "**90 %**", "format": "markdown", "priority": 4, "tags": ["disk"],
                "click": "https://grafana.example/d/1", "key": "disk:web-1", "expires_in": 3600,
                "actions": [{"type": "open_url", "label": "Runbook", "url": "https://wiki.example"}, {"type": "acknowledge"}],
            }),
        )
        .await
        .is(201);
    assert_eq!(made["audience"], 2);
    let id = made["id"].as_str().unwrap();
    assert_eq!(id.len(), 12);
    let message = office.get(&office.ann, &format!("/v1/messages/{id}")).await.is(200);
    assert_eq!(message["sender"], "cron");
    assert_eq!(message["priority"], 4);
    assert_eq!(message["actions"].as_array().unwrap().len(), 2);
    assert!(message["cursor"].as_str().unwrap().ends_with(&format!("-{}", made["seq"])));
    office.close().await;
}

#[tokio::test]
async fn a_repeated_key_repeats_the_answer_and_another_request_conflicts() {
    let office = Office::open().await;
    let publish = |body: Value, key: &'static str| {
        send(
            office
                .request("POST", "/v1/messages")
                .bearer_auth(&office.sender)
                .header("Idempotency-Key", key)
                .json(&body),
        )
    };
    let first = publish(json!({"topic": "ops", "title": "once"}), "k-1").await.is(201);
    // Spelled otherwise, the same message.
    let body = "{ \"title\":\"once\",\n \"topic\":\"ops\", \"priority\": 3 }";
    let request = office.request("POST", "/v1/messages").bearer_auth(&office.sender);
    let again =
        send(request.header("idempotency-key", "k-1").header("content-type", "application/json").body(body))
            .await
            .is(201);
    assert_eq!(first, again);
    publish(json!({"topic": "ops", "title": "twice"}), "k-1").await.refuses(409, "idempotency_conflict");
    publish(json!({"topic": "nowhere", "title": "x"}), "k-2").await.refuses(404, "unknown_topic");
    publish(json!({"topic": "ops", "title": "failures are not kept"}), "k-2").await.is(201);
    publish(json!({"topic": "ops", "title": "x"}), "with space").await.refuses(422, "invalid_field");
    let page = office.get(&office.ann, "/v1/messages").await.is(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    office.pass(24 * 3600 * 1000 + 1);
    let later = publish(json!({"topic": "ops", "title": "once"}), "k-1").await.is(201);
    assert_ne!(first["id"], later["id"], "a key is remembered for a day");
    office.close().await;
}

#[tokio::test]
async fn what_the_server_tells_of_silence_has_a_key_of_its_own() {
    let office = Office::open().await;
    let body = json!({"topic": "ops", "title": "x", "key": "_silence"});
    office.post(&office.root, "/v1/messages", body).await.refuses(422, "invalid_field");
    office.close().await;
}

#[tokio::test]
async fn a_message_that_replaces_another_takes_its_place() {
    let office = Office::open().await;
    let replace = async |token: &str, id: &str, title: &str| {
        let body = json!({"topic": "ops", "title": title, "replaces": id});
        office.post(token, "/v1/messages", body).await
    };
    let first = office.publish("disk full").await;
    replace(&office.ann, &first, "mine now").await.refuses(403, "forbidden");
    let made = replace(&office.sender, &first, "disk has room").await.is(201);
    assert_eq!(made["superseded"], json!(first), "{made:#}");
    let second = made["id"].as_str().unwrap().to_owned();
    let message = office.get(&office.ann, &format!("/v1/messages/{second}")).await.is(200);
    assert_eq!(message["supersedes"], json!(first), "{message:#}");
    let receipt = office.get(&office.root, &format!("/v1/messages/{first}/receipt")).await.is(200);
    assert_eq!(receipt["counts"]["missing"], 0, "nobody is waited for any more: {receipt:#}");
    replace(&office.sender, &first, "the old one again").await.refuses(409, "conflict");
    replace(&office.root, &second, "an admin may").await.is(201);
    replace(&office.sender, "AAAAAAAAAAAA", "of nothing").await.refuses(404, "not_found");
    office.close().await;
}

#[tokio::test]
async fn nobody_to_tell_is_said() {
    let office = Office::open().await;
    let made =
        office.post(&office.root, "/v1/messages", json!({"topic": "private", "title": "x"})).await.is(201);
    assert_eq!(made["audience"], 0);
    assert!(made["warning"].as_str().unwrap().contains("no members"));
    office.close().await;
}

#[tokio::test]
async fn one_unknown_person_rejects_the_whole_message() {
    let office = Office::open().await;
    let answer =
        office.post(&office.ann, "/v1/messages", json!({"to": ["bob", "ghost"], "title": "x"})).await;
    assert!(answer.refuses(422, "unknown_user").contains("ghost"));
    let page = office.get(&office.bob, "/v1/messages").await.is(200);
    assert_eq!(page["items"], json!([]));
    office.close().await;
}

#[tokio::test]
async fn every_limit_names_its_field() {
    let office = Office::open().await;
    let long = |n: usize| "x".repeat(n);
    let cases: Vec<(Value, &str)> = vec![
        (json!({"title": "x"}), "topic"),
        (json!({"topic": "ops", "to": ["ann"], "title": "x"}), "to"),
        (json!({"topic": "ops"}), "body"),
        (json!({"topic": "ops", "title": " ", "body": "\n"}), "body"),
        (json!({"topic": "ops", "title": long(257)}), "title"),
        (json!({"topic": "ops", "title": "a\u{0}b"}), "title"),
        (json!({"topic": "ops", "body": long(16 * 1024 + 1)}), "body"),
        (json!({"topic": "o p s", "title": "x"}), "topic"),
        (json!({"to": vec!["ann"; 501], "title": "x"}), "to"),
        (json!({"topic": "ops", "title": "x", "tags": vec!["t"; 11]}), "tags"),
        (json!({"topic": "ops", "title": "x", "tags": ["ok", long(65)]}), "tags[1]"),
        (json!({"topic": "ops", "title": "x", "click": "javascript:alert(1)"}), "click"),
        (json!({"topic": "ops", "title": "x", "key": long(129)}), "key"),
        (json!({"topic": "ops", "title": "x", "key": "k", "replaces": "AAAAAAAAAAAA"}), "replaces"),
        (json!({"topic": "ops", "title": "x", "expires_in": 0}), "expires_in"),
        (json!({"topic": "ops", "title": "x", "expires_in": 40 * 24 * 3600}), "expires_in"),
        (
            json!({"topic": "ops", "title": "x", "actions": vec![json!({"type": "acknowledge"}); 4]}),
            "actions",
        ),
        (
            json!({"topic": "ops", "title": "x", "actions": [{"type": "open_url", "label": "l", "url": "file:///etc"}]}),
            "actions[0].url",
        ),
    ];
    for (body, field) in cases {
        let answer = office.post(&office.root, "/v1/messages", body.clone()).await;
        let message = answer.refuses(422, "invalid_field");
        assert!(message.starts_with(&format!("{field}: ")), "{body}: {message}");
    }
    assert_eq!(office.store.stats().await.unwrap().messages, 0);
    office.close().await;
}

#[tokio::test]
async fn a_wrong_shape_says_where() {
    let office = Office::open().await;
    let cases = [
        (json!({"topic": "ops", "title": "x", "priority": 9}), "priority"),
        (json!({"topic": "ops", "title": 7}), "title"),
        (json!({"topic": "ops", "titel": "x"}), "titel"),
        (json!({"topic": "ops", "title": "x", "actions": [{"type": "http"}]}), "actions[0]"),
        (json!({"topic": "ops", "title": "x", "replaces": "short"}), "replaces"),
        (json!([1]), "shape"),
    ];
    for (body, place) in cases {
        let answer = office.post(&office.root, "/v1/messages", body.clone()).await;
        let message = answer.refuses(400, "bad_request");
        assert!(message.contains(place), "{body}: {message}");
    }
    office.close().await;
}

#[tokio::test]
async fn a_token_that_publishes_too_fast_waits_and_others_do_not() {
    let office = Office::with(|config| {
        config.rates.publish_per_s = Some(1);
        config.rates.publish_burst = 2;
    })
    .await;
    office.publish("1").await;
    office.publish("2").await;
    let answer = office.post(&office.sender, "/v1/messages", json!({"topic": "ops", "title": "3"})).await;
    answer.refuses(429, "rate_limited");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    office.post(&office.ann, "/v1/messages", json!({"topic": "ops", "title": "x"})).await.is(201);
    office.pass(1000);
    office.publish("3").await;
    office.close().await;
}

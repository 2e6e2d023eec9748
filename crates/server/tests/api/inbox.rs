//! The inbox, receipts, reading and acknowledging, people, topics, devices.

use serde_json::{Value, json};
use tocsin_protocol::limits::DEVICES;
use tocsin_store::Store;

use crate::office::{Office, send};

fn titles(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_inbox_pages_filters_and_searches() {
    let office = Office::open().await;
    for n in 1..=5 {
        office.publish(&format!("message {n}")).await;
    }
    office
        .post(&office.root, "/v1/messages", json!({"to": ["ann"], "title": "just you", "priority": 5}))
        .await
        .is(201);
    let first = office.get(&office.ann, "/v1/messages?limit=4").await.is(200);
    assert_eq!(titles(&first), ["just you", "message 5", "message 4", "message 3"]);
    let rest =
        office.get(&office.ann, &format!("/v1/messages?limit=4&before={}", first["next"])).await.is(200);
    assert_eq!(titles(&rest), ["message 2", "message 1"]);
    assert!(rest.get("next").is_none());
    let found = office.get(&office.ann, "/v1/messages?q=SAGE%204").await.is(200);
    assert_eq!(titles(&found), ["message 4"]);
    let asked = office.get(&office.ann, "/v1/messages?unacknowledged=1").await.is(200);
    assert_eq!(titles(&asked), ["just you"]);
    let of_topic = office.get(&office.ann, "/v1/messages?topic=ops&unread").await.is(200);
    assert_eq!(titles(&of_topic).len(), 5);
    office.get(&office.ann, "/v1/messages?limit=0").await.refuses(422, "invalid_field");
    office.get(&office.ann, "/v1/messages?limit=many").await.refuses(400, "bad_request");
    office.get(&office.ann, "/v1/messages?page=2").await.refuses(400, "bad_request");
    office.close().await;
}

#[tokio::test]
async fn a_receipt_follows_reading_and_acknowledging() {
    let office = Office::open().await;
    let id = office.publish("look").await;
    let receipt = office.get(&office.sender, &format!("/v1/messages/{id}/receipt")).await.is(200);
    assert_eq!(receipt["missing"], json!(["ann", "bob"]));
    assert_eq!(receipt["counts"]["owed"], 2);
    office.call(&office.ann, "POST", &format!("/v1/messages/{id}/read")).await.is(200);
    let pressed =
        office.post(&office.bob, &format!("/v1/messages/{id}/acknowledge"), json!({"at": 1})).await.is(200);
    assert_eq!(pressed["acknowledged_at"], pressed["created_at"], "not before the message");
    let receipt = office.get(&office.sender, &format!("/v1/messages/{id}/receipt")).await.is(200);
    let states: Vec<&str> =
        receipt["people"].as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["read", "acknowledged"]);
    let own = office.get(&office.ann, &format!("/v1/messages/{id}/receipt")).await.is(200);
    assert_eq!(own["people"].as_array().unwrap().len(), 1, "a member sees only their own row");
    let me = office.get(&office.ann, "/v1/me").await.is(200);
    assert_eq!((me["unread"].as_u64(), me["device"].as_str()), (Some(0), Some("ann-phone")));
    office.close().await;
}

#[tokio::test]
async fn what_one_was_not_sent_is_not_shown() {
    let office = Office::open().await;
    let secret =
        office.post(&office.root, "/v1/messages", json!({"to": ["ann"], "title": "x"})).await.is(201);
    let id = secret["id"].as_str().unwrap();
    for path in [format!("/v1/messages/{id}"), format!("/v1/messages/{id}/receipt")] {
        for token in [&office.bob, &office.sender] {
            let answer = office.get(token, &path).await;
            assert!(matches!(answer.status.as_u16(), 403 | 404), "{path}: {}", answer.text);
        }
    }
    let answer = office.call(&office.bob, "POST", &format!("/v1/messages/{id}/acknowledge")).await;
    assert!(matches!(answer.status.as_u16(), 403 | 404), "{}", answer.text);
    office.close().await;
}

#[tokio::test]
async fn people_and_topics_come_change_and_go() {
    let office = Office::open().await;
    office
        .post(&office.root, "/v1/users", json!({"name": "eve", "display_name": "Eve", "role": "admin"}))
        .await
        .is(201);
    office.post(&office.root, "/v1/users", json!({"name": "eve"})).await.refuses(409, "conflict");
    office.post(&office.root, "/v1/users", json!({"name": "Eve"})).await.refuses(422, "invalid_field");
    let change = |token: &str, name: &str, body: Value| {
        send(office.request("PATCH", &format!("/v1/users/{name}")).bearer_auth(token).json(&body))
    };
    assert_eq!(
        change(&office.ann, "ann", json!({"display_name": "Ann A."})).await.is(200)["display_name"],
        "Ann A."
    );
    change(&office.ann, "ann", json!({"role": "admin"})).await.refuses(403, "forbidden");
    change(&office.ann, "bob", json!({"display_name": "x"})).await.refuses(403, "forbidden");
    change(&office.root, "ann", json!({"role": "admin"})).await.is(200);
    office.post(&office.ann, "/v1/topics", json!({"name": "new"})).await.is(201);
    change(&office.root, "ann", json!({"role": "member"})).await.is(200);
    office.post(&office.ann, "/v1/topics", json!({"name": "newer"})).await.refuses(403, "forbidden");
    let topic = send(
        office
            .request("PATCH", "/v1/topics/new")
            .bearer_auth(&office.root)
            .json(&json!({"description": "d", "retention_days": 3})),
    )
    .await;
    assert_eq!(topic.is(200)["retention_days"], 3);
    office.call(&office.root, "PUT", "/v1/topics/new/members/bob").await.is(204);
    let members = office.get(&office.ann, "/v1/topics/new/members").await.is(200);
    assert_eq!(members[0]["name"], "bob");
    let topics = office.get(&office.bob, "/v1/topics").await.is(200);
    let mine: Vec<&str> = topics
        .as_array()
        .unwrap()
        .iter()
        .filter(|topic| topic["member"] == true)
        .filter_map(|topic| topic["name"].as_str())
        .collect();
    assert_eq!(mine, ["new", "ops"]);
    office.call(&office.root, "DELETE", "/v1/topics/new/members/bob").await.is(204);
    office.call(&office.root, "DELETE", "/v1/topics/new").await.is(204);
    office.call(&office.root, "DELETE", "/v1/topics/new").await.refuses(404, "unknown_topic");
    office.call(&office.root, "DELETE", "/v1/users/eve").await.is(204);
    office.call(&office.root, "DELETE", "/v1/users/root").await.refuses(409, "conflict");
    office.close().await;
}

#[tokio::test]
async fn a_device_takes_what_its_filter_says() {
    let office = Office::open().await;
    office.get(&office.ann, "/poll?device=phone").await.is(200);
    let devices = office.get(&office.ann, "/v1/devices").await.is(200);
    assert!(devices.as_array().unwrap().iter().any(|device| device["name"] == "phone"));
    let set = |name: &str, body: Value| {
        send(
            office.request("PUT", &format!("/v1/devices/{name}/filter")).bearer_auth(&office.ann).json(&body),
        )
    };
    set("phone", json!({"topics": ["ops"]})).await.is(204);
    set("phone", json!({"topics": ["nowhere"]})).await.refuses(404, "unknown_topic");
    set("laptop", json!({"topics": ["ops"]})).await.refuses(404, "not_found");
    let devices = office.get(&office.root, "/v1/devices?user=ann").await.is(200);
    let phone = devices.as_array().unwrap().iter().find(|device| device["name"] == "phone").unwrap();
    assert_eq!(phone["filter"], json!(["ops"]));
    office.get(&office.bob, "/v1/devices?user=ann").await.refuses(403, "forbidden");
    office.close().await;
}

#[tokio::test]
async fn an_acknowledged_stretch_must_make_sense() {
    let office = Office::open().await;
    let me = office.get(&office.ann, "/v1/me").await.is(200);
    let epoch = me["server"]["epoch"].as_str().unwrap();
    office
        .post(&office.ann, "/v1/ack", json!({"from": format!("{epoch}-5"), "cursor": format!("{epoch}-3")}))
        .await
        .refuses(422, "invalid_field");
    office
        .post(&office.ann, "/v1/ack", json!({"from": "x", "cursor": "y"}))
        .await
        .refuses(400, "bad_request");
    office
        .post(
            &office.ann,
            "/v1/ack?device=%20",
            json!({"from": format!("{epoch}-1"), "cursor": format!("{epoch}-1")}),
        )
        .await
        .refuses(422, "invalid_field");
    office.close().await;
}

#[tokio::test]
async fn a_device_is_removed_by_its_person_or_an_administrator_and_not_while_it_is_connected() {
    let office = Office::open().await;
    let message = office.publish("one").await;
    for device in ["script", "phone"] {
        let poll = office.get(&office.ann, &format!("/poll?device={device}")).await.is(200);
        office
            .get(&office.ann, &format!("/poll?device={device}&cursor={}", poll["cursor"].as_str().unwrap()))
            .await;
    }
    let remove =
        async |token: &str, path: &str| office.call(token, "DELETE", &format!("/v1/devices/{path}")).await;
    remove(&office.bob, "script?user=ann").await.refuses(403, "forbidden");
    remove(&office.bob, "script").await.refuses(404, "not_found");
    remove(&office.ann, "script").await.is(204);
    remove(&office.ann, "script").await.refuses(404, "not_found");
    let mut open =
        office.request("GET", "/events?device=phone").bearer_auth(&office.ann).send().await.unwrap();
    open.chunk().await.unwrap();
    let refused = remove(&office.root, "phone?user=ann").await;
    assert!(refused.refuses(409, "conflict").contains("connected"));
    assert!(refused.json["error"]["hint"].as_str().unwrap().contains("revoke its token"));
    drop(open);
    let gone = async || remove(&office.root, "phone?user=ann").await.status == 204;
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while !gone().await {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let devices = office.get(&office.ann, "/v1/devices").await.is(200);
    assert_eq!(devices, json!([]));
    let receipt = office.get(&office.root, &format!("/v1/messages/{message}/receipt")).await.is(200);
    assert_eq!(receipt["people"][0]["state"], "sent", "its past stays");
    office.get(&office.ann, "/poll?device=phone").await.is(200);
    office.close().await;
}

#[tokio::test]
async fn too_many_devices_are_refused_with_what_to_do_on_every_way_in() {
    let office = Office::open().await;
    let (ann, _) = office.store.user("ann").await.unwrap();
    let there = office.store.devices(Some(ann)).await.unwrap().len();
    for n in there..DEVICES {
        office.store.open_device(ann, &format!("d{n}")).await.unwrap();
    }
    for path in ["/poll?device=more", "/events?device=more"] {
        let refused = office.get(&office.ann, path).await;
        assert!(refused.refuses(409, "conflict").contains("256 devices"), "{path}");
        let hint = refused.json["error"]["hint"].as_str().unwrap();
        assert!(hint.contains("DELETE /v1/devices/{name}"), "{hint}");
    }
    let upgrade = office
        .request("GET", "/ws?device=more")
        .bearer_auth(&office.ann)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    send(upgrade).await.refuses(409, "conflict");
    let ack = json!({"from": "k3v9x0ab-1", "cursor": "k3v9x0ab-2"});
    office.post(&office.ann, "/v1/ack?device=more", ack).await.refuses(409, "conflict");
    office.get(&office.bob, "/poll?device=more").await.is(200);
    office.call(&office.ann, "DELETE", &format!("/v1/devices/d{there}")).await.is(204);
    office.get(&office.ann, "/poll?device=more").await.is(200);
    office.close().await;
}

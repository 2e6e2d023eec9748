//! Who has a message and who has not: waited for, listed, in pages, and no more of it than a role allows.

use serde_json::{Value, json};
use tocsin_protocol::{NewUser, Role};
use tocsin_server::waiting::WAITS_MOST;
use tocsin_store::Store as _;

use crate::office::{Office, PATIENCE};

async fn acknowledge(office: &Office, token: &str, id: &str) {
    office.call(token, "POST", &format!("/v1/messages/{id}/acknowledge")).await.is(200);
}

fn titles(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_receipt_can_be_waited_for() {
    let office = Office::open().await;
    let id = office.publish("page").await;
    let path = |milestone: &str, timeout: u64| {
        format!("/v1/messages/{id}/receipt?wait={milestone}&timeout={timeout}")
    };
    let any = path("acknowledged_by_any", 60);
    let waits = office.get(&office.sender, &any);
    let presses = async {
        // Somebody reads, which is not what is waited for; then somebody acknowledges.
        office.call(&office.ann, "POST", &format!("/v1/messages/{id}/read")).await.is(200);
        acknowledge(&office, &office.ann, &id).await;
    };
    let (answer, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(waits, presses) }).await.unwrap();
    let receipt = answer.is(200);
    assert_eq!(receipt["waited"], json!({"for": "acknowledged_by_any", "reached": true}));
    assert_eq!((&receipt["unacknowledged"], &receipt["missing"]), (&json!(["bob"]), &json!(["bob"])));

    let in_vain = office.get(&office.sender, &path("acknowledged_by_all", 1)).await.is(200);
    assert_eq!(in_vain["waited"], json!({"for": "acknowledged_by_all", "reached": false}));
    office.get(&office.sender, &path("acknowledged_by_all", 301)).await.refuses(422, "invalid_field");
    office.get(&office.sender, &path("answered", 1)).await.refuses(400, "bad_request");
    office.close().await;
}

#[tokio::test]
async fn a_token_waits_for_so_many_at_once() {
    let office = Office::open().await;
    let id = office.publish("page").await;
    let waits = format!("/v1/messages/{id}/receipt?wait=acknowledged_by_any&timeout=300");
    let admitted = async || loop {
        let answer = office.get(&office.sender, &waits).await;
        // The one below may have its place for a moment.
        if answer.status != 429 {
            return answer;
        }
    };
    let first = futures_util::future::join_all((0..WAITS_MOST).map(|_| admitted()));
    let then = async {
        let one_more = format!("/v1/messages/{id}/receipt?wait=acknowledged_by_any&timeout=1");
        let refused = async {
            // Until all of them wait it is one of them, and its second is over.
            while office.get(&office.sender, &one_more).await.status != 429 {}
        };
        tokio::time::timeout(PATIENCE, refused).await.unwrap();
        // What others wait for is no matter of this token's.
        office.get(&office.root, &one_more).await.is(200);
        acknowledge(&office, &office.ann, &id).await;
    };
    let (first, ()) = tokio::join!(first, then);
    for answer in first {
        assert_eq!(answer.is(200)["waited"]["reached"], true);
    }
    office.get(&office.sender, &waits).await.is(200);
    office.close().await;
}

#[tokio::test]
async fn whoever_is_turned_out_while_they_wait_learns_nothing() {
    let office = Office::open().await;
    let order = json!({"kind": "sender", "name": "other", "topics": ["ops"]});
    let made = office.post(&office.root, "/v1/tokens", order).await.is(201);
    let (secret, token) = (made["secret"].as_str().unwrap(), made["id"].as_str().unwrap());
    let message = json!({"topic": "ops", "title": "page"});
    let sent = office.post(secret, "/v1/messages", message).await.is(201);
    let id = sent["id"].as_str().unwrap();
    let path = format!("/v1/messages/{id}/receipt?wait=acknowledged_by_any&timeout=60");
    let waits = office.get(secret, &path);
    let turns = async {
        office.call(&office.root, "DELETE", &format!("/v1/tokens/{token}")).await.is(204);
        acknowledge(&office, &office.ann, id).await;
    };
    let (answer, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(waits, turns) }).await.unwrap();
    answer.refuses(401, "unauthorised");
    office.close().await;
}

#[tokio::test]
async fn a_device_that_stores_it_is_news_for_who_waits() {
    let office = Office::open().await;
    let polled = async |cursor: &str| {
        let page = office.get(&office.ann, &format!("/poll?device=phone&wait=0{cursor}")).await.is(200);
        format!("&cursor={}", page["cursor"].as_str().unwrap())
    };
    let begun = polled("").await;
    let id = office.publish("page").await;
    let waits = async {
        office.get(&office.root, &format!("/v1/messages/{id}/receipt?wait=received_by_any&timeout=60")).await
    };
    let stores = async {
        let cursor = polled(&begun).await;
        // Asking on acknowledges.
        polled(&cursor).await
    };
    let (answer, _) = tokio::time::timeout(PATIENCE, async { tokio::join!(waits, stores) }).await.unwrap();
    let receipt = answer.is(200);
    assert_eq!(receipt["waited"]["reached"], true, "{receipt}");
    assert_eq!(receipt["people"][0]["device"], "phone", "{receipt}");
    office.close().await;
}

#[tokio::test]
async fn a_receipt_says_why_somebody_is_missing() {
    let office = Office::open().await;
    office.get(&office.ann, "/poll?device=phone&wait=0").await.is(200);
    let id = office.publish("page").await;
    let receipt = office.get(&office.sender, &format!("/v1/messages/{id}/receipt")).await.is(200);
    let (ann, bob) = (&receipt["people"][0], &receipt["people"][1]);
    assert_eq!((&ann["state"], &ann["why"]), (&json!("missing"), &json!("offline")), "{ann}");
    assert_eq!(
        (&ann["devices"][0]["device"], &ann["devices"][0]["online"]),
        (&json!("phone"), &json!(false)),
        "{ann}"
    );
    assert!(ann["devices"][0]["last_seen_at"].is_number(), "{ann}");
    assert_eq!(bob["why"], "no_way", "bob has no device at all");
    office.close().await;
}

/// The device of this name, when it fits.
async fn device_that(office: &Office, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let of_name =
        |devices: &Value| devices.as_array().unwrap().iter().find(|device| device["name"] == name).cloned();
    let says = |devices: &Value| of_name(devices).is_some_and(|device| fits(&device));
    of_name(&office.read_until(&office.root, "/v1/devices", name, says).await).unwrap()
}

#[tokio::test]
async fn a_device_was_last_seen_when_its_stream_ended() {
    let office = Office::open().await;
    let opened = office.request("GET", "/events?device=laptop").bearer_auth(&office.ann).send();
    let stream = opened.await.unwrap();
    let began = device_that(&office, "laptop", |device| device["online"] == true).await;
    let days = 3 * 24 * 3_600_000;
    office.pass(days);
    drop(stream);
    let seen = |device: &Value| device["last_seen_at"].as_i64().unwrap();
    // Both, though perhaps not in the same look: it is listed first and then asked whether it is there.
    let since_now = |device: &Value| seen(device) - seen(&began) >= days - 60_000;
    device_that(&office, "laptop", |device| device["online"] == false && since_now(device)).await;
    office.close().await;
}

#[tokio::test]
async fn whoever_waits_for_the_answer_to_a_poll_is_there() {
    let office = Office::open().await;
    let waits = office.get(&office.ann, "/poll?device=phone&wait=50");
    let looks = async {
        device_that(&office, "phone", |device| device["online"] == true).await;
        office.publish("answers it").await;
    };
    let (answer, ()) = tokio::join!(waits, looks);
    answer.is(200);
    device_that(&office, "phone", |device| device["online"] == false).await;
    office.close().await;
}

#[tokio::test]
async fn people_come_in_pages() {
    let office = Office::open().await;
    let id = office.publish("page").await;
    let page = async |rest: &str| {
        office.get(&office.sender, &format!("/v1/messages/{id}/receipt?limit=1{rest}")).await.is(200)
    };
    let names = |receipt: &Value| -> Vec<String> {
        let people = receipt["people"].as_array().unwrap();
        people.iter().map(|person| person["user"].as_str().unwrap().to_owned()).collect()
    };
    let first = page("").await;
    assert_eq!((names(&first), &first["next"]), (vec!["ann".to_owned()], &json!("ann")));
    let last = page("&after=ann").await;
    assert_eq!((names(&last), last.get("next")), (vec!["bob".to_owned()], None));
    assert_eq!(last["counts"]["owed"], 2, "of everybody, whatever the page");
    let all = format!("/v1/messages/{id}/receipt?limit=201");
    office.get(&office.sender, &all).await.refuses(422, "invalid_field");
    office.close().await;
}

#[tokio::test]
async fn a_member_who_only_received_it_learns_nothing_of_others() {
    let office = Office::open().await;
    let id = office.publish("page").await;
    acknowledge(&office, &office.bob, &id).await;
    let own = office.get(&office.ann, &format!("/v1/messages/{id}/receipt")).await;
    assert!(!own.text.contains("bob"), "{}", own.text);
    assert_eq!(own.is(200)["people"].as_array().unwrap().len(), 1);
    let waits = format!("/v1/messages/{id}/receipt?wait=acknowledged_by_any&timeout=1");
    office.get(&office.ann, &waits).await.refuses(403, "forbidden");
    let listed = office.get(&office.ann, "/v1/receipts").await.is(200);
    assert_eq!(titles(&listed), [""; 0], "they sent nothing");
    office.close().await;
}

#[tokio::test]
async fn receipts_are_listed_by_what_is_the_matter() {
    let office = Office::open().await;
    let answered = office.publish("answered").await;
    for token in [&office.ann, &office.bob] {
        acknowledge(&office, token, &answered).await;
    }
    // Somebody is asked to acknowledge it, by its priority.
    let half = json!({"topic": "ops", "title": "half", "priority": 4});
    let half =
        office.post(&office.sender, "/v1/messages", half).await.is(201)["id"].as_str().unwrap().to_owned();
    acknowledge(&office, &office.ann, &half).await;
    let direct = json!({"to": ["bob"], "title": "direct", "expires_in": 60});
    office.post(&office.root, "/v1/messages", direct).await.is(201);
    let listed = async |token: &str, query: &str| {
        let page = office.get(token, &format!("/v1/receipts?{query}")).await.is(200);
        titles(&page).join(" ")
    };
    assert_eq!(listed(&office.root, "").await, "direct half answered", "newest first");
    assert_eq!(listed(&office.sender, "").await, "half answered", "what it sent");
    assert_eq!(listed(&office.root, "filter=undelivered").await, "direct half");
    assert_eq!(listed(&office.root, "filter=unacknowledged&topic=ops").await, "half");
    assert_eq!(listed(&office.root, "filter=undelivered&user=ann").await, "", "ann has all of hers");
    assert_eq!(listed(&office.root, "user=bob&limit=1").await, "direct");
    office.pass(61_000);
    assert_eq!(listed(&office.root, "filter=expired").await, "direct");
    office.get(&office.root, "/v1/receipts?filter=lost").await.refuses(400, "bad_request");
    office.get(&office.root, "/v1/receipts?limit=0").await.refuses(422, "invalid_field");
    office.close().await;
}

#[tokio::test]
async fn who_was_removed_has_nothing_of_a_namesake() {
    let office = Office::open().await;
    let id = office.publish("page").await;
    office.store.remove_user("bob").await.unwrap();
    let new = NewUser { name: "bob".into(), display_name: None, role: Role::Member };
    let (other, _) = office.store.add_user(new).await.unwrap();
    office.store.open_device(other, "phone").await.unwrap();
    let receipt = office.get(&office.sender, &format!("/v1/messages/{id}/receipt")).await.is(200);
    let people = receipt["people"].as_array().unwrap();
    let row = people.iter().find(|person| person["user"] == "bob").unwrap();
    assert_eq!((&row["state"], row.get("devices")), (&json!("withdrawn"), None), "{receipt:#}");
    office.close().await;
}

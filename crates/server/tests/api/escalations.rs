//! Policies, what they would do and what they do; stopping them; sending again; topics that must not fall silent.

use serde_json::{Value, json};

use crate::office::{Answer, Office, send};

async fn put(office: &Office, path: &str, body: Value) -> Answer {
    send(office.request("PUT", path).bearer_auth(&office.root).json(&body)).await
}

async fn change_topic(office: &Office, body: Value) -> Answer {
    send(office.request("PATCH", "/v1/topics/ops").bearer_auth(&office.root).json(&body)).await
}

/// After a minute whoever is missing, on their devices.
fn one_step() -> Value {
    let step = json!({"after_s": 60, "unless": "acknowledged_by_any", "notify": {"who": "missing"}, "via": ["desktop"]});
    json!({"steps": [step]})
}

/// Publishes under a policy, which becomes the topic's; its id.
async fn publish_under(office: &Office, policy: &str) -> String {
    change_topic(office, json!({ "policy": policy })).await.is(200);
    let message = json!({"topic": "ops", "title": "page", "policy": policy});
    office.post(&office.sender, "/v1/messages", message).await.is(201)["id"].as_str().unwrap().into()
}

async fn receipt(office: &Office, id: &str) -> Value {
    office.get(&office.sender, &format!("/v1/messages/{id}/receipt")).await.is(200)
}

/// Looks at the receipt until `fits`.
async fn until(office: &Office, id: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    office.read_until(&office.sender, &format!("/v1/messages/{id}/receipt"), what, fits).await
}

/// The clock of the test does not wake the server; a message that sets something going does.
async fn pass(office: &Office, ms: i64) {
    put(office, "/v1/policies/wake", one_step()).await.is(200);
    office.pass(ms);
    let message = json!({"topic": "private", "title": "wake", "policy": "wake"});
    office.post(&office.root, "/v1/messages", message).await.is(201);
}

/// Lets time pass in steps that the server sees one by one.
async fn walk(office: &Office, ms: i64) {
    let step = json!({"after_s": 0, "unless": "acknowledged_by_any", "notify": {"who": "missing"}, "via": ["desktop"]});
    put(office, "/v1/policies/now", json!({"steps": [step]})).await.is(200);
    let mut left = ms;
    while left > 0 {
        office.pass(left.min(20_000));
        left -= 20_000;
        let message = json!({"topic": "private", "title": "now", "policy": "now"});
        let made = office.post(&office.root, "/v1/messages", message).await.is(201);
        let path = format!("/v1/messages/{}/receipt", made["id"].as_str().unwrap());
        let ran = |receipt: &Value| receipt["escalation"]["steps"][0].is_object();
        office.read_until(&office.root, &path, "the step", ran).await;
    }
}

#[tokio::test]
async fn a_policy_is_checked_saved_attached_and_removed() {
    let office = Office::open().await;
    let wrong = |step: Value| json!({"steps": [step]});
    let early = json!({"after_s": 60, "unless": "read_by_any", "notify": {"who": "missing"}, "via": ["desktop"], "repeat": 2});
    let nowhere =
        json!({"after_s": 60, "unless": "read_by_any", "notify": {"who": "missing"}, "via": ["pager"]});
    let nobody = json!({"after_s": 60, "unless": "read_by_any", "notify": {"who": "next", "people": ["zoe"]}, "via": ["desktop"]});
    for (policy, word) in
        [(json!({"steps": []}), "1 to 20"), (wrong(early), "every_s"), (wrong(nowhere), "pager")]
    {
        let refused = put(&office, "/v1/policies/night", policy).await;
        assert!(refused.refuses(422, "invalid_field").contains(word), "{}", refused.text);
    }
    let refused = put(&office, "/v1/policies/night", wrong(nobody)).await;
    assert!(refused.status.is_client_error() && refused.text.contains("zoe"), "{}", refused.text);
    put(&office, "/v1/policies/night", json!({"steps": [{"at": 1}]})).await.refuses(400, "bad_request");

    put(&office, "/v1/policies/night", one_step()).await.is(200);
    let named = json!({"topic": "ops", "title": "page", "policy": "night"});
    let refused = office.post(&office.sender, "/v1/messages", named.clone()).await;
    assert!(refused.refuses(403, "forbidden").contains("attach it to the topic"), "{}", refused.text);
    office.post(&office.root, "/v1/messages", named.clone()).await.is(201);
    change_topic(&office, json!({"policy": "night"})).await.is(200);
    office.post(&office.sender, "/v1/messages", named).await.is(201);
    let listed = office.get(&office.ann, "/v1/policies").await.is(200);
    assert_eq!((&listed[0]["name"], &listed[0]["topics"]), (&json!("night"), &json!(["ops"])));
    let id = office.publish("page").await;
    assert_eq!(receipt(&office, &id).await["escalation"]["policy"], "night", "the topic's");
    let unknown = json!({"topic": "ops", "title": "page", "policy": "day"});
    office.post(&office.sender, "/v1/messages", unknown).await.refuses(404, "not_found");
    office.call(&office.root, "DELETE", "/v1/policies/night").await.is(204);
    let id = office.publish("page").await;
    assert!(receipt(&office, &id).await.get("escalation").is_none());
    office.close().await;
}

#[tokio::test]
async fn a_dry_run_shows_when_whom_and_what_is_wrong() {
    let office = Office::open().await;
    put(&office, "/v1/channels/app", json!({"kind": "wecom", "config": {}})).await;
    let next = json!({"after_s": 300, "unless": "acknowledged_by_any", "notify": {"who": "next", "people": ["ann", "bob"]},
        "via": ["desktop"], "repeat": 2, "every_s": 60});
    let policy = json!({"steps": [one_step()["steps"][0], next]});
    let asked = json!({"policy": policy, "topic": "ops", "at": 1_000_000});
    let timeline = office.post(&office.root, "/v1/policies/dry-run", asked.clone()).await.is(200);
    let steps: Vec<_> = timeline["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["at"].clone(), step["people"].clone()))
        .collect();
    let planned =
        [(60, json!(["ann", "bob"])), (300, json!(["ann"])), (360, json!(["bob"])), (420, json!(["ann"]))];
    assert_eq!(steps, planned.map(|(after, people)| (json!(1_000_000 + after * 1000), people)));
    assert_eq!(timeline["warnings"], json!([]));
    office.post(&office.ann, "/v1/policies/dry-run", asked).await.refuses(403, "forbidden");
    office.close().await;
}

#[tokio::test]
async fn a_step_runs_at_its_time_and_an_acknowledgement_ends_them() {
    let office = Office::open().await;
    let mut policy = one_step();
    policy["steps"][0]["repeat"] = json!(5);
    policy["steps"][0]["every_s"] = json!(60);
    put(&office, "/v1/policies/night", policy).await.is(200);
    let id = publish_under(&office, "night").await;
    assert_eq!(receipt(&office, &id).await["escalation"]["state"], "running");
    pass(&office, 60_000).await;
    let ran =
        until(&office, &id, "the first step ran", |receipt| receipt["escalation"]["steps"][0].is_object())
            .await;
    let step = &ran["escalation"]["steps"][0];
    assert_eq!((&step["outcome"], &step["people"]), (&json!("notified"), &json!(["ann", "bob"])));
    office.call(&office.ann, "POST", &format!("/v1/messages/{id}/acknowledge")).await.is(200);
    let ended = receipt(&office, &id).await;
    assert_eq!(
        (&ended["escalation"]["state"], &ended["escalation"]["by"]),
        (&json!("acknowledged"), &json!("ann"))
    );
    pass(&office, 3_600_000).await;
    // What comes after it has run: so would the steps of this one.
    let other = publish_under(&office, "wake").await;
    pass(&office, 60_000).await;
    until(&office, &other, "the other ran", |receipt| receipt["escalation"]["steps"][0].is_object()).await;
    assert_eq!(receipt(&office, &id).await["escalation"]["steps"].as_array().unwrap().len(), 1);
    office.close().await;
}

#[tokio::test]
async fn a_sender_stops_what_they_sent_and_nobody_elses() {
    let office = Office::open().await;
    put(&office, "/v1/policies/night", one_step()).await.is(200);
    let id = publish_under(&office, "night").await;
    let cancel = format!("/v1/messages/{id}/cancel");
    for stranger in [&office.ann, &office.bob] {
        let refused = office.call(stranger, "POST", &cancel).await;
        assert!(matches!(refused.status.as_u16(), 403 | 404), "{}", refused.text);
    }
    assert_eq!(receipt(&office, &id).await["escalation"]["state"], "running");
    assert_eq!(office.call(&office.sender, "POST", &cancel).await.is(200)["escalation"], true);
    assert_eq!(office.call(&office.sender, "POST", &cancel).await.is(200)["escalation"], false, "repeated");
    assert_eq!(receipt(&office, &id).await["escalation"]["state"], "cancelled");
    office.close().await;
}

#[tokio::test]
async fn a_second_click_sends_nothing_twice() {
    let office = Office::open().await;
    let id = office.publish("page").await;
    office.call(&office.bob, "POST", &format!("/v1/messages/{id}/read")).await.is(200);
    let seen = receipt(&office, &id).await["as_of_ms"].clone();
    let path = format!("/v1/messages/{id}/resend");
    let again = json!({"via": ["desktop"], "until": seen});
    office.pass(1_000);
    let first = office.post(&office.sender, &path, again.clone()).await.is(200);
    assert_eq!((&first["reminded"], &first["already"]), (&json!(1), &json!(0)), "ann; bob has it");
    let second = office.post(&office.sender, &path, again.clone()).await.is(200);
    assert_eq!((&second["reminded"], &second["already"]), (&json!(0), &json!(1)));
    office.post(&office.sender, &path, json!({"via": [], "until": seen})).await.refuses(422, "invalid_field");
    let ahead = json!({"via": ["desktop"], "until": seen.as_i64().unwrap() + 3_600_000});
    office.post(&office.sender, &path, ahead).await.refuses(422, "invalid_field");
    let stranger = office.post(&office.ann, &path, again).await;
    assert!(matches!(stranger.status.as_u16(), 403 | 404), "{}", stranger.text);
    office.close().await;
}

#[tokio::test]
async fn a_silent_topic_is_told_once_and_again_when_it_speaks() {
    let office = Office::open().await;
    change_topic(&office, json!({"expect_every_s": 5})).await.refuses(422, "invalid_field");
    change_topic(&office, json!({"expect_every_s": 60})).await.is(200);
    office.publish("backup made").await;
    // An hour at once is a sleep of the server: the topic had no chance to be heard.
    pass(&office, 3_600_000).await;
    walk(&office, 59_000).await;
    let inbox = office.get(&office.ann, "/v1/messages").await.is(200);
    assert_eq!(inbox["items"].as_array().unwrap().len(), 1, "{inbox}");
    walk(&office, 2_000).await;
    let told = async |word: &str| {
        let says = |inbox: &Value| inbox["items"][0]["title"].as_str().unwrap().contains(word);
        let inbox = office.read_until(&office.ann, "/v1/messages", word, says).await;
        (inbox["items"][0].clone(), inbox["items"].as_array().unwrap().len())
    };
    let (silent, count) = told("silent").await;
    assert_eq!((&silent["priority"], count), (&json!(4), 2));
    pass(&office, 3_600_000).await;
    office.publish("backup made").await;
    let (back, _) = told("again").await;
    assert_eq!(back["resolved"], true, "{back}");
    office.close().await;
}

//! Alertmanager's webhook, payload version 4, as it puts it on the wire.

use serde_json::{Value, json};
use tocsin_store::Store as _;

use crate::office::{Office, send};

const HOOK: &str = "/v1/hooks/alertmanager/ops";

fn alert(fingerprint: &str, status: &str, severity: &str) -> Value {
    json!({
        "status": status, "labels": {"alertname": "HighLoad", "instance": fingerprint, "severity": severity},
        "annotations": {"summary": format!("load on {fingerprint}")}, "startsAt": "2026-01-02T03:04:05.678Z",
        "endsAt": if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-01-02T04:00:00Z" },
        "generatorURL": "http://prometheus.example:9090/graph?g0.expr=up", "fingerprint": fingerprint,
    })
}

fn group(status: &str, alerts: &[Value]) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"HighLoad\"}", "truncatedAlerts": 0, "status": status, "receiver": "tocsin",
        "groupLabels": {"alertname": "HighLoad"}, "commonLabels": {"alertname": "HighLoad"}, "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093", "notification_reason": "newer versions add fields", "alerts": alerts,
    })
}

#[tokio::test]
async fn firing_then_resolved_is_one_thread() {
    let office = Office::open().await;
    let firing = office
        .post(
            &office.sender,
            HOOK,
            group("firing", &[alert("a", "firing", "critical"), alert("b", "firing", "info")]),
        )
        .await
        .is(200);
    assert_eq!(firing["audience"], 2);
    let first =
        office.get(&office.ann, &format!("/v1/messages/{}", firing["id"].as_str().unwrap())).await.is(200);
    assert_eq!(first["title"], "HighLoad (2)");
    assert_eq!(first["priority"], 5);
    assert_eq!(first["format"], "markdown");
    assert_eq!(first["actions"], json!([{"type": "acknowledge"}]));
    assert_eq!(first["click"], "http://alertmanager.example:9093");
    assert!(first["body"].as_str().unwrap().contains("- load on a ("), "{}", first["body"]);

    let acknowledged = format!("/v1/messages/{}/acknowledge", first["id"].as_str().unwrap());
    office.call(&office.ann, "POST", &acknowledged).await.is(200);
    let resolved = office
        .post(&office.sender, HOOK, group("resolved", &[alert("a", "resolved", "critical")]))
        .await
        .is(200);
    assert_eq!(resolved["superseded"], firing["id"]);
    let last =
        office.get(&office.ann, &format!("/v1/messages/{}", resolved["id"].as_str().unwrap())).await.is(200);
    assert_eq!((&last["thread"], &last["resolved"]), (&first["id"], &json!(true)));
    assert_eq!(last["priority"], 3, "what is over is not urgent");
    assert!(last.get("actions").is_none());
    assert!(last["acknowledged_at"].is_i64(), "the acknowledgement carries over");
    office.close().await;
}

#[tokio::test]
async fn a_retry_or_twin_within_5_min_is_the_same_message() {
    let office = Office::open().await;
    let once = group("firing", &[alert("a", "firing", "warning"), alert("b", "firing", "warning")]);
    let twin = group("firing", &[alert("b", "firing", "warning"), alert("a", "firing", "warning")]);
    let first = office.post(&office.sender, HOOK, once.clone()).await.is(200);
    assert_eq!(office.post(&office.sender, HOOK, twin.clone()).await.is(200)["id"], first["id"]);
    let more =
        office.post(&office.sender, HOOK, group("firing", &[alert("a", "firing", "warning")])).await.is(200);
    assert_ne!(more["id"], first["id"], "another set of alerts");
    office.pass(5 * 60_000 + 1);
    let later = office.post(&office.sender, HOOK, once).await.is(200);
    assert_eq!(later["superseded"], more["id"], "the reminder after repeat_interval is a new version");
    office.close().await;
}

#[tokio::test]
async fn two_alertmanagers_with_a_token_each_are_one() {
    let office = Office::open().await;
    let made = office
        .post(&office.root, "/v1/tokens", json!({"kind": "sender", "name": "am2", "topics": ["ops"]}))
        .await
        .is(201);
    let second = made["secret"].as_str().unwrap();
    let firing = group("firing", &[alert("a", "firing", "warning")]);
    let first = office.post(&office.sender, HOOK, firing.clone()).await.is(200);
    assert_eq!(office.post(&office.sender, HOOK, firing.clone()).await.is(200)["id"], first["id"]);
    assert_eq!(office.post(second, HOOK, firing).await.is(200)["id"], first["id"]);
    let over = group("resolved", &[alert("a", "resolved", "warning")]);
    let last = office.post(second, HOOK, over.clone()).await.is(200);
    assert_eq!(last["superseded"], first["id"], "whichever tells it first");
    assert_eq!(office.post(&office.sender, HOOK, over).await.is(200)["id"], last["id"]);
    // Each sees the receipts of what it sent.
    let receipt = |id: &Value| format!("/v1/messages/{}/receipt", id.as_str().unwrap());
    office.get(&office.sender, &receipt(&first["id"])).await.is(200);
    office.get(second, &receipt(&last["id"])).await.is(200);
    office.get(second, &receipt(&first["id"])).await.refuses(403, "forbidden");
    office.close().await;
}

#[tokio::test]
async fn what_passes_by_itself_answers_503() {
    let office = Office::with(|config| {
        config.rates.publish_per_s = Some(1);
        config.rates.publish_burst = 1;
    })
    .await;
    let once = group("firing", &[alert("a", "firing", "none")]);
    office.post(&office.sender, HOOK, once.clone()).await.is(200);
    let answer = office.post(&office.sender, HOOK, once.clone()).await;
    answer.refuses(503, "busy");
    assert!(!answer.header("retry-after").is_empty());
    office.pass(1000);
    office.state.ready.was_doubted();
    office.get(&office.ann, "/v1/me").await.is(200);
    assert!(!office.state.ready.was_doubted());
    office.store.close().await;
    office.post(&office.sender, HOOK, once).await.refuses(503, "store_unavailable");
    assert!(office.state.ready.was_doubted(), "whoever watches the store looks");
    office.close().await;
}

#[tokio::test]
async fn what_will_never_pass_answers_4xx_with_a_hint() {
    let office = Office::open().await;
    let mut other = group("firing", &[]);
    other["version"] = "1".into();
    let answer = office.post(&office.sender, HOOK, other).await;
    assert!(answer.refuses(400, "bad_request").contains("\"1\""));
    assert!(answer.json["error"]["hint"].as_str().unwrap().contains("version 4"));
    office.post(&office.sender, HOOK, json!({"version": "4"})).await.refuses(400, "bad_request");
    office
        .post(&office.sender, "/v1/hooks/alertmanager/nowhere", group("firing", &[]))
        .await
        .refuses(404, "unknown_topic");
    office
        .post(&office.sender, "/v1/hooks/alertmanager/private", group("firing", &[]))
        .await
        .refuses(403, "forbidden");
    send(office.request("POST", HOOK).json(&group("firing", &[]))).await.refuses(401, "unauthorised");
    office.close().await;
}

#[tokio::test]
async fn a_group_without_alerts_labels_or_links_is_still_told() {
    let office = Office::open().await;
    let bare = json!({"version": "4", "groupKey": "g", "status": "firing"});
    let made = office.post(&office.sender, HOOK, bare).await.is(200);
    let message =
        office.get(&office.ann, &format!("/v1/messages/{}", made["id"].as_str().unwrap())).await.is(200);
    assert_eq!((message["priority"].as_u64(), message.get("click")), (Some(3), None));
    office.close().await;
}

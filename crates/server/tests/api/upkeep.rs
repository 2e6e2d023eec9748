//! Pruning, and what is said of it.

use serde_json::{Value, json};
use tocsin_locale::Locale;
use tocsin_protocol::{Role, account::UserChange, control::Language};
use tocsin_server::{
    alerts::{Alert, PAUSE_MS, Raised},
    upkeep::Upkeep,
};
use tocsin_store::Store;

use crate::office::{Office, send};

const DAY: i64 = 24 * 3_600_000;

fn upkeep(office: &Office) -> Upkeep {
    let state = &office.state;
    Upkeep { store: office.store.clone(), metrics: state.metrics.clone(), alerts: state.alerts.clone() }
}

/// What somebody has in their inbox of the server's own alerts, newest first.
async fn alerts(office: &Office, token: &str) -> Vec<Value> {
    let inbox = office.get(token, "/v1/messages?topic=_alerts").await;
    match inbox.status.as_u16() {
        200 => inbox.json["items"].as_array().unwrap().clone(),
        404 => Vec::new(),
        other => panic!("{other}: {}", inbox.text),
    }
}

#[tokio::test]
async fn what_is_pruned_unreceived_is_counted_as_lost() {
    let office = Office::open().await;
    let kept = office.publish("unseen").await;
    office.pass(8 * DAY);
    upkeep(&office).prune().await.unwrap();
    let metrics = send(office.request("GET", "/metrics")).await.text;
    assert!(metrics.contains("tocsin_pruned_messages_total 1"), "{metrics}");
    assert!(metrics.contains("tocsin_lost_to_retention_total 2"), "two people never got it");
    let receipt = office.get(&office.sender, &format!("/v1/messages/{kept}/receipt")).await.is(200);
    assert_eq!(receipt["people"][0]["state"], "lost_to_retention");
    office.close().await;
}

#[tokio::test]
async fn administrators_are_told_of_what_was_lost() {
    let office = Office::open().await;
    office.publish("one").await;
    office.publish("two").await;
    upkeep(&office).prune().await.unwrap();
    assert!(alerts(&office, &office.root).await.is_empty(), "nothing was lost yet");
    office.pass(8 * DAY);
    upkeep(&office).prune().await.unwrap();
    let told = alerts(&office, &office.root).await;
    assert_eq!(told.len(), 1, "one alert for all of it: {told:?}");
    assert_eq!((&told[0]["topic"], &told[0]["priority"]), (&json!("_alerts"), &json!(4)));
    assert_eq!(told[0]["title"], "Pruned before they were received: 4");
    let body = told[0]["body"].as_str().unwrap();
    assert!(body.contains("- `ann`: 2\n- `bob`: 2\n"), "{body}");
    assert!(alerts(&office, &office.ann).await.is_empty(), "members are not");
    let id = told[0]["id"].as_str().unwrap();
    let receipt = office.get(&office.root, &format!("/v1/messages/{id}/receipt")).await.is(200);
    assert_eq!(receipt["missing"], json!(["root"]), "and whether they got it is known as of every message");
    office.close().await;
}

#[tokio::test]
async fn one_alert_per_cause_in_ten_minutes_and_what_was_held_back_comes_with_the_next() {
    let office = Office::open().await;
    let told = async || alerts(&office, &office.root).await.len();
    office.publish("one").await;
    office.pass(7 * DAY);
    upkeep(&office).prune().await.unwrap();
    assert_eq!(told().await, 1);
    office.state.alerts.lost([("ann".to_owned(), 3)].into()).await.unwrap();
    office.state.alerts.lost([("ann".to_owned(), 2), ("bob".to_owned(), 1)].into()).await.unwrap();
    assert_eq!(told().await, 1, "held back");
    let other = |cause: &str| Alert { cause: cause.into(), title: "t".into(), body: "b".into() };
    assert_eq!(office.state.alerts.raise(other("disk")).await.unwrap(), Raised::Told(1));
    assert_eq!(office.state.alerts.raise(other("disk")).await.unwrap(), Raised::HeldBack);
    assert_eq!(told().await, 2, "another cause is told at once");
    office.pass(PAUSE_MS);
    upkeep(&office).prune().await.unwrap();
    let all = alerts(&office, &office.root).await;
    assert_eq!((all.len(), &all[0]["title"]), (3, &json!("Pruned before they were received: 6")));
    assert!(all[0]["body"].as_str().unwrap().contains("- `ann`: 5\n- `bob`: 1\n"), "{all:?}");
    office.pass(PAUSE_MS);
    upkeep(&office).prune().await.unwrap();
    assert_eq!(told().await, 3, "told once");
    office.close().await;
}

#[tokio::test]
async fn lost_alerts_raise_none() {
    let office = Office::open().await;
    office.publish("one").await;
    office.pass(8 * DAY);
    upkeep(&office).prune().await.unwrap();
    assert_eq!(alerts(&office, &office.root).await.len(), 1);
    office.pass(8 * DAY);
    upkeep(&office).prune().await.unwrap();
    assert!(
        alerts(&office, &office.root).await.is_empty(),
        "the administrator never saw the first, and it is gone"
    );
    office.close().await;
}

#[tokio::test]
async fn the_audience_is_who_is_an_administrator_now_and_nobody_else_publishes_there() {
    let office = Office::open().await;
    let raise = async |cause: &str| {
        let alert = Alert { cause: cause.into(), title: cause.into(), body: "b".into() };
        office.state.alerts.raise(alert).await.unwrap()
    };
    assert_eq!(raise("one").await, Raised::Told(1));
    let role = |role| UserChange { display_name: None, role: Some(role) };
    office.store.change_user("ann", role(Role::Admin)).await.unwrap();
    assert_eq!(raise("two").await, Raised::Told(2));
    assert_eq!(alerts(&office, &office.ann).await.len(), 1);
    office.store.change_user("ann", role(Role::Member)).await.unwrap();
    assert_eq!(raise("three").await, Raised::Told(1));
    assert!(
        office.post(&office.root, "/v1/messages", json!({"topic": "_alerts", "body": "b"})).await.status
            == 422
    );
    assert!(office.post(&office.root, "/v1/topics", json!({"name": "_alerts"})).await.status == 422);
    office.close().await;
}

/// As when the disk is full: nothing is dropped because it could not be told at once.
#[tokio::test]
async fn what_could_not_be_told_is_told_later() {
    let office = Office::open().await;
    office.store.limit_pages(Some(1)).await.unwrap();
    // Until the last page has no room for a small one.
    for bytes in [16_000, 300, 1] {
        let filler = json!({"topic": "ops", "body": "x".repeat(bytes)});
        while office.post(&office.root, "/v1/messages", filler.clone()).await.status == 201 {}
    }
    let missed = || [("ann".to_owned(), 1)].into();
    office.state.alerts.lost(missed()).await.unwrap_err();
    office.store.limit_pages(None).await.unwrap();
    office.state.alerts.lost(missed()).await.unwrap();
    let told = alerts(&office, &office.root).await;
    assert_eq!(told[0]["title"], "Pruned before they were received: 2");
    office.close().await;
}

#[tokio::test]
async fn alerts_speak_the_servers_language() {
    let office = Office::with(|config| config.locale = Locale::new(Language::ZhCn, "").into()).await;
    office.state.alerts.lost([("ann".to_owned(), 1)].into()).await.unwrap();
    let told = alerts(&office, &office.root).await;
    assert_eq!(told[0]["title"], "未被收到就已清理的消息：1 条");
    assert!(told[0]["body"].as_str().unwrap().contains("- `ann`: 1\n"));
    assert_eq!(office.store.topic("_alerts", None).await.unwrap().1.description, "本服务器要告知管理员的事");
    office.close().await;
}

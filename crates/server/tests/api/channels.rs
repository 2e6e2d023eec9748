//! A message on its way to a phone: the real server over a real socket, the real store, and the simulator of the
//! platforms. From the settings over the card to the press that turns the receipt.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tocsin_store::Store as _;
use tocsin_wechat_sim::{Fault, Kind, seed};

use crate::{
    desk::{CALLBACK_KEY, CALLBACK_TOKEN, Desk, PATIENCE, ann, way_is},
    office::send,
};

#[tokio::test]
async fn a_card_is_pressed_on_the_phone_and_the_receipt_says_so() {
    let desk = Desk::open().await;
    desk.wecom(true).await;
    let view = desk.office.get(&desk.office.root, "/v1/channels/app").await.is(200);
    assert_eq!((&view["standing"]["state"], &view["callback_ready"]), (&json!("ready"), &json!(true)));
    assert_eq!(view["is_platform"], false);

    desk.office.publish("below the route's priority").await;
    let id = desk.urgent("db-1").await;
    let card = desk.on_the_phone().await;
    assert_eq!(card.buttons[0].text, "Got it", "short enough for a button");
    let receipt = desk.receipt(&id, "accepted", way_is("accepted")).await;
    // The platform took it, no device of ours has it.
    assert_eq!(ann(&receipt)["state"], "sent", "a receipt and its ways are of the same moment");
    desk.sim.press(card.id, "acknowledge").unwrap();
    let receipt = desk.receipt(&id, "acknowledged", |receipt| ann(receipt)["state"] == "acknowledged").await;
    assert_eq!(receipt["counts"]["acknowledged"], 1);
    assert_eq!(desk.shown(), 1, "exactly one card");
    // The button was replaced for the one who pressed.
    let replaced = desk.sim.wait_for("the new button", PATIENCE, |world| {
        let shown = format!("{:?}", world.inbox.shown().next());
        shown.contains("Acknowledged").then_some(())
    });
    replaced.await.unwrap();
    desk.office.close().await;
}

#[tokio::test]
async fn what_is_not_signed_by_the_platform_changes_nothing() {
    let desk = Desk::open().await;
    desk.wecom(true).await;
    let id = desk.urgent("db-1").await;
    desk.on_the_phone().await;
    let forged = "/v1/hooks/wecom/app?msg_signature=0000&timestamp=1&nonce=2";
    for (path, status) in [
        (forged, 401),
        ("/v1/hooks/wecom/app", 400),
        ("/v1/hooks/wechat/app", 404),
        ("/v1/hooks/wecom/other", 404),
    ] {
        let answer = send(desk.office.request("POST", path).body("<xml><Encrypt>AAAA</Encrypt></xml>")).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
    }
    // Nothing but the platform's own answer, which comes after the phone has it.
    desk.receipt(&id, "sent and no more", |receipt| ann(receipt)["state"] == "sent").await;
    desk.office.close().await;
}

#[tokio::test]
async fn a_test_says_what_is_wrong_and_what_to_do() {
    let desk = Desk::open().await;
    desk.wecom(false).await;
    let path = "/v1/channels/app/test";
    let root = &desk.office.root;
    let test = desk.office.post(root, path, json!({"user": "ann"})).await.is(200);
    assert_eq!((&test["token"]["result"], &test["message"]["result"]), (&json!("passed"), &json!("passed")));
    assert_eq!(desk.shown(), 1);
    desk.office.post(root, path, json!({"user": "bob"})).await.refuses(422, "invalid_field");
    for everybody in ["@all", "ZhangSan|lisi"] {
        let order = json!({"address": everybody});
        desk.office.post(root, path, order).await.refuses(422, "invalid_field");
    }
    assert_eq!(desk.shown(), 1, "a test is for one person");
    let nobody = desk.office.post(root, path, json!({"address": "nobody"})).await.is(200);
    let failing = &nobody["message"]["failing"];
    assert_eq!((&failing["code"], &failing["class"]), (&json!("81013"), &json!("permanent")), "{nobody:#}");

    let switches = json!({"wecom_allow_list": ["198.51.100.1"], "seen_ip": "203.0.113.7"});
    desk.sim.configure(&switches).unwrap();
    let test = desk.office.post(root, path, json!({"user": "ann"})).await.is(200);
    let failing = &test["token"]["failing"];
    assert_eq!(
        (&failing["code"], &failing["class"], &failing["remedy"], &failing["params"]["ip"]),
        (&json!("60020"), &json!("config"), &json!("trust_ip"), &json!("203.0.113.7")),
        "{test:#}"
    );
    assert_eq!(test["message"]["result"], "skipped");

    // The same from a message: it fails for good, and the administrators are told what to do.
    let id = desk.urgent("db-1").await;
    desk.receipt(&id, "failed", way_is("failed")).await;
    let inbox = desk.office.get(root, "/v1/messages?topic=_alerts").await.is(200);
    let alert = inbox["items"][0]["body"].as_str().unwrap();
    assert!(alert.contains("203.0.113.7") && alert.contains("db-1"), "{alert}");
    let view = desk.office.get(root, "/v1/channels/app").await.is(200);
    assert_eq!((&view["health"]["flow"], &view["health"]["code"]), (&json!("parked"), &json!("60020")));
    assert_eq!(view["failing"]["params"]["ip"], "203.0.113.7");

    // Mended, it is sent again by hand.
    desk.sim.configure(&json!({"wecom_allow_list": null})).unwrap();
    desk.office.call(root, "POST", "/v1/channels/app/reopen").await.is(204);
    let flow = || async { desk.office.get(root, "/v1/channels/app").await.is(200)["health"]["flow"].clone() };
    assert_eq!(flow().await, "open");
    let failed = desk.office.get(root, "/v1/deliveries?state=failed").await.is(200);
    let (delivery, round) = (&failed["items"][0]["id"], &failed["items"][0]["round"]);
    assert_eq!(failed["failings"][delivery.to_string()]["remedy"], "trust_ip");
    let order = json!({"what": "one", "id": delivery, "round": round});
    assert_eq!(desk.office.post(root, "/v1/deliveries/resend", order.clone()).await.is(200)["queued"], 1);
    desk.receipt(&id, "sent again", way_is("accepted")).await;
    assert_eq!(
        desk.office.post(root, "/v1/deliveries/resend", order).await.is(200)["queued"],
        0,
        "a second click"
    );
    assert_eq!(desk.shown(), 2);
    let detail = desk.office.get(root, &format!("/v1/deliveries/{delivery}")).await.is(200);
    assert_eq!(detail["attempts"].as_array().unwrap().len(), 2, "{detail:#}");
    desk.office.close().await;
}

/// A token that is held proves nothing: the address may have been taken off the list since, or the secret been reset.
#[tokio::test]
async fn a_test_asks_the_platform_although_a_token_is_held() {
    let desk = Desk::open().await;
    desk.official().await;
    let test = async || {
        let order = desk.office.post(&desk.office.root, "/v1/channels/oa/test", json!({})).await;
        order.is(200)["token"].clone()
    };
    assert_eq!(test().await["result"], "passed");
    desk.sim.configure(&json!({"oa_allow_list": ["198.51.100.1"], "seen_ip": "203.0.113.7"})).unwrap();
    let refused = test().await;
    assert_eq!(refused["failing"]["code"], "40164", "{refused:#}");
    desk.sim.configure(&json!({"oa_allow_list": null})).unwrap();
    assert_eq!(test().await["result"], "passed");
    desk.sim.world(|world| world.account_mut().unwrap().secret = "another".into());
    let refused = test().await;
    assert_eq!(refused["failing"]["remedy"], "check_secret", "{refused:#}");
    desk.office.close().await;
}

/// An app that may not list members can send. What else is refused would be refused of a message, too.
#[tokio::test]
async fn only_that_members_are_not_to_be_listed_passes_a_test() {
    const MEMBERS: &str = "user/simplelist";
    let desk = Desk::open().await;
    desk.wecom(false).await;
    let test = async || {
        let order = desk.office.post(&desk.office.root, "/v1/channels/app/test", json!({})).await;
        order.is(200)["token"].clone()
    };
    for code in [60011, 48002, 60003] {
        desk.sim.inject(Fault::errcode(code).on(MEMBERS).times(1));
        let passed = test().await;
        assert_eq!(passed["result"], "passed", "{code}: {passed:#}");
    }
    for code in [50003, 45009, 301_002, -1] {
        desk.sim.inject(Fault::errcode(code).on(MEMBERS).times(1));
        let refused = test().await;
        assert_eq!(refused["failing"]["code"], code.to_string(), "{refused:#}");
    }
    // Also of a token that was fetched a moment ago.
    desk.sim.inject(Fault::errcode(40001).on(MEMBERS));
    let refused = test().await;
    assert_eq!(refused["failing"]["remedy"], "check_secret", "{refused:#}");
    desk.office.close().await;
}

#[tokio::test]
async fn taken_and_then_silent_is_one_message() {
    let desk = Desk::with(|config| config.platform_timings.call = Duration::from_millis(500)).await;
    desk.wecom(false).await;
    // The token first: it shall not be what is slow.
    desk.office.post(&desk.office.root, "/v1/channels/app/test", json!({})).await.is(200);
    desk.sim.inject(Fault::new(Kind::Timeout).on("message/send").after().times(1));
    let id = desk.urgent("db-1").await;
    let receipt = desk
        .receipt(&id, "an end", |receipt| {
            matches!(ann(receipt)["ways"][0]["state"].as_str(), Some("accepted" | "unknown"))
        })
        .await;
    assert_eq!(ann(&receipt)["ways"][0]["state"], "accepted", "inside the time in which it is recognised");
    assert_eq!(desk.shown(), 1, "never two");
    desk.office.close().await;
}

#[tokio::test]
async fn a_robot_has_no_key_for_repetitions_so_silence_is_unknown() {
    let desk = Desk::with(|config| config.platform_timings.call = Duration::from_millis(500)).await;
    let key = desk.sim.world(|world| world.robot().unwrap().key.clone());
    let config = json!({"base_url": desk.sim.wecom_url(), "proxy": "none"});
    desk.put("/v1/channels/group", json!({"kind": "wecom-robot", "config": config})).await.is(200);
    let whole = desk.sim.robot_url(&key);
    desk.put("/v1/channels/group/secrets/key", json!({"secret": whole})).await.is(204);
    desk.put("/v1/routes", json!({"channel": "group", "topic": "ops", "from_priority": 1})).await.is(204);
    let first = desk.urgent("said once").await;
    let group = |state: &'static str| move |receipt: &Value| receipt["groups"][0]["state"] == state;
    desk.receipt(&first, "accepted", group("accepted")).await;
    desk.sim.inject(Fault::new(Kind::Timeout).on("webhook/send").after().times(1));
    let second = desk.urgent("said, and nobody heard the answer").await;
    desk.receipt(&second, "unknown", group("unknown")).await;
    assert_eq!(desk.shown(), 2);
    let path = format!("/v1/messages/{second}/receipt");
    let seen_by_ann = desk.office.get(&desk.office.ann, &path).await.is(200);
    assert_eq!(seen_by_ann.get("groups"), None, "what a group was told is not a member's to see");
    desk.office.close().await;
}

#[tokio::test]
async fn a_scan_binds_and_the_platforms_word_confirms() {
    let desk = Desk::open().await;
    desk.official().await;
    let root = &desk.office.root;
    let templates = desk.office.get(root, "/v1/channels/oa/templates").await.is(200);
    assert!(templates.as_array().unwrap().iter().any(|template| template["fields"][0]["name"] == "thing1"));
    let quota = desk.office.get(root, "/v1/channels/oa/quota").await.is(200);
    assert!(quota["remain"].as_i64().is_some_and(|left| left > 0), "{quota}");
    // The newest are on the last page.
    desk.sim.configure(&json!({"follower_page": 1})).unwrap();
    let people = desk.office.get(root, "/v1/channels/oa/candidates").await.is(200);
    assert!(people.as_array().unwrap().iter().any(|person| person["name"] == "王芳"), "{people:#}");

    let ticket = desk.code_for_ann().await;
    let openid = seed::openid("wangfang");
    desk.sim.scan(&openid, &ticket).unwrap();
    let bindings = "/v1/channels/oa/bindings";
    desk.read_until(bindings, "bound", |bound| bound[0]["address"] == openid.as_str()).await;

    let id = desk.urgent("db-1").await;
    desk.receipt(&id, "confirmed", way_is("confirmed")).await;
    assert_eq!(desk.shown(), 1);
    desk.sim.unfollow(&openid).unwrap();
    desk.read_until(bindings, "unbound", |bound| *bound == json!([])).await;
    desk.office.close().await;
}

#[tokio::test]
async fn the_secret_of_a_channel_comes_out_nowhere() {
    let desk = Desk::open().await;
    let log = crate::secrets::listen();
    desk.wecom(true).await;
    let secret_of_the_app = desk.app_secret();
    let id = desk.urgent("so that something is stored").await;
    desk.on_the_phone().await;
    desk.receipt(&id, "accepted", way_is("accepted")).await;
    let root = desk.office.root.clone();
    let mut outputs = vec![("config", format!("{:?}", desk.office.state.config))];
    for (what, path) in [
        ("channels", "/v1/channels"),
        ("channel", "/v1/channels/app"),
        ("deliveries", "/v1/deliveries"),
        ("metrics", "/metrics"),
        ("receipt", &format!("/v1/messages/{id}/receipt")),
    ] {
        outputs.push((what, desk.office.get(&root, path).await.text));
    }
    assert!(
        outputs
            .iter()
            .any(|(what, text)| *what == "metrics" && text.contains("tocsin_outbox_attempts_total"))
    );
    let copy = tempfile::tempdir().unwrap();
    let backup = copy.path().join("backup.db");
    desk.office.store.backup(&backup).await.unwrap();
    outputs.push(("backup", String::from_utf8_lossy(&std::fs::read(&backup).unwrap()).into_owned()));
    let dir: Arc<tempfile::TempDir> = desk.office.data_dir();
    desk.office.close().await;
    outputs.push(("log", log.text()));
    let mut sealed = 0;
    for (what, dir) in [("data directory", dir.path()), ("tokens", desk.tokens.path())] {
        for file in std::fs::read_dir(dir).unwrap() {
            let path = file.unwrap().path();
            sealed += usize::from(what == "tokens");
            outputs.push((what, String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()));
        }
    }
    assert_eq!(sealed, 1, "the token waits for the next start, sealed");
    for (what, text) in &outputs {
        for secret in [secret_of_the_app.as_str(), CALLBACK_TOKEN, CALLBACK_KEY] {
            assert!(!text.contains(secret), "a secret came out in {what}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name() {
    let desk = Desk::open().await;
    let put = |path: &'static str, body| desk.put(path, body);
    let wecom = |config| json!({"kind": "wecom", "config": config});
    let answer = put("/v1/channels/app", wecom(json!({"agent_id": 1}))).await;
    assert!(answer.refuses(422, "invalid_field").starts_with("config.corp_id"));
    let leaking = json!({"corp_id": "ww1", "agent_id": 1, "secret": "canary"});
    let answer = put("/v1/channels/app", wecom(leaking)).await;
    assert!(!answer.refuses(422, "invalid_field").contains("canary"));
    put("/v1/channels/app", json!({"kind": "webhook", "config": {}})).await.refuses(422, "invalid_field");
    put("/v1/channels/none/secrets/secret", json!({"secret": "x"})).await.refuses(404, "not_found");
    put("/v1/channels/app", wecom(json!({"corp_id": "ww1", "agent_id": 1}))).await.is(200);
    put("/v1/channels/app/secrets/key", json!({"secret": "x"})).await.refuses(422, "invalid_field");
    let short = json!({"secret": "too short"});
    put("/v1/channels/app/secrets/callback_key", short).await.refuses(422, "invalid_field");
    put("/v1/channels/app/bindings/ann", json!({"address": "@all"})).await.refuses(422, "invalid_field");
    put("/v1/channels/app/bindings/ann", json!({"address": "a|b"})).await.refuses(422, "invalid_field");
    let root = &desk.office.root;
    desk.office.post(root, "/v1/channels/app/test", json!({})).await.refuses(409, "conflict");
    desk.office.call(root, "DELETE", "/v1/channels/app").await.is(204);
    desk.office.get(root, "/v1/channels/app").await.refuses(404, "not_found");
    assert_eq!(desk.office.get(root, "/v1/channels").await.is(200), json!([]));
    desk.office.close().await;
}

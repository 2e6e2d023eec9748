//! Binding by a code that is sent to the address: the real server and the simulator of the platforms.

use serde_json::{Value, json};

use crate::{
    desk::{Desk, PATIENCE, USERID},
    office::{Answer, send},
};

const CODE: &str = "/v1/channels/app/bindings/bob/code";
const CONFIRM: &str = "/v1/channels/app/bindings/bob/confirm";
/// Nobody is bound to it yet.
const OTHER: &str = "lisi";

async fn confirm(desk: &Desk, token: &str, code: &str) -> Answer {
    desk.office.post(token, CONFIRM, json!({ "code": code })).await
}

/// Sends a code to this userid; the code, as the phone shows it.
async fn sent(desk: &Desk, userid: &str) -> String {
    let before = desk.shown();
    let sent = desk.office.post(&desk.office.root, CODE, json!({ "address": userid })).await.is(200);
    assert_eq!(sent["message"]["result"], "passed", "{sent:#}");
    assert!(sent["expires_at"].as_i64().is_some_and(|at| at > 0), "{sent:#}");
    let code = desk.sim.wait_for("the code", PATIENCE, |world| {
        let item = world.inbox.shown().nth(before)?;
        let digits = item.text.split(|c: char| !c.is_ascii_digit());
        digits.into_iter().find(|word| word.len() == 6).map(str::to_owned)
    });
    code.await.unwrap()
}

/// Another code than this one.
fn wrong(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

async fn bindings(desk: &Desk) -> Vec<(String, String)> {
    let bound = desk.office.get(&desk.office.root, "/v1/channels/app/bindings").await.is(200);
    let text = |binding: &Value, field: &str| binding[field].as_str().unwrap().to_owned();
    let bound = bound.as_array().unwrap().iter();
    bound.map(|binding| (text(binding, "user"), text(binding, "address"))).collect()
}

#[tokio::test]
async fn whoever_tells_the_code_is_bound_where_it_went() {
    let desk = Desk::open().await;
    desk.wecom(false).await;
    let code = sent(&desk, OTHER).await;
    assert!(bindings(&desk).await.iter().all(|(user, _)| user != "bob"), "not before it was told");
    let told = confirm(&desk, &desk.office.root, &wrong(&code)).await;
    told.refuses(422, "invalid_field");
    assert_eq!(told.json["error"]["hint"], "tries that are left: 4");
    // The person themselves, without an administrator.
    let bound = confirm(&desk, &desk.office.bob, &format!(" {code} ")).await.is(200);
    assert_eq!((&bound["user"], &bound["address"]), (&json!("bob"), &json!(OTHER)));
    assert!(bindings(&desk).await.contains(&("bob".into(), OTHER.into())));
    confirm(&desk, &desk.office.bob, &code).await.refuses(410, "gone");
    // In no log, so in nobody's inbox.
    for token in [&desk.office.root, &desk.office.bob] {
        let inbox = desk.office.get(token, "/v1/messages").await;
        assert!(!inbox.text.contains(&code), "{}", inbox.text);
    }
    desk.office.close().await;
}

#[tokio::test]
async fn nobody_else_may_tell_it_and_only_an_admin_has_it_sent() {
    let desk = Desk::open().await;
    desk.wecom(false).await;
    let code = sent(&desk, OTHER).await;
    confirm(&desk, &desk.office.ann, &code).await.refuses(403, "forbidden");
    confirm(&desk, &desk.office.sender, &code).await.refuses(403, "forbidden");
    let anonymous = send(desk.office.request("POST", CONFIRM).json(&json!({ "code": code }))).await;
    anonymous.refuses(401, "unauthorised");
    desk.office.post(&desk.office.bob, CODE, json!({ "address": OTHER })).await.refuses(403, "forbidden");
    confirm(&desk, &desk.office.root, &code).await.is(200);
    desk.office.close().await;
}

#[tokio::test]
async fn five_wrong_ones_or_ten_minutes_end_it_and_a_newer_one_replaces_it() {
    let desk = Desk::open().await;
    desk.wecom(false).await;
    let root = &desk.office.root;
    let code = sent(&desk, OTHER).await;
    for _ in 0..4 {
        confirm(&desk, root, &wrong(&code)).await.refuses(422, "invalid_field");
    }
    confirm(&desk, root, &wrong(&code)).await.refuses(410, "gone");
    confirm(&desk, root, &code).await.refuses(410, "gone");

    let late = sent(&desk, OTHER).await;
    desk.office.pass(10 * 60 * 1000);
    confirm(&desk, root, &late).await.refuses(410, "gone");

    let old = sent(&desk, OTHER).await;
    let new = sent(&desk, OTHER).await;
    if old != new {
        confirm(&desk, root, &old).await.refuses(422, "invalid_field");
    }
    confirm(&desk, root, &new).await.is(200);
    desk.office.close().await;
}

#[tokio::test]
async fn what_cannot_be_sent_says_why_and_leaves_no_code() {
    let desk = Desk::open().await;
    desk.wecom(false).await;
    let root = &desk.office.root;
    let nobody = desk.office.post(root, CODE, json!({ "address": "nobody" })).await.is(200);
    assert_eq!(nobody["message"]["failing"]["code"], "81013", "{nobody:#}");
    assert_eq!(nobody.get("expires_at"), None);
    confirm(&desk, root, "000000").await.refuses(410, "gone");
    desk.office.post(root, CODE, json!({ "address": USERID })).await.refuses(409, "conflict");
    desk.office.post(root, CODE, json!({ "address": "@all" })).await.refuses(422, "invalid_field");
    let unknown =
        desk.office.post(root, "/v1/channels/app/bindings/zoe/code", json!({ "address": OTHER })).await;
    unknown.refuses(422, "unknown_user");
    let config = json!({ "base_url": desk.sim.wecom_url(), "proxy": "none" });
    desk.put("/v1/channels/group", json!({ "kind": "wecom-robot", "config": config })).await.is(200);
    let key = desk.sim.world(|world| world.robot().unwrap().key.clone());
    desk.put("/v1/channels/group/secrets/key", json!({ "secret": desk.sim.robot_url(&key) })).await.is(204);
    let group =
        desk.office.post(root, "/v1/channels/group/bindings/bob/code", json!({ "address": OTHER })).await;
    group.refuses(422, "invalid_field");
    desk.office.close().await;
}

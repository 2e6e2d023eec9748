//! What the platforms push: sealed right, tried again with patience, judged by the reply.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::{
    Bench, PATIENCE, alert, card, get,
    listener::{Came, Listener, Reply},
    post,
};
use serde_json::{Value, json};
use tocsin_wechat::{
    Secret,
    crypto::{AesKey, decrypt, encrypt, msg_signature, signature},
};
use tocsin_wechat_sim::{Format, Mode, Record, Target, TemplateFate, seed};

const TOKEN: &str = "callbackTok3n";
/// With bits that a strict decoder rejects.
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const OLD_KEY: &str = "Q7wzkpVXbVvmK2dkRLNlSHfQWcMkQ4fUJwYzTz0eXnM";

fn target(url: &str) -> Target {
    Target { old_encoding_aes_key: Some(OLD_KEY.into()), ..Target::new(url, TOKEN, KEY) }
}

fn listen_oa(bench: &Bench, change: impl FnOnce(&mut Target), listener: &Listener) {
    let mut target = target(&listener.url);
    change(&mut target);
    bench.sim.world(|world| world.account_mut().unwrap().callback = Some(target));
}

fn listen_app(bench: &Bench, listener: &Listener) {
    let target = target(&listener.url);
    bench.sim.world(|world| world.app_mut().unwrap().callback = Some(target));
}

fn element(xml: &str, name: &str) -> String {
    let inside = xml.split(&format!("<{name}>")).nth(1).unwrap().split(&format!("</{name}>")).next().unwrap();
    inside.trim().trim_start_matches("<![CDATA[").trim_end_matches("]]>").to_owned()
}

/// Opens what came as an application must: signature first.
fn open(came: &Came, encrypted: &str, key: &str, receiver: &str) -> Result<String, String> {
    let expected =
        msg_signature(&Secret::new(TOKEN), &came.query["timestamp"], &came.query["nonce"], encrypted);
    if came.query["msg_signature"] != expected {
        return Err("signature".into());
    }
    let plain =
        decrypt(&AesKey::parse(key).unwrap(), receiver, encrypted).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(plain).unwrap())
}

async fn finished(bench: &Bench, count: usize) -> Vec<Record> {
    bench
        .sim
        .wait_for("callbacks", PATIENCE, |world| {
            let done: Vec<Record> =
                world.callbacks.records().iter().filter(|record| !record.tries.is_empty()).cloned().collect();
            (done.len() >= count).then_some(done)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn the_finish_event_comes_after_its_delay_sealed_for_the_account() {
    let bench = Bench::new().await;
    let listener = Listener::start().await;
    listen_oa(&bench, |_| {}, &listener);
    let token = bench.oa_token().await;
    let answer = bench.template(&token, &alert("a")).await.json();
    assert!(listener.came().is_empty(), "virtual time stands still");
    bench.advance(1);
    let records = finished(&bench, 1).await;
    assert!(records[0].taken && records[0].user_sees.is_none());
    let came = &listener.came()[0];
    assert_eq!(came.query["room"], "1", "the address keeps its own query");
    assert_eq!(came.query["encrypt_type"], "aes");
    assert_eq!(came.query["openid"], seed::openid("wangfang"));
    let simple = signature(&Secret::new(TOKEN), &came.query["timestamp"], &came.query["nonce"]);
    assert_eq!(came.query["signature"], simple);
    assert!(!came.body.contains("TEMPLATESENDJOBFINISH"), "nothing in the clear");
    let plain = open(came, &element(&came.body, "Encrypt"), KEY, seed::APPID).unwrap();
    assert_eq!(element(&plain, "Event"), "TEMPLATESENDJOBFINISH");
    assert_eq!(element(&plain, "MsgID"), answer["msgid"].to_string());
    assert_eq!(element(&plain, "Status"), "success");
}

#[tokio::test]
async fn the_finish_event_may_overtake_the_answer_and_tell_of_failure() {
    let bench = Bench::new().await;
    let listener = Listener::start().await;
    listen_oa(&bench, |_| {}, &listener);
    bench.sim.configure(&json!({"finish_before_response": true})).unwrap();
    bench.sim.world(|world| {
        let follower = world.account_mut().unwrap().followers.get_mut(&seed::openid("wangfang")).unwrap();
        follower.fate = TemplateFate::SystemFailed;
    });
    let token = bench.oa_token().await;
    bench.template(&token, &alert("a")).await;
    let came = listener.came();
    assert_eq!(came.len(), 1, "it was there before the answer");
    let plain = open(&came[0], &element(&came[0].body, "Encrypt"), KEY, seed::APPID).unwrap();
    assert_eq!(element(&plain, "Status"), "failed: system failed");
}

#[tokio::test]
async fn plain_compatible_and_json() {
    let bench = Bench::new().await;
    let listener = Listener::start().await;
    listen_oa(&bench, |target| target.mode = Mode::Plain, &listener);
    bench.sim.say(&seed::openid("liwei"), "a]]>b").unwrap();
    finished(&bench, 1).await;
    let plain = listener.came()[0].clone();
    assert!(plain.body.contains("<![CDATA[a]]]]><![CDATA[>b]]>"), "{}", plain.body);
    assert!(!plain.query.contains_key("msg_signature") && plain.query.contains_key("signature"));

    listen_oa(&bench, |target| target.mode = Mode::Compatible, &listener);
    bench.sim.say(&seed::openid("liwei"), "both").unwrap();
    finished(&bench, 2).await;
    let both = listener.came()[1].clone();
    assert_eq!(element(&both.body, "Content"), "both");
    let inside = open(&both, &element(&both.body, "Encrypt"), KEY, seed::APPID).unwrap();
    assert_eq!(element(&inside, "Content"), "both");

    listen_oa(&bench, |target| target.format = Format::Json, &listener);
    let token = bench.oa_token().await;
    let msgid = bench.template(&token, &alert("a")).await.json()["msgid"].clone();
    bench.advance(1);
    finished(&bench, 3).await;
    let json = listener.came()[2].clone();
    assert_eq!(json.content_type, "application/json");
    let envelope: Value = serde_json::from_str(&json.body).unwrap();
    let inside = open(&json, envelope["Encrypt"].as_str().unwrap(), KEY, seed::APPID).unwrap();
    let inside: Value = serde_json::from_str(&inside).unwrap();
    assert_eq!(inside["MsgId"], msgid, "another spelling in JSON");
}

#[tokio::test]
async fn following_and_scanning_tell_the_openid_and_the_scene() {
    let bench = Bench::new().await;
    let listener = Listener::start().await;
    listen_oa(&bench, |target| target.mode = Mode::Plain, &listener);
    let token = bench.oa_token().await;
    let ask = json!({"expire_seconds": 600, "action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "bind_7f"}}});
    let ticket = post(&bench.oa_url("qrcode/create", &token), &ask).await.json()["ticket"]
        .as_str()
        .unwrap()
        .to_owned();
    bench.sim.scan("oNewPerson", &ticket).unwrap();
    finished(&bench, 1).await;
    bench.sim.scan("oNewPerson", "bind_7f").unwrap();
    finished(&bench, 2).await;
    bench.sim.unfollow("oNewPerson").unwrap();
    finished(&bench, 3).await;
    let told: Vec<(String, String, String)> = listener
        .came()
        .iter()
        .map(|came| {
            (
                element(&came.body, "Event"),
                element(&came.body, "EventKey"),
                element(&came.body, "FromUserName"),
            )
        })
        .collect();
    let expected = [("subscribe", "qrscene_bind_7f"), ("SCAN", "bind_7f"), ("unsubscribe", "")]
        .map(|(event, key)| (event.to_owned(), key.to_owned(), "oNewPerson".to_owned()));
    assert_eq!(told, expected);
    let late = listener.came()[0].body.clone();
    assert_eq!(element(&late, "Ticket"), ticket);
}

#[tokio::test]
async fn pressing_a_button_tells_who_and_the_encrypted_reply_changes_their_card() {
    let bench = Bench::new().await;
    let listener = Listener::start().await;
    listen_app(&bench, &listener);
    let token = bench.wecom_token().await;
    bench.wecom_send(&token, &card("ZhangSan|lisi", "t-1")).await;
    let item = bench.sim.world(|world| world.inbox.of("zhangsan").next().unwrap().id);
    let update = "<xml><MsgType><![CDATA[update_button]]></MsgType><Button><ReplaceName><![CDATA[已确认]]></ReplaceName></Button></xml>";
    let sealed = encrypt(&AesKey::parse(KEY).unwrap(), seed::CORPID, update.as_bytes(), [7; 16]);
    let sum = msg_signature(&Secret::new(TOKEN), "1", "2", &sealed);
    listener.reply(Reply::new(
        200,
        &format!("<xml><Encrypt><![CDATA[{sealed}]]></Encrypt><MsgSignature>{sum}</MsgSignature><TimeStamp>1</TimeStamp><Nonce>2</Nonce></xml>"),
    ));
    bench.sim.press(item, "ack").unwrap();
    finished(&bench, 1).await;
    let came = &listener.came()[0];
    assert_eq!(element(&came.body, "AgentID"), seed::AGENT_ID.to_string());
    let event = open(came, &element(&came.body, "Encrypt"), KEY, seed::CORPID).unwrap();
    assert_eq!(element(&event, "Event"), "template_card_event");
    assert_eq!(element(&event, "FromUserName"), "ZhangSan", "spelt as in the member list");
    assert_eq!(element(&event, "EventKey"), "ack");
    assert_eq!(element(&event, "TaskId"), "t-1");
    let looks = |to: &str| bench.sim.world(|world| world.inbox.of(to).next().unwrap().replaced.clone());
    assert_eq!((looks("zhangsan"), looks("lisi")), (Some("已确认".into()), None));
    assert_eq!(bench.sim.press(item, "ack").unwrap_err().to_string(), "it has no such button (any more)");
    let body = json!({
        "userids": ["lisi"],
        "agentid": seed::AGENT_ID,
        "response_code": element(&event, "ResponseCode"),
        "button": {"replace_name": "张三已确认"},
    });
    assert_eq!(post(&bench.wecom_url("message/update_template_card", &token), &body).await.code(), 0);
    assert_eq!(looks("lisi"), Some("张三已确认".into()), "the press brought a code of its own");
}

#[tokio::test]
async fn what_is_not_answered_is_sent_three_times_as_it_was() {
    let bench = Bench::new().await;
    let listener = Listener::start().await;
    listen_oa(&bench, |_| {}, &listener);
    bench.sim.configure(&json!({"callback_timeout_ms": 1_000})).unwrap();
    listener.reply(Reply::never());
    listener.reply(Reply::new(503, "busy"));
    bench.sim.follow("oNew");
    let taken = bench
        .sim
        .wait_for("the third try", PATIENCE, |world| {
            world.callbacks.records().first().filter(|record| record.tries.len() == 3).cloned()
        })
        .await
        .unwrap();
    assert!(taken.taken && taken.tries[0].error.is_some() && taken.tries[1].status == Some(503));
    let came = listener.came();
    assert_eq!(came.len(), 3);
    assert!(
        came.iter().all(|one| one.body == came[0].body && one.query == came[0].query),
        "the same each time"
    );
    for _ in 0..3 {
        listener.reply(Reply::never());
    }
    bench.sim.follow("oOther");
    let lost = bench
        .sim
        .wait_for("the last try", PATIENCE, |world| {
            world.callbacks.records().get(1).filter(|record| record.tries.len() == 3).cloned()
        })
        .await
        .unwrap();
    assert!(!lost.taken, "three in all");
    assert!(lost.user_sees.unwrap().contains("故障"));
}

#[tokio::test]
async fn an_answer_that_is_neither_success_nor_empty_is_a_fault_that_people_see() {
    let bench = Bench::new().await;
    let listener = Listener::start().await;
    listen_oa(&bench, |_| {}, &listener);
    for (reply, fault) in [("success", false), ("", false), ("success\n", true), ("{\"ok\":true}", true)] {
        listener.reply(Reply::new(200, reply));
        let before = bench.sim.world(|world| world.callbacks.records().len());
        bench.sim.say(&seed::openid("liwei"), "hi").unwrap();
        let records = finished(&bench, before + 1).await;
        assert_eq!(records[before].user_sees.is_some(), fault, "{reply:?}");
        assert_eq!(records[before].tries.len(), 1);
    }
    let app = Listener::start().await;
    listen_app(&bench, &app);
    app.reply(Reply::new(401, "no"));
    let pushed = post(
        &format!("{}/sim/callback/push", bench.wecom),
        &json!({"account": "wecom", "event": {"Event": "x"}}),
    )
    .await
    .json();
    assert_eq!(
        (pushed["taken"].as_bool(), pushed["tries"].as_array().unwrap().len()),
        (Some(false), 1),
        "WeCom tries no refusal again"
    );
}

#[tokio::test]
async fn forged_old_misaddressed_and_late_ones_can_be_made() {
    let bench = Bench::new().await;
    let listener = Listener::start().await;
    listen_app(&bench, &listener);
    let url = format!("{}/sim/callback/push", bench.wecom);
    let event = json!({"ToUserName": seed::CORPID, "FromUserName": "lisi", "Event": "template_card_event"});
    for bend in [
        json!({"forged": true}),
        json!({"old_key": true}),
        json!({"receive_id": "ww0"}),
        json!({"age_s": 3_600}),
        json!({"copies": 3}),
    ] {
        assert_eq!(post(&url, &json!({"account": "wecom", "event": event, "bend": bend})).await.status, 200);
    }
    let came = listener.came();
    let opened = |number: usize, key: &str| {
        let one: &Came = &came[number];
        open(one, &element(&one.body, "Encrypt"), key, seed::CORPID)
    };
    assert_eq!(opened(0, KEY).unwrap_err(), "signature");
    assert!(opened(1, KEY).is_err() && opened(1, OLD_KEY).is_ok());
    assert!(opened(2, KEY).unwrap_err().contains("another"));
    assert!(opened(3, KEY).is_ok());
    let now = bench.sim.clock().now_ms() / 1_000;
    assert_eq!(came[3].query["timestamp"], (now - 3_600).to_string());
    assert_eq!(came.len(), 4 + 3);
    assert_eq!(came[4].body, came[6].body);
}

#[tokio::test]
async fn callbacks_are_held_turned_round_and_replayed() {
    let bench = Bench::new().await;
    let listener = Listener::start().await;
    listen_oa(&bench, |target| target.mode = Mode::Plain, &listener);
    assert_eq!(post(&format!("{}/sim/callback/hold", bench.oa), &json!({})).await.status, 200);
    for words in ["one", "two", "three"] {
        bench.sim.say(&seed::openid("liwei"), words).unwrap();
    }
    bench
        .sim
        .wait_for("three held", PATIENCE, |world| (world.callbacks.held() == 3).then_some(()))
        .await
        .unwrap();
    let released =
        post(&format!("{}/sim/callback/release", bench.oa), &json!({"reverse": true})).await.json();
    assert_eq!(released["released"], 3);
    let words: Vec<String> = listener.came().iter().map(|came| element(&came.body, "Content")).collect();
    assert_eq!(words, ["three", "two", "one"]);
    let again = post(&format!("{}/sim/callback/replay", bench.oa), &json!({"id": 1})).await.json();
    assert_eq!(again["taken"], true);
    let came = listener.came();
    assert_eq!((&came[3].body, &came[3].query), (&came[0].body, &came[0].query), "byte for byte");
}

#[tokio::test]
async fn an_address_is_asked_before_it_is_saved() {
    let bench = Bench::new().await;
    let listener = Listener::start().await;
    let form = json!({"url": listener.url, "token": TOKEN, "encoding_aes_key": KEY});
    let refused = post(&format!("{}/sim/callback/wecom", bench.wecom), &form).await;
    assert_eq!(refused.status, 400, "`success` is not the echostr");
    assert!(bench.sim.world(|world| world.app().unwrap().callback.is_none()));
    let asked = listener.came()[0].clone();
    assert_eq!(asked.method, "GET");
    let echo = decrypt(&AesKey::parse(KEY).unwrap(), seed::CORPID, &asked.query["echostr"]).unwrap();
    assert_eq!(echo.len(), 19);
    listener.reply(Reply::never());
    bench.sim.configure(&json!({"verify_timeout_ms": 200})).unwrap();
    let slow = post(&format!("{}/sim/callback/oa", bench.oa), &form).await;
    assert!(slow.text.contains("no answer within 200 ms"), "{}", slow.text);
    let unasked = post(&format!("{}/sim/callback/oa?unasked=1", bench.oa), &form).await;
    assert_eq!(unasked.status, 200);
    let shown = get(&format!("{}/sim/accounts", bench.oa)).await.json();
    assert_eq!(shown["oa"][0]["callback"]["url"], listener.url);
}

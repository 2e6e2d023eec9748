//! Independent programs agree with the simulator: `wechatpy` sends through it and is called back by it, `@wecom/crypto`
//! opens what it seals and seals what it opens. Installed by `tests/independent/setup.sh`.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use common::{Bench, PATIENCE, alert, card, post};
use serde_json::{Value, json};
use tocsin_wechat_sim::seed;

const TOKEN: &str = "independentTok3n";
/// With bits that strict decoders reject.
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// What the set-up made. Without it the test fails: an agreement that is not looked at is none.
fn installed(inside: &str) -> PathBuf {
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("wechat-independent").join(inside);
    assert!(path.exists(), "{} is missing: run crates/wechat-sim/tests/independent/setup.sh", path.display());
    path
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent").join(name)
}

/// A program that says its address first and then what it was told; ends with the test.
struct Application {
    program: Child,
    lines: BufReader<ChildStdout>,
    url: String,
}

impl Application {
    fn start(command: &mut Command) -> Self {
        let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap());
        let url = said(&mut lines).as_str().unwrap().to_owned();
        Self { program, lines, url }
    }

    fn python(kind: &str, receiver: &str) -> Self {
        let mut command = Command::new(installed("venv/bin/python"));
        Self::start(command.arg(script("wechatpy_server.py")).args([kind, TOKEN, KEY, receiver]))
    }

    fn node(receiver: &str) -> Self {
        let mut command = Command::new("node");
        command.arg(script("wecom_server.js")).arg(installed("node_modules"));
        Self::start(command.args([TOKEN, KEY, receiver]))
    }

    fn told(&mut self) -> Value {
        said(&mut self.lines)
    }

    fn target(&self) -> Value {
        json!({"url": self.url, "token": TOKEN, "encoding_aes_key": KEY})
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn said(lines: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

async fn taken(bench: &Bench) {
    let all = |world: &tocsin_wechat_sim::World| {
        let records = world.callbacks.records();
        (!records.is_empty() && records.iter().all(|record| record.taken)).then_some(())
    };
    bench.sim.wait_for("a callback that is taken", PATIENCE, all).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wechatpy_fetches_tokens_and_sends_through_both_hosts() {
    let bench = Bench::new().await;
    let ask = json!({
        "oa": bench.oa,
        "wecom": bench.wecom,
        "appid": bench.appid,
        "secret": bench.secret,
        "corpid": bench.corpid,
        "corp_secret": bench.corp_secret,
        "agentid": seed::AGENT_ID,
        "openid": seed::openid("wangfang"),
        "template": seed::ALERT_TEMPLATE,
        "data": alert("x")["data"],
        "expire": format!("{}/sim/tokens/expire", bench.oa),
    });
    let mut program = Command::new(installed("venv/bin/python"))
        .arg(script("wechatpy_client.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(ask.to_string().as_bytes()).unwrap();
    let output = tokio::task::spawn_blocking(|| program.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["template"]["msgid"].as_u64().unwrap() > 1 << 53);
    assert_eq!(said["token_held"], true);
    assert!(said["templates"].as_array().unwrap().contains(&json!(seed::ALERT_TEMPLATE)));
    assert_eq!(said["followers"].as_array().unwrap().len(), 3);
    assert_eq!(said["follower"]["remark"], "王芳");
    assert_eq!(said["qrcode"]["expire_seconds"], 600);
    assert_eq!((&said["custom_refused"], &said["stranger_refused"]), (&json!(45_015), &json!(40_003)));
    assert_eq!(said["text"]["invaliduser"], "nobody");
    assert_eq!(said["members"].as_array().unwrap().len(), 2);
    assert_eq!((&said["template_again"]["errcode"], &said["text_again"]["errcode"]), (&json!(0), &json!(0)));
    bench.sim.world(|world| {
        assert_eq!(world.inbox.of(&seed::openid("wangfang")).count(), 2);
        assert_eq!(world.inbox.of("zhangsan").next().unwrap().text, "你好 from wechatpy");
        assert_eq!(world.inbox.of("lisi").count(), 2);
        assert_eq!(world.journal.token_calls(), 4, "one each, and one each after the end");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn wechatpy_opens_what_an_official_account_is_told() {
    let bench = Bench::new().await;
    let mut application = Application::python("oa", seed::APPID);
    let saved = post(&format!("{}/sim/callback/oa", bench.oa), &application.target()).await;
    assert_eq!(saved.status, 200, "wechatpy proved the address: {}", saved.text);
    let token = bench.oa_token().await;
    let msgid = bench.template(&token, &alert("a")).await.json()["msgid"].to_string();
    bench.advance(1);
    let event = application.told();
    assert_eq!((&event["Event"], &event["MsgID"]), (&json!("TEMPLATESENDJOBFINISH"), &json!(msgid)));
    bench.sim.say(&seed::openid("liwei"), "磁盘 ]]> 满了 🔔").unwrap();
    assert_eq!(application.told()["Content"], "磁盘 ]]> 满了 🔔");
    taken(&bench).await;
}

/// Presses a card's button and gives back what the presser's card shows then.
async fn pressed(bench: &Bench, application: &Application) -> u64 {
    let saved = post(&format!("{}/sim/callback/wecom", bench.wecom), &application.target()).await;
    assert_eq!(saved.status, 200, "the address was proved: {}", saved.text);
    let token = bench.wecom_token().await;
    bench.wecom_send(&token, &card("ZhangSan", "t-1")).await;
    let item = bench.sim.world(|world| world.inbox.of("zhangsan").next().unwrap().id);
    bench.sim.press(item, "ack").unwrap();
    item
}

#[tokio::test(flavor = "multi_thread")]
async fn wechatpy_opens_what_an_app_is_told_and_its_reply_is_understood() {
    let bench = Bench::new().await;
    let mut application = Application::python("app", seed::CORPID);
    let item = pressed(&bench, &application).await;
    let event = application.told();
    assert_eq!((&event["TaskId"], &event["FromUserName"]), (&json!("t-1"), &json!("ZhangSan")));
    taken(&bench).await;
    let replaced = bench.sim.world(|world| world.inbox.item(item).unwrap().replaced.clone());
    assert_eq!(replaced.as_deref(), Some("已由 wechatpy 确认"));
}

#[tokio::test(flavor = "multi_thread")]
async fn wecom_crypto_opens_what_an_app_is_told_and_its_reply_is_understood() {
    let bench = Bench::new().await;
    let mut application = Application::node(seed::CORPID);
    let item = pressed(&bench, &application).await;
    let message = application.told()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("<Event><![CDATA[template_card_event]]></Event>"), "{message}");
    taken(&bench).await;
    let replaced = bench.sim.world(|world| world.inbox.item(item).unwrap().replaced.clone());
    assert_eq!(replaced.as_deref(), Some("已由 Node 确认"));
}

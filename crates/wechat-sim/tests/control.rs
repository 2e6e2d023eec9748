//! The control plane over HTTP, and the program.

mod common;

use std::{
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    process::{Command, Stdio},
};

use common::{Bench, card, frozen, get, post, send, text};
use serde_json::json;
use tocsin_wechat_sim::{Target, seed};

#[tokio::test]
async fn the_inbox_is_filtered_and_counts_what_no_phone_shows() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    bench.sim.configure(&json!({"member_per_minute": 1})).unwrap();
    bench.wecom_send(&token, &text("lisi|wangwu", "磁盘将满 m-1")).await;
    bench.wecom_send(&token, &text("lisi", "m-2")).await;
    let inbox = |query: &str| {
        let url = format!("{}/sim/inbox{query}", bench.wecom);
        async move { get(&url).await.json() }
    };
    let shown = inbox("").await;
    assert_eq!(shown["items"].as_array().unwrap().len(), 2);
    assert_eq!(shown["states"], json!({"dropped": 1, "shown": 2}));
    assert_eq!(inbox("?all=1").await["items"].as_array().unwrap().len(), 3);
    assert_eq!(inbox("?to=LiSi").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(inbox("?contains=m-2").await["items"].as_array().unwrap().len(), 0);
    assert_eq!(get(&format!("{}/__sim/inbox", bench.oa)).await.json()["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_page_shows_text_as_text_and_its_buttons_press() {
    let bench = Bench::new().await;
    bench.sim.world(|world| {
        world.app_mut().unwrap().callback = Some(Target::new("http://127.0.0.1:9/", "t", &"A".repeat(43)));
        world.behaviour.callback_tries = 1;
    });
    let token = bench.wecom_token().await;
    bench.wecom_send(&token, &text("lisi", "<script>alert(1)</script>")).await;
    bench.wecom_send(&token, &card("lisi", "t-1")).await;
    let page = get(&format!("{}/sim/", bench.wecom)).await;
    assert!(page.content_type.starts_with("text/html"));
    assert!(page.text.contains("&lt;script&gt;") && !page.text.contains("<script>"));
    assert!(page.text.contains("value=\"ack\">确认</button>"));
    let form = Some(("application/x-www-form-urlencoded", b"item=2&key=ack".to_vec()));
    let pressed =
        send(Ipv4Addr::LOCALHOST, "POST", &format!("{}/sim/press", bench.wecom), form).await.unwrap();
    assert_eq!(pressed.status, 200, "{}", pressed.text);
    let wrong = post(&format!("{}/sim/press", bench.wecom), &json!({"item": 2, "key": "none"})).await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn faults_switches_clock_and_reset_by_hand() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    let url = |path: &str| format!("{}/sim/{path}", bench.wecom);
    let put = post(
        &url("faults"),
        &json!({"fault": "errcode", "code": 45_009, "path": "message/send", "times": 1}),
    )
    .await;
    assert_eq!(put.json()[0]["code"], 45_009);
    assert_eq!(bench.wecom_send(&token, &text("lisi", "x")).await.code(), 45_009);
    assert_eq!(get(&url("faults")).await.json(), json!([]), "it is used up");
    let unknown = post(&url("faults"), &json!({"fault": "errcode", "tmies": 1})).await;
    assert!(unknown.status == 400 && unknown.text.contains("tmies"), "{}", unknown.text);
    post(&url("faults"), &json!([{"fault": "timeout"}, {"fault": "reset"}])).await;
    send(Ipv4Addr::LOCALHOST, "DELETE", &url("faults"), None).await.unwrap();
    assert_eq!(bench.wecom_send(&token, &text("lisi", "x")).await.code(), 0);

    let before = get(&url("clock")).await.json();
    let after = post(&url("clock"), &json!({"advance_s": 90.5})).await.json();
    assert_eq!(after["now_ms"].as_i64().unwrap() - before["now_ms"].as_i64().unwrap(), 90_500);
    let back = post(&url("clock"), &json!({"advance_s": -0.5})).await.json();
    assert_eq!(back["now_ms"].as_i64().unwrap() - before["now_ms"].as_i64().unwrap(), 90_000);
    assert_eq!(post(&url("clock"), &json!({"mode": "running"})).await.json()["frozen"], false);

    let patch = Some(("application/json", br#"{"robot_per_minute": 2}"#.to_vec()));
    let patched = send(Ipv4Addr::LOCALHOST, "PATCH", &url("config"), patch).await.unwrap();
    assert_eq!(patched.json()["robot_per_minute"], 2);
    post(&url("tokens/expire"), &json!({})).await;
    assert_eq!(bench.wecom_send(&token, &text("lisi", "x")).await.code(), 42_001);
    let token = bench.wecom_token().await;
    post(&url("tokens/steal"), &json!({})).await;
    assert_eq!(bench.wecom_send(&token, &text("lisi", "x")).await.code(), 40_014);

    post(&url("members"), &json!({"userid": "new.one", "name": "新人"})).await;
    let token = bench.wecom_token().await;
    assert_eq!(bench.wecom_send(&token, &text("NEW.ONE", "x")).await.code(), 0);
    let leak =
        post(&url("leaks"), &json!({"text": format!("GET /?secret={}", bench.corp_secret)})).await.json();
    assert_eq!(leak["leaks"].as_array().unwrap().len(), 1);
    let accounts = post(&url("reset"), &json!({})).await.json();
    assert_eq!(
        accounts["wecom"][0]["apps"][0]["secret"], bench.corp_secret,
        "one seed, one set of credentials"
    );
    assert_eq!(bench.shown(), 0);
    assert_eq!(get(&url("config")).await.json()["robot_per_minute"], 20);
    assert_eq!(get(&url("nothing")).await.status, 404);
}

#[tokio::test]
async fn another_seed_has_other_credentials() {
    let (one, other) = (
        frozen().await,
        tocsin_wechat_sim::Simulator::start(tocsin_wechat_sim::Options { seed: 2, ..Default::default() })
            .await
            .unwrap(),
    );
    assert_ne!(one.accounts()["oa"][0]["secret"], other.accounts()["oa"][0]["secret"]);
    let url = one.oa_url();
    one.stop().await;
    assert!(
        common::request(Ipv4Addr::LOCALHOST, &format!("{url}/sim/clock"), None).await.is_err(),
        "it has stopped"
    );
}

/// What it says to a person is enough to send something and to find it.
#[tokio::test]
async fn the_lines_to_try_work() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wechat-sim"))
        .args(["--oa-port", "0", "--wecom-port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(program.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let is_last = line.contains("--help");
        said.push(line);
        if is_last {
            break;
        }
    }
    let curl = said.iter().find(|line| line.trim().starts_with("curl ")).unwrap();
    let (url, body) = (curl.split('\'').nth(1).unwrap(), curl.split('\'').nth(3).unwrap());
    let sent = post(url, &serde_json::from_str(body).unwrap()).await;
    let inbox = format!("{}/sim/inbox", url.split("/cgi-bin").next().unwrap());
    let shown = get(&inbox).await.text;
    program.kill().unwrap();
    program.wait().unwrap();
    assert_eq!(sent.code(), 0);
    assert!(shown.contains("hello"), "{shown}");
    let all = said.join("\n");
    for words in ["/sim/", "tocsin channel add sim", "--set base_url=http://127.0.0.1:"] {
        assert!(all.contains(words), "{words}: {all}");
    }
}

#[tokio::test]
async fn the_program_says_where_it_is_and_sends() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wechat-sim"))
        .args(["--oa-port", "0", "--wecom-port", "0", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let key = said["accounts"]["robots"][0]["key"].as_str().unwrap();
    let url = format!("{}/cgi-bin/webhook/send?key={key}", said["wecom_url"].as_str().unwrap());
    let sent = post(&url, &json!({"msgtype": "text", "text": {"content": "hi"}})).await;
    program.kill().unwrap();
    program.wait().unwrap();
    assert_eq!(sent.code(), 0);
    assert_eq!(said["accounts"]["oa"][0]["appid"], seed::APPID);
    let help = Command::new(env!("CARGO_BIN_EXE_wechat-sim")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for words in ["Examples", "/sim/press", "/sim/faults", "token-stolen", "--frozen"] {
        assert!(help.contains(words), "{words} is not in the help");
    }
}

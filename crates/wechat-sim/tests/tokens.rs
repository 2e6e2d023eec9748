//! The life of tokens, as both platforms have it.

mod common;

use common::{Bench, alert, get, post, request, text};
use serde_json::json;
use std::net::Ipv4Addr;

#[tokio::test]
async fn a_classic_token_answers_without_errcode_and_each_call_mints() {
    let bench = Bench::new().await;
    let first = get(&bench.classic_url()).await;
    assert_eq!((first.status, first.content_type.as_str()), (200, "application/json; encoding=utf-8"));
    assert!(first.json().get("errcode").is_none());
    assert_eq!(first.json()["expires_in"], 7200);
    let length = first.json()["access_token"].as_str().unwrap().len();
    assert!((140..=512).contains(&length), "{length}");
    let second = get(&bench.classic_url()).await;
    assert_ne!(first.json()["access_token"], second.json()["access_token"]);
}

#[tokio::test]
async fn two_programs_with_classic_tokens_kill_each_others() {
    let bench = Bench::new().await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(get(&bench.classic_url()).await.json()["access_token"].as_str().unwrap().to_owned());
    }
    let dead = bench.template(&tokens[0], &alert("a")).await;
    assert_eq!(dead.code(), 40_001);
    let errmsg = dead.json()["errmsg"].as_str().unwrap().to_owned();
    assert!(errmsg.contains("not latest") && errmsg.contains("rid: "), "{errmsg}");
    assert_eq!(bench.template(&tokens[1], &alert("b")).await.code(), 0, "the one before lives five minutes");
    assert_eq!(bench.template(&tokens[2], &alert("c")).await.code(), 0);
    bench.advance(300);
    assert_eq!(bench.template(&tokens[1], &alert("d")).await.code(), 40_001);
    assert_eq!(bench.template("made_up", &alert("e")).await.code(), 40_014);
    bench.advance(7_200);
    assert_eq!(bench.template(&tokens[2], &alert("f")).await.code(), 42_001);
    bench.sim.configure(&json!({"oa_expired_code": 40_014})).unwrap();
    assert_eq!(bench.template(&tokens[2], &alert("g")).await.code(), 40_014);
}

#[tokio::test]
async fn a_stable_token_is_the_same_until_five_minutes_before_its_end() {
    let bench = Bench::new().await;
    let first = bench.stable(false).await;
    bench.advance(6_899);
    let again = bench.stable(false).await;
    assert_eq!(first["access_token"], again["access_token"]);
    assert_eq!(again["expires_in"], 301);
    bench.advance(1);
    let new = bench.stable(false).await;
    assert_ne!(first["access_token"], new["access_token"]);
    for token in [&first, &new] {
        let token = token["access_token"].as_str().unwrap();
        assert_eq!(
            post(&bench.oa_url("openapi/quota/get", token), &json!({"cgi_path": "/cgi-bin/user/get"}))
                .await
                .code(),
            0
        );
    }
    bench.advance(300);
    let old = first["access_token"].as_str().unwrap();
    assert_eq!(bench.template(old, &alert("x")).await.code(), 40_001);
}

#[tokio::test]
async fn a_forced_token_kills_at_once_not_within_thirty_seconds_and_twenty_times_a_day() {
    let bench = Bench::new().await;
    let first = bench.oa_token().await;
    let second = bench.stable(true).await;
    assert_eq!(bench.template(&first, &alert("x")).await.code(), 40_001);
    bench.advance(29);
    assert_eq!(bench.stable(true).await["access_token"], second["access_token"], "too soon changes nothing");
    for _ in 0..19 {
        bench.advance(30);
        assert!(bench.stable(true).await["access_token"].is_string());
    }
    bench.advance(30);
    assert_eq!(bench.stable(true).await["errcode"], 45_009);
    assert!(bench.stable(false).await["access_token"].is_string(), "normal calls go on");
}

#[tokio::test]
async fn classic_calls_end_at_two_thousand_a_day_until_midnight_in_shanghai() {
    let bench = Bench::new().await;
    bench.sim.configure(&json!({"classic_tokens_per_day": 3})).unwrap();
    for _ in 0..3 {
        assert_eq!(get(&bench.classic_url()).await.code(), 0);
    }
    assert_eq!(get(&bench.classic_url()).await.code(), 45_009);
    bench.advance(23 * 3_600);
    assert_eq!(get(&bench.classic_url()).await.code(), 0, "it was 01:06 there");
}

#[tokio::test]
async fn wrong_credentials_are_told_apart() {
    let bench = Bench::new().await;
    let ask = |appid: &str, secret: &str, grant: &str| {
        let url = format!("{}/cgi-bin/token?grant_type={grant}&appid={appid}&secret={secret}", bench.oa);
        async move { get(&url).await.code() }
    };
    assert_eq!(ask(&bench.appid, "wrong", "client_credential").await, 40_001);
    assert_eq!(ask("wx0", &bench.secret, "client_credential").await, 40_013);
    assert_eq!(ask("", &bench.secret, "client_credential").await, 41_002);
    assert_eq!(ask(&bench.appid, "", "client_credential").await, 41_004);
    assert_eq!(ask(&bench.appid, &bench.secret, "password").await, 40_002);
    bench.sim.configure(&json!({"oa_bad_secret_code": 40_125})).unwrap();
    assert_eq!(ask(&bench.appid, "wrong", "client_credential").await, 40_125);
    let stable =
        post(&format!("{}/cgi-bin/stable_token", bench.oa), &json!({"grant_type": "client_credential"}))
            .await;
    assert_eq!(stable.code(), 41_002);
}

#[tokio::test]
async fn a_wecom_token_is_the_same_while_valid_and_belongs_to_one_app() {
    let bench = Bench::new().await;
    let first = bench.wecom_token().await;
    bench.advance(7_100);
    assert_eq!(first, bench.wecom_token().await);
    bench.advance(100);
    assert_eq!(bench.wecom_send(&first, &text("lisi", "x")).await.code(), 42_001);
    let second = bench.wecom_token().await;
    assert_ne!(first, second);
    let other = json!({"touser": "lisi", "msgtype": "text", "agentid": tocsin_wechat_sim::seed::OTHER_AGENT_ID, "text": {"content": "x"}});
    assert_eq!(bench.wecom_send(&second, &other).await.code(), 301_002);
    let refused = bench.wecom_send("made_up", &text("lisi", "x")).await;
    assert_eq!(refused.code(), 40_014);
    assert_eq!(refused.content_type, "application/json; charset=UTF-8");
    let errmsg = refused.json()["errmsg"].as_str().unwrap().to_owned();
    assert!(errmsg.contains("hint: [") && errmsg.contains("from ip: 127.0.0.1"), "{errmsg}");
    assert!(
        errmsg.contains("more info at https://open.work.weixin.qq.com/devtool/query?e=40014"),
        "{errmsg}"
    );
    bench.sim.configure(&json!({"wecom_new_token": true})).unwrap();
    assert_ne!(bench.wecom_token().await, bench.wecom_token().await);
}

#[tokio::test]
async fn wrong_wecom_secrets_block_the_address_for_an_hour() {
    let bench = Bench::new().await;
    let url = format!("{}/cgi-bin/gettoken?corpid={}&corpsecret=wrong", bench.wecom, bench.corpid);
    for _ in 0..10 {
        assert_eq!(get(&url).await.code(), 40_001);
    }
    let right =
        format!("{}/cgi-bin/gettoken?corpid={}&corpsecret={}", bench.wecom, bench.corpid, bench.corp_secret);
    assert_eq!(get(&right).await.code(), 45_009);
    let elsewhere = request(Ipv4Addr::new(127, 0, 0, 3), &right, None).await.unwrap();
    assert_eq!(elsewhere.code(), 0, "another address is not blocked");
    bench.advance(3_600);
    assert_eq!(get(&right).await.code(), 0);
}

#[tokio::test]
async fn the_allow_list_of_an_official_account_guards_the_token_only() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    bench.sim.configure(&json!({"oa_allow_list": ["203.0.113.7"]})).unwrap();
    let refused = get(&bench.classic_url()).await;
    assert_eq!(refused.code(), 40_164);
    let errmsg = refused.json()["errmsg"].as_str().unwrap().to_owned();
    assert!(
        errmsg.starts_with("invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: "),
        "{errmsg}"
    );
    assert_eq!(bench.stable(false).await["errcode"], 40_164);
    assert_eq!(bench.template(&token, &alert("x")).await.code(), 0, "business calls pass");
    bench.sim.configure(&json!({"seen_ip": "203.0.113.7"})).unwrap();
    assert_eq!(get(&bench.classic_url()).await.code(), 0);
}

#[tokio::test]
async fn the_allow_list_of_wecom_guards_business_calls_only() {
    let bench = Bench::new().await;
    bench.sim.configure(&json!({"wecom_allow_list": ["203.0.113.7"], "seen_ip": "198.51.100.9"})).unwrap();
    let token = bench.wecom_token().await;
    let refused = bench.wecom_send(&token, &text("lisi", "x")).await;
    assert_eq!(refused.code(), 60_020);
    assert!(refused.json()["errmsg"].as_str().unwrap().contains("from ip: 198.51.100.9"));
    let robot = post(&bench.robot, &json!({"msgtype": "text", "text": {"content": "x"}})).await;
    assert_eq!(robot.code(), 0, "robots have no list");
    assert_eq!(bench.shown(), 1);
}

#[tokio::test]
async fn a_token_of_one_platform_opens_nothing_on_the_other() {
    let bench = Bench::new().await;
    let (oa, wecom) = (bench.oa_token().await, bench.wecom_token().await);
    assert_eq!(bench.template(&wecom, &alert("x")).await.code(), 40_014);
    assert_eq!(bench.wecom_send(&oa, &text("lisi", "x")).await.code(), 40_014);
    assert_eq!(
        post(&format!("{}/cgi-bin/message/send", bench.wecom), &text("lisi", "x")).await.code(),
        41_001
    );
    assert_eq!(get(&bench.wecom_url("message/send", &wecom)).await.code(), 43_002);
}

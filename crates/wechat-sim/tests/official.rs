//! The official account's sends, lists and quotas.

mod common;

use common::{Bench, alert, get, post, post_raw};
use serde_json::{Value, json};
use tocsin_wechat_sim::{Follower, State, TemplateFate, seed};

fn with(mut body: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut body);
    body
}

#[tokio::test]
async fn a_template_message_shows_on_the_phone_and_its_msgid_exceeds_a_double() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    let answer = bench.template(&token, &alert("a")).await.json();
    assert!(answer["msgid"].as_u64().unwrap() > 1 << 53);
    let item = bench.sim.world(|world| world.inbox.of(&seed::openid("wangfang")).next().unwrap().clone());
    assert_eq!(item.title, "告警通知");
    assert!(item.text.contains("告警内容:磁盘将满"), "{}", item.text);
    assert_eq!(item.url.as_deref(), Some("https://tocsin.example/m/1"));
    assert_eq!(item.msgid, Some(answer["msgid"].to_string()));
}

#[tokio::test]
async fn checks_come_in_the_platforms_order() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    let url = bench.oa_url("message/template/send", &token);
    let everything_wrong = json!({"touser": "nobody", "template_id": "none", "data": {}});
    assert_eq!(bench.template("wrong", &everything_wrong).await.code(), 40_014);
    assert_eq!(post_raw(&url, "application/json", b"").await.code(), 44_002);
    assert_eq!(post_raw(&url, "application/json", b"{not json").await.code(), 47_001);
    assert_eq!(bench.template(&token, &everything_wrong).await.code(), 40_003);
    let known = with(everything_wrong, |body| body["touser"] = seed::openid("liwei").into());
    assert_eq!(bench.template(&token, &known).await.code(), 40_037);
    let templated = with(known, |body| body["template_id"] = seed::ALERT_TEMPLATE.into());
    let empty = bench.template(&token, &templated).await.json();
    assert_eq!(empty["errcode"], 47_003);
    assert!(empty["errmsg"].as_str().unwrap().contains("data.thing1.value is emtpy"), "{empty}");
    let wrong = with(alert("a"), |body| body["data"]["time2"]["value"] = "tomorrow".into());
    let wrong = bench.template(&token, &wrong).await.json();
    assert!(wrong["errmsg"].as_str().unwrap().contains("data.time2.value invalid"), "{wrong}");
    bench.sim.configure(&json!({"template_per_day": 0})).unwrap();
    assert_eq!(bench.template(&token, &alert("a")).await.code(), 45_009);
    bench.sim.configure(&json!({"template_per_day": 10, "template_per_minute": 1})).unwrap();
    assert_eq!(bench.template(&token, &alert("a")).await.code(), 0);
    assert_eq!(bench.template(&token, &alert("b")).await.code(), 45_011);
    bench.advance(60);
    assert_eq!(bench.template(&token, &alert("b")).await.code(), 0);
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_apart() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    bench.sim.unfollow(&seed::openid("wangfang")).unwrap();
    assert_eq!(bench.template(&token, &alert("a")).await.code(), 43_004);
    bench.sim.follow(&seed::openid("wangfang"));
    let change = |change: fn(&mut Follower)| {
        bench.sim.world(|world| {
            change(world.account_mut().unwrap().followers.get_mut(&seed::openid("wangfang")).unwrap());
        });
    };
    change(|one| one.receives = false);
    assert_eq!(bench.template(&token, &alert("b")).await.code(), 48_002);
    change(|one| one.blacklisted = true);
    assert_eq!(bench.template(&token, &alert("c")).await.code(), 43_019);
    assert_eq!(bench.shown(), 0);
    bench.sim.world(|world| {
        world.account_mut().unwrap().templates.get_mut(seed::ALERT_TEMPLATE).unwrap().banned = true;
    });
    let to_other = with(alert("d"), |body| body["touser"] = seed::openid("liwei").into());
    assert_eq!(bench.template(&token, &to_other).await.code(), 43_116);
}

#[tokio::test]
async fn one_client_msg_id_is_one_message_within_ten_minutes() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    let first = bench.template(&token, &alert("same")).await.json();
    bench.advance(599);
    let again = bench.template(&token, &alert("same")).await.json();
    assert_eq!(again["errcode"], 0);
    assert_eq!(first["msgid"], again["msgid"]);
    assert_eq!(bench.shown(), 1);
    bench.sim.configure(&json!({"template_duplicate": "refused"})).unwrap();
    assert_eq!(bench.template(&token, &alert("same")).await.code(), 40_241);
    assert_eq!(bench.template(&token, &alert("other")).await.code(), 0);
    let to_other = with(alert("same"), |body| body["touser"] = seed::openid("liwei").into());
    assert_eq!(bench.template(&token, &to_other).await.code(), 0, "the key holds for one person");
    bench.advance(1);
    assert_eq!(bench.template(&token, &alert("same")).await.code(), 0, "not beyond");
    assert_eq!(bench.shown(), 4);
    let suppressed =
        |state| bench.sim.world(|world| world.inbox.all().iter().filter(|item| item.state == state).count());
    assert_eq!(suppressed(State::Suppressed), 2);
}

#[tokio::test]
async fn identical_content_within_a_minute_is_refused_when_that_rule_is_on() {
    let bench = Bench::new().await;
    bench.sim.configure(&json!({"identical_content_rule": true})).unwrap();
    let token = bench.oa_token().await;
    assert_eq!(bench.template(&token, &alert("a")).await.code(), 0);
    assert_eq!(bench.template(&token, &alert("b")).await.code(), 40_241);
    bench.advance(60);
    assert_eq!(bench.template(&token, &alert("c")).await.code(), 0);
}

#[tokio::test]
async fn escaped_characters_are_refused() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    let body = alert("a").to_string().replace("磁", "\\u78c1");
    let url = bench.oa_url("message/template/send", &token);
    assert_eq!(post_raw(&url, "application/json", body.as_bytes()).await.code(), 40_033);
}

#[tokio::test]
async fn accepted_is_not_delivered() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    bench.sim.world(|world| {
        let follower = world.account_mut().unwrap().followers.get_mut(&seed::openid("wangfang")).unwrap();
        follower.fate = TemplateFate::UserBlock;
    });
    assert_eq!(bench.template(&token, &alert("a")).await.code(), 0);
    assert_eq!(bench.shown(), 0);
    let state = bench.sim.world(|world| world.inbox.all()[0].state);
    assert_eq!(state, State::Undelivered);
}

#[tokio::test]
async fn a_customer_service_message_needs_a_window() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    let openid = seed::openid("liwei");
    let url = bench.oa_url("message/custom/send", &token);
    let hello = json!({"touser": openid, "msgtype": "text", "text": {"content": "你好"}});
    assert_eq!(post(&url, &hello).await.code(), 45_015);
    bench.sim.say(&openid, "在吗").unwrap();
    for _ in 0..5 {
        assert_eq!(post(&url, &hello).await.code(), 0);
    }
    assert_eq!(post(&url, &hello).await.code(), 45_047, "five in 48 hours");
    bench.advance(48 * 3_600);
    let token = bench.oa_token().await;
    let url = bench.oa_url("message/custom/send", &token);
    assert_eq!(post(&url, &hello).await.code(), 45_015);
    bench.sim.unfollow(&openid).unwrap();
    bench.sim.follow(&openid);
    for _ in 0..3 {
        assert_eq!(post(&url, &hello).await.code(), 0);
    }
    assert_eq!(post(&url, &hello).await.code(), 45_047, "three in a minute after following");
    bench.advance(60);
    assert_eq!(post(&url, &hello).await.code(), 45_015);
    let unknown = with(hello.clone(), |body| body["touser"] = "o0".into());
    assert_eq!(post(&url, &unknown).await.code(), 40_003);
    let long = with(hello, |body| body["text"]["content"] = "警".repeat(700).into());
    assert_eq!(post(&url, &long).await.code(), 45_002);
    assert_eq!(bench.shown(), 8);
}

#[tokio::test]
async fn a_subscription_is_good_for_one_message() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    let url = bench.oa_url("message/subscribe/bizsend", &token);
    assert_eq!(post(&url, &alert("a")).await.code(), 43_101);
    bench.sim.world(|world| {
        let follower = world.account_mut().unwrap().followers.get_mut(&seed::openid("wangfang")).unwrap();
        follower.grants.insert(seed::ALERT_TEMPLATE.into(), 1);
    });
    let sent = post(&url, &alert("a")).await.json();
    assert_eq!((sent["errcode"].as_i64(), sent.get("msgid")), (Some(0), None));
    assert_eq!(post(&url, &alert("a")).await.code(), 43_101);
    assert_eq!(bench.shown(), 1);
}

#[tokio::test]
async fn followers_come_in_pages_whose_end_has_no_data() {
    let bench = Bench::new().await;
    bench.sim.configure(&json!({"follower_page": 2})).unwrap();
    let token = bench.oa_token().await;
    let page = |after: String| {
        let url = format!("{}&next_openid={after}", bench.oa_url("user/get", &token));
        async move { get(&url).await.json() }
    };
    let first = page(String::new()).await;
    assert_eq!((first["total"].as_u64(), first["count"].as_u64()), (Some(3), Some(2)));
    let second = page(first["next_openid"].as_str().unwrap().to_owned()).await;
    assert_eq!(second["data"]["openid"].as_array().unwrap().len(), 1);
    let end = page(second["next_openid"].as_str().unwrap().to_owned()).await;
    assert_eq!(
        (end["count"].as_u64(), end["next_openid"].as_str(), end.get("data")),
        (Some(0), Some(""), None)
    );
    let info = get(&format!("{}&openid={}", bench.oa_url("user/info", &token), seed::openid("wangfang")))
        .await
        .json();
    assert_eq!(
        (info["subscribe"].as_u64(), info["nickname"].as_str(), info["remark"].as_str()),
        (Some(1), Some(""), Some("王芳"))
    );
    bench.sim.unfollow(&seed::openid("wangfang")).unwrap();
    let gone = get(&format!("{}&openid={}", bench.oa_url("user/info", &token), seed::openid("wangfang")))
        .await
        .json();
    assert_eq!(gone, json!({"subscribe": 0, "openid": seed::openid("wangfang")}));
}

#[tokio::test]
async fn templates_quota_and_clearing() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    let list = get(&bench.oa_url("template/get_all_private_template", &token)).await.json();
    assert!(list["template_list"][0]["content"].as_str().unwrap().contains("{{thing1.DATA}}"));
    bench.template(&token, &alert("a")).await;
    let path = json!({"cgi_path": "/cgi-bin/message/template/send"});
    let quota = post(&bench.oa_url("openapi/quota/get", &token), &path).await.json();
    assert_eq!(quota["quota"], json!({"daily_limit": 100_000, "used": 1, "remain": 99_999}));
    assert_eq!(
        post(&bench.oa_url("openapi/quota/get", &token), &json!({"cgi_path": "x"})).await.code(),
        76_021
    );
    let clear = bench.oa_url("clear_quota", &token);
    assert_eq!(post(&clear, &json!({"appid": "wx0"})).await.code(), 40_013);
    for _ in 0..10 {
        assert_eq!(post(&clear, &json!({"appid": bench.appid})).await.code(), 0);
    }
    assert_eq!(post(&clear, &json!({"appid": bench.appid})).await.code(), 48_006);
}

#[tokio::test]
async fn a_code_lives_as_long_as_it_was_asked_for() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    let url = bench.oa_url("qrcode/create", &token);
    let ask = |seconds: Value, scene: &str| {
        json!({
            "expire_seconds": seconds,
            "action_name": "QR_STR_SCENE",
            "action_info": {"scene": {"scene_str": scene}},
        })
    };
    let made = post(&url, &ask(json!(600), "bind_1")).await.json();
    assert!(made["url"].as_str().unwrap().starts_with("http://weixin.qq.com/q/"));
    assert_eq!(made["expire_seconds"], 600);
    assert_eq!(
        post(&url, &ask(Value::Null, "short")).await.json()["expire_seconds"],
        60,
        "the default is short"
    );
    assert_eq!(post(&url, &ask(json!(600), &"x".repeat(65))).await.code(), 40_053);
    assert_eq!(post(&url, &ask(json!(600), "")).await.code(), 40_053);
    bench.advance(600);
    let late = bench.sim.scan(&seed::openid("liwei"), made["ticket"].as_str().unwrap());
    assert_eq!(late.unwrap_err().to_string(), "the code has expired");
}

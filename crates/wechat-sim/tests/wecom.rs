//! WeCom's app messages: partial failures, silent drops, duplicates, cards.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::{Bench, card, get, post, text};
use serde_json::{Value, json};
use tocsin_wechat_sim::{State, Target, seed};

fn with(mut body: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut body);
    body
}

fn with_callback(bench: &Bench) {
    bench.sim.world(|world| {
        // Nobody listens there: what is pushed is lost.
        world.app_mut().unwrap().callback =
            Some(Target::new("http://127.0.0.1:9/", "token", &"A".repeat(43)));
        world.behaviour.callback_tries = 1;
    });
}

#[tokio::test]
async fn errcode_zero_may_be_a_partial_failure_with_ids_in_lower_case() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    bench.sim.world(|world| world.corp_mut().unwrap().members.get_mut("wangwu").unwrap().licensed = false);
    let mixed = text("ZHANGSAN|lisi|Nobody|GoneToo|WangWu", "磁盘将满");
    let answer = bench.wecom_send(&token, &mixed).await.json();
    assert_eq!(answer["errcode"], 0);
    assert_eq!(answer["invaliduser"], "nobody|gonetoo");
    assert_eq!(answer["unlicenseduser"], "wangwu");
    assert!(answer["msgid"].is_string());
    assert_eq!(bench.shown(), 2);
    let whole = bench.wecom_send(&token, &text("ZhangSan", "磁盘将满")).await.json();
    assert!(whole.get("invaliduser").is_none(), "fields may be missing: {whole}");
    assert_eq!(bench.wecom_send(&token, &text("nobody|gonetoo", "x")).await.code(), 81_013);
    bench.sim.world(|world| world.corp_mut().unwrap().members.get_mut("lisi").unwrap().visible = false);
    assert_eq!(bench.wecom_send(&token, &text("lisi", "x")).await.code(), 81_013);
}

#[tokio::test]
async fn recipients_are_counted_and_resolved() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    let send = |change: fn(&mut Value)| {
        let body = with(text("lisi", "x"), change);
        let (bench, token) = (&bench, &token);
        async move { bench.wecom_send(token, &body).await.json() }
    };
    assert_eq!(send(|body| body["touser"] = "".into()).await["errcode"], 82_001);
    assert_eq!(send(|body| body["touser"] = vec!["u"; 1_001].join("|").into()).await["errcode"], 40_032);
    assert_eq!(send(|body| body["toparty"] = vec!["1"; 101].join("|").into()).await["errcode"], 82_002);
    assert_eq!(send(|body| body["totag"] = vec!["1"; 101].join("|").into()).await["errcode"], 82_003);
    assert_eq!(send(|body| body["agentid"] = Value::Null).await["errcode"], 41_011);
    assert_eq!(send(|body| body["agentid"] = seed::AGENT_ID.to_string().into()).await["errcode"], 40_056);
    assert_eq!(send(|body| body["agentid"] = 9.into()).await["errcode"], 40_056);
    assert_eq!(bench.shown(), 0);
    send(|body| body["touser"] = "@all".into()).await;
    assert_eq!(bench.shown(), 4);
    let parties = send(|body| {
        body["touser"] = "".into();
        body["toparty"] = "2|77".into();
    });
    assert_eq!(parties.await["invalidparty"], "77");
    assert_eq!(bench.shown(), 6);
}

#[tokio::test]
async fn text_is_cut_at_2048_bytes_and_other_bodies_are_checked() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    bench.wecom_send(&token, &text("lisi", &"警".repeat(700))).await;
    let shown = bench.sim.world(|world| world.inbox.of("lisi").next().unwrap().text.clone());
    assert_eq!(shown, "警".repeat(682), "682 × 3 = 2046: between two characters");
    let send = |body: Value| {
        let body = with(body, |body| {
            body["touser"] = "lisi".into();
            body["agentid"] = seed::AGENT_ID.into();
        });
        let (bench, token) = (&bench, &token);
        async move { bench.wecom_send(token, &body).await.code() }
    };
    assert_eq!(send(json!({"msgtype": "text", "text": {"content": ""}})).await, 44_004);
    assert_eq!(send(json!({"msgtype": "markdown", "markdown": {"content": "警".repeat(700)}})).await, 45_002);
    assert_eq!(send(json!({"msgtype": "markdown", "safe": 1, "markdown": {"content": "x"}})).await, 40_074);
    assert_eq!(send(json!({"msgtype": "smoke"})).await, 40_008);
    let textcard = json!({"title": "t", "description": "d", "url": "https://tocsin.example/"});
    assert_eq!(send(json!({"msgtype": "textcard", "textcard": textcard})).await, 0);
    let bare = with(textcard.clone(), |card| card["url"] = "tocsin.example".into());
    assert_eq!(send(json!({"msgtype": "textcard", "textcard": bare})).await, 45_034);
    let none = with(textcard, |card| card["url"] = Value::Null);
    assert_eq!(send(json!({"msgtype": "textcard", "textcard": none})).await, 40_063);
    let articles = vec![json!({"title": "t", "url": "https://tocsin.example/"}); 9];
    assert_eq!(send(json!({"msgtype": "news", "news": {"articles": articles}})).await, 45_008);
}

#[tokio::test]
async fn beyond_thirty_a_minute_a_member_gets_nothing_and_nobody_is_told() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    for number in 0..32 {
        assert_eq!(bench.wecom_send(&token, &text("lisi|wangwu", &number.to_string())).await.code(), 0);
    }
    assert_eq!(bench.wecom_send(&token, &text("ZhangSan", "another member")).await.code(), 0);
    let count = |to: &str| bench.sim.world(|world| world.inbox.of(to).count());
    assert_eq!((count("lisi"), count("wangwu"), count("zhangsan")), (30, 30, 1));
    let dropped =
        bench.sim.world(|world| world.inbox.all().iter().filter(|item| item.state == State::Dropped).count());
    assert_eq!(dropped, 4);
    bench.advance(60);
    bench.wecom_send(&token, &text("lisi", "later")).await;
    assert_eq!(count("lisi"), 31);
    bench.sim.configure(&json!({"member_per_hour": 31})).unwrap();
    bench.advance(60);
    bench.wecom_send(&token, &text("lisi", "too many in this hour")).await;
    assert_eq!(count("lisi"), 31);
}

#[tokio::test]
async fn a_duplicate_is_suppressed_only_when_asked_for_and_within_its_interval() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    let plain = text("lisi", "x");
    bench.wecom_send(&token, &plain).await;
    bench.wecom_send(&token, &plain).await;
    assert_eq!(bench.shown(), 2, "nobody asked for the check");
    let checked = with(text("lisi", "y"), |body| {
        body["enable_duplicate_check"] = 1.into();
        body["duplicate_check_interval"] = 600.into();
    });
    let first = bench.wecom_send(&token, &checked).await.json();
    let again = bench.wecom_send(&token, &checked).await.json();
    assert_eq!((&again["errcode"], &again["msgid"]), (&json!(0), &first["msgid"]));
    assert_eq!(bench.shown(), 3);
    let other = with(checked.clone(), |body| body["text"]["content"] = "z".into());
    bench.wecom_send(&token, &other).await;
    assert_eq!(bench.shown(), 4);
    bench.advance(600);
    bench.wecom_send(&token, &checked).await;
    assert_eq!(bench.shown(), 5, "the interval is over");
}

#[tokio::test]
async fn duplicates_may_be_told_by_bytes() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    let (one, other) = (
        format!(
            r#"{{"touser":"lisi","msgtype":"text","agentid":{},"enable_duplicate_check":1,"text":{{"content":"x"}}}}"#,
            seed::AGENT_ID
        ),
        format!(
            r#"{{"msgtype":"text","touser":"lisi","agentid":{},"text":{{"content":"x"}},"enable_duplicate_check":1}}"#,
            seed::AGENT_ID
        ),
    );
    let url = bench.wecom_url("message/send", &token);
    for body in [&one, &other] {
        common::post_raw(&url, "application/json", body.as_bytes()).await;
    }
    assert_eq!(bench.shown(), 1, "the order of fields does not matter");
    bench.sim.configure(&json!({"wecom_duplicate_by": "bytes"})).unwrap();
    for body in [&one, &one, &other] {
        common::post_raw(&url, "application/json", body.as_bytes()).await;
    }
    assert_eq!(bench.shown(), 3, "every byte matters");
}

#[tokio::test]
async fn an_interactive_card_needs_a_callback_and_a_task_of_its_own() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    assert_eq!(bench.wecom_send(&token, &card("lisi", "t-1")).await.code(), 43_012);
    with_callback(&bench);
    let sent = bench.wecom_send(&token, &card("lisi", "t-1")).await.json();
    assert!(sent["response_code"].is_string());
    assert_eq!(bench.wecom_send(&token, &card("lisi", "t-1")).await.code(), 42_014);
    bench.sim.configure(&json!({"task_id_taken_code": 40_058})).unwrap();
    assert_eq!(bench.wecom_send(&token, &card("lisi", "t-1")).await.code(), 40_058);
    for bad in ["", "no spaces", "中文", &"x".repeat(129)] {
        assert_eq!(bench.wecom_send(&token, &card("lisi", bad)).await.code(), 42_014, "{bad}");
    }
    let twice = with(card("lisi", "t-2"), |body| {
        let button = body["template_card"]["button_list"][0].clone();
        body["template_card"]["button_list"] = json!([button, button]);
    });
    assert_eq!(bench.wecom_send(&token, &twice).await.code(), 40_058);
    let notice = with(card("lisi", ""), |body| {
        body["template_card"] = json!({"card_type": "text_notice", "main_title": {"title": "t"}});
    });
    assert_eq!(bench.wecom_send(&token, &notice).await.code(), 40_063, "a notice needs card_action");
    assert_eq!(bench.shown(), 1);
}

#[tokio::test]
async fn a_response_code_works_once_and_for_three_days() {
    let bench = Bench::new().await;
    with_callback(&bench);
    let token = bench.wecom_token().await;
    let sent = bench.wecom_send(&token, &card("lisi|wangwu", "t-1")).await.json();
    let update = |code: &Value, token: &str| {
        let body = json!({
            "userids": ["LiSi", "Nobody"],
            "agentid": seed::AGENT_ID,
            "response_code": code,
            "button": {"replace_name": "已确认"},
        });
        let url = bench.wecom_url("message/update_template_card", token);
        async move { post(&url, &body).await.json() }
    };
    let done = update(&sent["response_code"], &token).await;
    assert_eq!((&done["errcode"], &done["invaliduser"]), (&json!(0), &json!(["nobody"])));
    let looks = |to: &str| {
        bench
            .sim
            .world(|world| world.inbox.of(to).next().map(|item| (item.buttons.len(), item.replaced.clone())))
    };
    assert_eq!(looks("lisi"), Some((0, Some("已确认".into()))));
    assert_eq!(looks("wangwu"), Some((1, None)), "only the one who was named");
    assert_eq!(update(&sent["response_code"], &token).await["errcode"], 60_140, "once");
    let second = bench.wecom_send(&token, &card("lisi", "t-2")).await.json();
    bench.advance(72 * 3_600);
    let token = bench.wecom_token().await;
    assert_eq!(update(&second["response_code"], &token).await["errcode"], 60_140, "72 hours");
}

#[tokio::test]
async fn a_message_can_be_taken_back_for_a_day() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    let sent = bench.wecom_send(&token, &text("lisi", "oops")).await.json();
    let late = bench.wecom_send(&token, &text("lisi", "late")).await.json();
    let url = bench.wecom_url("message/recall", &token);
    assert_eq!(post(&url, &json!({"msgid": sent["msgid"]})).await.code(), 0);
    assert_eq!(bench.shown(), 1);
    assert_eq!(post(&url, &json!({"msgid": "none"})).await.code(), 40_058);
    bench.advance(24 * 3_600);
    let url = bench.wecom_url("message/recall", &bench.wecom_token().await);
    assert_eq!(post(&url, &json!({"msgid": late["msgid"]})).await.code(), 42_052);
}

#[tokio::test]
async fn members_are_listed_by_department_and_ids_for_contacts_only() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    let list = |department: &str| {
        let url = format!("{}&department_id={department}", bench.wecom_url("user/simplelist", &token));
        async move { get(&url).await.json() }
    };
    let names: Vec<String> = list("2").await["userlist"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["userid"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["lisi", "wangwu"], "direct members only");
    assert_eq!(list("99").await["errcode"], 60_003);
    let departments = get(&bench.wecom_url("department/simplelist", &token)).await.json();
    assert_eq!(departments["department_id"].as_array().unwrap().len(), 3);
    let below = get(&format!("{}&id=2", bench.wecom_url("department/list", &token))).await.json();
    assert_eq!(below["department"].as_array().unwrap().len(), 2);
    let read = get(&format!("{}&userid=ZHANGSAN", bench.wecom_url("user/get", &token))).await.json();
    assert_eq!(read["userid"], "ZhangSan");
    let nobody = format!("{}&userid=nobody", bench.wecom_url("user/get", &token));
    assert_eq!(get(&nobody).await.code(), 60_111);
    assert_eq!(post(&bench.wecom_url("user/list_id", &token), &json!({})).await.code(), 48_002);
    let contact = bench.sim.world(|world| world.corp().unwrap().contact_secret.clone());
    let url = format!("{}/cgi-bin/gettoken?corpid={}&corpsecret={contact}", bench.wecom, bench.corpid);
    let contacts = get(&url).await.json()["access_token"].as_str().unwrap().to_owned();
    let page = post(&bench.wecom_url("user/list_id", &contacts), &json!({"limit": 3})).await.json();
    assert_eq!((page["dept_user"].as_array().unwrap().len(), page["next_cursor"].as_str()), (3, Some("3")));
    let rest =
        post(&bench.wecom_url("user/list_id", &contacts), &json!({"limit": 3, "cursor": "3"})).await.json();
    assert_eq!((rest["dept_user"].as_array().unwrap().len(), rest["next_cursor"].as_str()), (1, Some("")));
}

#[tokio::test]
async fn a_disabled_app_and_a_days_quota_stop_everything() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    bench.sim.configure(&json!({"wecom_per_day": 3})).unwrap();
    assert_eq!(bench.wecom_send(&token, &text("lisi|wangwu", "x")).await.code(), 0);
    assert_eq!(
        bench.wecom_send(&token, &text("lisi|wangwu", "y")).await.code(),
        45_009,
        "four persons, three allowed"
    );
    bench.sim.configure(&json!({"wecom_calls_per_minute": 1})).unwrap();
    let url = format!("{}&agentid={}", bench.wecom_url("agent/get", &token), seed::AGENT_ID);
    assert_eq!((get(&url).await.code(), get(&url).await.code()), (0, 45_009));
    assert_eq!(bench.wecom_send(&token, &text("lisi", "sends do not count there")).await.code(), 0);
    bench.sim.world(|world| world.app_mut().unwrap().disabled = true);
    assert_eq!(bench.wecom_send(&token, &text("lisi", "z")).await.code(), 50_003);
}

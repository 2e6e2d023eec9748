//! The clients against the simulator, which was written from the platforms' documents and not from these clients: where
//! the two disagree, one of them is wrong.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use tocsin_wechat::{
    BaseUrl, Cause, Clock, Endpoint, Millis, NoCache, Outcome, Parts, Prepared, Proxy, RecipientFault,
    Secret, Timings, TokenMode,
    callback::{Callback, Dialect, Event, Query, Reply, TemplateStatus},
    crypto::AesKey,
    errcode::{Binding, Class, Pause, Remedy},
    official::{self, OfficialAccount, Scene, TemplateMessage, client_msg_id},
    robot::{self, Mentions, Robot, RobotMessage, Webhook},
    wecom::{self, AppMessage, Button, Card, CardUpdate, Content, Recipients, WecomApp, task_id},
};
use tocsin_wechat_sim::{Fault, Kind, Options, Simulator, Target, seed};

use crate::stage::{Play, Stage};

/// Long enough for a busy machine; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(30);
const START: Millis = 1_767_287_160_000;
const TOKEN: &str = "callbackToken1";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const TEMPLATE: &str = "message/template/send";

/// The simulator's clock is the clients', too.
#[derive(Debug)]
struct OneClock(tocsin_wechat_sim::Clock);

impl Clock for OneClock {
    fn now(&self) -> Millis {
        self.0.now_ms()
    }
}

struct Bench {
    sim: Simulator,
    account: OfficialAccount,
    app: WecomApp,
    robot: Robot,
}

impl Bench {
    async fn new() -> Self {
        Self::with(TokenMode::StableFirst, Duration::from_secs(20)).await
    }

    /// For answers that never come.
    async fn impatient() -> Self {
        Self::with(TokenMode::StableFirst, Duration::from_millis(500)).await
    }

    async fn with(token_mode: TokenMode, call: Duration) -> Self {
        let options = Options { clock: tocsin_wechat_sim::Clock::frozen(START), ..Options::default() };
        let sim = Simulator::start(options).await.expect("a simulator");
        let at = |url: &str| Endpoint {
            base: BaseUrl::parse(url).expect("a base"),
            proxy: Proxy::Direct,
            timings: Timings { connect: PATIENCE, call },
        };
        let parts = Parts { cache: Arc::new(NoCache), clock: Arc::new(OneClock(sim.clock().clone())) };
        let (secret, app_secret, key) = sim.world(|world| {
            let account = world.account().expect("an account").secret.clone();
            let app = world.app().expect("an app").secret.clone();
            (account, app, world.robot().expect("a robot").key.clone())
        });
        let credential =
            official::Credential { app_id: seed::APPID.into(), secret: secret.into(), token_mode };
        let account = OfficialAccount::new(credential, &at(&sim.oa_url()), &parts).expect("a client");
        let agent_id = u64::try_from(seed::AGENT_ID).expect("a number");
        let credential =
            wecom::Credential { corp_id: seed::CORPID.into(), agent_id, secret: app_secret.into() };
        let app = WecomApp::new(credential, &at(&sim.wecom_url()), &parts).expect("a client");
        let webhook = Webhook::parse(&sim.robot_url(&key)).expect("a robot's address");
        let endpoint = at(&webhook.base.expect("a base").to_string());
        let robot = Robot::new(webhook.key, &endpoint).expect("a client");
        Self { sim, account, app, robot }
    }

    /// What the phones show.
    fn shown(&self) -> usize {
        self.sim.world(|world| world.inbox.shown().count())
    }

    fn token_calls(&self) -> u64 {
        self.sim.world(|world| world.journal.token_calls())
    }

    fn calls(&self, path: &str) -> u64 {
        self.sim.world(|world| world.journal.calls(path))
    }
}

pub fn follower() -> String {
    seed::openid("wangfang")
}

pub fn alert(message: &str, openid: &str) -> Prepared {
    let data = [
        ("thing1", "磁盘将满"),
        ("time2", "2026-01-02 09:06"),
        ("phrase3", "严重"),
        ("character_string4", message),
    ];
    let message = TemplateMessage {
        openid: openid.into(),
        template_id: seed::ALERT_TEMPLATE.into(),
        url: Some("https://host.example/m/1".into()),
        mini_program: None,
        client_msg_id: client_msg_id(message, openid, 0),
        data: data.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    message.prepare().expect("a message")
}

pub fn to(users: &[&str], content: Content) -> Prepared {
    let to =
        Recipients { users: users.iter().map(|&user| user.to_owned()).collect(), ..Recipients::default() };
    let agent_id = u64::try_from(seed::AGENT_ID).expect("a number");
    let message = AppMessage { to, agent_id, content, dedupe_seconds: 14_400, mark: "m1".into() };
    message.prepare().expect("a message")
}

pub fn text(words: &str) -> Content {
    Content::Text { content: words.into(), more: String::new() }
}

fn refused(outcome: Outcome) -> tocsin_wechat::Refused {
    match outcome {
        Outcome::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

fn accepted(outcome: Outcome) -> tocsin_wechat::Accepted {
    match outcome {
        Outcome::Accepted(accepted) => accepted,
        other => panic!("{other:?}"),
    }
}

/// A callback address: what came, opened, in order.
async fn callbacks(dialect: Dialect, receive_id: &str, sim: &Simulator) -> (Stage, Arc<Mutex<Vec<Event>>>) {
    let callback = Callback {
        dialect,
        token: Secret::new(TOKEN),
        keys: vec![AesKey::parse(KEY).expect("a key")],
        receive_id: receive_id.into(),
        allow_plain: false,
    };
    let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
    let (record, clock) = (heard.clone(), sim.clock().clone());
    let stage = Stage::play(move |seen, _| {
        match callback.open(&Query::parse(&seen.raw), seen.body.as_bytes(), clock.now_ms()) {
            Ok(opened) => {
                let answer = callback.reply(&opened, &Reply::Success, clock.now_ms(), [1; 16]);
                record.lock().expect("the record").push(opened.event);
                Play::Json(answer.body)
            }
            Err(rejected) => Play::Status(rejected.status(), rejected.to_string()),
        }
    })
    .await;
    let target = Target::new(&format!("{}callback", stage.base), TOKEN, KEY);
    sim.world(|world| match dialect {
        Dialect::Official => world.account_mut().expect("an account").callback = Some(target),
        Dialect::Wecom => world.app_mut().expect("an app").callback = Some(target),
    });
    (stage, heard)
}

#[tokio::test]
async fn a_template_message_is_on_the_phone_and_its_confirmation_comes_back() {
    let bench = Bench::new().await;
    let (_stage, heard) = callbacks(Dialect::Official, seed::APPID, &bench.sim).await;
    let sent = accepted(bench.account.send(&alert("m1", &follower())).await);
    assert_eq!(bench.shown(), 1);
    bench.sim.clock().advance(Duration::from_secs(1));
    crate::tokens::until(|| !heard.lock().expect("the record").is_empty()).await;
    let events = heard.lock().expect("the record").clone();
    let Event::TemplateSent { from, msgid, status, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!((from, msgid, status), (&follower(), &sent.msgid, &TemplateStatus::Delivered));
}

#[tokio::test]
async fn taken_and_then_silent_is_unknown_and_sent_again_it_is_one_message() {
    let bench = Bench::impatient().await;
    // The tokens first: they shall not be what is slow.
    bench.account.check().await.expect("a token");
    bench.app.check().await.expect("a token");
    bench.sim.inject(Fault::new(Kind::Timeout).on("message/send").after().times(1));
    bench.sim.inject(Fault::new(Kind::Timeout).on(TEMPLATE).after().times(1));
    let card = to(&["zhangsan"], text("disk full"));
    let template = alert("m1", &follower());
    for kind in ["timeout", "again"] {
        let outcomes = [bench.account.send(&template).await, bench.app.send(&card).await];
        for outcome in outcomes {
            match kind {
                "timeout" => assert!(
                    matches!(&outcome, Outcome::Unknown(u) if u.cause == Cause::Timeout),
                    "{outcome:?}"
                ),
                _ => assert!(matches!(&outcome, Outcome::Accepted(_)), "{outcome:?}"),
            }
        }
    }
    assert_eq!(bench.shown(), 2, "one each");
}

#[tokio::test]
async fn a_hundred_sends_share_one_token_cold_expired_and_stolen() {
    for mode in [TokenMode::StableFirst, TokenMode::Classic] {
        let bench = Bench::with(mode, PATIENCE).await;
        let messages: Vec<_> = (0..300).map(|n| alert(&format!("m{n}"), &follower())).collect();
        let send =
            |range: std::ops::Range<usize>| join_all(messages[range].iter().map(|m| bench.account.send(m)));
        assert!(send(0..100).await.iter().all(|outcome| matches!(outcome, Outcome::Accepted(_))));
        assert_eq!(bench.token_calls(), 1, "{mode:?}: cold");
        bench.sim.expire_tokens();
        assert!(send(100..200).await.iter().all(|outcome| matches!(outcome, Outcome::Accepted(_))));
        assert_eq!(bench.token_calls(), 2, "{mode:?}: expired");
        // The old token lives on for five minutes beside the thief's; after them it is refused.
        bench.sim.steal_tokens();
        bench.sim.clock().advance(Duration::from_secs(301));
        assert!(send(200..300).await.iter().all(|outcome| matches!(outcome, Outcome::Accepted(_))));
        assert_eq!(bench.token_calls(), 3, "{mode:?}: stolen");
        assert_eq!(bench.shown(), 300, "{mode:?}: one each");
    }
}

#[tokio::test]
async fn a_token_that_dies_in_flight_is_one_refresh_one_retry_one_message() {
    for kind in [Kind::TokenExpire, Kind::TokenStolen] {
        let bench = Bench::new().await;
        bench.sim.inject(Fault::new(kind).on("message/send").times(1));
        accepted(bench.app.send(&to(&["lisi"], text("x m1"))).await);
        assert_eq!((bench.token_calls(), bench.calls("message/send"), bench.shown()), (2, 2, 1), "{kind:?}");
    }
}

#[tokio::test]
async fn an_address_outside_the_allow_lists_is_named_with_what_to_do() {
    let bench = Bench::new().await;
    bench
        .sim
        .configure(&serde_json::json!({
            "oa_allow_list": ["198.51.100.1"], "wecom_allow_list": ["198.51.100.1"], "seen_ip": "203.0.113.7",
        }))
        .expect("switches");
    let trust = Remedy::TrustIp { ip: Some("203.0.113.7".into()) };
    let official = refused(bench.account.send(&alert("m1", &follower())).await);
    assert_eq!((official.errcode, official.class, &official.remedy), (40164, Class::Config, &trust));
    bench.app.check().await.expect("WeCom hands tokens to any address");
    let wecom = refused(bench.app.send(&to(&["lisi"], text("x m1"))).await);
    assert_eq!((wecom.errcode, wecom.class, &wecom.remedy), (60020, Class::Config, &trust));
}

#[tokio::test]
async fn some_recipients_fail_and_the_others_have_it() {
    let bench = Bench::new().await;
    bench.sim.world(|world| {
        let corp = world.corp_mut().expect("a corporation");
        corp.members.get_mut("wangwu").expect("a member").licensed = false;
    });
    let sent = accepted(bench.app.send(&to(&["ZhangSan", "Nobody", "wangwu"], text("x m1"))).await);
    let failed: Vec<_> = sent.failed.iter().map(|f| (f.id.as_str(), f.reason)).collect();
    assert_eq!(failed, [("nobody", RecipientFault::Invalid), ("wangwu", RecipientFault::Unlicensed)]);
    assert_eq!(bench.shown(), 1);
    let nobody = refused(bench.app.send(&to(&["nobody"], text("y m1"))).await);
    assert_eq!((nobody.errcode, nobody.class), (81013, Class::Permanent));
}

#[tokio::test]
async fn who_does_not_follow_is_not_asked_again() {
    let bench = Bench::new().await;
    bench.sim.unfollow(&follower()).expect("a follower");
    let gone = refused(bench.account.send(&alert("m1", &follower())).await);
    assert_eq!((gone.errcode, gone.class, gone.binding), (43004, Class::Permanent, Binding::Broken));
    let unknown = refused(bench.account.send(&alert("m1", "oNobody")).await);
    assert_eq!((unknown.errcode, unknown.binding), (40003, Binding::Broken));
    assert_eq!(bench.calls(TEMPLATE), 2);
}

#[tokio::test]
async fn a_card_is_pressed_heard_and_its_button_replaced_once() {
    let bench = Bench::new().await;
    let card = Card {
        title: "部署?".into(),
        text: "run 42".into(),
        url: Some("https://host.example/m/1".into()),
        buttons: vec![Button::acknowledge("确认")],
        task_id: task_id(&["m1", "zhangsan"]),
        ..Card::default()
    };
    let prepared = to(&["zhangsan"], Content::Card(card));
    let early = refused(bench.app.send(&prepared).await);
    assert_eq!((early.errcode, early.remedy), (43012, Remedy::SetCallback), "no address to press to");

    let (_stage, heard) = callbacks(Dialect::Wecom, seed::CORPID, &bench.sim).await;
    let sent = accepted(bench.app.send(&prepared).await);
    assert!(sent.response_code.is_some());
    let item = bench.sim.world(|world| world.inbox.shown().next().expect("a card").id);
    bench.sim.press(item, wecom::ACKNOWLEDGE_KEY).expect("a button");
    crate::tokens::until(|| !heard.lock().expect("the record").is_empty()).await;
    let event = heard.lock().expect("the record")[0].clone();
    let Event::CardPressed { from, task_id, key, response_code, .. } = event else { panic!("{event:?}") };
    assert_eq!(
        (from.as_str(), task_id.as_str(), key.as_str()),
        ("ZhangSan", "m1@zhangsan", wecom::ACKNOWLEDGE_KEY)
    );

    let update = CardUpdate {
        userids: vec![from],
        agent_id: bench.app.agent_id(),
        response_code,
        replace_name: "已确认".into(),
    };
    let update = update.prepare().expect("an update");
    accepted(bench.app.send(&update).await);
    let replaced = bench.sim.world(|world| world.inbox.item(item).expect("the card").replaced.clone());
    assert_eq!(replaced.as_deref(), Some("已确认"));
    let again = refused(bench.app.send(&update).await);
    assert_eq!((again.errcode, again.class), (60140, Class::Permanent));
}

#[tokio::test]
async fn a_code_binds_new_and_old_followers() {
    let bench = Bench::new().await;
    let (_stage, heard) = callbacks(Dialect::Official, seed::APPID, &bench.sim).await;
    let scene = Scene::from_random([7; 16]);
    let qr = bench.account.create_qr(&scene, 600).await.expect("a code");
    assert!(qr.url.starts_with("http"), "{qr:?}");
    bench.sim.scan(&follower(), scene.as_str()).expect("a scan");
    bench.sim.scan("oNewcomer00000000000000000001", scene.as_str()).expect("a scan");
    crate::tokens::until(|| heard.lock().expect("the record").len() >= 2).await;
    let events = heard.lock().expect("the record").clone();
    let scene = scene.as_str().to_owned();
    assert!(events.contains(&Event::Scanned { from: follower(), scene: scene.clone() }), "{events:?}");
    let new = Event::Subscribed { from: "oNewcomer00000000000000000001".into(), scene: Some(scene) };
    assert!(events.contains(&new), "{events:?}");
}

#[tokio::test]
async fn a_robots_messages_are_taken_in_every_kind_and_its_limit_is_heard() {
    let bench = Bench::new().await;
    let words = |n: usize| "警".repeat(n);
    let more = || "\nhttps://host.example/m/1".to_owned();
    let article =
        official::Article { title: words(100), url: "https://x.example".into(), ..Default::default() };
    let card = Card { title: "t".into(), url: Some("https://x.example".into()), ..Card::default() };
    let kinds = [
        robot::Content::Text { content: words(2000), more: more() },
        robot::Content::Markdown { content: words(2000), more: more() },
        robot::Content::MarkdownV2 { content: words(2000), more: more() },
        robot::Content::News(vec![article; 9]),
        robot::Content::Card(card),
    ];
    for content in kinds {
        let mentions = Mentions { users: vec!["ZhangSan".into()], ..Mentions::default() };
        let message = RobotMessage { content, mentions }.prepare().expect("a message");
        accepted(bench.robot.send(&message).await);
    }
    let mentioned =
        bench.sim.world(|world| world.inbox.shown().filter(|item| !item.mentioned.is_empty()).count());
    assert_eq!(mentioned, 2, "text and Markdown");
    let message = RobotMessage {
        content: robot::Content::Text { content: "x".into(), more: String::new() },
        mentions: Mentions::default(),
    };
    let message = message.prepare().expect("a message");
    for _ in 5..20 {
        accepted(bench.robot.send(&message).await);
    }
    let over = refused(bench.robot.send(&message).await);
    assert_eq!((over.errcode, over.class, over.pause), (45009, Class::Busy, Some(Pause::Seconds(60))));
    bench.sim.world(|world| world.robot_mut().expect("a robot").removed = true);
    let gone = refused(bench.robot.send(&message).await);
    assert_eq!((gone.errcode, gone.remedy), (93000, Remedy::NewRobot));
}

#[tokio::test]
async fn the_lists_are_read_whole() {
    let bench = Bench::new().await;
    bench.sim.configure(&serde_json::json!({ "follower_page": 2 })).expect("a switch");
    let followers = bench.account.all_followers().await.expect("followers");
    assert_eq!(followers.len(), 3);
    let who = bench.account.follower(&follower()).await.expect("a follower");
    assert!(who.follows && who.remark == "王芳", "{who:?}");
    let templates = bench.account.templates().await.expect("templates");
    let alert = templates.iter().find(|t| t.template_id == seed::ALERT_TEMPLATE).expect("the template");
    let names: Vec<_> = alert.fields().into_iter().map(|field| field.name).collect();
    assert_eq!(names, ["thing1", "time2", "phrase3", "character_string4"]);
    assert_eq!(bench.account.template_quota().await.expect("a quota").daily_limit, 100_000);
    let members = bench.app.all_members().await.expect("members");
    let names: Vec<_> = members.iter().map(|member| member.userid.as_str()).collect();
    assert_eq!(members.len(), 4, "{names:?}");
}

#[tokio::test]
async fn every_way_of_answering_badly_is_survived() {
    // An answer that can still be read is an acceptance; one that cannot is unknown; and the message is there once.
    for (kind, is_readable) in [
        (Kind::ErrcodeString, true),
        (Kind::NoErrcode, true),
        (Kind::ControlChars, true),
        (Kind::Malformed, false),
        (Kind::HugeBody, false),
        (Kind::HalfBody, false),
        (Kind::EmptyBody, false),
        (Kind::Reset, false),
    ] {
        let bench = Bench::new().await;
        bench.sim.inject(Fault::new(kind).on("message/send").after().times(1));
        let message = to(&["lisi"], text("x m1"));
        let first = bench.app.send(&message).await;
        assert_eq!(matches!(first, Outcome::Accepted(_)), is_readable, "{kind:?}: {first:?}");
        assert_eq!(matches!(first, Outcome::Unknown(_)), !is_readable, "{kind:?}: {first:?}");
        accepted(bench.app.send(&message).await);
        assert_eq!(bench.shown(), 1, "{kind:?}");
    }
    for kind in [Kind::Drip, Kind::Slow] {
        let bench = Bench::impatient().await;
        bench.app.check().await.expect("a token");
        bench.sim.inject(Fault::new(kind).on("message/send").after().times(1));
        let outcome = bench.app.send(&to(&["lisi"], text("x m1"))).await;
        assert!(
            matches!(&outcome, Outcome::Unknown(u) if u.cause == Cause::Timeout),
            "{kind:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn the_platforms_limits_keep_their_pauses() {
    let bench = Bench::new().await;
    for (code, pause) in [(-1, Pause::Short), (45009, Pause::Day), (45011, Pause::Seconds(60))] {
        bench.sim.inject(Fault::errcode(code).on(TEMPLATE).times(1));
        let busy = refused(bench.account.send(&alert("m1", &follower())).await);
        assert_eq!((busy.class, busy.pause), (Class::Busy, Some(pause)), "{code}");
    }
    accepted(bench.account.send(&alert("m1", &follower())).await);
    assert_eq!(bench.shown(), 1);
    assert_eq!(bench.token_calls(), 1);
}

//! What is kept of each try: whom it was for, when it ran, and the platform's very words.

use std::time::Duration;

use serde_json::{Value, json};
use tocsin_wechat_sim::{Fault, Options, Simulator, Target, TemplateFate, seed};

use crate::office::{Office, send};

/// Long enough for a busy machine; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(30);
const CALLBACK_TOKEN: &str = "callbackToken1";
const CALLBACK_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
/// Who ann is at WeCom.
const USERID: &str = "ZhangSan";

struct Desk {
    office: Office,
    sim: Simulator,
    _tokens: tempfile::TempDir,
}

impl Desk {
    async fn open() -> Self {
        let tokens = tempfile::tempdir().unwrap();
        let dir = tokens.path().to_owned();
        let office = Office::with(move |config| {
            config.token_dir = Some(dir);
            config.public_url = Some("https://push.example".into());
            config.hosts = vec!["127.0.0.1".into()];
        })
        .await;
        let sim = Simulator::start(Options::default()).await.unwrap();
        Self { office, sim, _tokens: tokens }
    }

    async fn put(&self, path: &str, body: Value) {
        let answer = send(self.office.request("PUT", path).bearer_auth(&self.office.root).json(&body)).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    }

    /// A channel with these secrets, over which ann gets what goes to `ops`.
    async fn channel(&self, kind: &str, config: Value, secrets: &[(&str, &str)], address: &str) {
        self.put("/v1/channels/app", json!({"kind": kind, "config": config})).await;
        for (part, secret) in secrets {
            self.put(&format!("/v1/channels/app/secrets/{part}"), json!({"secret": secret})).await;
        }
        self.put("/v1/channels/app/bindings/ann", json!({"address": address})).await;
        self.put("/v1/routes", json!({"channel": "app", "topic": "ops", "from_priority": 1})).await;
    }

    /// The delivery of this message, with its tries, once this is true of it.
    async fn delivery(&self, message: &str, says: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let waiting = async {
            loop {
                let path = format!("/v1/deliveries?message={message}");
                let listed = self.office.get(&self.office.root, &path).await.is(200);
                if let Some(id) = listed["items"][0]["id"].as_u64() {
                    last = self.office.get(&self.office.root, &format!("/v1/deliveries/{id}")).await.is(200);
                    if says(&last["delivery"]) {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{last:#}");
        last
    }
}

fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |delivery| delivery["state"] == state
}

#[tokio::test]
async fn each_try_is_kept_with_the_platforms_code_words_id_and_its_times() {
    let desk = Desk::open().await;
    let secret = desk.sim.world(|world| world.app().unwrap().secret.clone());
    let config = json!({
        "corp_id": seed::CORPID, "agent_id": seed::AGENT_ID, "base_url": desk.sim.wecom_url(), "proxy": "none",
    });
    desk.channel("wecom", config, &[("secret", &secret)], USERID).await;
    let busy = Fault { errmsg: Some("system is out to lunch".into()), ..Fault::errcode(-1) };
    desk.sim.inject(busy.on("message/send").times(1));
    let before = (desk.office.state.clock)();
    let id = desk.office.publish("db-1").await;
    let detail = desk.delivery(&id, is("accepted")).await;
    let attempts = detail["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{detail:#}");
    assert_eq!((&attempts[0]["result"], &attempts[0]["code"]), (&json!("refused"), &json!("-1")));
    assert!(attempts[0]["reason"].as_str().unwrap().starts_with("system is out to lunch"), "{detail:#}");
    assert_eq!(attempts[0].get("msgid"), None);
    let msgid = desk.sim.world(|world| world.inbox.shown().next().unwrap().msgid.clone());
    assert_eq!(attempts[1]["result"], "accepted");
    assert_eq!(attempts[1]["msgid"].as_str(), msgid.as_deref());
    assert_eq!(detail["delivery"]["msgid"].as_str(), msgid.as_deref());
    assert!(attempts.iter().all(|attempt| attempt["address"] == USERID));
    let times: Vec<i64> = attempts
        .iter()
        .flat_map(|attempt| ["started_at", "ended_at"].map(|time| attempt[time].as_i64().unwrap()))
        .collect();
    assert!(times.is_sorted() && times[0] >= before && times[3] <= (desk.office.state.clock)(), "{times:?}");
    assert!(times[2] > times[1], "the second waited");

    desk.sim.inject(Fault::errcode(81013).on("message/send").times(1));
    let id = desk.office.publish("db-2").await;
    let detail = desk.delivery(&id, is("failed")).await;
    let attempt = &detail["attempts"][0];
    assert_eq!((&attempt["result"], &attempt["code"]), (&json!("refused"), &json!("81013")));
    assert!(attempt["reason"].as_str().unwrap().contains("all invalid"), "{detail:#}");
    assert_eq!(detail["delivery"]["code"], "81013");
    desk.office.close().await;
}

#[tokio::test]
async fn what_the_platform_lost_is_sent_once_more_when_it_says_so() {
    let desk = Desk::open().await;
    let (openid, secret) =
        (seed::openid("wangfang"), desk.sim.world(|world| world.account().unwrap().secret.clone()));
    let config = json!({
        "app_id": seed::APPID, "base_url": desk.sim.oa_url(), "proxy": "none", "callback": true,
        "template_id": seed::ALERT_TEMPLATE,
        "fields": {"thing1": "title", "time2": "time", "phrase3": "priority", "character_string4": "id"},
    });
    let secrets =
        [("secret", secret.as_str()), ("callback_token", CALLBACK_TOKEN), ("callback_key", CALLBACK_KEY)];
    desk.channel("wechat", config, &secrets, &openid).await;
    let hook = format!("{}/v1/hooks/wechat/app", desk.office.origin);
    let target = Target::new(&hook, CALLBACK_TOKEN, CALLBACK_KEY);
    let fate = |fate: TemplateFate| {
        desk.sim.world(|world| world.account_mut().unwrap().followers.get_mut(&openid).unwrap().fate = fate);
    };
    desk.sim.world(|world| world.account_mut().unwrap().callback = Some(target));
    fate(TemplateFate::SystemFailed);
    let id = desk.office.publish("db-1").await;
    let waiting = desk.delivery(&id, |delivery| delivery["code"] == "not_delivered").await;
    assert_eq!(waiting["delivery"]["state"], "queued", "{waiting:#}");
    assert_eq!(waiting["attempts"][0]["reason"], "failed: system failed");
    fate(TemplateFate::Success);
    desk.office.pass(61_000);
    // Whatever comes wakes the courier.
    desk.office.publish("db-2").await;
    let detail = desk.delivery(&id, is("confirmed")).await;
    let results: Vec<_> =
        detail["attempts"].as_array().unwrap().iter().map(|attempt| attempt["result"].clone()).collect();
    assert_eq!(results, [json!("refused"), json!("accepted")], "{detail:#}");
    assert_ne!(detail["attempts"][0]["msgid"], detail["attempts"][1]["msgid"]);
    let shown = desk.sim.world(|world| world.inbox.shown().filter(|item| item.contains("db-1")).count());
    assert_eq!(shown, 1);
    desk.office.close().await;
}

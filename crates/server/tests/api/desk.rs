//! A desk: an office and the platforms, with channels between them.

use serde_json::{Value, json};
use tocsin_server::Config;
use tocsin_wechat_sim::{Item, Options, Simulator, Target, seed};

pub use crate::office::PATIENCE;
use crate::office::{Answer, Office, send};

pub const CALLBACK_TOKEN: &str = "callbackToken1";
pub const CALLBACK_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
/// Who ann is at WeCom.
pub const USERID: &str = "ZhangSan";

pub struct Desk {
    pub office: Office,
    pub sim: Simulator,
    /// Where access tokens wait for the next start.
    pub tokens: tempfile::TempDir,
}

impl Desk {
    /// An office and the platforms, with nothing between them yet.
    pub async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let tokens = tempfile::tempdir().unwrap();
        let dir = tokens.path().to_owned();
        let office = Office::with(move |config| {
            config.token_dir = Some(dir);
            config.public_url = Some("https://push.example".into());
            config.hosts = vec!["127.0.0.1".into()];
            change(config);
        })
        .await;
        let sim = Simulator::start(Options::default()).await.unwrap();
        Self { office, sim, tokens }
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.office.request("PUT", path).bearer_auth(&self.office.root).json(&body)).await
    }

    /// A WeCom app called `app`, reached at the simulator; what is urgent goes over it to ann.
    pub async fn wecom(&self, callback: bool) {
        let config = json!({
            "corp_id": seed::CORPID, "agent_id": seed::AGENT_ID, "base_url": self.sim.wecom_url(),
            "proxy": "none", "callback": callback,
        });
        let made = self.put("/v1/channels/app", json!({"kind": "wecom", "config": config})).await.is(200);
        assert_eq!(made["standing"], json!({"state": "secret_missing", "part": "secret"}));
        assert_eq!(made["callback_url"], "https://push.example/v1/hooks/wecom/app");
        self.secret("app", "secret", &self.app_secret()).await;
        if callback {
            let target = self.callback("wecom", "app").await;
            self.sim.world(|world| world.app_mut().unwrap().callback = Some(target));
        }
        self.bind("app", USERID).await;
        self.route("app").await;
    }

    pub fn app_secret(&self) -> String {
        self.sim.world(|world| world.app().unwrap().secret.clone())
    }

    /// An official account called `oa`, with callbacks; what is urgent goes over it.
    pub async fn official(&self) {
        let target = self.account("oa").await;
        self.sim.world(|world| world.account_mut().unwrap().callback = Some(target));
        self.route("oa").await;
    }

    /// The simulator's official account under this name: where it would push.
    pub async fn account(&self, name: &str) -> Target {
        let config = json!({
            "app_id": seed::APPID, "base_url": self.sim.oa_url(), "proxy": "none", "callback": true,
            "template_id": seed::ALERT_TEMPLATE,
            "fields": {"thing1": "title", "time2": "time", "phrase3": "priority", "character_string4": "id"},
        });
        let path = format!("/v1/channels/{name}");
        self.put(&path, json!({"kind": "wechat", "config": config})).await.is(200);
        let secret = self.sim.world(|world| world.account().unwrap().secret.clone());
        self.secret(name, "secret", &secret).await;
        self.callback("wechat", name).await
    }

    /// A QR code that binds ann at the official account: what a phone makes of it.
    pub async fn code_for_ann(&self) -> String {
        let qr =
            self.office.post(&self.office.root, "/v1/channels/oa/qr", json!({"user": "ann"})).await.is(201);
        assert!(qr["url"].as_str().unwrap().starts_with("http"), "{qr:#}");
        let ticket = qr["image_url"].as_str().unwrap().split_once("ticket=").unwrap().1;
        percent_encoding::percent_decode_str(ticket).decode_utf8().unwrap().into_owned()
    }

    /// The same with ann bound to a follower: who that is.
    pub async fn official_for_ann(&self) -> String {
        self.official().await;
        let openid = seed::openid("wangfang");
        self.bind("oa", &openid).await;
        openid
    }

    /// Binds ann.
    pub async fn bind(&self, channel: &str, address: &str) {
        let path = format!("/v1/channels/{channel}/bindings/ann");
        self.put(&path, json!({"address": address})).await.is(200);
    }

    async fn secret(&self, channel: &str, part: &str, secret: &str) {
        let path = format!("/v1/channels/{channel}/secrets/{part}");
        self.put(&path, json!({"secret": secret})).await.is(204);
    }

    /// Sets the secrets of a callback: where the platform is to push.
    async fn callback(&self, kind: &str, channel: &str) -> Target {
        self.secret(channel, "callback_token", CALLBACK_TOKEN).await;
        self.secret(channel, "callback_key", CALLBACK_KEY).await;
        let hook = format!("{}/v1/hooks/{kind}/{channel}", self.office.origin);
        Target::new(&hook, CALLBACK_TOKEN, CALLBACK_KEY)
    }

    async fn route(&self, channel: &str) {
        let route = json!({"channel": channel, "topic": "ops", "from_priority": 4});
        self.put("/v1/routes", route).await.is(204);
    }

    /// Lets time pass for the server and for the platforms.
    pub fn pass(&self, ms: i64) {
        self.office.pass(ms);
        self.sim.clock().shift(ms);
    }

    pub async fn urgent(&self, title: &str) -> String {
        let message = json!({
            "topic": "ops", "title": title, "body": "/ is full", "priority": 5,
            "actions": [{"type": "acknowledge"}],
        });
        let made = self.office.post(&self.office.sender, "/v1/messages", message).await.is(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// What is read there, once it says this.
    pub async fn read_until(&self, path: &str, what: &str, says: impl Fn(&Value) -> bool) -> Value {
        self.office.read_until(&self.office.root, path, what, says).await
    }

    /// Waits until the receipt says this.
    pub async fn receipt(&self, id: &str, what: &str, says: impl Fn(&Value) -> bool) -> Value {
        self.read_until(&format!("/v1/messages/{id}/receipt"), what, says).await
    }

    pub async fn on_the_phone(&self) -> Item {
        let found = self.sim.wait_for("a message", PATIENCE, |world| world.inbox.shown().next().cloned());
        found.await.unwrap()
    }

    pub fn shown(&self) -> usize {
        self.sim.world(|world| world.inbox.shown().count())
    }
}

pub fn ann(receipt: &Value) -> Value {
    let people = receipt["people"].as_array().unwrap();
    people.iter().find(|person| person["user"] == "ann").unwrap().clone()
}

pub fn way_is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |receipt| ann(receipt)["ways"][0]["state"] == state
}

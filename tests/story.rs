//! What comes after sending, end to end on real parts: an urgent alert to three people, of whom one is at this desktop,
//! one is away and one has WeCom alone. At each moment the receipt names exactly who is missing; nobody answers, so a
//! step sends a card; its button acknowledges, the popup on the desktop goes away and the later steps do not run.
//!
//! The same with a kill before each step. WeCom is the simulator, in this process.

mod support;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{App, PATIENCE, api, free_port};
use tocsin_virtual_desktop::wait_for;
use tocsin_wechat_sim::{Item, Options, Simulator, Target, seed};
use tokio::runtime::Runtime;

const CALLBACK_TOKEN: &str = "callbackToken1";
const CALLBACK_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
/// Who cai is at WeCom.
const USERID: &str = "ZhangSan";
/// Seconds after the message: nobody answered, a card goes out; the next would go out; something else is through.
const CARD_S: u64 = 4;
const AGAIN_S: u64 = 30;
const PROBE_S: u64 = 30;

/// Ann at her desktop, which hosts; bob, away; cai, who has WeCom.
struct Team {
    app: App,
    sim: Simulator,
    runtime: Runtime,
    /// Bob's token, and how far his phone is.
    bob: String,
    cursor: String,
}

impl Team {
    fn gather() -> Result<Self> {
        let hosting = json!({
            "port": free_port(), "lan_port": free_port(), "public_url": "https://push.example.org",
        });
        let app = App::hosting_with("en_US.UTF-8", &hosting)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let sim = runtime.block_on(Simulator::start(Options::default()))?;
        let me = app.native("GET", "/v1/me", &Value::Null)?;
        let ann = me["user"]["name"].as_str().context("no user")?.to_owned();
        for name in ["bob", "cai"] {
            app.native("POST", "/v1/users", &json!({ "name": name }))?;
        }
        let order = json!({ "kind": "client", "name": "bobs-phone", "user": "bob" });
        let bob = app.native("POST", "/v1/tokens", &order)?["secret"].as_str().context("no secret")?.into();
        app.native("POST", "/v1/topics", &json!({ "name": "ops", "members": [ann, "bob", "cai"] }))?;
        let mut team = Self { app, sim, runtime, bob, cursor: String::new() };
        team.connect_wecom()?;
        team.plan()?;
        // So that the server knows a device of bob's; then he is away.
        team.cursor = team.bob_polls("")?;
        Ok(team)
    }

    fn connect_wecom(&self) -> Result<()> {
        let config = json!({
            "corp_id": seed::CORPID, "agent_id": seed::AGENT_ID, "base_url": self.sim.wecom_url(), "proxy": "none",
            "callback": true,
        });
        self.app.native("PUT", "/v1/channels/app", &json!({ "kind": "wecom", "config": config }))?;
        let secret = self.sim.world(|world| world.app().map(|app| app.secret.clone())).context("no app")?;
        for (part, secret) in
            [("secret", secret.as_str()), ("callback_token", CALLBACK_TOKEN), ("callback_key", CALLBACK_KEY)]
        {
            let path = format!("/v1/channels/app/secrets/{part}");
            self.app.native("PUT", &path, &json!({ "secret": secret }))?;
        }
        self.app.native("PUT", "/v1/channels/app/bindings/cai", &json!({ "address": USERID }))?;
        let hook = format!("{}/v1/hooks/wecom/app", self.app.origin()?);
        let target = Target::new(&hook, CALLBACK_TOKEN, CALLBACK_KEY);
        self.sim.world(|world| world.app_mut().map(|app| app.callback = Some(target))).context("no app")
    }

    /// Whoever has not acknowledged it gets a card, and another.
    fn plan(&self) -> Result<()> {
        let step = |after_s: u64| json!({ "after_s": after_s, "unless": "acknowledged_by_any", "notify": { "who": "missing" }, "via": ["app"] });
        let policies = [("page", json!([step(CARD_S), step(AGAIN_S)])), ("probe", json!([step(PROBE_S)]))];
        for (name, steps) in policies {
            self.app.native("PUT", &format!("/v1/policies/{name}"), &json!({ "steps": steps }))?;
        }
        Ok(())
    }

    fn publish(&self, title: &str, policy: &str, priority: u8) -> Result<String> {
        let message = json!({
            "topic": "ops", "title": title, "priority": priority, "policy": policy,
            "actions": [{ "type": "acknowledge" }],
        });
        let made = self.app.native("POST", "/v1/messages", &message)?;
        Ok(made["id"].as_str().context("no id")?.to_owned())
    }

    /// Waits until the receipt fits.
    fn wait_receipt(&self, id: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        wait_for(what, PATIENCE, || {
            last = self.app.native("GET", &format!("/v1/messages/{id}/receipt"), &Value::Null).ok()?;
            fits(&last).then(|| last.clone())
        })
        .with_context(|| format!("last receipt: {last:#}\n{}", self.app.log()))
    }

    /// The one card on cai's phone.
    fn card(&self, title: &str) -> Result<Item> {
        let shown = self.sim.wait_for("the card", PATIENCE, |world| {
            world.inbox.of(USERID).find(|item| item.contains(title)).cloned()
        });
        self.runtime.block_on(shown).with_context(|| self.app.log())
    }

    fn cards(&self, title: &str) -> usize {
        self.sim.world(|world| world.inbox.of(USERID).filter(|item| item.contains(title)).count())
    }

    /// Bob's phone asks for what it is owed; its next request acknowledges that.
    fn bob_polls(&self, cursor: &str) -> Result<String> {
        let from = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        let poll = format!("{}/poll?device=phone&wait=0{from}", self.app.origin()?);
        let authorization = format!("Authorization: Bearer {}", self.bob);
        let page: Value = serde_json::from_str(&api::curl(&["--fail", "-H", &authorization, &poll])?)?;
        Ok(page["cursor"].as_str().with_context(|| format!("no cursor: {page:#}"))?.to_owned())
    }

    /// Kills the host and starts it again, if this is the story in which it dies.
    fn dies(&mut self, dies: bool) -> Result<()> {
        if dies { self.app.restart() } else { Ok(()) }
    }
}

fn missing(receipt: &Value, people: &[&str]) -> bool {
    receipt["missing"] == json!(people)
}

fn state_of<'a>(receipt: &'a Value, user: &str) -> &'a str {
    let people = receipt["people"].as_array().into_iter().flatten();
    people.filter(|person| person["user"] == user).find_map(|person| person["state"].as_str()).unwrap_or("")
}

fn ran(receipt: &Value) -> usize {
    receipt["escalation"]["steps"].as_array().map_or(0, Vec::len)
}

#[test]
fn nobody_answers_until_a_card_does() -> Result<()> {
    story(false)
}

#[test]
fn the_same_with_a_kill_before_each_step() -> Result<()> {
    story(true)
}

fn story(dies: bool) -> Result<()> {
    let mut team = Team::gather()?;
    let title = "Disk full on db-1";
    let id = team.publish(title, "page", 5)?;
    team.wait_receipt(&id, "two to be missing", |receipt| missing(receipt, &["bob", "cai"]))?;
    team.app.wait_popups(1)?;
    ensure!(team.cards(title) == 0, "a card before its time");
    team.dies(dies)?;

    let card = team.card(title)?;
    let told = team.wait_receipt(&id, "the card to be accepted", |receipt| missing(receipt, &["bob"]))?;
    ensure!(ran(&told) == 1, "{told:#}");
    // The others have no address there.
    ensure!(told["escalation"]["steps"][0]["people"] == json!(["cai"]), "{told:#}");
    let cursor = team.bob_polls(&team.cursor)?;
    team.bob_polls(&cursor)?;
    let all = team.wait_receipt(&id, "nobody to be missing", |receipt| missing(receipt, &[]))?;
    ensure!(state_of(&all, "bob") == "received", "{all:#}");

    team.sim.press(card.id, "acknowledge").context("the card has no such button")?;
    let ended = team.wait_receipt(&id, "the button to acknowledge", |receipt| {
        receipt["escalation"]["state"] == "acknowledged"
    })?;
    ensure!(ended["escalation"]["by"] == "cai", "{ended:#}");
    team.app.wait_popups(0)?;
    team.dies(dies)?;
    // What was sent later is through its step: the second one of the first message has been due.
    let probe = team.publish("probe", "probe", 1)?;
    team.wait_receipt(&probe, "the probe's step", |receipt| ran(receipt) == 1)?;
    let after = team.wait_receipt(&id, "the receipt", |_| true)?;
    ensure!(ran(&after) == 1, "a later step ran: {after:#}");
    ensure!(team.cards(title) == 1, "{} cards for one message", team.cards(title));
    team.app.wait_popups(0)
}

//! WeCom from the window to the phone: a person types the credentials of an app, tests them and binds somebody; a message
//! becomes a card, and its button turns the receipt. The platform is the simulator, in this process.
//!
//! What was typed is in the keyring and in nothing else that the desktop writes, copies or tells.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use fantoccini::{Locator, elements::Element};
use serde_json::{Value, json};
use support::{App, PATIENCE, api, free_port, window::Window};
use tocsin_virtual_desktop::wait_for;
use tocsin_wechat_sim::{Item, Options, Simulator, Target, seed};
use tokio::runtime::Runtime;

const CALLBACK_TOKEN: &str = "callbackCanary7";
const CALLBACK_KEY: &str = "canarydefghijklmnopqrstuvwxyz0123456789ABCD";
/// Who the person is at WeCom.
const USERID: &str = "ZhangSan";
/// As the window proposes it.
const CHANNEL: &str = "wecom";

/// A window on the settings of WeCom, beside a simulator.
struct Desk {
    window: Window,
    sim: Simulator,
    app: App,
    runtime: Runtime,
    /// The app's secret at WeCom.
    secret: String,
}

impl Desk {
    fn open() -> Result<Self> {
        let hosting = json!({
            "port": free_port(), "lan_port": free_port(), "public_url": "https://push.example.org",
        });
        let app = App::hosting_with("en_US.UTF-8", &hosting)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let sim = runtime.block_on(Simulator::start(Options::default()))?;
        let secret = sim.world(|world| world.app().map(|app| app.secret.clone())).context("no app")?;
        let window = runtime.block_on(Window::open(&app.home)).with_context(|| app.log())?;
        let desk = Self { window, sim, app, runtime, secret };
        desk.press("nav a[href*='settings']")?;
        desk.press("a[href='#/settings/wecom']")?;
        Ok(desk)
    }

    fn find(&self, css: &str) -> Result<Element> {
        let found = self.window.client.wait().at_most(PATIENCE).for_element(Locator::Css(css));
        self.runtime.block_on(found).with_context(|| format!("nothing is {css}\n{}", self.app.log()))
    }

    fn press(&self, css: &str) -> Result<()> {
        let element = self.find(css)?;
        Ok(self.runtime.block_on(element.click())?)
    }

    fn button(&self, inside: &str, text: &str) -> Result<()> {
        let xpath = format!("//{inside}//button[normalize-space()='{text}']");
        let found = self.window.client.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath));
        let button = self.runtime.block_on(found).with_context(|| format!("no button {text}"))?;
        Ok(self.runtime.block_on(button.click())?)
    }

    fn type_into(&self, css: &str, text: &str) -> Result<()> {
        let field = self.find(css)?;
        Ok(self.runtime.block_on(field.send_keys(text))?)
    }

    fn picture(&self, name: &str) -> Result<()> {
        self.runtime.block_on(self.window.picture(name))
    }

    /// What a person does in the settings: the credentials of the app, then those of its callbacks.
    fn set_up(&self) -> Result<()> {
        self.type_into("[name=corp_id]", seed::CORPID)?;
        self.type_into("[name=agent_id]", &seed::AGENT_ID.to_string())?;
        self.type_into("[name=channel-secret]", &self.secret)?;
        self.press("form details summary")?;
        self.type_into("[name=base_url]", &self.sim.wecom_url())?;
        self.type_into("[name=proxy]", "none")?;
        self.picture("wecom-typed")?;
        self.button("form", "Add")?;
        self.find(&format!("[data-channel={CHANNEL}]"))?;
        for (part, secret) in [("callback_token", CALLBACK_TOKEN), ("callback_key", CALLBACK_KEY)] {
            self.type_into(&format!("[data-secret={part}] input"), secret)?;
            self.press(&format!("[data-secret={part}] form button"))?;
            // The stored secret is replaced, not shown: its field is gone.
            self.find(&format!("[data-secret={part}] .kept"))?;
        }
        self.press("[name=callback]")?;
        let xpath = "//*[contains(text(), 'Set up: answers are taken.')]";
        let found = self.window.client.wait().at_most(PATIENCE).for_element(Locator::XPath(xpath));
        self.runtime.block_on(found).context("callbacks are not ready")?;
        Ok(())
    }

    fn test_succeeds(&self) -> Result<()> {
        self.button("section", "Test")?;
        self.find("[data-testid=test-result] li.passed")?;
        let failed = self.window.client.find_all(Locator::Css("[data-testid=test-result] li.failed"));
        ensure!(self.runtime.block_on(failed)?.is_empty(), "the test failed");
        self.picture("wecom-tested")
    }

    /// What the keyring has under this name.
    fn in_the_keyring(&self, instance: &str, part: &str) -> Result<String> {
        let name = format!("{instance}/channel/{CHANNEL}/{part}");
        let looked = self
            .app
            .home
            .command("secret-tool", "secret-tool")?
            .args(["lookup", "service", "io.github.tocsin", "username", &name])
            .stdout(std::process::Stdio::piped())
            .output()?;
        Ok(String::from_utf8(looked.stdout)?)
    }

    /// Waits for the message on the phone.
    fn on_the_phone(&self, text: &str) -> Result<Item> {
        let shown = self.sim.wait_for("the card", PATIENCE, |world| {
            world.inbox.of(USERID).find(|item| item.contains(text)).cloned()
        });
        self.runtime.block_on(shown).with_context(|| {
            let deliveries = self.app.native("GET", "/v1/deliveries", &Value::Null);
            format!("deliveries: {deliveries:?}\n{}", self.app.log())
        })
    }

    fn wait_receipt(&self, id: &str, what: &str, says: impl Fn(&Value) -> bool) -> Result<()> {
        let mut last = Value::Null;
        wait_for(what, PATIENCE, || {
            last = self.app.native("GET", &format!("/v1/messages/{id}/receipt"), &Value::Null).ok()?;
            says(&last).then_some(())
        })
        .with_context(|| format!("last receipt: {last:#}\n{}", self.app.log()))
    }

    /// Everything that the desktop wrote, copied or told, by where it is.
    fn outputs(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let backup = self.app.scratch("copy")?.join("backup.db");
        let tocsin = support::program("TOCSIN_BIN");
        let mut outputs = Vec::new();
        for arguments in [
            &["backup", backup.to_str().context("a path")?][..],
            &["channel", "list", "--json"],
            &["status", "--json"],
            &["logs"],
        ] {
            let mut command = self.app.home.command(&tocsin, "tocsin")?;
            let ran = command.args(arguments).stdout(std::process::Stdio::piped()).output()?;
            ensure!(ran.status.success(), "tocsin {arguments:?}: {}", self.app.log());
            outputs.push((format!("tocsin {arguments:?}"), ran.stdout));
        }
        outputs.push(("the backup".into(), fs::read(&backup)?));
        for path in ["/v1/channels", "/v1/deliveries", "/v1/routes", "/native/settings", "/native/status"] {
            outputs.push((path.into(), self.app.native("GET", path, &Value::Null)?.to_string().into()));
        }
        let metrics = api::curl(&["--fail", &format!("{}/metrics", self.app.origin()?)])?;
        ensure!(metrics.contains("tocsin_outbox_attempts_total"), "{metrics}");
        outputs.push(("/metrics".into(), metrics.into()));
        let page = self.runtime.block_on(self.window.client.source())?;
        outputs.push(("the window".into(), page.into()));
        // The keyring's own file is the keyring's to protect.
        let keyring = self.app.home.join("data/keyrings");
        files(self.app.home.join(".").as_path(), &keyring, &mut outputs)?;
        Ok(outputs)
    }
}

/// Every file below a directory, but for those of the keyring.
fn files(dir: &Path, keyring: &Path, found: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path: PathBuf = entry.path();
        if entry.file_type()?.is_dir() {
            if path.components().ne(keyring.components()) {
                files(&path, keyring, found)?;
            }
        } else if entry.file_type()?.is_file() {
            // What comes and goes (a log of SQLite's, a lock) may be gone by now.
            if let Ok(bytes) = fs::read(&path) {
                found.push((path.display().to_string(), bytes));
            }
        }
    }
    Ok(())
}

#[test]
fn from_the_typed_secret_to_the_pressed_card() -> Result<()> {
    let desk = Desk::open()?;
    desk.set_up()?;
    desk.test_succeeds()?;
    let me = desk.app.native("GET", "/v1/me", &Value::Null)?;
    let (user, instance) = (&me["user"]["name"], me["server"]["instance"].as_str().context("no instance")?);
    let user = user.as_str().context("no user")?;
    let typed = [
        ("secret", desk.secret.as_str()),
        ("callback_token", CALLBACK_TOKEN),
        ("callback_key", CALLBACK_KEY),
    ];
    for (part, secret) in typed {
        ensure!(desk.in_the_keyring(instance, part)?.trim() == secret, "{part} is not in the keyring");
    }

    let bound = format!("/v1/channels/{CHANNEL}/bindings/{user}");
    desk.app.native("PUT", &bound, &json!({ "address": USERID }))?;
    let route = json!({ "channel": CHANNEL, "topic": "general", "from_priority": 4 });
    desk.app.native("PUT", "/v1/routes", &route)?;
    let hook = format!("{}/v1/hooks/wecom/{CHANNEL}", desk.app.origin()?);
    let target = Target::new(&hook, CALLBACK_TOKEN, CALLBACK_KEY);
    desk.sim.world(|world| world.app_mut().map(|app| app.callback = Some(target))).context("no app")?;
    let message = json!({
        "topic": "general", "title": "Disk full on db-1", "body": "/ has 1 % left", "priority": 5,
        "actions": [{ "type": "acknowledge" }],
    });
    let published = desk.app.native("POST", "/v1/messages", &message)?;
    let id = published["id"].as_str().context("no id")?;
    let card = desk.on_the_phone("Disk full on db-1")?;
    desk.wait_receipt(id, "the way to say accepted", |receipt| {
        receipt["people"][0]["ways"][0]["state"] == "accepted"
    })?;
    desk.sim.press(card.id, "acknowledge").context("the card has no such button")?;
    desk.wait_receipt(id, "the receipt to say acknowledged", |receipt| {
        receipt["counts"]["acknowledged"] == 1
    })?;
    let cards = desk.sim.world(|world| world.inbox.of(USERID).count());
    ensure!(cards == 1, "{cards} cards for one message");

    for (place, bytes) in desk.outputs()? {
        for (part, secret) in typed {
            let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            ensure!(!holds, "{part} came out in {place}");
        }
    }
    desk.picture("wecom-after")?;
    desk.app.native("PATCH", "/native/settings", &json!({ "language": "zh-CN" }))?;
    desk.find("html[lang='zh-CN']")?;
    desk.picture("wecom-after-zh-CN")
}

//! One person at three devices: a popup on the desktop with its tray, the window, and the page in a browser. Whatever
//! they do at one of them is done at the others: the popup goes away, the tray counts down, both lists show it.

mod support;

use anyhow::{Context as _, Result};
use fantoccini::{Client, Locator};
use serde_json::{Value, json};
use support::{
    App, PATIENCE, api,
    browser::{Browser, wait_script},
    window::Window,
};
use tocsin_virtual_desktop::screen;

struct Devices {
    app: App,
    window: Window,
    browser: Browser,
    runtime: tokio::runtime::Runtime,
    token: String,
}

impl Devices {
    fn gather() -> Result<Self> {
        let app = App::hosting("en_US.UTF-8")?;
        let me = app.native("GET", "/v1/me", &Value::Null)?;
        let user = me["user"]["name"].as_str().context("no user")?;
        app.native("POST", "/v1/topics", &json!({ "name": "ops", "members": [user] }))?;
        let order = json!({ "kind": "sender", "name": "test", "topics": ["ops"] });
        let made = app.native("POST", "/v1/tokens", &order)?;
        let token = made["secret"].as_str().context("no secret")?.to_owned();
        let code = app.native("POST", "/v1/login-codes", &json!({}))?;
        let url = code["url"].as_str().context("no address")?.to_owned();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let window = runtime.block_on(Window::open(&app.home)).with_context(|| app.log())?;
        let browser = runtime.block_on(Browser::start("en"))?;
        runtime.block_on(browser.client.goto(&url))?;
        Ok(Self { app, window, browser, runtime, token })
    }

    /// Publishes, and waits until it is everywhere: a popup, one unread at the tray, an unread row in both lists.
    fn alert(&self, title: &str) -> Result<String> {
        let message =
            json!({ "topic": "ops", "title": title, "priority": 5, "actions": [{ "type": "acknowledge" }] });
        let made = api::publish(&self.app.origin()?, &self.token, &message)?;
        let id = made["id"].as_str().context("no id")?.to_owned();
        self.app.wait_popups(1)?;
        self.app.wait_status("one to be unread", |status| status["unread"] == 1)?;
        self.everywhere(&id, "Unread")?;
        Ok(id)
    }

    /// Waits until the row of it says so in the window and on the page.
    fn everywhere(&self, id: &str, says: &str) -> Result<()> {
        for (device, client) in [("window", &self.window.client), ("page", &self.browser.client)] {
            self.wait_row(client, id, &format!("the {device} to say {says}"), |row| row.contains(says))?;
        }
        Ok(())
    }

    fn wait_row(&self, client: &Client, id: &str, what: &str, fits: impl Fn(&str) -> bool) -> Result<()> {
        let row = format!("return document.querySelector(\"[data-row='{id}']\")?.textContent ?? ''");
        let says = |value: &Value| fits(value.as_str().unwrap_or_default());
        self.runtime.block_on(wait_script(client, what, &row, says)).map(drop)
    }

    /// Waits until nothing of it is left to do on the desktop.
    fn desktop_is_calm(&self) -> Result<()> {
        self.app.wait_popups(0)?;
        self.app.wait_status("nothing to be unread", |status| status["unread"] == 0).map(drop)
    }

    fn open(&self, client: &Client, id: &str) -> Result<()> {
        let row = format!("[data-row='{id}']");
        self.runtime.block_on(async {
            client.wait().at_most(PATIENCE).for_element(Locator::Css(&row)).await?.click().await?;
            Ok(())
        })
    }

    fn press(&self, client: &Client, button: &str) -> Result<()> {
        let xpath = format!("//button[normalize-space()='{button}']");
        self.runtime.block_on(async {
            client.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath)).await?.click().await?;
            Ok(())
        })
    }
}

#[test]
fn what_is_done_at_one_is_done_at_all() -> Result<()> {
    let devices = Devices::gather()?;
    let (window, page) = (&devices.window.client, &devices.browser.client);

    let read = devices.alert("read on the page")?;
    devices.open(page, &read)?;
    devices.desktop_is_calm()?;
    devices.wait_row(window, &read, "the window to show it read", |row| !row.contains("Unread"))?;

    let pressed = devices.alert("acknowledged on the page")?;
    devices.open(page, &pressed)?;
    devices.press(page, "Acknowledge")?;
    devices.desktop_is_calm()?;
    devices.everywhere(&pressed, "Acknowledged")?;

    let popup = devices.alert("acknowledged on the popup")?;
    screen::press_notification(&devices.app.home, "Acknowledge")?;
    devices.desktop_is_calm()?;
    devices.everywhere(&popup, "Acknowledged")?;

    let windows = devices.alert("acknowledged in the window")?;
    devices.open(window, &windows)?;
    devices.press(window, "Acknowledge")?;
    devices.desktop_is_calm()?;
    devices.everywhere(&windows, "Acknowledged")
}

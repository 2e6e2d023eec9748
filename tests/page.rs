//! The page in a real browser: sign-in, the three transports as a tutorial would write them, two tabs of one person.

mod support;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use support::{PATIENCE, api, browser::Browser, serve::Serve};
use tocsin_virtual_desktop::wait_for;

/// Numbers that stand in the titles of messages a script collected.
fn titles(value: &Value) -> Vec<u64> {
    let titles = value.as_array().into_iter().flatten();
    titles.filter_map(|title| title.as_str()?.parse().ok()).collect()
}

struct Page {
    serve: Serve,
    browser: Browser,
    runtime: tokio::runtime::Runtime,
    token: String,
}

impl Page {
    /// A server with topic `ops`, and a browser that is signed in.
    fn open(language: &str) -> Result<Self> {
        let serve = Serve::start()?;
        let token = serve.topic("ops")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let browser = runtime.block_on(Browser::start(language))?;
        let page = Self { serve, browser, runtime, token };
        page.sign_in()?;
        Ok(page)
    }

    fn sign_in(&self) -> Result<()> {
        let made = self.serve.admin("POST", "/v1/login-codes", &json!({}))?;
        let url = made["url"].as_str().context("no address")?.to_owned();
        self.runtime.block_on(async {
            self.browser.client.goto(&url).await?;
            let me = "return fetch('/v1/me').then((answer) => answer.status)";
            self.browser.wait_script("the session", me, |status| *status == json!(200)).await?;
            let place = self.browser.client.current_url().await?;
            anyhow::ensure!(
                place.fragment().is_none_or(|f| !f.contains("code")),
                "the code stays in {place}"
            );
            Ok(())
        })
    }

    fn publish(&self, numbers: std::ops::RangeInclusive<u64>) -> Result<()> {
        for n in numbers {
            let message = json!({ "topic": "ops", "title": n.to_string() });
            api::publish(&self.serve.origin, &self.token, &message)?;
        }
        Ok(())
    }

    fn script(&self, script: &str) -> Result<Value> {
        self.runtime.block_on(self.browser.script(script))
    }

    /// Waits until `window.titles` has `count` entries.
    fn collected(&self, count: usize) -> Result<Vec<u64>> {
        let fits = |value: &Value| value.as_array().is_some_and(|list| list.len() >= count);
        let wait = self.browser.wait_script("the messages", "return window.titles", fits);
        Ok(titles(&self.runtime.block_on(wait)?))
    }
}

/// The first piece of JavaScript in a document.
fn snippet(document: &str) -> Result<&str> {
    let (_, rest) = document.split_once("```js\n").context("no JavaScript")?;
    Ok(rest.split_once("```").context("no end")?.0)
}

/// To the letter what the documentation says, with the token and the `show` that it leaves to the reader.
#[test]
fn polling_with_set_interval_as_it_is_documented() -> Result<()> {
    let tutorial = snippet(include_str!("../docs/api.md"))?;
    assert_eq!(snippet(include_str!("../docs/api.zh-CN.md"))?, tutorial);
    let page = Page::open("en")?;
    let token = page.serve.admin("POST", "/v1/tokens", &json!({ "kind": "client", "name": "tutorial" }))?;
    page.script(&format!(
        "window.titles = [];
         const token = {};
         const show = (message) => window.titles.push(message.title);
         {tutorial}",
        token["secret"]
    ))?;
    // The page itself receives too: a device that is new later is not owed what its person has by then.
    wait_for("the first poll", PATIENCE, || {
        let devices = page.serve.admin("GET", "/v1/devices", &Value::Null).ok()?;
        devices.as_array()?.iter().any(|device| device["name"] == "tutorial").then_some(())
    })?;
    page.publish(1..=5)?;
    assert_eq!(page.collected(5)?, [1, 2, 3, 4, 5]);
    page.publish(6..=8)?;
    assert_eq!(page.collected(8)?, [1, 2, 3, 4, 5, 6, 7, 8], "each batch once: its cursor acknowledges it");
    page.publish(9..=9)?;
    assert_eq!(page.collected(9)?, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    Ok(())
}

#[test]
fn an_event_source_survives_a_killed_server_untouched() -> Result<()> {
    let mut page = Page::open("en")?;
    page.script(
        "window.titles = []; window.opened = 0;
         const source = new EventSource('/events?device=untouched');
         source.onopen = () => window.opened++;
         source.onmessage = (event) => window.titles.push(JSON.parse(event.data).title);",
    )?;
    let opened = page.browser.wait_script("the stream", "return window.opened", |n| n.as_u64() > Some(0));
    page.runtime.block_on(opened)?;
    page.publish(1..=3)?;
    assert_eq!(page.collected(3)?, [1, 2, 3]);
    // Answered and then killed at once: whether these were on their way or not, they must come, once.
    page.publish(4..=5)?;
    page.serve.kill();
    page.serve.resume()?;
    page.publish(6..=8)?;
    assert_eq!(page.collected(8)?, [1, 2, 3, 4, 5, 6, 7, 8], "nothing lost, nothing twice");
    Ok(())
}

#[test]
fn a_web_socket_delivers_and_acknowledges() -> Result<()> {
    let page = Page::open("en")?;
    page.script(
        "window.titles = [];
         const socket = new WebSocket(`ws://${location.host}/ws?device=socket&instance=one`, 'tocsin.v1');
         socket.onmessage = (event) => {
           const frame = JSON.parse(event.data);
           if (frame.type === 'hello') window.hello = true;
           if (frame.type !== 'message') return;
           window.last = frame.id;
           window.titles.push(frame.title);
           socket.send(JSON.stringify({ type: 'ack', cursor: frame.cursor }));
         };
         socket.onopen = () => socket.send(JSON.stringify({ type: 'resume' }));",
    )?;
    // A new device is owed what is sent once it is there.
    let hello = page.browser.wait_script("the hello", "return window.hello", |hello| *hello == json!(true));
    page.runtime.block_on(hello)?;
    page.publish(1..=3)?;
    assert_eq!(page.collected(3)?, [1, 2, 3]);
    let receipt = "return fetch(`/v1/messages/${window.last}/receipt`).then((answer) => answer.json())";
    let received = page.browser.wait_script("the receipt", receipt, |r| r["counts"]["received"] == json!(1));
    let receipt = page.runtime.block_on(received)?;
    assert_eq!(receipt["missing"], json!([]), "{receipt:#}");
    Ok(())
}

#[test]
fn two_tabs_of_one_person_show_the_same() -> Result<()> {
    two_tabs("en", "page-en")
}

#[test]
fn two_tabs_in_chinese() -> Result<()> {
    two_tabs("zh-CN", "page-zh")
}

fn two_tabs(language: &str, picture: &str) -> Result<()> {
    let page = Page::open(language)?;
    let url = format!("{}/", page.serve.origin);
    page.runtime.block_on(async {
        let client = &page.browser.client;
        client.goto(&url).await?;
        let first = client.window().await?;
        let second = client.new_window(true).await?.handle;
        client.switch_to_window(second.clone()).await?;
        client.goto(&url).await?;
        let message = json!({
            "topic": "ops", "title": "Disk full on web-3", "body": "sda1 has **4 %** left", "format": "markdown",
            "priority": 5, "actions": [{ "type": "acknowledge" }]
        });
        api::publish(&page.serve.origin, &page.token, &message)?;
        let text = "return document.body.innerText";
        let shown = |value: &Value| value.as_str().is_some_and(|text| text.contains("Disk full on web-3"));
        page.browser.wait_script("the second tab", text, shown).await?;
        client.switch_to_window(first).await?;
        page.browser.wait_script("the first tab", text, shown).await?;
        // Rows alone: the page also says it aloud, in a place that only screen readers see.
        let count = "return [...document.querySelectorAll('[data-row]')]
            .filter((row) => row.innerText.includes('Disk full on web-3')).length";
        let times = page.browser.script(count).await?;
        anyhow::ensure!(times == json!(1), "shown {times} times: {}", page.browser.script(text).await?);
        page.browser.picture(picture).await
    })
}

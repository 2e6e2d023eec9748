//! The window as a person uses it: a message comes in live, is read by opening it, acknowledged by its button; the
//! settings are there; closing the window ends its process and leaves the resident alone.

mod support;

use std::process::Stdio;

use anyhow::{Context as _, Result};
use fantoccini::Locator;
use serde_json::{Value, json};
use support::{App, PATIENCE, api, window::Window};
use tocsin_virtual_desktop::wait_for;

#[test]
fn a_message_is_read_and_acknowledged_in_the_window() -> Result<()> {
    story("en", "Acknowledge")
}

#[test]
fn the_same_in_chinese() -> Result<()> {
    story("zh-CN", "确认")
}

/// "As the system" is the system of the tray, whatever the window was started with.
#[test]
fn the_window_speaks_the_language_of_the_tray() -> Result<()> {
    let app = App::hosting("zh_CN.UTF-8")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let english = [("LANG", "en_US.UTF-8"), ("LANGUAGE", "en")];
    let window = runtime.block_on(Window::open_with(&app.home, &english)).with_context(|| app.log())?;
    let language = |expected: &str| -> Result<()> {
        let shows = format!("html[lang='{expected}'] nav a[href*='settings']");
        runtime.block_on(window.client.wait().at_most(PATIENCE).for_element(Locator::Css(&shows)))?;
        Ok(())
    };
    language("zh-CN")?;
    let address = runtime.block_on(window.client.current_url())?;
    assert_eq!(address.query(), Some("lang=zh-CN"), "the first words, too");
    runtime.block_on(window.picture("window-system-language"))?;
    app.native("PATCH", "/native/settings", &json!({ "language": "en" }))?;
    language("en")?;
    app.native("PATCH", "/native/settings", &json!({ "language": "system" }))?;
    language("zh-CN")
}

fn story(name: &str, acknowledge: &str) -> Result<()> {
    let app = App::hosting("en_US.UTF-8")?;
    app.native("PATCH", "/native/settings", &json!({ "language": name }))?;
    let me = app.native("GET", "/v1/me", &Value::Null)?;
    let user = me["user"]["name"].as_str().context("no user")?;
    app.native("POST", "/v1/topics", &json!({ "name": "ops", "members": [user] }))?;
    let order = json!({ "kind": "sender", "name": "test", "topics": ["ops"] });
    let made = app.native("POST", "/v1/tokens", &order)?;
    let token = made["secret"].as_str().context("no secret")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let window = runtime.block_on(Window::open(&app.home)).with_context(|| app.log())?;

    let message = json!({
        "topic": "ops", "title": "Disk full on web-3", "body": "sda1 has **4 %** left", "format": "markdown",
        "priority": 4, "actions": [{ "type": "acknowledge" }]
    });
    let published = api::publish(&app.origin()?, token, &message)?;
    let id = published["id"].as_str().context("no id")?.to_owned();
    runtime.block_on(async {
        let row = format!("a[data-row='{id}']");
        window.client.wait().at_most(PATIENCE).for_element(Locator::Css(&row)).await?.click().await?;
        anyhow::Ok(())
    })?;
    app.wait_status("opening it to read it", |status| status["unread"] == 0)?;
    runtime.block_on(async {
        let xpath = format!("//button[normalize-space()='{acknowledge}']");
        let button = window.client.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath)).await?;
        window.picture(&format!("window-message-{name}")).await?;
        button.click().await?;
        anyhow::Ok(())
    })?;
    wait_for("the receipt to say acknowledged", PATIENCE, || {
        let receipt = app.native("GET", &format!("/v1/messages/{id}/receipt"), &Value::Null).ok()?;
        (receipt["counts"]["acknowledged"] == 1).then_some(())
    })
    .with_context(|| app.log())?;
    for place in ["inbox", "compose", "people", "settings"] {
        let link = format!("nav a[href*='{place}']");
        let found = runtime.block_on(window.client.find(Locator::Css(&link)));
        let Ok(link) = found else { continue };
        runtime.block_on(link.click())?;
        runtime.block_on(window.client.wait().at_most(PATIENCE).for_element(Locator::Css("main")))?;
        runtime.block_on(window.picture(&format!("window-{place}-{name}")))?;
    }
    app.window_picture(&format!("desktop-with-window-{name}"))?;
    closes(&app)
}

/// Closes the window as its title bar does.
fn closes(app: &App) -> Result<()> {
    let program = support::program("TOCSIN_DESKTOP_BIN");
    let class = program.file_name().context("no program name")?.to_string_lossy().into_owned();
    wait_for("the window to close", PATIENCE, || {
        let _ = app.home.command("wmctrl", "wmctrl").ok()?.args(["-x", "-c", &class]).status();
        let list =
            app.home.command("wmctrl", "wmctrl").ok()?.arg("-lx").stdout(Stdio::piped()).output().ok()?;
        (!String::from_utf8_lossy(&list.stdout).contains(&class)).then_some(())
    })?;
    app.native("GET", "/native/hello", &Value::Null).context("the resident ended with the window")?;
    Ok(())
}

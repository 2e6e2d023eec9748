//! The window as a person uses it: a message comes in live, is read by opening it, acknowledged by its button; the
//! settings are there; closing the window ends its process and leaves the resident alone.

mod support;

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use fantoccini::{Locator, elements::Element};
use serde_json::{Value, json};
use support::{App, PATIENCE, api, window::Window};
use tocsin_virtual_desktop::wait_for;

#[test]
fn a_message_is_read_and_acknowledged_in_the_window() -> Result<()> {
    story("en", "Acknowledge", "Test notification")
}

#[test]
fn the_same_in_chinese() -> Result<()> {
    story("zh-CN", "确认", "测试通知")
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

fn story(name: &str, acknowledge: &str, test: &str) -> Result<()> {
    let mut app = App::hosting("en_US.UTF-8")?;
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
        runtime.block_on(go(&window, place))?;
        runtime.block_on(window.picture(&format!("window-{place}-{name}")))?;
    }
    runtime.block_on(settings(&window))?;
    wait_for("the test notification", PATIENCE, || {
        app.desktop.new_notifications().into_iter().find(|line| line.contains(test))
    })
    .with_context(|| app.log())?;
    app.window_picture(&format!("desktop-with-window-{name}"))?;
    closes(&app)
}

/// Follows the link to a place, and waits until the window is there.
async fn go(window: &Window, place: &str) -> Result<()> {
    element(window, &format!("nav a[href='#/{place}']")).await?.click().await?;
    element(window, &format!("nav a[href='#/{place}'][aria-current='page']")).await.map(drop)
}

async fn element(window: &Window, css: &str) -> Result<Element> {
    let found = window.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
    found.with_context(|| format!("there is no {css}"))
}

/// The page of settings: how the connection is, hosting, joining another server, and the test notification, which is
/// asked for.
async fn settings(window: &Window) -> Result<()> {
    const SERVER: &str = "section[aria-labelledby='server-title']";
    element(window, &format!("{SERVER} [role='status'][data-state='online']")).await?;
    for hosting in ["team", "port", "stay-awake"] {
        element(window, &format!("{SERVER} input[name='{hosting}']")).await?;
    }
    element(window, &format!("{SERVER} .row button:last-of-type")).await?.click().await?;
    for joining in ["textarea[name='invite']", "input[name='user']", "input[name='device']"] {
        element(window, &format!("dialog[open] {joining}")).await?;
    }
    element(window, "dialog[open] header button").await?.click().await?;
    element(window, "section[aria-labelledby='notifications-title'] .row button").await?.click().await?;
    Ok(())
}

/// Closes the window as its title bar does: its process ends with it, and the resident goes on.
fn closes(app: &App) -> Result<()> {
    let program = support::program("TOCSIN_DESKTOP_BIN");
    let class = program.file_name().context("no program name")?.to_string_lossy().into_owned();
    let process = process_of(app, &class)?.context("no window that names its process")?;
    ensure!(lives(process), "the window names process {process}, which is not there");
    wait_for("the window to close", PATIENCE, || {
        let _ = app.home.command("wmctrl", "wmctrl").ok()?.args(["-x", "-c", &class]).status();
        process_of(app, &class).ok()?.is_none().then_some(())
    })?;
    wait_for("the window's process to end", PATIENCE, || (!lives(process)).then_some(()))?;
    app.native("GET", "/native/hello", &Value::Null).context("the resident ended with the window")?;
    Ok(())
}

/// The process of the window of this class, if there is one.
fn process_of(app: &App, class: &str) -> Result<Option<u32>> {
    let mut wmctrl = app.home.command("wmctrl", "wmctrl")?;
    let list = wmctrl.args(["-l", "-p", "-x"]).stdout(Stdio::piped()).output()?;
    let list = String::from_utf8(list.stdout)?;
    // Window, desktop, process, class, computer, title.
    let Some(line) = list.lines().find(|line| line.contains(class)) else { return Ok(None) };
    Ok(Some(line.split_whitespace().nth(2).context("no process")?.parse()?))
}

/// Whether a process runs. One that ended stays as a zombie until whoever started it looks.
fn lives(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|state| !state.is_empty() && !state.starts_with('Z'))
}

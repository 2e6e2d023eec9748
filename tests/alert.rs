//! The main job, end to end on real parts: an alert of a real Alertmanager becomes a notification of a real daemon;
//! pressing its button makes the receipt say so; the tray's count follows; the resolved alert changes the notification.

mod support;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use support::{App, PATIENCE, alertmanager::Alertmanager};
use tocsin_virtual_desktop::{bus, screen, wait_for};

#[test]
fn an_alert_is_shown_acknowledged_and_resolved() -> Result<()> {
    story("en_US.UTF-8", "en", "Acknowledge", "Resolved")
}

#[test]
fn the_same_in_chinese() -> Result<()> {
    story("zh_CN.UTF-8", "zh", "确认", "已解决")
}

fn story(language: &str, name: &str, acknowledge: &str, over: &str) -> Result<()> {
    let mut app = App::hosting(language)?;
    let user =
        app.native("GET", "/v1/me", &Value::Null)?["user"]["name"].as_str().context("no user")?.to_owned();
    app.native("POST", "/v1/topics", &json!({ "name": "ops", "members": [user] }))?;
    let order = json!({ "kind": "sender", "name": "alertmanager", "topics": ["ops"] });
    let token = app.native("POST", "/v1/tokens", &order)?["secret"].as_str().context("no secret")?.to_owned();
    let hook = format!("{}/v1/hooks/alertmanager/ops", app.origin()?);
    let alertmanager = Alertmanager::start(&app.home, &hook, &token)?;
    app.picture(&format!("tray-idle-{name}"))?;

    let labels = json!({ "alertname": "DiskFull", "severity": "critical", "instance": "web-3" });
    let annotations = json!({ "summary": "sda1 on web-3 is full" });
    alertmanager.alert(&labels, &annotations, "2026-01-01T00:00:00Z", None)?;
    let shown = wait_for("the notification", PATIENCE, || {
        app.desktop.new_notifications().into_iter().find(|line| line.contains("DiskFull"))
    })
    .with_context(|| app.log())?;
    assert!(shown.contains("sda1 on web-3 is full") || shown.contains("web-3"), "{shown}");
    app.wait_status("one unread message", |status| status["unread"] == 1)?;
    let counted = wait_for("the tray to count it", PATIENCE, || {
        bus::tray_property(&app.home, "ToolTip").ok().filter(|tip| tip.contains('1'))
    })?;
    app.picture(&format!("notification-{name}"))?;

    let id = newest(&app)?["id"].as_str().context("no id")?.to_owned();
    let before = receipt(&app, &id)?;
    assert_eq!(before["counts"]["acknowledged"], 0, "{before:#}");
    screen::press_notification(&app.home, acknowledge)?;
    wait_for("the receipt to say acknowledged", PATIENCE, || {
        receipt(&app, &id).ok().filter(|r| r["counts"]["acknowledged"] == 1)
    })
    .with_context(|| app.log())?;
    app.wait_status("nothing unread", |status| status["unread"] == 0)?;
    wait_for("the tray to count nothing", PATIENCE, || {
        bus::tray_property(&app.home, "ToolTip").ok().filter(|tip| *tip != counted)
    })?;
    app.desktop.new_notifications();

    alertmanager.alert(&labels, &annotations, "2026-01-01T00:00:00Z", Some("2026-01-01T01:00:00Z"))?;
    wait_for("the inbox to say resolved", PATIENCE, || {
        newest(&app).ok().filter(|message| message["resolved"] == true)
    })
    .with_context(|| app.log())?;
    let resolved = newest(&app)?;
    assert_eq!(resolved["supersedes"], json!(id), "{resolved:#}");
    wait_for("the notification to say resolved", PATIENCE, || {
        app.desktop.new_notifications().into_iter().find(|line| line.contains(over))
    })
    .with_context(|| app.log())?;
    app.picture(&format!("resolved-{name}"))?;
    tray(&app, name)
}

/// Real clicks on the panel: the right button opens the menu, the left one the window.
fn tray(app: &App, name: &str) -> Result<()> {
    let menu = |open: bool| {
        wait_for(&format!("the menu to be open: {open}"), PATIENCE, || {
            (screen::is_menu_open(&app.home).ok()? == open).then_some(())
        })
    };
    menu(false)?;
    screen::click_tray(&app.home, 3)?;
    menu(true)?;
    app.window_picture(&format!("tray-menu-{name}"))?;
    screen::key(&app.home, "Escape")?;
    menu(false)?;
    screen::click_tray(&app.home, 1)?;
    app.wait_window()?;
    app.window_picture(&format!("window-by-click-{name}"))
}

fn newest(app: &App) -> Result<Value> {
    let page = app.native("GET", "/v1/messages?topic=ops", &Value::Null)?;
    page["items"].get(0).cloned().context("an empty inbox")
}

fn receipt(app: &App, id: &str) -> Result<Value> {
    app.native("GET", &format!("/v1/messages/{id}/receipt"), &Value::Null)
}

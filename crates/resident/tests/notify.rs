//! Notifications on a real daemon that comes, goes, hangs and is pressed.
#![cfg(target_os = "linux")]

mod support;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use support::{Desk, PATIENCE};
use tocsin_virtual_desktop::{Part, screen, wait_for};

/// Without a daemon a message counts as failed to be shown; it is shown when one comes, and the receipt follows.
#[test]
fn a_daemon_that_comes_late_shows_what_waited() -> Result<()> {
    let mut desk = Desk::hosting(&[])?;
    desk.wait_problem("notifications_missing")?;
    let id = desk.publish("waits for a daemon", 3)?;
    desk.wait_person(&id, "shown", "failed")?;
    desk.desktop.begin(&desk.home, Part::Notifications)?;
    desk.wait_notification("waits for a daemon")?;
    desk.wait_person(&id, "shown", "shown")?;
    desk.wait_no_problem("notifications_missing")
}

/// No daemon at all: it is told, and the message is in the inbox, received and not lost.
#[test]
fn without_a_daemon_the_inbox_has_everything() -> Result<()> {
    let desk = Desk::hosting(&[])?;
    desk.wait_problem("notifications_missing")?;
    let id = desk.publish("nobody pops this up", 4)?;
    desk.wait_person(&id, "state", "received")?;
    desk.wait_person(&id, "shown", "failed")?;
    let inbox = desk.call("GET", "/v1/messages", &Value::Null)?;
    assert_eq!(inbox["items"][0]["title"], "nobody pops this up", "{inbox:#}");
    desk.call("POST", &format!("/v1/messages/{id}/acknowledge"), &json!({}))?;
    desk.wait_person(&id, "state", "acknowledged")
}

/// Several that waited are one summary, and a critical one stands alone.
#[test]
fn what_waited_is_one_summary_and_critical_stands_alone() -> Result<()> {
    let mut desk = Desk::hosting(&[])?;
    desk.wait_problem("notifications_missing")?;
    let mut last = String::new();
    for number in 0..7 {
        last = desk.publish(&format!("ordinary {number}"), 3)?;
    }
    let critical = desk.publish("the house burns", 5)?;
    desk.wait_person(&last, "shown", "failed")?;
    desk.wait_person(&critical, "shown", "failed")?;
    desk.desktop.begin(&desk.home, Part::Notifications)?;
    desk.wait_person(&critical, "shown", "shown")?;
    let mut shown = Vec::new();
    wait_for("the summary", PATIENCE, || {
        shown.extend(desk.desktop.new_notifications());
        shown.iter().any(|line| line.contains("7 messages while you were away")).then_some(())
    })?;
    assert!(shown.iter().any(|line| line.contains("the house burns")), "{shown:?}");
    assert!(!shown.iter().any(|line| line.starts_with("ordinary")), "{shown:?}");
    // The person was told that there is something: no longer failed, and no popup of its own.
    desk.wait_person(&last, "shown", "suppressed")
}

/// A daemon that hangs costs its own popups and nothing else.
#[test]
fn a_daemon_that_hangs_holds_up_nothing() -> Result<()> {
    let mut desk = Desk::hosting(&[Part::Notifications])?;
    desk.publish("before", 3)?;
    desk.wait_notification("before")?;
    desk.desktop.freeze(Part::Notifications)?;
    let id = desk.publish("into the void", 3)?;
    desk.wait_person(&id, "state", "received")?;
    desk.wait_problem("notifications_missing")?;
    desk.wait_person(&id, "shown", "failed")?;
    desk.desktop.crash(Part::Notifications);
    desk.desktop.begin(&desk.home, Part::Notifications)?;
    desk.wait_person(&id, "shown", "shown")?;
    desk.wait_no_problem("notifications_missing")
}

/// More than five in ten seconds become one summary that is updated in place.
#[test]
fn a_burst_is_one_summary() -> Result<()> {
    let desk = Desk::hosting(&[Part::Notifications])?;
    let mut last = String::new();
    for number in 0..20 {
        last = desk.publish(&format!("burst {number}"), 3)?;
    }
    desk.wait_person(&last, "shown", "suppressed")?;
    let on_screen = screen::notifications_on_screen(&desk.home)?;
    assert!((2..=6).contains(&on_screen), "{on_screen} popups for 20 messages");
    Ok(())
}

/// The button acknowledges, and the popup goes.
#[test]
fn the_button_acknowledges() -> Result<()> {
    let mut desk = Desk::hosting(&[Part::Notifications])?;
    let message = json!({ "topic": "general", "title": "disk full", "priority": 5, "key": "disk" });
    let id = desk.call("POST", "/v1/messages", &message)?["id"].as_str().unwrap_or_default().to_owned();
    desk.wait_notification("disk full")?;
    screen::press_notification(&desk.home, "Acknowledge")?;
    desk.wait_person(&id, "state", "acknowledged")?;
    let gone = || (screen::notifications_on_screen(&desk.home).ok()? == 0).then_some(());
    wait_for("the popup to go", PATIENCE, gone)?;
    desk.wait_status("nothing unread", |status| status["unread"] == 0).map(drop)
}

/// A newer version of the thread says that it is over, in the popup that is on the screen and not in one more.
#[test]
fn a_resolved_version_changes_the_popup_in_place() -> Result<()> {
    let mut desk = Desk::hosting(&[Part::Notifications])?;
    let alert = json!({ "topic": "general", "title": "disk full", "priority": 5, "key": "disk" });
    desk.call("POST", "/v1/messages", &alert)?;
    desk.wait_notification("disk full")?;
    assert_eq!(screen::notifications_on_screen(&desk.home)?, 1);
    let over = json!({
        "topic": "general", "title": "disk has room", "priority": 5, "key": "disk", "resolved": true
    });
    desk.call("POST", "/v1/messages", &over)?;
    desk.wait_notification("Resolved: disk has room")?;
    // What is resolved closes by itself, a critical one never does: the history has both, if there were two.
    let closed: Value = serde_json::from_str(&screen::close_notifications(&desk.home)?)?;
    let closed = closed["data"][0].as_array().context("no list")?;
    let titles: Vec<_> = closed.iter().map(|one| &one["summary"]["data"]).collect();
    assert_eq!(titles, ["Resolved: disk has room"]);
    Ok(())
}

/// The same during a pause, with the priority that an alert's end has: nothing new may come up, but what is on the
/// screen must not burn on.
#[test]
fn what_is_over_reaches_its_popup_during_a_pause() -> Result<()> {
    let mut desk = Desk::hosting(&[Part::Notifications])?;
    let alert = json!({ "topic": "general", "title": "disk full", "priority": 5, "key": "disk" });
    desk.call("POST", "/v1/messages", &alert)?;
    desk.wait_notification("disk full")?;
    desk.call("POST", "/native/pause", &json!({ "until": 4_000_000_000_000_i64 }))?;
    let over = json!({ "topic": "general", "title": "disk has room", "key": "disk", "resolved": true });
    let id = desk.call("POST", "/v1/messages", &over)?["id"].as_str().unwrap_or_default().to_owned();
    desk.wait_person(&id, "shown", "shown")?;
    desk.wait_notification("Resolved: disk has room")?;
    let closed: Value = serde_json::from_str(&screen::close_notifications(&desk.home)?)?;
    let closed = closed["data"][0].as_array().context("no list")?;
    let titles: Vec<_> = closed.iter().map(|one| &one["summary"]["data"]).collect();
    assert_eq!(titles, ["Resolved: disk has room"]);
    Ok(())
}

/// Pause, mute and least priority keep popups away, and the receipt says so.
#[test]
fn what_the_person_does_not_want_is_suppressed() -> Result<()> {
    let mut desk = Desk::hosting(&[Part::Notifications])?;
    desk.call("POST", "/native/pause", &json!({ "until": 4_000_000_000_000_i64 }))?;
    let paused = desk.publish("paused", 4)?;
    desk.wait_person(&paused, "shown", "suppressed")?;
    let critical = desk.publish("critical all the same", 5)?;
    desk.wait_person(&critical, "shown", "shown")?;
    desk.call("POST", "/native/pause", &json!({}))?;
    desk.call(
        "PATCH",
        "/native/settings",
        &json!({ "notifications": { "min_priority": 4, "critical_overrides": true, "muted_topics": [] } }),
    )?;
    let low = desk.publish("too low", 3)?;
    desk.wait_person(&low, "shown", "suppressed")?;
    let shown = desk.desktop.new_notifications();
    assert!(shown.iter().all(|line| line.contains("critical all the same")), "{shown:?}");
    Ok(())
}

/// A test notification needs no server.
#[test]
fn a_test_notification_appears() -> Result<()> {
    let mut desk = Desk::with(&[Part::Notifications])?;
    desk.call("POST", "/native/test-notification", &json!({}))?;
    desk.wait_notification("Test notification").map(drop)
}

/// When the window is closed for the first time, the person is told that the tray goes on; the second time not.
#[test]
fn the_tray_is_explained_once() -> Result<()> {
    let mut desk = Desk::with(&[Part::Notifications])?;
    drop(desk.as_window()?);
    // The client's connection ends when its runtime runs the next time.
    desk.status()?;
    desk.wait_notification("goes on in the tray")?;
    drop(desk.as_window()?);
    desk.status()?;
    desk.call("POST", "/native/test-notification", &json!({}))?;
    desk.wait_notification("Test notification")?;
    assert_eq!(screen::notifications_on_screen(&desk.home)?, 2);
    Ok(())
}

//! One person at two computers, each with a panel, a notification daemon and a window: what is done on one is done on
//! the other. That the same is told over every transport is in the subscriber's tests.
#![cfg(target_os = "linux")]

mod support;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use support::{Desk, PATIENCE};
use tocsin_control::Events;
use tocsin_protocol::{StateChange, control::ResidentEvent};
use tocsin_virtual_desktop::{Part, bus, screen, wait_for};

const PARTS: &[Part] = &[Part::Windows, Part::Panel, Part::Notifications];

/// A second computer of the person who hosts.
fn second(host: &Desk) -> Result<Desk> {
    let me = host.call("GET", "/v1/me", &Value::Null)?;
    let invite = host.call("POST", "/v1/invites", &json!({ "user": me["user"]["name"] }))?;
    let desk = Desk::with(PARTS)?;
    desk.call("POST", "/native/vault", &json!({ "choice": "this_run_only" }))?;
    desk.call("POST", "/native/join", &json!({ "invite": invite["invite"], "device": "laptop" }))?;
    desk.wait_online()?;
    Ok(desk)
}

/// Waits until tray and notification daemon say this.
fn wait_sight(desk: &Desk, tooltip: &str, popups: usize) -> Result<()> {
    let mut last = (String::new(), 0);
    wait_for(&format!("{tooltip:?} and {popups} popups"), PATIENCE, || {
        last.0 = bus::tray_property(&desk.home, "ToolTip").ok()?;
        last.1 = screen::notifications_on_screen(&desk.home).ok()?;
        (last.0.contains(tooltip) && last.1 == popups).then_some(())
    })
    .with_context(|| format!("last: {last:?}\n{}", desk.log()))
}

/// The next change that a window is told of.
fn next_change(desk: &Desk, events: &mut Events) -> Result<StateChange> {
    loop {
        if let ResidentEvent::State(change) = desk.next_event(events)? {
            return Ok(change);
        }
    }
}

/// Critical ones, which no daemon takes away by itself.
#[test]
fn what_is_dealt_with_on_one_computer_goes_from_the_other() -> Result<()> {
    let host = Desk::hosting(PARTS)?;
    let other = second(&host)?;
    let (_host_window, mut host_events) = host.as_window()?;
    let (_other_window, mut other_events) = other.as_window()?;

    let id = host.publish("read on the laptop", 5)?;
    for desk in [&host, &other] {
        wait_sight(desk, "1 unread", 1)?;
    }
    other.call("POST", &format!("/v1/messages/{id}/read"), &json!({}))?;
    for desk in [&host, &other] {
        wait_sight(desk, "Nothing unread", 0)?;
    }
    let change = next_change(&host, &mut host_events)?;
    assert_eq!((change.id.as_str(), change.acknowledged_at), (id.as_str(), None));
    assert!(change.read_at.is_some());
    assert_eq!(next_change(&other, &mut other_events)?.id.as_str(), id, "its own");
    host.call("POST", &format!("/v1/messages/{id}/acknowledge"), &json!({}))?;
    next_change(&host, &mut host_events)?;
    next_change(&other, &mut other_events)?;

    let id = host.publish("acknowledged at the desk", 5)?;
    for desk in [&host, &other] {
        wait_sight(desk, "1 unread", 1)?;
    }
    screen::press_notification(&host.home, "Acknowledge")?;
    for desk in [&host, &other] {
        wait_sight(desk, "Nothing unread", 0)?;
    }
    let change = next_change(&other, &mut other_events)?;
    assert_eq!(change.id.as_str(), id);
    assert!(change.acknowledged_at.is_some());
    let row = other.call("GET", &format!("/v1/messages/{id}"), &Value::Null)?;
    assert!(row["acknowledged_at"].is_number(), "{row:#}");
    Ok(())
}

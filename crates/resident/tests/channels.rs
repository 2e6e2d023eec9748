//! Channels of a server that a desktop hosts.
#![cfg(target_os = "linux")]

mod support;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::{Desk, PATIENCE, free_port};
use tocsin_virtual_desktop::{Part, bus, wait_for};

fn callback_url(desk: &Desk) -> Option<String> {
    let channels = desk.call("GET", "/v1/channels", &Value::Null).ok()?;
    Some(channels[0]["callback_url"].as_str()?.to_owned())
}

/// Platforms call the address on the internet; a channel names its own part of it.
#[test]
fn an_address_on_the_internet_makes_callbacks_possible() -> Result<()> {
    let desk = Desk::hosting(&[])?;
    let app = json!({ "kind": "wecom", "config": { "corp_id": "ww1", "agent_id": 7 } });
    desk.call("PUT", "/v1/channels/app", &app)?;
    ensure!(callback_url(&desk).is_none(), "nothing is reachable from outside yet");

    let hosting =
        |url: &str| json!({ "hosting": { "port": free_port(), "lan_port": free_port(), "public_url": url } });
    for bad in ["push.example.org", "https://push.example.org/hooks", "ftp://push.example.org", "https://"] {
        let (status, answer) = desk.ask("PATCH", "/native/settings", &hosting(bad))?;
        ensure!((status, &answer["error"]["code"]) == (400, &json!("invalid_field")), "{bad}: {answer:#}");
    }
    desk.call("PATCH", "/native/settings", &hosting("https://push.example.org/"))?;
    let expected = "https://push.example.org/v1/hooks/wecom/app";
    wait_for("the callback address", PATIENCE, || callback_url(&desk).filter(|url| url == expected))?;
    Ok(())
}

/// Somebody's address went while a message waited for them: an administrator's desk pops it up, and the tray keeps showing
/// it until the message was sent again.
#[test]
fn a_failed_delivery_pops_up_and_stays_in_the_tray_until_it_is_sent_again() -> Result<()> {
    let mut desk = Desk::hosting(&[Part::Windows, Part::Panel, Part::Notifications])?;
    let tray = |desk: &Desk, property: &str, says: &str| {
        wait_for(&format!("the tray's {property} to say {says}"), PATIENCE, || {
            bus::tray_property(&desk.home, property).ok().filter(|value| value.contains(says))
        })
    };
    tray(&desk, "ToolTip", "Connected")?;
    let bound = "/v1/channels/app/bindings/anna";
    // It has no secret: nothing is sent over it, what is for it waits.
    let app = json!({ "kind": "wecom", "config": { "corp_id": "ww1", "agent_id": 7 } });
    desk.call("PUT", "/v1/channels/app", &app)?;
    desk.call("PUT", bound, &json!({ "address": "ZhangSan" }))?;
    desk.call("PUT", "/v1/routes", &json!({ "channel": "app", "topic": "general", "from_priority": 1 }))?;
    desk.publish("db-1 is down", 3)?;
    desk.call("DELETE", bound, &Value::Null)?;
    desk.wait_notification("Not delivered over app")?;
    let problem = desk.wait_problem("delivery_failed")?;
    ensure!(problem["detail"] == "app", "{problem:#}");
    tray(&desk, "ToolTip", "A message did not reach somebody")?;
    tray(&desk, "Status", "NeedsAttention")?;

    desk.call("PUT", bound, &json!({ "address": "ZhangSan" }))?;
    let all = json!({ "what": "failed", "until": 4_000_000_000_000_i64, "unknown": false });
    let resent = desk.call("POST", "/v1/deliveries/resend", &all)?;
    ensure!(resent["queued"] == 1, "{resent:#}");
    desk.wait_no_problem("delivery_failed")?;
    tray(&desk, "Status", "Active").map(drop)
}

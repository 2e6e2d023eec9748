//! Two residents with separate homes: one hosts for others over TLS, one joins by invite.
#![cfg(target_os = "linux")]

mod support;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use support::{Desk, free_port};
use tocsin_virtual_desktop::Part;

fn host_for_others(parts: &[Part]) -> Result<Desk> {
    let host = Desk::with(parts)?;
    let hosting = json!({ "port": free_port(), "lan_port": free_port(), "lan": true, "name": "ops" });
    host.call("PATCH", "/native/settings", &json!({ "hosting": hosting }))?;
    host.call("POST", "/native/host", &json!({}))?;
    host.wait_online()?;
    Ok(host)
}

fn has_https(status: &Value) -> bool {
    status["mode"]["addresses"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one.as_str().is_some_and(|a| a.starts_with("https://"))))
}

#[test]
fn joined_over_tls_and_back_after_the_host_was_restarted() -> Result<()> {
    let mut host = host_for_others(&[Part::Keyring])?;
    host.wait_status("an address for others", has_https)?;
    let invite = host.call("POST", "/v1/invites", &json!({ "user": "bob", "topics": ["general"] }))?;
    let text = invite["invite"].as_str().context("no invite")?;
    assert!(
        text.starts_with("tocsin:https://") && text.contains('.'),
        "the invite names no https address: {text}"
    );
    let guest = Desk::with(&[])?;
    guest.call("POST", "/native/vault", &json!({ "choice": "this_run_only" }))?;
    guest.call("POST", "/native/join", &json!({ "invite": text, "device": "bobs" }))?;
    guest.wait_online()?;
    host.publish("first", 3)?;
    guest.wait_status("the first message", |status| status["unread"] == 1)?;
    host.resident.kill();
    guest.wait_status("to be offline", |status| status["connection"]["state"] == "offline")?;
    host.restart()?;
    host.wait_online()?;
    host.publish("second", 3)?;
    guest.wait_online()?;
    guest.wait_status("the second message", |status| status["unread"] == 2)?;
    Ok(())
}

/// Without a keyring the key of the certificate has no place: this computer is served, the LAN waits for a choice.
#[test]
fn without_a_keyring_the_lan_waits_and_this_computer_does_not() -> Result<()> {
    let host = host_for_others(&[])?;
    host.wait_problem("keyring_missing")?;
    assert!(!has_https(&host.status()?));
    host.publish("works here", 3)?;
    host.call("POST", "/native/vault", &json!({ "choice": "passphrase", "passphrase": "correct horse" }))?;
    host.wait_status("an address for others", has_https)?;
    host.wait_no_problem("keyring_missing")?;
    host.wait_online()?;
    assert_eq!(host.status()?["unread"], 1);
    Ok(())
}

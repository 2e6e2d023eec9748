//! Two residents with separate homes: one hosts for others over TLS, one joins by invite.
#![cfg(target_os = "linux")]

mod support;

use std::{fs, io::Write as _, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{Desk, free_port};
use tocsin_virtual_desktop::{Home, Part};

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

/// Runs secret-tool on the item of this name; what it printed.
fn secret_tool(home: &Home, verb: &[&str], name: &str, input: &str) -> Result<String> {
    let mut child = home
        .command("secret-tool", "secret-tool")?
        .args(verb)
        .args(["service", "io.github.tocsin", "username", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
    Ok(String::from_utf8(child.wait_with_output()?.stdout)?)
}

/// Early builds kept one authority for all data directories of a person. Those who joined trust it: it is taken over,
/// and stays for the other directories.
#[test]
fn an_authority_of_an_early_build_is_taken_over() -> Result<()> {
    let mut host = host_for_others(&[Part::Keyring])?;
    host.wait_status("an address for others", has_https)?;
    let names = fs::read_to_string(host.paths()?.data.join("keyring.names"))?;
    let own = names.lines().find(|name| name.ends_with("/certificate-authority")).context("no authority")?;
    let pem = secret_tool(&host.home, &["lookup"], own, "")?;
    ensure!(pem.contains("PRIVATE KEY"), "{own} is no authority");

    host.resident.kill();
    let early = "server/certificate-authority";
    ensure!(own != early, "one for each data directory");
    secret_tool(&host.home, &["store", "--label=Tocsin"], early, &pem)?;
    secret_tool(&host.home, &["clear"], own, "")?;
    ensure!(secret_tool(&host.home, &["lookup"], own, "")?.is_empty());
    host.restart()?;
    host.wait_status("an address for others", has_https)?;
    ensure!(secret_tool(&host.home, &["lookup"], own, "")? == pem, "the same authority");
    ensure!(secret_tool(&host.home, &["lookup"], early, "")? == pem, "the other directories still have it");
    Ok(())
}

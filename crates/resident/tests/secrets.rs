//! The keyring: present, missing, locked, restarted; and the two ways out without one.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use support::{Desk, PATIENCE};
use tocsin_virtual_desktop::{Part, bus, wait_for};

/// A server to join, and an invite for somebody named bob.
fn server() -> Result<(Desk, String)> {
    let host = Desk::hosting(&[])?;
    let invite = host.call("POST", "/v1/invites", &json!({ "user": "bob", "topics": ["general"] }))?;
    let text = invite["invite"].as_str().context("no invite")?.to_owned();
    Ok((host, text))
}

fn join(desk: &Desk, invite: &str) -> Result<(u16, Value)> {
    desk.ask("POST", "/native/join", &json!({ "invite": invite, "device": "bobs-desk" }))
}

#[test]
fn the_token_is_in_the_keyring_and_outlives_restarts_of_both() -> Result<()> {
    let (host, invite) = server()?;
    let mut desk = Desk::with(&[Part::Keyring])?;
    let (status, answer) = join(&desk, &invite)?;
    assert_eq!(status, 200, "{answer:#}");
    desk.wait_online()?;
    desk.restart()?;
    desk.wait_online()?;
    // A keyring that was restarted: the resident's next question needs a new session with it.
    desk.desktop.crash(Part::Keyring);
    desk.desktop.begin(&desk.home, Part::Keyring)?;
    desk.restart()?;
    desk.wait_online()?;
    let id = host.publish("for both", 3)?;
    let receipt = host.call("GET", &format!("/v1/messages/{id}/receipt"), &Value::Null)?;
    assert_eq!(receipt["counts"]["owed"], 2, "{receipt:#}");
    desk.wait_status("the message", |status| status["unread"] == 1)?;
    assert_no_secret(&desk.paths()?.data)?;
    assert_no_secret(&desk.paths()?.config)
}

/// Joining again and choosing to host leave no token behind that is good for anything.
#[test]
fn who_leaves_a_server_gives_the_token_back() -> Result<()> {
    let (host, invite) = server()?;
    let desk = Desk::with(&[Part::Keyring])?;
    let bobs_tokens = || -> Option<Vec<Value>> {
        let tokens = host.call("GET", "/v1/tokens", &Value::Null).ok()?;
        Some(tokens.as_array()?.iter().filter(|token| token["user"] == "bob").cloned().collect())
    };
    join(&desk, &invite)?;
    desk.wait_online()?;
    let first = bobs_tokens().context("no list")?;
    assert_eq!(first.len(), 1, "{first:#?}");

    let again = host.call("POST", "/v1/invites", &json!({ "user": "bob", "topics": ["general"] }))?;
    join(&desk, again["invite"].as_str().context("no invite")?)?;
    let only_the_new = || bobs_tokens().filter(|tokens| tokens.len() == 1 && tokens != &first);
    wait_for("the first token to be revoked", PATIENCE, only_the_new).with_context(|| desk.log())?;
    desk.wait_online()?;
    desk.wait_no_problem("token_refused")?;

    desk.host()?;
    desk.wait_online()?;
    let none = || bobs_tokens().filter(Vec::is_empty);
    wait_for("the second token to be revoked", PATIENCE, none).with_context(|| desk.log()).map(drop)
}

/// A keyring that dies and comes back while the resident runs: meanwhile it is told, afterwards the resident uses it
/// without a restart of its own, and what was in it is there.
#[test]
fn a_keyring_that_restarts_is_used_again() -> Result<()> {
    let (host, invite) = server()?;
    let mut desk = Desk::with(&[Part::Keyring])?;
    let (status, answer) = join(&desk, &invite)?;
    assert_eq!(status, 200, "{answer:#}");
    desk.wait_online()?;
    desk.desktop.crash(Part::Keyring);
    let invite = host.call("POST", "/v1/invites", &json!({ "user": "bob", "topics": ["general"] }))?;
    let text = invite["invite"].as_str().context("no invite")?;
    let (status, answer) = join(&desk, text)?;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("keyring")), "{answer:#}");
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("no keyring on this computer: "), "{message}");
    let hint = "start a keyring, or choose a sealed file or this run only in the settings";
    assert_eq!(answer["error"]["hint"], hint, "{answer:#}");
    desk.desktop.begin(&desk.home, Part::Keyring)?;
    // The code of the invite was not spent.
    let (status, answer) = join(&desk, text)?;
    assert_eq!(status, 200, "{answer:#}");
    desk.wait_online()?;
    host.publish("through it all", 3)?;
    desk.wait_status("the message", |status| status["unread"] == 1)?;
    desk.restart()?;
    desk.wait_online()
}

#[test]
fn without_a_keyring_nothing_is_spent_and_the_person_chooses() -> Result<()> {
    let (_host, invite) = server()?;
    let mut desk = Desk::with(&[])?;
    let (status, answer) = join(&desk, &invite)?;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("keyring")), "{answer:#}");
    assert!(answer["error"]["hint"].as_str().is_some_and(|hint| hint.contains("sealed file")), "{answer:#}");
    let (status, answer) =
        desk.ask("POST", "/native/vault", &json!({ "choice": "passphrase", "passphrase": "short" }))?;
    assert_eq!(status, 400, "{answer:#}");
    desk.call("POST", "/native/vault", &json!({ "choice": "passphrase", "passphrase": "correct horse" }))?;
    // The code was not spent on a token that could not be kept.
    let (status, answer) = join(&desk, &invite)?;
    assert_eq!(status, 200, "{answer:#}");
    desk.wait_online()?;
    assert_no_secret(&desk.paths()?.data)?;

    desk.restart()?;
    desk.wait_problem("keyring_missing")?;
    assert_eq!(
        desk.call("GET", "/v1/messages", &Value::Null)?["items"],
        json!([]),
        "the inbox works without the token"
    );
    let (status, _) =
        desk.ask("POST", "/native/vault", &json!({ "choice": "passphrase", "passphrase": "wrong horse" }))?;
    assert_eq!(status, 400);
    desk.call("POST", "/native/vault", &json!({ "choice": "passphrase", "passphrase": "correct horse" }))?;
    desk.wait_online()?;
    desk.wait_no_problem("keyring_missing")
}

#[test]
fn this_run_only_is_gone_after_it() -> Result<()> {
    let (_host, invite) = server()?;
    let mut desk = Desk::with(&[])?;
    desk.call("POST", "/native/vault", &json!({ "choice": "this_run_only" }))?;
    join(&desk, &invite)?;
    desk.wait_online()?;
    desk.restart()?;
    desk.wait_problem("keyring_missing").map(drop)
}

#[test]
fn a_locked_keyring_is_told_and_silences_nothing_else() -> Result<()> {
    let (_host, invite) = server()?;
    let mut desk = Desk::with(&[Part::Keyring])?;
    join(&desk, &invite)?;
    desk.wait_online()?;
    let collection = "/org/freedesktop/secrets/aliases/default";
    bus::call(
        &desk.home,
        "org.freedesktop.secrets",
        "/org/freedesktop/secrets",
        "org.freedesktop.Secret.Service.Lock",
        &[&format!("['{collection}']")],
    )?;
    desk.restart()?;
    desk.wait_problem("keyring_locked")?;
    assert!(desk.call("GET", "/v1/messages", &Value::Null).is_ok(), "the inbox works");
    desk.call("POST", "/native/test-notification", &json!({}))?;
    // Hosting needs no secret of the keyring's.
    desk.host()?;
    desk.wait_online()
}

/// No file below `dir` holds a client token.
fn assert_no_secret(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            assert_no_secret(&path)?;
        } else if path.is_file() {
            let bytes = std::fs::read(&path)?;
            assert!(!bytes.windows(4).any(|part| part == b"tcs_"), "a token in {}", path.display());
        }
    }
    Ok(())
}

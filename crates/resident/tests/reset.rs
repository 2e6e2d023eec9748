//! Starting over leaves nothing in the keyring, whatever was chosen since, and nothing of somebody else's is taken.
#![cfg(target_os = "linux")]

mod support;

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::Desk;
use tocsin_virtual_desktop::{Home, Part, bus};

const SERVICE: &str = "io.github.tocsin";

/// How many items of this service are in the keyring.
fn items(home: &Home, service: &str) -> Result<usize> {
    let found = bus::call(
        home,
        "org.freedesktop.secrets",
        "/org/freedesktop/secrets",
        "org.freedesktop.Secret.Service.SearchItems",
        &[&format!("{{'service': '{service}'}}")],
    )?;
    Ok(found.matches("/org/freedesktop/secrets/collection/").count())
}

/// The names that were removed.
fn forget(home: &Home) -> Result<Vec<String>> {
    let program = support::program()?.with_file_name("forget");
    let output = home.command(program, "forget")?.stdout(Stdio::piped()).output()?;
    ensure!(output.status.success(), "it failed: {output:?}");
    Ok(String::from_utf8(output.stdout)?.lines().map(ToOwned::to_owned).collect())
}

#[test]
fn no_secret_stays_in_the_keyring() -> Result<()> {
    let host = Desk::hosting(&[])?;
    let mut desk = Desk::with(&[Part::Keyring])?;
    let invite = host.call("POST", "/v1/invites", &json!({ "user": "bob", "topics": ["general"] }))?;
    let invite = invite["invite"].as_str().context("no invite")?;
    desk.call("POST", "/native/join", &json!({ "invite": invite, "device": "laptop" }))?;
    desk.wait_online()?;
    assert!(items(&desk.home, SERVICE)? >= 1, "the token is in the keyring");
    // Then the sealed file: the settings know nothing of the token in the keyring any more.
    desk.call("POST", "/native/vault", &json!({ "choice": "passphrase", "passphrase": "correct horse" }))?;
    desk.host()?;
    desk.wait_online()?;
    desk.resident.kill();
    assert!(desk.paths()?.vault_file().exists());

    let removed = forget(&desk.home)?;
    assert!(!removed.is_empty(), "{removed:?}");
    assert_eq!(items(&desk.home, SERVICE)?, 0, "{removed:?}");
    assert_eq!(forget(&desk.home)?, Vec::<String>::new(), "repeating it is harmless");
    Ok(())
}

/// Segments that a client of HTTP resolves would lead out of what the socket passes on.
#[test]
fn nothing_but_plain_paths_of_the_api_is_passed_on() -> Result<()> {
    let desk = Desk::hosting(&[])?;
    for path in ["/v1/../metrics", "/v1/%2e%2e/metrics", "/v1/.%2E/metrics", "/v1/messages/../../metrics"] {
        let (status, answer) = desk.ask("GET", path, &Value::Null)?;
        assert_eq!((status, &answer["error"]["code"]), (404, &json!("not_found")), "{path}: {answer:#}");
    }
    let (status, me) = desk.ask("GET", "/v1/me", &Value::Null)?;
    assert_eq!(status, 200, "{me:#}");
    Ok(())
}

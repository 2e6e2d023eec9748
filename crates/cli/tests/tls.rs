//! TLS with this installation's own authority, and joining by invite, as a script does it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _};

use support::Home;

/// Takes a free port of every address, and with it TLS on this computer's loopback too.
const ANYWHERE: &[&str] = &["--tls", "--listen", "0.0.0.0:0"];

#[test]
fn an_invite_carries_the_fingerprint_and_gives_a_token() {
    let home = Home::new();
    let server = home.serve(ANYWHERE);
    assert!(server.origin().starts_with("https://0.0.0.0:"), "{}", server.origin());
    let port = server.origin().rsplit(':').next().unwrap().to_owned();
    let mode = fs::metadata(home.data().join("ca.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the authority's key is this user's alone");
    home.run(&["topic", "add", "ops"]).ok();
    let invite =
        home.json(&["invite", "--user", "bo", "--topic", "ops"])["invite"].as_str().unwrap().to_owned();
    let (origin, secret) = invite.strip_prefix("tocsin:").unwrap().split_once('#').unwrap();
    assert!(origin.starts_with("https://") && origin.ends_with(&format!(":{port}")), "{invite}");
    assert_eq!(secret.split_once('.').unwrap().1.len(), 43, "{invite}");

    // The same invite with the loopback address: what this machine's network is like is no concern of the test.
    let local = invite.replace(origin, &format!("https://127.0.0.1:{port}"));
    let away = Home::new();
    let token = away.dir.path().join("token");
    let joined = away.json(&["join", &local, "--device", "laptop", "--save-token", token.to_str().unwrap()]);
    assert_eq!(joined["user"]["name"], "bo");
    assert_eq!(fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
    let (server_url, ca) = (joined["server"].as_str().unwrap(), joined["ca"].as_str().unwrap());
    let remote = ["--server", server_url, "--token-file", token.to_str().unwrap(), "--ca", ca];
    let me = away.json(&[&["status"], &remote[..]].concat());
    assert_eq!(me["user"]["name"], "bo");
    away.run(&[&["send", "ops", "hello"], &remote[..]].concat()).ok();

    away.run(&["join", &local, "--save-token", away.dir.path().join("again").to_str().unwrap()]).code(1);
    assert!(!away.dir.path().join("again").exists(), "an invite that was used leaves no file");
    let unpinned = away
        .run(&["status", "--server", server_url, "--token-file", token.to_str().unwrap(), "--json"])
        .code(4);
    assert_eq!(unpinned.json()["error"]["code"], "certificate");
    assert!(unpinned.err.contains("--ca"), "{}", unpinned.err);
}

#[test]
fn the_authority_stays_over_restarts() {
    let home = Home::new();
    let fingerprint = || {
        let _server = home.serve(ANYWHERE);
        let invite = home.json(&["invite"])["invite"].as_str().unwrap().to_owned();
        home.run(&["quit"]).ok();
        invite.rsplit('.').next().unwrap().to_owned()
    };
    assert_eq!(fingerprint(), fingerprint());
}

/// One fingerprint in 64 begins with a hyphen; it is a value all the same.
#[test]
fn a_fingerprint_may_begin_with_a_hyphen() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tocsin"))
        .args([
            "status",
            "--server",
            "https://127.0.0.1:1",
            "--ca",
            "-oCoxTsJl5hy6NLvqd2XSvsqJTkXvi-du3bIY4EuwxE",
        ])
        .env("TOCSIN_TOKEN", "tcs_0000000000000000000000000000000000000000000")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

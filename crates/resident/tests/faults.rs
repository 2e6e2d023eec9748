//! What can be wrong around a resident: each is told, none ends it, and it goes on by itself where it can.
#![cfg(target_os = "linux")]

mod support;

use std::{fs, net::TcpListener};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use support::{Desk, launch, paths};
use tocsin_virtual_desktop::{Part, wait_for};

#[test]
fn a_port_in_use_is_told_and_taken_when_it_is_free() -> Result<()> {
    let desk = Desk::with(&[])?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    desk.call("PATCH", "/native/settings", &json!({ "hosting": { "port": port, "lan_port": 1 } }))?;
    desk.call("POST", "/native/host", &json!({}))?;
    let problem = desk.wait_problem("port_in_use")?;
    assert_eq!(problem["detail"], json!(port.to_string()));
    let (status, answer) = desk.ask("GET", "/v1/topics", &Value::Null)?;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("offline")), "{answer:#}");
    drop(taken);
    desk.wait_online()?;
    desk.wait_no_problem("port_in_use")
}

#[test]
fn a_second_start_ends_and_leaves_the_first_alone() -> Result<()> {
    let desk = Desk::with(&[])?;
    let before = desk.call("GET", "/native/hello", &Value::Null)?;
    // Its output goes to another file than the first one's.
    let mut second = desk.home.command(support::program()?, "second")?.spawn()?;
    assert!(!second.wait()?.success());
    let said = fs::read_to_string(desk.home.join("second.log"))?;
    assert!(said.contains("running already"), "{said}");
    assert_eq!(desk.call("GET", "/native/hello", &Value::Null)?, before);
    Ok(())
}

#[test]
fn settings_that_cannot_be_read_are_kept_and_told() -> Result<()> {
    let mut desk = Desk::prepared(&[Part::Notifications], |home| {
        let file = paths(home)?.settings_file();
        fs::create_dir_all(file.parent().context("a directory")?)?;
        Ok(fs::write(file, "preferences = \"yes\"\n")?)
    })?;
    let told = desk.wait_notification("settings could not be read")?;
    assert!(told.contains("settings.toml.bad0"), "{told}");
    let kept = desk.paths()?.settings_file().with_extension("toml.bad0");
    assert_eq!(fs::read_to_string(kept)?, "preferences = \"yes\"\n");
    Ok(())
}

#[test]
fn a_data_directory_that_cannot_be_written_is_told_and_used_when_it_can() -> Result<()> {
    let desk = Desk::prepared(&[], |home| {
        // Tests run as root, whom no mode keeps out: a file stands where the directory should be.
        let data = paths(home)?.data;
        fs::create_dir_all(data.parent().context("a directory")?)?;
        Ok(fs::write(data, "in the way")?)
    })?;
    desk.host()?;
    desk.wait_problem("store_unwritable")?;
    fs::remove_file(desk.paths()?.data)?;
    desk.wait_online()?;
    desk.wait_no_problem("store_unwritable")
}

#[test]
fn a_killed_resident_leaves_a_socket_that_the_next_one_takes_over() -> Result<()> {
    let mut desk = Desk::hosting(&[])?;
    let id = desk.publish("survives", 3)?;
    desk.resident.kill();
    assert!(desk.paths()?.control_socket().exists());
    desk.resident = launch(&desk.home)?;
    wait_for("the stream", support::PATIENCE, || desk.wait_online().ok())?;
    let inbox = desk.call("GET", "/v1/messages", &Value::Null)?;
    assert_eq!(inbox["items"][0]["id"], json!(id), "{inbox:#}");
    Ok(())
}

/// Data of a newer version is told and not touched, and the resident stays reachable.
#[test]
fn a_newer_database_is_told_and_left_alone() -> Result<()> {
    let mut desk = Desk::hosting(&[])?;
    let id = desk.publish("kept", 3)?;
    desk.resident.signal(rustix::process::Signal::TERM)?;
    wait_for("it to end", support::PATIENCE, || desk.resident.has_ended().then_some(()))?;
    let file = desk.paths()?.data.join("tocsin.db");
    let known = fs::read(&file)?;
    let mut newer = known.clone();
    // SQLite keeps `user_version` big-endian at byte 60 of the file.
    newer[60..64].copy_from_slice(&9999_u32.to_be_bytes());
    fs::write(&file, &newer)?;
    desk.restart()?;
    let problem = desk.wait_problem("store_newer")?;
    let detail = problem["detail"].as_str().context("no detail")?;
    assert!(detail.starts_with("the database is of version 9999, this program knows up to "), "{detail}");
    assert_eq!(fs::read(&file)?, newer, "it was not touched");
    fs::write(&file, known)?;
    desk.wait_online()?;
    desk.wait_no_problem("store_newer")?;
    assert_eq!(desk.call("GET", "/v1/messages", &Value::Null)?["items"][0]["id"], json!(id));
    Ok(())
}

/// Reading and acknowledging work without the server, and it hears of them when it is back.
#[test]
fn offline_presses_are_kept_and_sent_later() -> Result<()> {
    let mut host = Desk::hosting(&[])?;
    let invite = host.call("POST", "/v1/invites", &json!({ "user": "bob", "topics": ["general"] }))?;
    let desk = Desk::with(&[])?;
    desk.call("POST", "/native/vault", &json!({ "choice": "this_run_only" }))?;
    desk.call("POST", "/native/join", &json!({ "invite": invite["invite"], "device": "bobs" }))?;
    desk.wait_online()?;
    let id = host.publish("press me", 4)?;
    desk.wait_status("the message", |status| status["unread"] == 1)?;
    host.resident.kill();
    let status = desk.wait_status("to be offline", |status| status["connection"]["state"] == "offline")?;
    assert!(
        status["connection"]["since"].is_number() && status["connection"]["reason"].is_string(),
        "{status:#}"
    );
    desk.call("POST", &format!("/v1/messages/{id}/acknowledge"), &json!({}))?;
    assert_eq!(desk.status()?["unread"], 0);
    let (code, answer) = desk.ask("GET", "/v1/users", &Value::Null)?;
    assert_eq!((code, &answer["error"]["code"]), (503, &json!("offline")), "{answer:#}");
    host.restart()?;
    host.wait_online()?;
    wait_for("the server to hear of it", support::PATIENCE, || {
        let receipt = host.call("GET", &format!("/v1/messages/{id}/receipt"), &Value::Null).ok()?;
        (receipt["counts"]["acknowledged"] == 1).then_some(())
    })
    .with_context(|| desk.log())
}

/// SIGTERM ends it in order: the socket is gone and the next start needs no repair.
#[test]
fn sigterm_drains() -> Result<()> {
    let mut desk = Desk::hosting(&[])?;
    desk.resident.signal(rustix::process::Signal::TERM)?;
    wait_for("it to end", support::PATIENCE, || desk.resident.has_ended().then_some(()))?;
    assert!(!desk.paths()?.control_socket().exists());
    Ok(())
}

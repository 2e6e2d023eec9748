//! A computer that hosts: kept awake on request, and told when it sleeps all the same. The login manager is a stand-in
//! that writes down what it is asked (`support/login1.rs`); everything else is real.
#![cfg(target_os = "linux")]

mod support;

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{Desk, PATIENCE, login1::Login1, problem};
use tocsin_virtual_desktop::{Home, wait_for};

const HOUR: i64 = 3_600_000;

/// The resident takes the test's bus for the system's.
fn one_bus(home: &mut Home) -> Result<()> {
    let bus = home.variable("DBUS_SESSION_BUS_ADDRESS").context("no bus")?.to_owned();
    home.set("DBUS_SYSTEM_BUS_ADDRESS", bus);
    home.set("TOCSIN_CLOCK_AHEAD", home.join("clock-ahead").display().to_string());
    Ok(())
}

/// A hosting resident beside a login manager that does `idle_action` when nobody is there.
fn hosting(idle_action: &str) -> Result<(Login1, Desk)> {
    let mut login = None;
    let desk = Desk::prepared(&[], |home| {
        one_bus(home)?;
        login = Some(Login1::start(home, idle_action)?);
        Ok(())
    })?;
    desk.host()?;
    desk.wait_online()?;
    Ok((login.context("it was started")?, desk))
}

fn stay_awake(desk: &Desk, on: bool) -> Result<()> {
    let mut hosting = desk.call("GET", "/native/settings", &Value::Null)?["hosting"].clone();
    hosting["stay_awake"] = json!(on);
    desk.call("PATCH", "/native/settings", &json!({ "hosting": hosting })).map(drop)
}

fn wait_held(login: &Login1, count: usize) -> Result<Vec<[String; 4]>> {
    wait_for("the locks", PATIENCE, || Some(login.held()).filter(|held| held.len() == count))
}

#[test]
fn a_host_is_kept_awake_when_asked_and_for_as_long_as_it_hosts() -> Result<()> {
    let (login, mut desk) = hosting("ignore")?;
    ensure!(login.held().is_empty(), "it is off by default");
    let before = desk.status()?["connection"].clone();
    stay_awake(&desk, true)?;
    desk.wait_status("to be kept awake", |status| status["kept_awake"] == true)?;
    let held = wait_held(&login, 1)?;
    let [what, who, why, mode] = &held[0];
    assert_eq!((what.as_str(), who.as_str(), mode.as_str()), ("sleep", "Tocsin", "block"));
    assert_eq!(why, "Others receive messages through this computer");
    assert_eq!(desk.status()?["connection"], before, "the server went on meanwhile");

    stay_awake(&desk, false)?;
    wait_held(&login, 0)?;
    desk.wait_status("not to be kept awake", |status| status["kept_awake"].is_null())?;
    stay_awake(&desk, true)?;
    wait_held(&login, 1)?;
    // However it ends, the lock ends with it.
    desk.resident.kill();
    wait_held(&login, 0)?;
    desk.restart()?;
    wait_held(&login, 1)?;
    Ok(())
}

#[test]
fn a_host_that_is_set_to_sleep_is_told() -> Result<()> {
    let (login, desk) = hosting("suspend")?;
    let problem = desk.wait_problem("host_sleeps")?;
    assert_eq!(problem["detail"], "When nobody uses it, the system does this: suspend.");
    stay_awake(&desk, true)?;
    desk.wait_no_problem("host_sleeps")?;
    wait_held(&login, 1)?;
    stay_awake(&desk, false)?;
    desk.wait_problem("host_sleeps").map(drop)
}

#[test]
fn a_login_manager_that_refuses_or_is_missing_is_told() -> Result<()> {
    let (login, desk) = hosting("ignore")?;
    login.refuse();
    stay_awake(&desk, true)?;
    let problem = desk.wait_problem("host_sleeps")?;
    let detail = problem["detail"].as_str().context("no detail")?;
    assert!(
        detail.starts_with("It cannot be kept awake: ") && detail.contains("Permission denied"),
        "{detail}"
    );

    let without = Desk::prepared(&[], one_bus)?;
    without.host()?;
    without.wait_online()?;
    let status = without.status()?;
    ensure!(self::problem(&status, "host_sleeps").is_none(), "nothing is known: {status:#}");
    stay_awake(&without, true)?;
    without.wait_problem("host_sleeps").map(drop)
}

/// The wall clock jumps as it does over a sleep: the gap is in the status, the problem and the log, and the connection
/// goes on.
#[test]
fn a_sleep_while_hosting_is_recorded_with_its_times() -> Result<()> {
    let (_login, desk) = hosting("ignore")?;
    let before = desk.publish("before", 3)?;
    fs::write(desk.home.join("clock-ahead"), HOUR.to_string())?;
    let problem = desk.wait_problem("host_sleeps")?;
    let status = desk.status()?;
    let (from, to) = (status["slept"]["from"].as_i64(), status["slept"]["to"].as_i64());
    let length = to.zip(from).map(|(to, from)| to - from).context("no times")?;
    ensure!((length - HOUR).abs() < 60_000, "{status:#}");
    let detail = problem["detail"].as_str().context("no detail")?;
    ensure!(detail.starts_with("It slept from ") && detail.contains(" to "), "{detail}");
    ensure!(desk.log().contains("this computer slept while it hosted"), "{}", desk.log());
    desk.wait_online()?;
    let after = desk.publish("after", 3)?;
    wait_for("both messages", PATIENCE, || {
        let inbox = desk.call("GET", "/v1/messages", &Value::Null).ok()?;
        let ids: Vec<&str> =
            inbox["items"].as_array()?.iter().filter_map(|item| item["id"].as_str()).collect();
        (ids == [after.as_str(), before.as_str()]).then_some(())
    })
}

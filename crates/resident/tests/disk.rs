//! The disk under a hosting resident: full, or read-only from one moment to the next. Publishers get an answer that says
//! so, the person is told what to do, reading goes on, and nothing that was acknowledged is lost.
#![cfg(target_os = "linux")]

mod support;

use std::{fs, io::Write as _, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{Desk, PATIENCE, paths};
use tocsin_virtual_desktop::{Running, wait_for};

/// Set in the process that has mounts of its own.
const INSIDE: &str = "TOCSIN_TEST_OWN_MOUNTS";
/// Room for the databases, the write-ahead logs and some hundred messages.
const DISK: &str = "size=24m";

/// The same test again, in a process that has mounts of its own: they go with it, however it ends.
#[test]
fn a_full_disk_under_a_hosting_tray_is_told_and_nothing_is_lost() -> Result<()> {
    let mut inside = Command::new("unshare");
    inside.arg("--mount");
    if !rustix::process::getuid().is_root() {
        inside.arg("--map-root-user");
    }
    inside.arg(std::env::current_exe()?);
    inside.args(["--exact", "full_disk", "--nocapture", "--include-ignored"]).env(INSIDE, "1");
    let output = inside.output()?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && text.contains("1 passed"), "{text}");
    Ok(())
}

#[test]
#[ignore = "run by the test above in a process of its own"]
fn full_disk() -> Result<()> {
    if std::env::var_os(INSIDE).is_none() {
        return Ok(());
    }
    let desk = Desk::prepared(&[], |home| {
        let data = paths(home)?.data;
        fs::create_dir_all(&data)?;
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "tocsin"]).arg(data).status()?;
        ensure!(mount.success());
        Ok(())
    })?;
    desk.host()?;
    desk.wait_online()?;
    let mut published = vec![desk.publish("before", 3)?];
    let filler = desk.paths()?.data.join("filler");
    fill(&filler)?;
    // The write-ahead log has room of its own, until it is used up.
    refused(&desk, &mut published, 16_000)?;
    told(&desk)?;
    fs::remove_file(filler)?;
    goes_on(desk, published)
}

/// What a file system does that found an error in itself: from one moment to the next it takes no write. It cannot be
/// made to do so while files are open, so the kernel's answer to each write is exchanged, with strace.
#[test]
fn a_data_directory_that_becomes_read_only_is_told_and_nothing_is_lost() -> Result<()> {
    let desk = Desk::hosting(&[])?;
    let mut published = vec![desk.publish("before", 3)?];
    let read_only = Running::start(
        "strace",
        desk.home
            .command("strace", "strace")?
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64,ftruncate,fallocate"])
            .args(["-e", "inject=pwrite64,ftruncate,fallocate:error=EROFS", "-p"])
            .arg(desk.resident.id().to_string()),
    )?;
    refused(&desk, &mut published, 10)?;
    told(&desk)?;
    drop(read_only);
    goes_on(desk, published)
}

/// Takes all the room that is left.
fn fill(path: &Path) -> Result<()> {
    let mut file = fs::File::create(path)?;
    for size in [64 * 1024, 4096] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    Ok(())
}

fn publish(desk: &Desk, published: &mut Vec<String>, size: usize) -> Result<(u16, Value)> {
    let message = json!({ "topic": "general", "title": "x", "body": "x".repeat(size), "priority": 2 });
    let (status, answer) = desk.ask("POST", "/v1/messages", &message)?;
    if status == 201 {
        published.push(answer["id"].as_str().context("no id")?.to_owned());
    }
    Ok((status, answer))
}

/// Publishes until that is refused, with an answer that says why and what to do.
fn refused(desk: &Desk, published: &mut Vec<String>, size: usize) -> Result<()> {
    let answer = wait_for("a refusal", PATIENCE, || {
        let (status, answer) = publish(desk, published, size).ok()?;
        (status == 503).then_some(answer)
    })
    .with_context(|| desk.log())?;
    ensure!(answer["error"]["code"] == "store_unavailable", "{answer:#}");
    let hint = answer["error"]["hint"].as_str().unwrap_or_default();
    ensure!(hint == "free disk space or mend the directory's rights; it recovers by itself", "{answer:#}");
    Ok(())
}

/// The person is told, and what is stored can be read.
fn told(desk: &Desk) -> Result<()> {
    desk.wait_problem("store_unwritable")?;
    let (status, inbox) = desk.ask("GET", "/v1/messages", &Value::Null)?;
    ensure!(status == 200 && inbox["items"].as_array().is_some_and(|items| !items.is_empty()), "{inbox:#}");
    Ok(())
}

/// Once there is room again, all goes on by itself; and all that was acknowledged is there after a crash.
fn goes_on(mut desk: Desk, mut published: Vec<String>) -> Result<()> {
    wait_for("publishing to work again", PATIENCE, || {
        let (status, _) = publish(&desk, &mut published, 1).ok()?;
        (status == 201).then_some(())
    })
    .with_context(|| desk.log())?;
    desk.wait_no_problem("store_unwritable")?;
    desk.wait_online()?;
    wait_inbox(&desk, &published)?;
    desk.restart()?;
    desk.wait_online()?;
    wait_inbox(&desk, &published)
}

/// The inbox is what was acknowledged to the publisher, in order.
fn wait_inbox(desk: &Desk, published: &[String]) -> Result<()> {
    let mut last = Vec::new();
    wait_for("the inbox", PATIENCE, || {
        last = inbox(desk).ok()?;
        (last == published).then_some(())
    })
    .with_context(|| format!("{} published, {} stored\n{}", published.len(), last.len(), desk.log()))
}

/// Ids of all that is in the local inbox, oldest first.
fn inbox(desk: &Desk) -> Result<Vec<String>> {
    let (mut ids, mut path) = (Vec::new(), "/v1/messages?limit=200".to_owned());
    loop {
        let page = desk.call("GET", &path, &Value::Null)?;
        let items = page["items"].as_array().context("no items")?;
        ids.extend(items.iter().filter_map(|item| Some(item["id"].as_str()?.to_owned())));
        let Some(next) = page["next"].as_u64() else { break };
        path = format!("/v1/messages?limit=200&before={next}");
    }
    ids.reverse();
    Ok(ids)
}

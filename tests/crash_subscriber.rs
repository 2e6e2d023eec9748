//! A resident that is killed again and again between storing a message and showing it: every published message is in
//! its inbox exactly once and in order, and none that was not shown is reported as shown.
//!
//! The kill is placed, not guessed: the notification daemon is frozen, so that a message that was stored (its receipt
//! says received) cannot have been shown yet. Some kills come right after a publish was answered instead, wherever the
//! resident is with it.

mod support;

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{App, PATIENCE, api, output, serve::Serve};
use tocsin_virtual_desktop::{Part, wait_for};

/// Kills of the resident that are placed between storing and showing.
const PLACED: usize = 50;
/// One kill in so many is not placed.
const UNPLACED: usize = 6;

#[test]
fn nothing_is_lost_or_claimed_between_store_and_show() -> Result<()> {
    let serve = Serve::start()?;
    serve.admin("POST", "/v1/users", &json!({ "name": "anna" }))?;
    let sender = serve.topic("ops")?;
    serve.admin("PUT", "/v1/topics/ops/members/anna", &Value::Null)?;
    let invite = serve.admin("POST", "/v1/invites", &json!({ "user": "anna" }))?;
    let mut app = App::start("en_US.UTF-8")?;
    app.native("POST", "/native/join", &json!({ "invite": invite["invite"], "device": "desk" }))?;
    app.wait_online()?;

    let mut published = Vec::new();
    let mut shown = Vec::new();
    let mut placed = 0;
    for kill in 0.. {
        if placed == PLACED {
            break;
        }
        let frozen = kill % UNPLACED != 0;
        if frozen {
            placed += 1;
            app.desktop.freeze(Part::Notifications)?;
        }
        let message = json!({ "topic": "ops", "title": format!("message {kill:03}") });
        let id = api::publish(&serve.origin, &sender, &message)?["id"].as_str().context("no id")?.to_owned();
        if frozen {
            wait_for("the message to be stored", PATIENCE, || {
                receipt(&serve, &id).ok().filter(|receipt| person(receipt)["state"] == "received")
            })
            .with_context(|| app.log())?;
        }
        published.push(id);
        app.resident.kill();
        if frozen {
            app.desktop.thaw(Part::Notifications)?;
        }
        app.restart()?;
        shown.extend(app.desktop.new_notifications());
    }
    check(&serve, &mut app, &published, shown)
}

fn check(serve: &Serve, app: &mut App, published: &[String], mut shown: Vec<String>) -> Result<()> {
    app.wait_status("the whole inbox", |status| status["unread"] == json!(published.len()))?;
    let mut receipts = BTreeMap::new();
    wait_for("every message to be shown or summed up", PATIENCE, || {
        for id in published {
            receipts.insert(id.clone(), receipt(serve, id).ok()?);
        }
        receipts.values().all(|receipt| settled(person(receipt))).then_some(())
    })
    .with_context(|| app.log())?;
    shown.extend(app.desktop.new_notifications());
    let inbox = inbox(app)?;
    let oracle = json!({ "published": published, "inbox": inbox, "shown": shown, "receipts": receipts });
    let file = output("crash-subscriber.json");
    fs::create_dir_all(file.parent().context("a directory")?)?;
    fs::write(&file, format!("{oracle:#}"))?;
    ensure!(inbox == published, "the inbox differs from what was published: see {}", file.display());
    for (number, id) in published.iter().enumerate() {
        let title = format!("message {number:03}");
        let claimed = person(&receipts[id])["shown"] == "shown";
        ensure!(
            !claimed || shown.iter().any(|line| line.contains(&title)),
            "{title} is reported as shown and was not: see {}",
            file.display()
        );
    }
    Ok(())
}

fn settled(person: &Value) -> bool {
    person["state"] == "received" && (person["shown"] == "shown" || person["shown"] == "suppressed")
}

fn receipt(serve: &Serve, id: &str) -> Result<Value> {
    serve.admin("GET", &format!("/v1/messages/{id}/receipt"), &Value::Null)
}

fn person(receipt: &Value) -> &Value {
    receipt["people"].as_array().into_iter().flatten().find(|p| p["user"] == "anna").unwrap_or(&Value::Null)
}

/// Ids in the local inbox, oldest first.
fn inbox(app: &App) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    let mut before = None;
    loop {
        let page = match before {
            None => app.native("GET", "/v1/messages?limit=20", &Value::Null)?,
            Some(seq) => app.native("GET", &format!("/v1/messages?limit=20&before={seq}"), &Value::Null)?,
        };
        let items = page["items"].as_array().context("no items")?;
        ids.extend(items.iter().filter_map(|item| Some(item["id"].as_str()?.to_owned())));
        match page["next"].as_u64() {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    ids.reverse();
    Ok(ids)
}

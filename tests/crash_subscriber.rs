//! A resident that is killed again and again between storing a message and showing it: every published message is in
//! its inbox exactly once and in order, none that was not shown is reported as shown, and none is shown again without a
//! kill to excuse it.
//!
//! Every other kill is placed, not guessed: the notification daemon is frozen, so that a message that was stored (its
//! receipt says received) cannot have been shown yet. The others come right after a publish was answered, wherever the
//! resident is with it. A kill between showing a message and writing that down makes it pop up once more at the next
//! start, for nobody knows: so each message may be seen once, and once more for every kill that met it undecided.

mod support;

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{App, PATIENCE, api, output, serve::Serve};
use tocsin_virtual_desktop::{Part, wait_for};

/// Kills of the resident; every other one is placed between storing and showing.
const KILLS: usize = 100;

/// What was published.
struct Published {
    id: String,
    title: String,
    /// Kills that came before it was known what became of it.
    kills: usize,
}

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

    let mut published: Vec<Published> = Vec::new();
    // Places of those whose fate is not known.
    let mut open: Vec<usize> = Vec::new();
    let mut shown = Vec::new();
    for kill in 0..KILLS {
        let mut still = Vec::new();
        for place in open {
            if !settled(person(&receipt(&serve, &published[place].id)?)) {
                still.push(place);
            }
        }
        open = still;
        let frozen = kill % 2 == 0;
        if frozen {
            app.desktop.freeze(Part::Notifications)?;
        }
        let title = format!("message {kill:03}");
        let message = json!({ "topic": "ops", "title": title });
        let id = api::publish(&serve.origin, &sender, &message)?["id"].as_str().context("no id")?.to_owned();
        if frozen {
            wait_for("the message to be stored", PATIENCE, || {
                receipt(&serve, &id).ok().filter(|receipt| person(receipt)["state"] == "received")
            })
            .with_context(|| app.log())?;
        }
        published.push(Published { id, title, kills: 0 });
        open.push(kill);
        for place in &open {
            published[*place].kills += 1;
        }
        app.resident.kill();
        if frozen {
            app.desktop.thaw(Part::Notifications)?;
        }
        app.restart()?;
        shown.extend(app.desktop.new_notifications());
    }
    check(&serve, &mut app, &published, shown)
}

fn check(serve: &Serve, app: &mut App, published: &[Published], mut shown: Vec<String>) -> Result<()> {
    app.wait_status("the whole inbox", |status| status["unread"] == json!(published.len()))?;
    let mut receipts = BTreeMap::new();
    wait_for("every message to be shown or summed up", PATIENCE, || {
        for message in published {
            receipts.insert(message.id.clone(), receipt(serve, &message.id).ok()?);
        }
        receipts.values().all(|receipt| settled(person(receipt))).then_some(())
    })
    .with_context(|| app.log())?;
    shown.extend(app.desktop.new_notifications());
    let inbox = inbox(app)?;
    let ids: Vec<_> = published.iter().map(|message| message.id.as_str()).collect();
    let oracle = json!({ "published": ids, "inbox": inbox, "shown": shown, "receipts": receipts });
    let file = output("crash-subscriber.json");
    fs::create_dir_all(file.parent().context("a directory")?)?;
    fs::write(&file, format!("{oracle:#}"))?;
    ensure!(inbox == ids, "the inbox differs from what was published: see {}", file.display());
    for Published { id, title, kills } in published {
        // A summary names titles too, but after its own.
        let times = shown.iter().filter(|line| line.split(" — ").next() == Some(title)).count();
        let claimed = person(&receipts[id])["shown"] == "shown";
        let file = file.display();
        ensure!(!claimed || times > 0, "{title} is reported as shown and was not: see {file}");
        ensure!(times <= 1 + kills, "{title} was shown {times} times with {kills} kills: see {file}");
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

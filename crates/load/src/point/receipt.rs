//! A receipt with a million messages stored: of a message to a thousand people, and of one to ten thousand. Nine of ten
//! people of the first have it, each on a device with a long history of acknowledgements, which is put into the database
//! while the server is down: it would take weeks to come about.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    client::http::Http,
    point::Bench,
    report::{Bound, Report},
    subject::{PEOPLE, Subject, small_topics},
};

/// Messages stored.
const STORED: usize = 1_000_000;
/// See [`STORED`].
const QUICK_STORED: usize = 100_000;
/// People of the larger topic.
const MANY: usize = 10_000;
/// Rows of acknowledgements of each device.
const HISTORY: u64 = 500;
/// Receipts read; the median counts.
const READS: usize = 200;

pub async fn run(args: &Bench, report: &mut Report) -> Result<()> {
    let mut subject = Subject::start(&args.tocsin, &[]).await?;
    let people = subject.populate().await?;
    crowd(&subject).await?;
    for (n, token) in people.iter().enumerate() {
        let mut http = Http::connect(&subject.address).await?;
        let answer = http.request("GET", &format!("/poll?device=d{n}"), token, b"").await?;
        ensure!(answer.status == 200, "poll: {}", String::from_utf8_lossy(&answer.body));
    }
    let stored = if args.quick { QUICK_STORED } else { STORED };
    subject.store(stored, &small_topics()).await?;
    let token = subject.senders(1, &["all".into(), "crowd".into()]).await?.remove(0);
    let (all, crowd) = (publish(&subject, &token, "all").await?, publish(&subject, &token, "crowd").await?);
    subject.kill();
    history(&subject)?;
    subject.spawn().await?;
    for (message, key, bound, (missing, owed)) in [
        (all, "receipt_1000_p50_ms", Bound::AtMost(20.0), (PEOPLE / 10, PEOPLE)),
        // Nobody of the larger topic has a device.
        (crowd, "receipt_10000_p50_ms", Bound::Reported, (MANY, MANY)),
    ] {
        let times = read(&subject, &token, &message, (missing, owed)).await?;
        report.figure(key, times[times.len() / 2], bound);
    }
    report.figure("receipt_messages_stored", stored as f64, Bound::Reported);
    Ok(())
}

/// Ten thousand people in one topic, all others and more.
async fn crowd(subject: &Subject) -> Result<()> {
    subject.admin("POST", "/v1/topics", &json!({ "name": "crowd" })).await?;
    for n in 0..MANY {
        let name = format!("c{n:05}");
        subject.admin("POST", "/v1/users", &json!({ "name": name })).await?;
        subject.admin("PUT", &format!("/v1/topics/crowd/members/{name}"), &Value::Null).await?;
    }
    Ok(())
}

/// Publishes the message that is measured; says its id.
async fn publish(subject: &Subject, token: &str, topic: &str) -> Result<String> {
    let mut http = Http::connect(&subject.address).await?;
    let body = serde_json::to_vec(&json!({ "topic": topic, "title": "Disk" }))?;
    let published = http.request("POST", "/v1/messages", token, &body).await?;
    ensure!(published.status == 201, "publish: {}", String::from_utf8_lossy(&published.body));
    let published: Value = serde_json::from_slice(&published.body)?;
    Ok(published["id"].as_str().context("no id")?.to_owned())
}

/// Nine of ten devices acknowledged everything up to the last message, in many stretches.
fn history(subject: &Subject) -> Result<()> {
    let database = Connection::open(subject.data().join("tocsin.db"))?;
    let head: u64 = database.query_row("SELECT max(seq) FROM message", [], |row| row.get(0))?;
    let sql = "WITH RECURSIVE n (value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n WHERE value + 1 < ?1) \
               INSERT INTO ack (device, from_seq, to_seq, at) \
               SELECT d.id, n.value * ?2, iif(n.value + 1 = ?1, ?3, (n.value + 1) * ?2), 1800000000000 + n.value \
               FROM device d, n WHERE d.name LIKE 'd%' AND CAST(substr(d.name, 2) AS INTEGER) % 10 > 0";
    let rows = database.execute(sql, (HISTORY, head / HISTORY, head))?;
    let expected = PEOPLE / 10 * 9 * usize::try_from(HISTORY)?;
    ensure!(rows == expected, "{rows} rows of history, not {expected}");
    Ok(())
}

/// Milliseconds of each read, sorted.
async fn read(
    subject: &Subject,
    token: &str,
    message: &str,
    (missing, owed): (usize, usize),
) -> Result<Vec<f64>> {
    let mut http = Http::connect(&subject.address).await?;
    let path = format!("/v1/messages/{message}/receipt?limit=100");
    let mut times = Vec::with_capacity(READS);
    for _ in 0..READS {
        let start = Instant::now();
        let answer = http.request("GET", &path, token, b"").await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        ensure!(answer.status == 200, "receipt: {}", String::from_utf8_lossy(&answer.body));
        let receipt: Value = serde_json::from_slice(&answer.body)?;
        let counts = &receipt["counts"];
        let named = receipt["missing"].as_array().map_or(0, Vec::len);
        let is_right = counts["missing"] == missing && counts["owed"] == owed && named == missing.min(100);
        ensure!(is_right, "{counts}, and {named} names of those who are missing; not {missing} of {owed}");
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

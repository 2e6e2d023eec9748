//! A hundred thousand messages wait for their next step, a thousand of them for the same second: how late the last of
//! those runs.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Duration};

use crate::{
    client::http::Http,
    point::Bench,
    report::{Bound, Report},
    subject::Subject,
};

/// Messages whose step is far away.
const PENDING: usize = 100_000;
/// Messages whose steps are due together.
const DUE: usize = 1_000;
/// Until then, seconds: all of them are stored before the first is due.
const AFTER_S: u64 = 5;
/// Connections that store them: they are in within a fraction of a second.
const PUBLISHERS: usize = 20;
/// Time for all steps to have run.
const PATIENCE: Duration = Duration::from_mins(1);

pub async fn run(args: &Bench, report: &mut Report) -> Result<()> {
    let subject = Subject::start(&args.tocsin, &[]).await?;
    for (name, members) in [("slow", ["ann"]), ("soon", ["bob"])] {
        subject.admin("POST", "/v1/users", &json!({ "name": members[0] })).await?;
        subject.admin("POST", "/v1/topics", &json!({ "name": name, "members": members })).await?;
        let after = if name == "soon" { AFTER_S } else { 24 * 3600 };
        let step = json!({ "after_s": after, "unless": "acknowledged_by_any", "notify": { "who": "missing" }, "via": ["desktop"] });
        subject.admin("PUT", &format!("/v1/policies/{name}"), &json!({ "steps": [step] })).await?;
        subject.admin("PATCH", &format!("/v1/topics/{name}"), &json!({ "policy": name })).await?;
    }
    subject.store(PENDING, &["slow".into()]).await?;
    let tokens = subject.senders(PUBLISHERS, &["soon".into()]).await?;
    let mut tasks = JoinSet::new();
    for token in tokens {
        let mut http = Http::connect(&subject.address).await?;
        tasks.spawn(async move {
            let body = serde_json::to_vec(&json!({ "topic": "soon", "title": "Disk" }))?;
            let mut made = Vec::with_capacity(DUE / PUBLISHERS);
            for _ in 0..DUE / PUBLISHERS {
                let answer = http.request("POST", "/v1/messages", &token, &body).await?;
                let answer: Value = serde_json::from_slice(&answer.body)?;
                made.push(answer["id"].as_str().context("no id")?.to_owned());
            }
            anyhow::Ok(made)
        });
    }
    let mut late = Vec::with_capacity(DUE);
    let mut messages = Vec::with_capacity(DUE);
    while let Some(made) = tasks.join_next().await {
        messages.extend(made??);
    }
    for id in messages {
        late.push(lateness(&subject, &id).await?);
    }
    late.sort_by(f64::total_cmp);
    report.figure("timers_late_most_ms", late[late.len() - 1], Bound::AtMost(1000.0));
    report.figure("timers_late_p50_ms", late[late.len() / 2], Bound::Reported);
    Ok(())
}

/// Milliseconds from when its step was due to when it ran.
async fn lateness(subject: &Subject, id: &str) -> Result<f64> {
    let start = tokio::time::Instant::now();
    loop {
        let receipt = subject.admin("GET", &format!("/v1/messages/{id}/receipt"), &Value::Null).await?;
        let step = &receipt["escalation"]["steps"][0];
        if let (Some(due), Some(at)) = (step["due_at"].as_i64(), step["at"].as_i64()) {
            return Ok((at - due) as f64);
        }
        ensure!(start.elapsed() < PATIENCE, "the step of {id} did not run: {receipt:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

//! From a kill -9 to ready, with a hundred thousand messages stored.

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    client::http::Http,
    point::Bench,
    report::{Bound, Report},
    subject::Subject,
};

/// Stored messages.
const STORED: usize = 100_000;
/// Publishers that store them.
const PUBLISHERS: usize = 64;
/// Publishes that one token may send at once by default.
const PER_TOKEN: usize = 900;
/// Restarts; the median counts.
const TRIES: usize = 5;

pub async fn run(args: &Bench, report: &mut Report) -> Result<()> {
    let mut subject = Subject::start(&args.tocsin, &[]).await?;
    subject.populate().await?;
    let tokens = subject.senders(STORED.div_ceil(PER_TOKEN), &["all".into()]).await?;
    let body = serde_json::to_vec(&json!({ "topic": "all", "title": "Disk", "body": "x".repeat(64) }))?;
    let mut tasks = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let mut http = Http::connect(&subject.address).await?;
        let (tokens, body) = (tokens.clone(), body.clone());
        tasks.spawn(async move {
            for n in (publisher..STORED).step_by(PUBLISHERS) {
                let answer = http.request("POST", "/v1/messages", &tokens[n % tokens.len()], &body).await?;
                ensure!(answer.status == 201, "publish: {}", String::from_utf8_lossy(&answer.body));
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let mut times = Vec::with_capacity(TRIES);
    for _ in 0..TRIES {
        subject.kill();
        times.push(subject.spawn().await?.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    report.figure("restart_ready_ms", times[TRIES / 2], Bound::AtMost(1000.0));
    Ok(())
}

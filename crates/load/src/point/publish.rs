//! Durable publishing: the answer comes after the flush. CPU against the two ceilings, wall time against the same
//! server without group commit, and the delay of a single publisher over a bare commit.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    ceiling::bare_sqlite::Rows,
    client::http::Http,
    point::{Bench, undisturbed},
    process::{self, Running, pinned},
    report::{Bound, Report},
    subject::Subject,
};

/// Publishers at once.
const PUBLISHERS: usize = 64;
/// Messages of one measurement.
const MESSAGES: usize = 64_000;
/// See [`MESSAGES`].
const QUICK: usize = 16_000;
/// Messages without group commit: slower, and only wall time matters.
const UNBATCHED: usize = 8_000;
/// Messages of the single publisher in one round; then the same rows are committed bare. A disk's mood changes within
/// seconds, so the two must take turns.
const SINGLE: usize = 300;
/// Rounds of the single publisher.
const ROUNDS: usize = 20;
/// Publishes that one token may send at once by default: a publisher takes another token then.
const PER_TOKEN: usize = 900;
/// Messages to a commit in the bare ceiling.
const BATCH: usize = 64;

/// What a run took.
struct Run {
    cpu: Duration,
    wall: Duration,
    answers_us: Vec<u64>,
}

/// What one turn measured: publishes, and seconds of CPU.
struct Turn {
    per_cpu_second: f64,
    per_second: f64,
    bare_row: f64,
    request: f64,
}

impl Turn {
    /// Publishes per second of CPU if storing a row and serving a request were all there is to do.
    fn ceiling(&self) -> f64 {
        1.0 / (self.bare_row + self.request)
    }
}

pub async fn run(args: &Bench, report: &mut Report) -> Result<()> {
    let messages = if args.quick { QUICK } else { MESSAGES };
    let turns = undisturbed(args, async || turn(args, messages).await).await?;
    let each = |of: fn(&Turn) -> f64| -> Vec<f64> { turns.iter().map(of).collect() };
    report.median(
        "publish_vs_ceiling",
        each(|turn| turn.per_cpu_second / turn.ceiling()),
        Bound::AtLeast(0.7),
    );
    report.median("publishes_per_cpu_s", each(|turn| turn.per_cpu_second), Bound::Reported);
    report.median("publish_ceiling_per_cpu_s", each(Turn::ceiling), Bound::Reported);
    report.median("bare_row_us", each(|turn| turn.bare_row * 1e6), Bound::Reported);
    report.median("request_without_store_us", each(|turn| turn.request * 1e6), Bound::Reported);
    report.median("publishes_per_s", each(|turn| turn.per_second), Bound::Reported);
    let mut gains = Vec::with_capacity(turns.len());
    for turn in &turns {
        gains.push(turn.per_second / unbatched(args).await?);
    }
    report.median("publish_vs_unbatched", gains, Bound::AtLeast(2.0));
    single(args, report).await
}

/// The server and both of its ceilings, one after the other.
async fn turn(args: &Bench, messages: usize) -> Result<Turn> {
    let subject = Subject::start(&args.tocsin, &[]).await?;
    subject.populate().await?;
    let tokens = subject.senders(messages.div_ceil(PER_TOKEN).max(PUBLISHERS), &["all".into()]).await?;
    let rows = Rows::mark(&subject.data())?;
    let batched = publish(&subject.address, subject.pid(), &tokens, PUBLISHERS, messages).await?;
    let bare = rows.again(&subject.data(), messages, BATCH)?;
    let request = request_without_store(messages).await?;
    Ok(Turn {
        per_cpu_second: messages as f64 / batched.cpu.as_secs_f64(),
        per_second: messages as f64 / batched.wall.as_secs_f64(),
        bare_row: bare.cpu.as_secs_f64(),
        request: request.as_secs_f64(),
    })
}

/// Publishes per second of wall time with commits of one.
async fn unbatched(args: &Bench) -> Result<f64> {
    let subject = Subject::start(&args.tocsin, &["--commit-batch", "1"]).await?;
    subject.populate().await?;
    let tokens = subject.senders(PUBLISHERS, &["all".into()]).await?;
    let run = publish(&subject.address, subject.pid(), &tokens, PUBLISHERS, UNBATCHED).await?;
    Ok(UNBATCHED as f64 / run.wall.as_secs_f64())
}

async fn single(args: &Bench, report: &mut Report) -> Result<()> {
    let subject = Subject::start(&args.tocsin, &[]).await?;
    subject.populate().await?;
    let tokens = subject.senders((ROUNDS * SINGLE).div_ceil(PER_TOKEN), &["all".into()]).await?;
    let (mut answers_us, mut commits_us) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let rows = Rows::mark(&subject.data())?;
        let token = &tokens[round * SINGLE / PER_TOKEN..][..1];
        answers_us.extend(publish(&subject.address, subject.pid(), token, 1, SINGLE).await?.answers_us);
        commits_us.extend(rows.again(&subject.data(), SINGLE, 1)?.commits_us);
    }
    let (answer, commit) = (median_ms(&mut answers_us), median_ms(&mut commits_us));
    report.figure("publish_minus_commit_p50_ms", answer - commit, Bound::AtMost(0.3));
    report.figure("publish_p50_ms", answer, Bound::Reported);
    report.figure("bare_commit_p50_ms", commit, Bound::Reported);
    Ok(())
}

fn median_ms(times_us: &mut [u64]) -> f64 {
    times_us.sort_unstable();
    times_us[times_us.len() / 2] as f64 / 1000.0
}

/// Closed loop: each publisher sends its next message when the last is answered.
async fn publish(
    address: &str,
    pid: u32,
    tokens: &[String],
    publishers: usize,
    messages: usize,
) -> Result<Run> {
    let body = serde_json::to_vec(&json!({ "topic": "all", "title": "Disk", "body": "x".repeat(64) }))?;
    let (cpu, start) = (process::cpu(pid)?, Instant::now());
    let mut tasks = JoinSet::new();
    for publisher in 0..publishers {
        let mut http = Http::connect(address).await?;
        let own: Vec<_> = tokens.iter().skip(publisher).step_by(publishers).collect();
        let requests: Vec<_> = own.iter().map(|t| http.encode("POST", "/v1/messages", t, &body)).collect();
        let share = messages / publishers;
        tasks.spawn(async move {
            let mut answers_us = Vec::with_capacity(share);
            for n in 0..share {
                let sent = Instant::now();
                http.publish(&requests[n % requests.len()]).await?;
                answers_us.push(u64::try_from(sent.elapsed().as_micros())?);
            }
            anyhow::Ok(answers_us)
        });
    }
    let mut answers_us = Vec::with_capacity(messages);
    while let Some(done) = tasks.join_next().await {
        answers_us.append(&mut done??);
    }
    Ok(Run { cpu: process::cpu(pid)?.saturating_sub(cpu), wall: start.elapsed(), answers_us })
}

/// CPU of one request to the same route over a store that keeps nothing.
async fn request_without_store(messages: usize) -> Result<Duration> {
    let program = std::env::current_exe()?;
    let mut child = Running(pinned(0, &program).arg("without-store").stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().context("no output")?).read_line(&mut line)?;
    let tokens: Vec<_> = (0..PUBLISHERS).map(|n| format!("tcs_{n:043}")).collect();
    let run = publish(line.trim(), child.pid(), &tokens, PUBLISHERS, messages).await?;
    Ok(run.cpu / u32::try_from(messages)?)
}

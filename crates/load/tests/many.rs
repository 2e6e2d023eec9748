//! Ten thousand connections from other processes: held, each receiving one message, and, when they are reset instead,
//! leaving nothing behind.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tocsin_load::{client::http::Http, process::Running, subject::Subject};

/// Connections in all.
const CONNECTIONS: usize = 10_000;
/// Connections before the first look.
const WARM_UP: usize = 300;
/// Processes that share them.
const PROCESSES: usize = 2;
/// How long they are held, seconds.
const HELD: u64 = 60;
/// Time for any step.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

fn tocsin() -> PathBuf {
    let value = std::env::var_os("TOCSIN_BIN");
    value.expect("TOCSIN_BIN is not set: run this test with `cargo xtask test`").into()
}

/// The figures of `/metrics` that tell what the server holds.
async fn held_by(subject: &Subject) -> Result<Vec<(String, f64)>> {
    let mut http = Http::connect(&subject.address).await?;
    let answer = http.request("GET", "/metrics", "", b"").await?;
    let text = String::from_utf8(answer.body)?;
    let gauges = text.lines().filter(|line| {
        ["tocsin_tasks ", "tocsin_hub_connections "].iter().any(|name| line.starts_with(name))
    });
    let mut held: Vec<_> = gauges
        .map(|line| {
            let (name, value) = line.split_once(' ').context("no value")?;
            Ok((name.to_owned(), value.parse()?))
        })
        .collect::<Result<_>>()?;
    ensure!(held.len() == 2, "the metrics lack what this test looks at:\n{text}");
    held.push(("descriptors".into(), descriptors(subject.pid())? as f64));
    Ok(held)
}

/// What is held once the server is done with those who left: no stream, and two looks that find the same.
async fn at_rest(subject: &Subject) -> Result<Vec<(String, f64)>> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = held_by(subject).await?;
    loop {
        tokio::time::sleep(LOOK).await;
        let now = held_by(subject).await?;
        let quiet = now.iter().any(|(name, value)| name == "tocsin_hub_connections" && *value == 0.0);
        if quiet && now == before {
            return Ok(now);
        }
        ensure!(Instant::now() < deadline, "it does not come to rest: {before:?}, {now:?}");
        before = now;
    }
}

/// Open descriptors of a process, those of its store left out: a reader of the store starts when a question finds the
/// others busy, so that when it opens its file is chance. There is a fixed number of readers, and none per connection.
fn descriptors(pid: u32) -> Result<usize> {
    let open = fs::read_dir(format!("/proc/{pid}/fd"))?;
    // One that is closed meanwhile leads nowhere any more.
    let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    Ok(targets.filter(|target| !is_of_the_store(target)).count())
}

fn is_of_the_store(target: &Path) -> bool {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    ["tocsin.db", "tocsin.db-wal", "tocsin.db-shm"].contains(&&*name)
}

/// Opens and resets connections from another process.
fn reset(subject: &Subject, tokens: &Path, connections: usize) -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tocsin-load"));
    command.args(["reset", &subject.address]).arg(tokens).arg(connections.to_string());
    let status = tokio::task::block_in_place(|| command.status())?;
    ensure!(status.success(), "the resetting process ended with {status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_are_held_and_each_receives() -> Result<()> {
    let subject = Subject::start(&tocsin(), &[]).await?;
    let tokens = subject.populate().await?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("tokens");
    fs::write(&file, tokens.join("\n"))?;
    let mut crowds = Vec::new();
    for n in 0..PROCESSES {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tocsin-load"))
            .args(["hold", &subject.address])
            .arg(&file)
            .args([(CONNECTIONS / PROCESSES).to_string(), HELD.to_string()])
            .arg(format!("--name=crowd{n}"))
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        crowds.push((Running(child), lines));
    }
    for expected in ["held", "still"] {
        for (_, lines) in &mut crowds {
            let line = tokio::task::block_in_place(|| lines.next()).context("a crowd ended early")??;
            assert_eq!(line, expected);
        }
    }
    let sender = subject.senders(1, &["all".into()]).await?;
    let mut http = Http::connect(&subject.address).await?;
    let body = serde_json::to_vec(&json!({ "topic": "all", "title": "to everybody" }))?;
    let answer = http.request("POST", "/v1/messages", &sender[0], &body).await?;
    assert_eq!(answer.status, 201);
    for (_, lines) in &mut crowds {
        let line = tokio::task::block_in_place(|| lines.next()).context("a crowd lost a connection")??;
        assert_eq!(line, "received");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_resets_leave_nothing_behind() -> Result<()> {
    let subject = Subject::start(&tocsin(), &[]).await?;
    let tokens = subject.populate().await?;
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(tokens.join("\n").as_bytes())?;
    // What is opened on first use is there to stay.
    reset(&subject, file.path(), WARM_UP)?;
    let before = at_rest(&subject).await?;
    reset(&subject, file.path(), CONNECTIONS)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let after = held_by(&subject).await?;
        // The connection that asks is one of them, as it was before.
        if after.iter().zip(&before).all(|(after, before)| after.1 <= before.1) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "before: {before:?}, after: {after:?}");
        tokio::time::sleep(LOOK).await;
    }
}

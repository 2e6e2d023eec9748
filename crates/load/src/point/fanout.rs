//! Fan-out of one message to a thousand WebSockets: deliveries per CPU-second of the server, as a fraction of what a
//! bare `send()` loop reaches in the same run.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::{io::AsyncReadExt as _, net::TcpStream, sync::mpsc, task::JoinSet};

use crate::{
    ceiling::send_loop::MESSAGE_BYTES,
    client::{http::Http, ws::Ws},
    point::{Bench, undisturbed},
    process::{self, Running, pinned},
    report::{Bound, Report},
    subject::{PEOPLE, Subject},
};

/// Messages of one measurement: a second of CPU or more, since the kernel counts in ticks of 10 ms.
const MESSAGES: usize = 500;
/// See [`MESSAGES`].
const QUICK: usize = 200;

pub async fn run(args: &Bench, report: &mut Report) -> Result<()> {
    let messages = if args.quick { QUICK } else { MESSAGES };
    let subject = Subject::start(&args.tocsin, &[]).await?;
    let tokens = subject.populate().await?;
    let pairs = undisturbed(args, async || {
        let plain = deliver(&subject, &tokens, messages, false).await?;
        let ceiling = send_loop(messages).await?;
        let acked = deliver(&subject, &tokens, messages, true).await?;
        Ok((plain, ceiling, acked))
    })
    .await?;
    let each = |of: fn(&(f64, f64, f64)) -> f64| pairs.iter().map(of).collect();
    report.median("fanout_vs_send_loop", each(|pair| pair.0 / pair.1), Bound::AtLeast(0.5));
    report.median("fanout_with_acks_vs_send_loop", each(|pair| pair.2 / pair.1), Bound::Reported);
    report.median("fanout_deliveries_per_cpu_s", each(|pair| pair.0), Bound::Reported);
    report.median("send_loop_per_cpu_s", each(|pair| pair.1), Bound::Reported);
    Ok(())
}

/// Deliveries per CPU-second of the server.
async fn deliver(subject: &Subject, tokens: &[String], messages: usize, ack: bool) -> Result<f64> {
    let (arrived, mut arrivals) = mpsc::channel(PEOPLE);
    let mut readers = JoinSet::new();
    for (n, token) in tokens.iter().enumerate() {
        let path = format!("/ws?device=f&instance=f{n}");
        let mut ws = Ws::connect(&subject.address, [127, 0, 0, 2], &path, token).await?;
        let arrived = arrived.clone();
        readers.spawn(async move {
            while let Ok(message) = ws.message().await {
                if ack && ws.acknowledge(&message).await.is_err() {
                    return;
                }
                if arrived.send(()).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(arrived);
    let sender = subject.senders(messages.div_ceil(500), &["all".into()]).await?;
    let mut http = Http::connect(&subject.address).await?;
    let body = serde_json::to_vec(&json!({ "topic": "all", "title": "Disk", "body": "x".repeat(64) }))?;
    let before = process::cpu(subject.pid())?;
    for n in 0..messages {
        let request = http.encode("POST", "/v1/messages", &sender[n % sender.len()], &body);
        http.publish(&request).await?;
        for _ in 0..PEOPLE {
            arrivals.recv().await.context("a connection was lost")?;
        }
    }
    let cpu = process::cpu(subject.pid())?.saturating_sub(before);
    Ok((messages * PEOPLE) as f64 / cpu.as_secs_f64())
}

/// Sends per CPU-second of the bare loop, over as many connections and messages.
async fn send_loop(messages: usize) -> Result<f64> {
    let program = std::env::current_exe()?;
    let mut child = Running(
        pinned(0, &program)
            .args(["send-loop", &PEOPLE.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let mut output = BufReader::new(child.0.stdout.take().context("no output")?);
    let mut input = child.0.stdin.take().context("no input")?;
    let mut line = String::new();
    output.read_line(&mut line)?;
    let address = line.trim().to_owned();
    let received = Arc::new(tokio::sync::Semaphore::new(0));
    let mut readers = JoinSet::new();
    for _ in 0..PEOPLE {
        let mut stream = TcpStream::connect(&address).await?;
        let received = received.clone();
        readers.spawn(async move {
            let mut sink = vec![0; MESSAGE_BYTES * 16];
            let mut rest = 0;
            while let Ok(read @ 1..) = stream.read(&mut sink).await {
                rest += read;
                received.add_permits(rest / MESSAGE_BYTES);
                rest %= MESSAGE_BYTES;
            }
        });
    }
    line.clear();
    output.read_line(&mut line)?;
    ensure!(line.trim() == "connected", "the send loop said {line:?}");
    let before = process::cpu(child.pid())?;
    for _ in 0..messages {
        input.write_all(b"1\n")?;
        received.acquire_many(u32::try_from(PEOPLE)?).await?.forget();
    }
    let cpu = process::cpu(child.pid())?.saturating_sub(before);
    Ok((messages * PEOPLE) as f64 / cpu.as_secs_f64())
}

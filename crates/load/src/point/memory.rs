//! Memory of an idle, authenticated connection: the slope of the server's PSS between one and ten thousand.

use std::time::Duration;

use anyhow::Result;
use tokio::{io::AsyncReadExt as _, net::TcpStream, task::JoinSet};

use crate::{
    client::{sse, ws::Ws},
    point::Bench,
    process,
    report::{Bound, Report},
    subject::{PEOPLE, Subject},
};

/// First and last point of the slope.
const FEW: usize = 1000;
/// See [`FEW`].
const MANY: usize = 10_000;
/// Connections being opened at once.
const OPENING: usize = 64;
/// Idle time before the look, so that what the handshakes needed is given back.
const REST: Duration = Duration::from_secs(10);

pub async fn run(args: &Bench, report: &mut Report) -> Result<()> {
    for (key, transport, most) in
        [("ws_bytes_per_connection", "ws", 10_900.0), ("sse_bytes_per_connection", "events", 16_000.0)]
    {
        let slope = slope(args, transport).await?;
        report.figure(key, slope, Bound::AtMost(most));
    }
    Ok(())
}

async fn slope(args: &Bench, transport: &str) -> Result<f64> {
    let subject = Subject::start(&args.tocsin, &[]).await?;
    let tokens = subject.populate().await?;
    let mut idle = JoinSet::new();
    hold(&subject, &tokens, transport, 0..FEW, &mut idle).await?;
    tokio::time::sleep(REST).await;
    let few = process::pss(subject.pid())?;
    hold(&subject, &tokens, transport, FEW..MANY, &mut idle).await?;
    tokio::time::sleep(REST).await;
    let many = process::pss(subject.pid())?;
    anyhow::ensure!(idle.try_join_next().is_none(), "a connection ended while it was held");
    Ok((many as f64 - few as f64) / (MANY - FEW) as f64)
}

/// Opens connections and leaves them to tasks that only read.
async fn hold(
    subject: &Subject,
    tokens: &[String],
    transport: &str,
    range: std::ops::Range<usize>,
    idle: &mut JoinSet<()>,
) -> Result<()> {
    let mut opening = JoinSet::new();
    for n in range {
        if opening.len() >= OPENING
            && let Some(stream) = opening.join_next().await
        {
            idle.spawn(drain(stream??));
        }
        let (address, token) = (subject.address.clone(), tokens[n % PEOPLE].clone());
        let path = format!("/{transport}?device=d{}&instance=i{n}", n / PEOPLE);
        let source = [127, 0, 0, 2 + u8::try_from(n % 4)?];
        let websocket = transport == "ws";
        opening.spawn(async move {
            if websocket {
                Ok(Ws::connect(&address, source, &path, &token).await?.into_stream())
            } else {
                sse::connect(&address, source, &path, &token).await
            }
        });
    }
    while let Some(stream) = opening.join_next().await {
        idle.spawn(drain(stream??));
    }
    Ok(())
}

async fn drain(mut stream: TcpStream) {
    let mut sink = [0; 256];
    while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
}

//! Many connections from a process of their own: the server's descriptors and the crowd's do not share a limit.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::{net::TcpSocket, sync::Semaphore, task::JoinSet};

use crate::{client::ws::Ws, point::raise_descriptor_limit};

/// Connections being opened at once.
const OPENING: usize = 64;
/// Connections from one loopback address: it has 28 000 ports.
const PER_SOURCE: usize = 5000;

/// Opens many WebSockets, holds them, and waits for a message on each.
#[derive(clap::Args)]
pub struct Hold {
    /// Host and port of the server.
    address: String,
    /// File with client tokens, one per line; used in turn.
    tokens: PathBuf,
    /// How many connections.
    connections: usize,
    /// How long all of them must stay open before the message.
    seconds: u64,
    /// Sets the devices apart from those of another crowd.
    #[arg(long, default_value = "crowd")]
    name: String,
}

/// Prints `held`, `still` and `received`, a line each, as it gets there.
pub async fn hold(args: &Hold) -> Result<()> {
    raise_descriptor_limit()?;
    let tokens = std::fs::read_to_string(&args.tokens)?;
    let tokens: Vec<_> = tokens.lines().map(ToOwned::to_owned).collect();
    let room = Arc::new(Semaphore::new(OPENING));
    let mut waiting = JoinSet::new();
    for n in 0..args.connections {
        let opening = room.clone().acquire_owned().await?;
        let (address, token) = (args.address.clone(), tokens[n % tokens.len()].clone());
        let path = format!("/ws?device={}-{}&instance={}-{n}", args.name, n / tokens.len(), args.name);
        let source = [127, 0, 0, 2 + u8::try_from(n / PER_SOURCE)?];
        waiting.spawn(async move {
            let mut ws = Ws::connect(&address, source, &path, &token).await?;
            let hello = ws.next().await?;
            ensure!(
                hello.starts_with(br#"{"type":"hello""#),
                "no hello: {}",
                String::from_utf8_lossy(&hello)
            );
            drop(opening);
            // Read from the first moment on: pings come while the others are still being opened.
            ws.message().await?;
            anyhow::Ok(ws)
        });
    }
    let _all = room.acquire_many(u32::try_from(OPENING)?).await?;
    println!("held");
    tokio::select! {
        Some(early) = waiting.join_next() => {
            early??;
            anyhow::bail!("a message came before its time");
        }
        () = tokio::time::sleep(Duration::from_secs(args.seconds)) => println!("still"),
    }
    let mut received = Vec::with_capacity(args.connections);
    while let Some(ws) = waiting.join_next().await {
        received.push(ws??);
    }
    println!("received");
    Ok(())
}

/// Opens connections and resets them, again and again.
#[derive(clap::Args)]
pub struct Reset {
    /// Host and port of the server.
    address: SocketAddr,
    /// File with client tokens, one per line; used in turn.
    tokens: PathBuf,
    /// How many connections, one after the other in each of several lanes.
    connections: usize,
}

/// A third is reset before it says anything, a third after a half-sent request, a third as an open WebSocket.
pub async fn reset(args: &Reset) -> Result<()> {
    let tokens = std::fs::read_to_string(&args.tokens)?;
    let tokens: Vec<_> = tokens.lines().map(ToOwned::to_owned).collect();
    let mut lanes = JoinSet::new();
    for n in 0..args.connections {
        if lanes.len() >= OPENING {
            lanes.join_next().await.context("no lane")???;
        }
        let (address, token) = (args.address, tokens[n % tokens.len()].clone());
        lanes.spawn(async move {
            if n % 3 == 2 {
                let path = format!("/ws?device=reset&instance=r{n}");
                let ws = Ws::connect(&address.to_string(), [127, 0, 0, 2], &path, &token).await?;
                return Ok(ws.into_stream().set_zero_linger()?);
            }
            let mut stream = TcpSocket::new_v4()?.connect(address).await?;
            if n % 3 == 1 {
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /ws HTTP/1.1\r\nHost: lo").await?;
            }
            anyhow::Ok(stream.set_zero_linger()?)
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok(())
}

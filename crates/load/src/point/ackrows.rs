//! What receipts cost the disk: rows of acknowledgements that a thousand devices leave while a topic of theirs gets a
//! thousand messages an hour.

use std::time::Duration;

use anyhow::{Result, ensure};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use crate::{
    client::{http::Http, ws::Ws},
    point::Bench,
    report::{Bound, Report},
    subject::{PEOPLE, Subject},
};

/// A thousand messages an hour.
const INTERVAL: Duration = Duration::from_millis(3_600);
/// How long.
const MINUTES: u64 = 3;
/// See [`MINUTES`].
const QUICK_MINUTES: u64 = 1;
/// Time for the last message to arrive everywhere.
const TAIL: Duration = Duration::from_secs(10);

pub async fn run(args: &Bench, report: &mut Report) -> Result<()> {
    let subject = Subject::start(&args.tocsin, &[]).await?;
    let people = subject.populate().await?;
    let token = subject.senders(1, &["all".into()]).await?.remove(0);
    let (arrived, mut arrivals) = mpsc::channel(PEOPLE);
    let mut listeners = JoinSet::new();
    for (n, token) in people.iter().enumerate() {
        let path = format!("/ws?device=l&instance=l{n}");
        let mut ws = Ws::connect(&subject.address, [127, 0, 0, 2], &path, token).await?;
        let arrived = arrived.clone();
        listeners.spawn(async move {
            while let Ok(message) = ws.message().await {
                if ws.acknowledge(&message).await.is_err() || arrived.send(()).await.is_err() {
                    return;
                }
            }
        });
    }
    let minutes = if args.quick { QUICK_MINUTES } else { MINUTES };
    let mut http = Http::connect(&subject.address).await?;
    let body = serde_json::to_vec(&json!({ "topic": "all", "title": "Disk" }))?;
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut next = Instant::now();
    while next < end {
        tokio::time::sleep_until(next).await;
        let request = http.encode("POST", "/v1/messages", &token, &body);
        http.publish(&request).await?;
        for _ in 0..PEOPLE {
            ensure!(
                tokio::time::timeout(TAIL, arrivals.recv()).await.is_ok(),
                "a message did not arrive everywhere"
            );
        }
        next += INTERVAL;
    }
    drop(listeners);
    // The window in which acknowledgements gather is over when the receipt says so; the last is a row like the others.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = Connection::open_with_flags(subject.data().join("tocsin.db"), flags)?;
    let (devices, most): (usize, u64) = database.query_row(
        "SELECT count(DISTINCT device), max(n) FROM (SELECT device, count(*) AS n FROM ack GROUP BY device, at / 60000)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    ensure!(devices == PEOPLE, "{devices} devices acknowledged, not {PEOPLE}");
    report.figure("ack_rows_per_device_and_minute", most as f64, Bound::AtMost(1.0));
    Ok(())
}

//! Publish → receive over a thousand connections on a hundred topics of ten, at half the rate that a closed loop
//! reached just before. Send times are fixed in advance; latency counts from the intended time. Every listener
//! acknowledges every message, as the subscriber does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    client::{
        http::Http,
        ws::{Ws, text_field},
    },
    point::Bench,
    report::{Bound, Report},
    subject::{PEOPLE, SMALL_TOPICS, Subject, small_topics},
};

/// Connections that publish.
const PUBLISHERS: usize = 16;
/// Length of the closed loop, and of each open loop.
const SECONDS: u64 = 10;
/// See [`SECONDS`].
const QUICK_SECONDS: u64 = 5;
/// Publishes per second of one token, below the default limit.
const PER_TOKEN_PER_S: f64 = 80.0;
/// Tokens for the closed loop: each may send a thousand at once by default.
const CLOSED_TOKENS: usize = 256;
/// Microseconds in the histogram at most: a minute.
const HIGHEST_US: u64 = 60_000_000;
/// Time for the last messages to arrive after the last was sent.
const TAIL: Duration = Duration::from_secs(10);

/// What one loop sends.
struct Plan<'a> {
    /// Tells its messages from those of other loops.
    run: &'static str,
    topics: &'a [String],
    /// People in each topic.
    members: usize,
    seconds: u64,
}

/// Closed and open loops of one server: the median counts. A disk's mood and the hypervisor's change within seconds.
const RUNS: usize = 5;
/// See [`RUNS`].
const QUICK_RUNS: usize = 3;

/// One closed and one open loop.
struct Run {
    rate: f64,
    /// What of the rate was sent.
    achieved: f64,
    latency: Histogram<u64>,
}

pub async fn run(args: &Bench, report: &mut Report) -> Result<()> {
    let seconds = if args.quick { QUICK_SECONDS } else { SECONDS };
    let subject = Subject::start(&args.tocsin, &[]).await?;
    let people = subject.populate().await?;
    let (many, one) = (small_topics(), ["all".to_owned()]);
    let small = |run| Plan { run, topics: &many, members: PEOPLE / SMALL_TOPICS, seconds };
    let large = |run| Plan { run, topics: &one, members: PEOPLE, seconds };
    let (mut of_small, mut of_large) = (Vec::new(), Vec::new());
    for _ in 0..if args.quick { QUICK_RUNS } else { RUNS } {
        of_small.push(loops(&subject, &people, &small("small-closed"), &small("small-open")).await?);
        of_large.push(loops(&subject, &people, &large("large-closed"), &large("large-open")).await?);
    }
    let at = |runs: &[Run], percentile| runs.iter().map(|run| ms(&run.latency, percentile)).collect();
    let each = |runs: &[Run], of: fn(&Run) -> f64| runs.iter().map(of).collect();
    report.median("receive_rate_per_s", each(&of_small, |run| run.rate), Bound::Reported);
    report.median("receive_rate_achieved", each(&of_small, |run| run.achieved), Bound::Reported);
    report.median("receive_p50_ms", at(&of_small, 50.0), Bound::AtMost(3.0));
    report.median("receive_p90_ms", at(&of_small, 90.0), Bound::Reported);
    report.median("receive_p99_ms", at(&of_small, 99.0), Bound::AtMost(20.0));
    report.median("receive_p999_ms", at(&of_small, 99.9), Bound::Reported);
    report.median("receive_most_ms", at(&of_small, 100.0), Bound::Reported);
    report.median("receive_one_topic_rate_per_s", each(&of_large, |run| run.rate), Bound::Reported);
    report.median("receive_one_topic_p50_ms", at(&of_large, 50.0), Bound::Reported);
    report.median("receive_one_topic_p99_ms", at(&of_large, 99.0), Bound::Reported);
    Ok(())
}

async fn loops(subject: &Subject, people: &[String], closed: &Plan<'_>, open: &Plan<'_>) -> Result<Run> {
    let rate = closed_loop(subject, people, closed).await? / 2.0;
    let (latency, achieved) = open_loop(subject, people, open, rate).await?;
    Ok(Run { rate, achieved, latency })
}

fn ms(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    histogram.value_at_percentile(percentile) as f64 / 1000.0
}

/// Publishes per second with everybody listening: each publisher sends its next message when its last was answered and
/// has reached all `members` of its topic. Waiting for the answer alone would measure a rate that streams cannot follow.
async fn closed_loop(subject: &Subject, people: &[String], plan: &Plan<'_>) -> Result<f64> {
    let &Plan { run, topics, members, seconds } = plan;
    let (arrived, mut arrivals) = mpsc::channel(PEOPLE);
    let _listeners = listen(subject, people, run, &arrived).await?;
    let tokens = Arc::new(subject.senders(CLOSED_TOKENS, topics).await?);
    let (mut tasks, mut reached) = (JoinSet::new(), Vec::new());
    let start = Instant::now();
    for publisher in 0..PUBLISHERS {
        let (tokens, topics) = (tokens.clone(), topics.to_vec());
        let mut http = Http::connect(&subject.address).await?;
        let (reach, mut received) = mpsc::channel(PEOPLE);
        reached.push(reach);
        tasks.spawn(async move {
            let mut sent = 0_usize;
            while start.elapsed() < Duration::from_secs(seconds) {
                let n = sent * PUBLISHERS + publisher;
                let body = body(&topics[n % topics.len()], run, n)?;
                let request = http.encode("POST", "/v1/messages", &tokens[n % tokens.len()], &body);
                http.publish(&request).await?;
                for _ in 0..members {
                    let next = tokio::time::timeout(TAIL, received.recv()).await;
                    ensure!(matches!(next, Ok(Some(()))), "message {n} did not reach everybody");
                }
                sent += 1;
            }
            Ok(sent)
        });
    }
    // A publisher has one message on its way: the number says whose it is.
    let sorting = tokio::spawn(async move {
        while let Some((n, _)) = arrivals.recv().await {
            let _ = reached[n % PUBLISHERS].send(()).await;
        }
    });
    let mut sent = 0;
    while let Some(done) = tasks.join_next().await {
        sent += done??;
    }
    sorting.abort();
    Ok(sent as f64 / start.elapsed().as_secs_f64())
}

/// Latency of every delivery at a fixed rate, and which share of that rate was sent.
async fn open_loop(
    subject: &Subject,
    people: &[String],
    plan: &Plan<'_>,
    rate: f64,
) -> Result<(Histogram<u64>, f64)> {
    let &Plan { run, topics, members, seconds } = plan;
    let (arrived, mut arrivals) = mpsc::channel(PEOPLE);
    let _listeners = listen(subject, people, run, &arrived).await?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive count")]
    let (messages, token_count) =
        ((rate * seconds as f64) as usize, ((rate / PER_TOKEN_PER_S).ceil() as usize).max(PUBLISHERS));
    let tokens = Arc::new(subject.senders(token_count, topics).await?);
    let interval = Duration::from_secs_f64(1.0 / rate);
    let start = Instant::now() + Duration::from_millis(200);
    let intended = move |n: usize| start + interval.mul_f64(n as f64);
    let mut tasks = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let (tokens, topics) = (tokens.clone(), topics.to_vec());
        let mut http = Http::connect(&subject.address).await?;
        tasks.spawn(async move {
            for n in (publisher..messages).step_by(PUBLISHERS) {
                tokio::time::sleep_until(intended(n).into()).await;
                let body = body(&topics[n % topics.len()], run, n)?;
                let request = http.encode("POST", "/v1/messages", &tokens[n % tokens.len()], &body);
                http.publish(&request).await?;
            }
            anyhow::Ok(Instant::now())
        });
    }
    let mut histogram = Histogram::new_with_max(HIGHEST_US, 3)?;
    for received in 0..messages * members {
        let Ok(Some((n, at))) =
            tokio::time::timeout(TAIL + Duration::from_secs(seconds), arrivals.recv()).await
        else {
            anyhow::bail!("only {received} of {} deliveries arrived", messages * members)
        };
        let latency = at.saturating_duration_since(intended(n));
        histogram.record(u64::try_from(latency.as_micros())?)?;
    }
    let mut end = start;
    while let Some(done) = tasks.join_next().await {
        end = end.max(done??);
    }
    let achieved = messages as f64 / end.saturating_duration_since(start).as_secs_f64() / rate;
    Ok((histogram, achieved))
}

/// One connection per person; messages of this `run` are reported with their number and the time they were read.
async fn listen(
    subject: &Subject,
    people: &[String],
    run: &str,
    arrived: &mpsc::Sender<(usize, Instant)>,
) -> Result<JoinSet<()>> {
    let mut listeners = JoinSet::new();
    for (n, token) in people.iter().enumerate() {
        let path = format!("/ws?device=l&instance=l{n}");
        let mut ws = Ws::connect(&subject.address, [127, 0, 0, 2], &path, token).await?;
        let (arrived, mark) = (arrived.clone(), title(run));
        listeners.spawn(async move {
            while let Ok(message) = ws.message().await {
                let at = Instant::now();
                if let Some(n) = text_field(&message, &mark).and_then(|number| number.parse().ok())
                    && arrived.send((n, at)).await.is_err()
                {
                    return;
                }
                if ws.acknowledge(&message).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(listeners)
}

/// What stands before the number in a message of `run`, as JSON.
fn title(run: &str) -> String {
    format!(r#""title":"{run} "#)
}

fn body(topic: &str, run: &str, n: usize) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&json!({ "topic": topic, "title": format!("{run} {n}"), "body": "x".repeat(64) }))?)
}

//! Clients as somebody else would write them: plain HTTP, a few lines per transport, a cursor that is kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest as _};
use tokio_util::sync::CancellationToken;

use crate::{oracle::Oracle, support::Home};

/// Between two tries at a server that is down.
const AGAIN: Duration = Duration::from_millis(15);
/// One answer in so many is asked for again under its key.
const REPEAT: u32 = 4;
/// Longest silence of a stream that is taken for a live one: above the server's heartbeat.
const SILENCE: Duration = Duration::from_secs(20);

/// Who takes part.
#[derive(Clone)]
pub struct Team {
    pub origin: String,
    sender: String,
    subscriber: String,
    /// Where everybody starts.
    start: String,
    http: reqwest::Client,
}

impl Team {
    /// Makes a person, a topic and tokens.
    pub fn new(home: &Home, origin: String) -> Self {
        home.run(&["user", "add", "anna"]).ok();
        home.run(&["topic", "add", "ops", "--member", "anna"]).ok();
        let token = |args: &[&str]| home.json(args)["secret"].as_str().unwrap().to_owned();
        let sender = token(&["token", "create", "publisher", "--sender", "--topic", "ops"]);
        let subscriber = token(&["token", "create", "subscriber", "--user", "anna"]);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let me =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                http.get(format!("{origin}/v1/me"))
                    .bearer_auth(&subscriber)
                    .send()
                    .await
                    .unwrap()
                    .json::<Value>()
                    .await
                    .unwrap()
            });
        let start = format!("{}-0", me["server"]["epoch"].as_str().unwrap());
        // A client of its own: connections belong to the runtime that opened them.
        let http = reqwest::Client::builder().no_proxy().timeout(SILENCE).build().unwrap();
        Self { origin, sender, subscriber, start, http }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// Sends until each message is answered.
pub struct Publisher {
    number: u32,
    team: Team,
    oracle: Arc<Oracle>,
    answered: Arc<AtomicU64>,
}

impl Publisher {
    pub fn new(number: u32, team: Team, oracle: Arc<Oracle>, answered: Arc<AtomicU64>) -> Self {
        Self { number, team, oracle, answered }
    }

    pub async fn run(self, stop: CancellationToken, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed ^ u64::from(self.number + 1));
        for count in 0u64.. {
            if stop.is_cancelled() {
                return;
            }
            let key = format!("p{}-{count}", self.number);
            // Without an end: what was sent once must come to an answer, or the oracle could not know of it.
            self.until_answered(&key).await;
            self.answered.fetch_add(1, Ordering::Relaxed);
            if rng.random_range(0..REPEAT) == 0 {
                self.until_answered(&key).await;
            }
        }
    }

    async fn until_answered(&self, key: &str) {
        loop {
            let sent = self
                .team
                .http
                .post(self.team.url("/v1/messages"))
                .bearer_auth(&self.team.sender)
                .header("idempotency-key", key)
                .json(&json!({ "topic": "ops", "body": key }))
                .send()
                .await;
            match sent {
                Ok(answer) if answer.status() == StatusCode::CREATED => {
                    // Killed while it answered: the same key again.
                    if let Ok(body) = answer.json::<Value>().await {
                        self.oracle.published(
                            key,
                            body["id"].as_str().unwrap(),
                            body["seq"].as_u64().unwrap(),
                        );
                        return;
                    }
                }
                Ok(answer) if answer.status().is_client_error() => {
                    self.oracle.wrong(format!("{key}: {}", answer.status()));
                    return;
                }
                Ok(_) | Err(_) => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

fn note(oracle: &Oracle, transport: &'static str, message: &Value) -> String {
    let cursor = message["cursor"].as_str().unwrap().to_owned();
    let seq = cursor.rsplit('-').next().unwrap().parse().unwrap();
    oracle.received(transport, message["id"].as_str().unwrap(), seq);
    cursor
}

/// Long polls; the next one's cursor acknowledges.
pub async fn poll(team: Team, oracle: Arc<Oracle>, stop: CancellationToken) {
    let mut cursor = team.start.clone();
    while !stop.is_cancelled() {
        let url = team.url(&format!("/poll?device=poll&wait=5&cursor={cursor}"));
        let asked = async {
            team.http
                .get(url)
                .bearer_auth(&team.subscriber)
                .send()
                .await?
                .error_for_status()?
                .json::<Value>()
                .await
        };
        tokio::select! {
            () = stop.cancelled() => return,
            answer = asked => match answer {
                Ok(answer) => {
                    for message in answer["messages"].as_array().unwrap() {
                        note(&oracle, "poll", message);
                    }
                    if answer["reset"].is_object() {
                        oracle.wrong(format!("poll: {}", answer["reset"]));
                    }
                    answer["cursor"].as_str().unwrap().clone_into(&mut cursor);
                }
                Err(_) => tokio::time::sleep(AGAIN).await,
            },
        }
    }
}

/// An event stream; the last id goes on, `POST /v1/ack` acknowledges.
pub async fn sse(team: Team, oracle: Arc<Oracle>, stop: CancellationToken) {
    let mut last = team.start.clone();
    let http = reqwest::Client::builder().no_proxy().read_timeout(SILENCE).build().unwrap();
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = stream(&team, &http, &oracle, &mut last) => tokio::time::sleep(AGAIN).await,
        }
    }
}

async fn stream(
    team: &Team,
    http: &reqwest::Client,
    oracle: &Oracle,
    last: &mut String,
) -> reqwest::Result<()> {
    let request = http.get(team.url("/events?device=sse")).bearer_auth(&team.subscriber);
    let answer = request.header("last-event-id", last.as_str()).send().await?.error_for_status()?;
    let mut bytes = answer.bytes_stream();
    let (mut text, mut from) = (String::new(), last.clone());
    while let Some(piece) = bytes.next().await {
        text.push_str(&String::from_utf8_lossy(&piece?));
        let mut stored = false;
        while let Some((block, rest)) = text.split_once("\n\n") {
            let block = block.to_owned();
            text = rest.to_owned();
            stored |= event(oracle, &block, last);
        }
        if stored {
            let ack = json!({ "from": from, "cursor": last });
            let url = team.url("/v1/ack?device=sse");
            http.post(url).bearer_auth(&team.subscriber).json(&ack).send().await?.error_for_status()?;
            from.clone_from(last);
        }
    }
    Ok(())
}

/// One block; whether it held a message.
fn event(oracle: &Oracle, block: &str, last: &mut String) -> bool {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name).map(str::trim_start));
    let data = field("data:");
    let mut stored = false;
    match (field("event:"), data) {
        (None, Some(data)) => {
            note(oracle, "sse", &serde_json::from_str(data).unwrap());
            stored = true;
        }
        (Some("reset"), Some(data)) => oracle.wrong(format!("sse: {data}")),
        _ => {}
    }
    if let Some(id) = field("id:") {
        id.clone_into(last);
    }
    stored
}

/// A WebSocket; `ack` frames acknowledge.
pub async fn websocket(team: Team, oracle: Arc<Oracle>, stop: CancellationToken) {
    let mut cursor = team.start.clone();
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = socket(&team, &oracle, &mut cursor) => tokio::time::sleep(AGAIN).await,
        }
    }
}

async fn socket(team: &Team, oracle: &Oracle, cursor: &mut String) -> Result<(), tungstenite::Error> {
    let url = format!("{}/ws?device=ws&cursor={cursor}", team.origin.replace("http:", "ws:"));
    let mut request = url.into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {}", team.subscriber).parse().unwrap());
    headers.insert("sec-websocket-protocol", "tocsin.v1".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    while let Ok(Some(frame)) = tokio::time::timeout(SILENCE, socket.next()).await {
        let tungstenite::Message::Text(text) = frame? else { continue };
        let frame: Value = serde_json::from_str(&text).unwrap();
        match frame["type"].as_str().unwrap() {
            "message" => {
                *cursor = note(oracle, "ws", &frame);
                let ack = json!({ "type": "ack", "cursor": cursor }).to_string();
                socket.send(tungstenite::Message::text(ack)).await?;
            }
            "position" => frame["cursor"].as_str().unwrap().clone_into(cursor),
            "reset" => oracle.wrong(format!("ws: {frame}")),
            _ => {}
        }
    }
    Ok(())
}

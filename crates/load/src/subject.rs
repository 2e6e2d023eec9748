//! The server under test: a release `tocsin serve` with default settings, and the people in it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tocsin_control::{Client, Paths};
use tocsin_protocol::limits;
use tokio::task::JoinSet;

use crate::{
    client::http::Http,
    process::{Running, pinned},
};

/// Everybody in the measured team; ten devices each make the ten thousand connections.
pub const PEOPLE: usize = 1000;
/// Topics of ten people each, besides `all`.
pub const SMALL_TOPICS: usize = 100;
/// Publishers that store what is to be there before a measurement.
const PUBLISHERS: usize = 64;
/// Publishes that one token may send at once by default.
const PER_TOKEN: usize = 900;
/// The server's core; the generator has the other.
const SERVER_CORE: u8 = 0;
/// Time for a start or an answer; generous, because the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server on a directory of its own.
pub struct Subject {
    program: PathBuf,
    dir: tempfile::TempDir,
    extra: Vec<String>,
    server: Option<Running>,
    /// Where it listens.
    pub address: String,
}

impl Subject {
    /// Starts one on an empty directory. `extra` are flags besides the default settings.
    pub async fn start(program: &Path, extra: &[&str]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tocsin-bench").tempdir()?;
        // Asked of the kernel and given back: whoever takes it meanwhile makes the start fail with a clear message.
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let extra = extra.iter().map(ToString::to_string).collect();
        let mut subject = Self { program: program.into(), dir, extra, server: None, address };
        subject.spawn().await?;
        Ok(subject)
    }

    /// Starts it (again) on the same directory and waits until it is ready; returns how long that took.
    pub async fn spawn(&mut self) -> Result<Duration> {
        let log = std::fs::File::create(self.dir.path().join("serve.log"))?;
        let start = Instant::now();
        let child = pinned(SERVER_CORE, &self.program)
            .arg("serve")
            .args(["--listen", &self.address])
            .arg("--data-dir")
            .arg(self.data())
            .args(&self.extra)
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("taskset (util-linux) could not start the server")?;
        self.server = Some(Running(child));
        while start.elapsed() < PATIENCE {
            if self.is_ready().await {
                return Ok(start.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let log = std::fs::read_to_string(self.dir.path().join("serve.log")).unwrap_or_default();
        anyhow::bail!("the server did not become ready:\n{log}")
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut http) = Http::connect(&self.address).await else { return false };
        http.request("GET", "/readyz", "", b"").await.is_ok_and(|answer| answer.status == 200)
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Process id of the server.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().map_or(0, Running::pid)
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A call of the administrator's, over the control socket.
    pub async fn admin(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let runtime = self.dir.path().as_os_str().to_owned();
        let paths = Paths::from_variables(Some(&self.data()), &|name| {
            (name == "XDG_RUNTIME_DIR").then(|| runtime.clone())
        })?;
        let body = (!body.is_null()).then(|| serde_json::to_vec(body)).transpose()?;
        let response = Client::server(&paths).request(method, path, body.map(Into::into)).await?;
        ensure!(response.is_success(), "{method} {path}: {}", String::from_utf8_lossy(&response.body));
        Ok(if response.body.is_empty() { Value::Null } else { serde_json::from_slice(&response.body)? })
    }

    /// Adds the whole team: [`PEOPLE`] people in topic `all`, [`SMALL_TOPICS`] topics of ten. Returns a client token
    /// for each person.
    pub async fn populate(&self) -> Result<Vec<String>> {
        let names: Vec<String> = (0..PEOPLE).map(|n| format!("u{n:04}")).collect();
        let mut tokens = Vec::with_capacity(PEOPLE);
        for name in &names {
            self.admin("POST", "/v1/users", &json!({ "name": name })).await?;
            let order = json!({ "kind": "client", "name": "bench", "user": name });
            tokens.push(secret(&self.admin("POST", "/v1/tokens", &order).await?)?);
        }
        let (first, rest) = names.split_at(limits::RECIPIENTS);
        self.admin("POST", "/v1/topics", &json!({ "name": "all", "members": first })).await?;
        for name in rest {
            self.admin("PUT", &format!("/v1/topics/all/members/{name}"), &Value::Null).await?;
        }
        for (n, members) in names.chunks(PEOPLE / SMALL_TOPICS).enumerate() {
            self.admin("POST", "/v1/topics", &json!({ "name": format!("t{n:03}"), "members": members }))
                .await?;
        }
        Ok(tokens)
    }

    /// Publishes so many messages to these topics in turn, as fast as it goes.
    pub async fn store(&self, messages: usize, topics: &[String]) -> Result<()> {
        let tokens = Arc::new(self.senders(messages.div_ceil(PER_TOKEN), topics).await?);
        let bodies = topics.iter().map(|topic| {
            serde_json::to_vec(&json!({ "topic": topic, "title": "Disk", "body": "x".repeat(64) }))
        });
        let bodies: Arc<Vec<Vec<u8>>> = Arc::new(bodies.collect::<Result<_, _>>()?);
        let mut tasks = JoinSet::new();
        for publisher in 0..PUBLISHERS {
            let mut http = Http::connect(&self.address).await?;
            let (tokens, bodies) = (tokens.clone(), bodies.clone());
            tasks.spawn(async move {
                for n in (publisher..messages).step_by(PUBLISHERS) {
                    let (token, body) = (&tokens[n % tokens.len()], &bodies[n % bodies.len()]);
                    let request = http.encode("POST", "/v1/messages", token, body);
                    http.publish(&request).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }

    /// Sender tokens for every topic. Publishing is limited per token by default, so a fast publisher needs several.
    pub async fn senders(&self, count: usize, topics: &[String]) -> Result<Vec<String>> {
        let mut tokens = Vec::with_capacity(count);
        for n in 0..count {
            let order = json!({ "kind": "sender", "name": format!("bench {n}"), "topics": topics });
            tokens.push(secret(&self.admin("POST", "/v1/tokens", &order).await?)?);
        }
        Ok(tokens)
    }
}

/// Names of the small topics.
pub fn small_topics() -> Vec<String> {
    (0..SMALL_TOPICS).map(|n| format!("t{n:03}")).collect()
}

fn secret(made: &Value) -> Result<String> {
    Ok(made["secret"].as_str().context("no secret in the answer")?.into())
}

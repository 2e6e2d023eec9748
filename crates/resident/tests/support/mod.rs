//! A resident on a desktop that has only the parts a test wants: a bus of its own, and real programs on it.

#![allow(dead_code, reason = "each test binary uses its part")]

#[cfg(target_os = "linux")]
pub mod login1;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tocsin_control::{Client, Paths};
use tocsin_protocol::control::ResidentEvent;
use tocsin_virtual_desktop::{Home, Part, Running, VirtualDesktop, wait_for};

/// Long enough for a debug build on a busy machine; a passing test never waits that long.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A desktop, and a resident on it.
pub struct Desk {
    pub resident: Running,
    pub desktop: VirtualDesktop,
    pub home: Home,
    runtime: tokio::runtime::Runtime,
    client: Client,
    dir: tempfile::TempDir,
}

impl Desk {
    /// A resident on a fresh desktop with these parts.
    pub fn with(parts: &[Part]) -> Result<Self> {
        Self::prepared(parts, |_| Ok(()))
    }

    /// The same, after `prepare` did something to its home.
    pub fn prepared(parts: &[Part], prepare: impl FnOnce(&mut Home) -> Result<()>) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tr").tempdir()?;
        let mut home = Home::new(dir.path().join("h"))?;
        home.set("LANG", "en_US.UTF-8");
        home.set("USER", "anna");
        home.set("RUST_LOG", "debug,zbus=warn");
        let desktop = VirtualDesktop::with(&mut home, parts)?;
        prepare(&mut home)?;
        let client = Client::resident(&paths(&home)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let resident = launch(&home)?;
        let desk = Self { resident, desktop, home, runtime, client, dir };
        desk.wait_answer()?;
        Ok(desk)
    }

    /// Hosts its own server, and is online.
    pub fn hosting(parts: &[Part]) -> Result<Self> {
        let desk = Self::with(parts)?;
        desk.host()?;
        desk.wait_online()?;
        Ok(desk)
    }

    /// Chooses to host, on ports that were free a moment ago.
    pub fn host(&self) -> Result<()> {
        let hosting = json!({ "port": free_port(), "lan_port": free_port() });
        self.call("PATCH", "/native/settings", &json!({ "hosting": hosting }))?;
        self.call("POST", "/native/host", &json!({})).map(drop)
    }

    /// Ends the resident as a crash would and starts it again.
    pub fn restart(&mut self) -> Result<()> {
        self.resident.kill();
        self.resident = launch(&self.home)?;
        self.wait_answer()
    }

    /// A call over the control socket; an error unless it succeeds.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let (status, answer) = self.ask(method, path, body)?;
        ensure!((200..300).contains(&status), "{method} {path}: HTTP {status} {answer:#}");
        Ok(answer)
    }

    /// A call over the control socket, whatever comes of it.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let body = (!body.is_null()).then(|| serde_json::to_vec(body)).transpose()?;
        let answer = self.runtime.block_on(self.client.request(method, path, body.map(Into::into)))?;
        Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null)))
    }

    /// Listens as a window does: holds its lock and reads events, until what is returned is dropped.
    pub fn as_window(&self) -> Result<(std::fs::File, tocsin_control::Events)> {
        let lock = std::fs::File::create(self.paths()?.runtime.join("window.lock"))?;
        lock.try_lock()?;
        let mut events = self.runtime.block_on(self.client.events())?;
        self.runtime.block_on(events.next()).context("no first event")??;
        Ok((lock, events))
    }

    /// The next event of a window.
    pub fn next_event(&self, events: &mut tocsin_control::Events) -> Result<ResidentEvent> {
        let next = async { tokio::time::timeout(PATIENCE, events.next()).await };
        Ok(self.runtime.block_on(next)?.context("the stream ended")??)
    }

    pub fn status(&self) -> Result<Value> {
        self.call("GET", "/native/status", &Value::Null)
    }

    /// Waits until the status fits.
    pub fn wait_status(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        wait_for(what, PATIENCE, || {
            last = self.status().ok()?;
            fits(&last).then(|| last.clone())
        })
        .with_context(|| format!("last status: {last:#}\n{}", self.log()))
    }

    pub fn wait_online(&self) -> Result<()> {
        self.wait_status("to be online", |status| status["connection"]["state"] == "online").map(drop)
    }

    /// Waits until this problem is told, and answers with it.
    pub fn wait_problem(&self, code: &str) -> Result<Value> {
        let status =
            self.wait_status(&format!("the problem {code}"), |status| problem(status, code).is_some())?;
        Ok(problem(&status, code).cloned().unwrap_or_default())
    }

    /// Waits until this problem is gone.
    pub fn wait_no_problem(&self, code: &str) -> Result<()> {
        self.wait_status(&format!("the problem {code} to be gone"), |status| problem(status, code).is_none())
            .map(drop)
    }

    /// Publishes to the first topic; its id.
    pub fn publish(&self, title: &str, priority: u8) -> Result<String> {
        let message = json!({ "topic": "general", "title": title, "priority": priority });
        let published = self.call("POST", "/v1/messages", &message)?;
        Ok(published["id"].as_str().context("no id")?.to_owned())
    }

    /// The row of the one person of a message's receipt.
    pub fn person(&self, id: &str) -> Result<Value> {
        let receipt = self.call("GET", &format!("/v1/messages/{id}/receipt"), &Value::Null)?;
        receipt["people"].get(0).cloned().context("nobody in the audience")
    }

    /// Waits until that row says this of a field.
    pub fn wait_person(&self, id: &str, field: &str, value: &str) -> Result<()> {
        let what = format!("{field} to be {value}");
        let fits = || self.person(id).ok().filter(|person| person[field] == value).map(drop);
        wait_for(&what, PATIENCE, fits).with_context(|| format!("{:#?}\n{}", self.person(id), self.log()))
    }

    /// Waits for a notification that contains this.
    pub fn wait_notification(&mut self, text: &str) -> Result<String> {
        let found = wait_for(&format!("a notification with {text:?}"), PATIENCE, || {
            self.desktop.new_notifications().into_iter().find(|line| line.contains(text))
        });
        found.with_context(|| self.log())
    }

    /// The end of the resident's log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.home.join("resident.log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(40).collect();
        format!("the resident's log:\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    pub fn paths(&self) -> Result<Paths> {
        paths(&self.home)
    }

    fn wait_answer(&self) -> Result<()> {
        let answers = || self.call("GET", "/native/hello", &Value::Null).ok().map(drop);
        wait_for("the resident to answer", PATIENCE, answers).with_context(|| self.log())
    }
}

pub fn problem<'a>(status: &'a Value, code: &str) -> Option<&'a Value> {
    status["problems"].as_array()?.iter().find(|problem| problem["code"] == code)
}

pub fn paths(home: &Home) -> Result<Paths> {
    Ok(Paths::from_variables(None, &|name| home.variable(name).map(Into::into))?)
}

pub fn launch(home: &Home) -> Result<Running> {
    Running::start("the resident", &mut home.command(program()?, "resident")?)
}

/// The example of this crate, which cargo builds with the tests.
pub fn program() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let target = test.parent().and_then(|deps| deps.parent()).context("no target directory")?;
    Ok(target.join("examples/resident"))
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback interface has ports");
    listener.local_addr().expect("it is bound").port()
}

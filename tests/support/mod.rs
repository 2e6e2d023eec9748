//! The whole app on a virtual desktop: what every desktop test starts with.

#![allow(dead_code, reason = "each test binary uses its part")]

pub mod alertmanager;
pub mod api;
pub mod browser;
pub mod proxy;
pub mod publisher;
pub mod serve;
pub mod window;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tocsin_control::{Client, Paths};
use tocsin_virtual_desktop::{Home, Running, VirtualDesktop, screen, wait_for};

/// Long enough for a debug build on a busy machine; a passing test never waits that long.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// The program built for this test run; `cargo xtask test` says where it is.
pub fn program(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    PathBuf::from(
        value.unwrap_or_else(|| {
            panic!("{variable} is not set: run the desktop tests with `cargo xtask test`")
        }),
    )
}

/// A desktop with the resident on it.
pub struct App {
    /// Ended first.
    pub resident: Running,
    pub desktop: VirtualDesktop,
    pub home: Home,
    starter: Vec<String>,
    runtime: tokio::runtime::Runtime,
    control: Client,
    dir: tempfile::TempDir,
}

impl App {
    /// A fresh desktop in this language (`en_US.UTF-8`, `zh_CN.UTF-8`), hosting its own server, online.
    pub fn hosting(language: &str) -> Result<Self> {
        Self::hosting_with(language, &json!({ "port": free_port(), "lan_port": free_port() }))
    }

    /// The same with these settings of the server. Tests run side by side: each has its own ports.
    pub fn hosting_with(language: &str, hosting: &Value) -> Result<Self> {
        let app = Self::start(language)?;
        app.native("PATCH", "/native/settings", &json!({ "hosting": hosting }))?;
        app.native("POST", "/native/host", &json!({}))?;
        app.wait_online()?;
        Ok(app)
    }

    /// A fresh desktop with a resident that has not been told what to do.
    pub fn start(language: &str) -> Result<Self> {
        Self::start_under(language, &[])
    }

    /// The same, with the resident started by another program (`ip netns exec NAME`).
    pub fn start_under(language: &str, starter: &[&str]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tocsin-app").tempdir()?;
        let mut home = Home::new(dir.path().join("h"))?;
        home.set("LANG", language);
        home.set("LANGUAGE", language.split('.').next().unwrap_or("en"));
        home.set("TOCSIN_DESKTOP_BIN", program("TOCSIN_DESKTOP_BIN").display().to_string());
        home.set("TOCSIN_BIN", program("TOCSIN_BIN").display().to_string());
        let desktop = VirtualDesktop::start(&mut home)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let control = Client::resident(&paths(&home)?);
        let starter: Vec<String> = starter.iter().map(ToString::to_string).collect();
        let resident = launch(&home, &starter)?;
        let app = Self { resident, desktop, home, starter, runtime, control, dir };
        wait_for("the resident to answer", PATIENCE, || {
            app.native("GET", "/native/hello", &Value::Null).ok()
        })
        .with_context(|| app.log())?;
        Ok(app)
    }

    /// Starts the resident again, after it ended or was killed.
    pub fn restart(&mut self) -> Result<()> {
        self.resident.kill();
        self.resident = launch(&self.home, &self.starter)?;
        wait_for("the resident to answer again", PATIENCE, || {
            self.native("GET", "/native/hello", &Value::Null).ok()
        })?;
        self.wait_online()
    }

    /// Waits until messages arrive.
    pub fn wait_online(&self) -> Result<()> {
        self.wait_status("the stream to be online", |status| status["connection"]["state"] == "online")
            .map(drop)
    }

    /// Waits until the status fits.
    pub fn wait_status(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        wait_for(what, PATIENCE, || {
            last = self.native("GET", "/native/status", &Value::Null).ok()?;
            fits(&last).then(|| last.clone())
        })
        .with_context(|| format!("last status: {last:#}\n{}", self.log()))
    }

    /// A call over the control socket; an error unless it succeeds.
    pub fn native(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        api::control(&self.runtime, &self.control, method, path, body)
    }

    /// The page's address, without a final slash.
    pub fn origin(&self) -> Result<String> {
        let status = self.native("GET", "/native/status", &Value::Null)?;
        Ok(status["page"].as_str().context("no page")?.trim_end_matches('/').into())
    }

    /// Waits until the window is on the screen.
    pub fn wait_window(&self) -> Result<()> {
        let program = program("TOCSIN_DESKTOP_BIN");
        let class = program.file_name().context("no program name")?.to_string_lossy().into_owned();
        wait_for("the window", PATIENCE, || {
            let mut wmctrl = self.home.command("wmctrl", "wmctrl").ok()?;
            let list = wmctrl.arg("-lx").stdout(std::process::Stdio::piped()).output().ok()?;
            String::from_utf8_lossy(&list.stdout).contains(&class).then_some(())
        })
    }

    /// Waits until so many notifications are on the screen, or wait for it.
    pub fn wait_popups(&self, count: usize) -> Result<()> {
        let mut last = 0;
        wait_for(&format!("{count} popups"), PATIENCE, || {
            last = screen::notifications_on_screen(&self.home).ok()?;
            (last == count).then_some(())
        })
        .with_context(|| format!("last: {last}\n{}", self.log()))
    }

    /// Takes a picture that the test run keeps.
    pub fn picture(&self, name: &str) -> Result<()> {
        screen::screenshot(&self.home, &output(&format!("{name}.png")))
    }

    /// The same, once a window is drawn and rests.
    pub fn window_picture(&self, name: &str) -> Result<()> {
        screen::settled_screenshot(&self.home, &output(&format!("{name}.png")))
    }

    /// The end of the resident's log, for messages of failed tests.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.home.join("resident.log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(40).collect();
        format!("resident's log:\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    /// A directory that lives as long as the app.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir.path().join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Where the resident keeps its things.
    pub fn paths(&self) -> Result<Paths> {
        paths(&self.home)
    }
}

fn launch(home: &Home, starter: &[String]) -> Result<Running> {
    let tocsin = program("TOCSIN_BIN");
    let mut command = match starter.split_first() {
        Some((first, rest)) => {
            let mut command = home.command(first, "resident")?;
            command.args(rest).arg(tocsin);
            command
        }
        None => home.command(tocsin, "resident")?,
    };
    Running::start("tocsin tray", command.arg("tray"))
}

/// Where the programs of this home keep their things.
pub fn paths(home: &Home) -> Result<Paths> {
    Ok(Paths::from_variables(None, &|name| home.variable(name).map(Into::into))?)
}

/// A file that the test run keeps.
pub fn output(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/output").join(name)
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback interface has ports");
    listener.local_addr().expect("it is bound").port()
}

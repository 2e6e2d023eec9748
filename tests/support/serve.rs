//! A headless server that a test can kill and start again on the same address.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tocsin_control::{Client, Paths};
use tocsin_virtual_desktop::{Running, wait_for};

use super::{PATIENCE, api, free_port, program};

/// `tocsin serve` on a directory of its own.
pub struct Serve {
    process: Option<Running>,
    dir: tempfile::TempDir,
    /// Scheme, host and port.
    pub origin: String,
    address: String,
    runtime: tokio::runtime::Runtime,
}

impl Serve {
    /// Starts one and waits until it is ready.
    pub fn start() -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let mut serve = Self {
            process: None,
            dir: tempfile::Builder::new().prefix("tocsin-serve").tempdir()?,
            origin: format!("http://{address}"),
            address,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        };
        serve.resume()?;
        Ok(serve)
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts it again.
    pub fn resume(&mut self) -> Result<()> {
        let log = std::fs::File::create(self.dir.path().join("serve.log"))?;
        let mut command = std::process::Command::new(program("TOCSIN_BIN"));
        command
            .args(["serve", "--listen", &self.address, "--data-dir"])
            .arg(self.data())
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.process = Some(Running::start("tocsin serve", &mut command)?);
        let ready = format!("{}/readyz", self.origin);
        wait_for("the server to be ready", PATIENCE, || api::curl(&["--fail", &ready]).ok()).with_context(
            || std::fs::read_to_string(self.dir.path().join("serve.log")).unwrap_or_default(),
        )?;
        Ok(())
    }

    /// A call of the administrator's, over the control socket.
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let runtime = self.dir.path().as_os_str().to_owned();
        let paths = Paths::from_variables(Some(&self.data()), &|name| {
            (name == "XDG_RUNTIME_DIR").then(|| runtime.clone())
        })?;
        api::control(&self.runtime, &Client::server(&paths), method, path, body)
    }

    /// The administrator's name.
    pub fn admin_name(&self) -> Result<String> {
        let me = self.admin("GET", "/v1/me", &Value::Null)?;
        Ok(me["user"]["name"].as_str().context("the control socket acts for nobody")?.into())
    }

    /// A topic that the administrator is a member of, and a token that publishes to it.
    pub fn topic(&self, name: &str) -> Result<String> {
        self.admin("POST", "/v1/topics", &json!({ "name": name, "members": [self.admin_name()?] }))?;
        let order = json!({ "kind": "sender", "name": name, "topics": [name] });
        let made = self.admin("POST", "/v1/tokens", &order)?;
        Ok(made["secret"].as_str().context("no secret")?.into())
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }
}

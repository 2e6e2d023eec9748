//! Chromium through its own driver.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};
use tocsin_virtual_desktop::{Running, wait_for};

use super::{PATIENCE, api, free_port};

/// A browser with a fresh profile.
pub struct Browser {
    /// What the test says to it.
    pub client: Client,
    _driver: Running,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one in this language.
    pub async fn start(language: &str) -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("tocsin-chromium").tempdir()?;
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command
            .arg(format!("--port={port}"))
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let driver = Running::start("chromedriver", &mut command)?;
        let origin = format!("http://127.0.0.1:{port}");
        wait_for("chromedriver", PATIENCE, || api::curl(&["--fail", &format!("{origin}/status")]).ok())?;
        let arguments = json!([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--window-size=1100,760",
            format!("--accept-lang={language}"),
            format!("--user-data-dir={}", profile.path().join("profile").display()),
        ]);
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments, "prefs": { "intl.accept_languages": language } }
        });
        let capabilities = capabilities.as_object().context("an object")?.clone();
        let http = hyper_util::client::legacy::connect::HttpConnector::new();
        let client = ClientBuilder::new(http).capabilities(capabilities).connect(&origin).await?;
        Ok(Self { client, _driver: driver, _profile: profile })
    }

    /// Runs a script in the page; its value.
    pub async fn script(&self, script: &str) -> Result<Value> {
        Ok(self.client.execute(script, vec![]).await?)
    }

    /// Waits until a script's value fits.
    pub async fn wait_script(
        &self,
        what: &str,
        script: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        wait_script(&self.client, what, script, fits).await
    }

    /// Takes a picture that the test run keeps.
    pub async fn picture(&self, name: &str) -> Result<()> {
        let file = super::output(&format!("{name}.png"));
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        Ok(std::fs::write(file, self.client.screenshot().await?)?)
    }
}

/// Waits until a script's value fits, in a browser or in the window.
pub async fn wait_script(
    client: &Client,
    what: &str,
    script: &str,
    fits: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let value = client.execute(script, vec![]).await?;
        if fits(&value) {
            return Ok(value);
        }
        anyhow::ensure!(std::time::Instant::now() < deadline, "waited in vain for {what}: {value}");
        tokio::time::sleep(tocsin_virtual_desktop::GLANCE).await;
    }
}

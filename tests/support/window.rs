//! The real window, driven through WebKit's own driver.

use anyhow::{Context as _, Result};
use fantoccini::{Client, ClientBuilder};
use serde_json::json;
use tocsin_virtual_desktop::{Home, Running, wait_for};

use super::{PATIENCE, api, free_port, program};

/// A window that was started by its driver.
pub struct Window {
    /// What the test says to it.
    pub client: Client,
    _driver: Running,
}

impl Window {
    /// Starts the program on this desktop.
    pub async fn open(home: &Home) -> Result<Self> {
        Self::open_with(home, &[]).await
    }

    /// The same, with these variables.
    pub async fn open_with(home: &Home, variables: &[(&str, &str)]) -> Result<Self> {
        let port = free_port();
        let driver = Running::start(
            "WebKitWebDriver",
            home.command("WebKitWebDriver", "webdriver")?
                .args([format!("--port={port}"), "--host=127.0.0.1".into()])
                .env("TAURI_WEBVIEW_AUTOMATION", "true")
                .envs(variables.iter().copied()),
        )?;
        let origin = format!("http://127.0.0.1:{port}");
        wait_for("WebKitWebDriver", PATIENCE, || api::curl(&[&format!("{origin}/status")]).ok())?;
        let binary = program("TOCSIN_DESKTOP_BIN").display().to_string();
        let capabilities = json!({ "webkitgtk:browserOptions": { "binary": binary, "args": [] } });
        let capabilities = capabilities.as_object().context("an object")?.clone();
        let http = hyper_util::client::legacy::connect::HttpConnector::new();
        let client = ClientBuilder::new(http).capabilities(capabilities).connect(&origin).await?;
        Ok(Self { client, _driver: driver })
    }

    /// Takes a picture of the page as it is now, drawn for this purpose, that the test run keeps.
    pub async fn picture(&self, name: &str) -> Result<()> {
        // What was asked before is on the screen when two frames have been drawn since.
        let drawn =
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(0)));";
        self.client.execute_async(drawn, vec![]).await?;
        let file = super::output(&format!("{name}.png"));
        std::fs::create_dir_all(file.parent().context("a directory")?)?;
        Ok(std::fs::write(file, self.client.screenshot().await?)?)
    }
}

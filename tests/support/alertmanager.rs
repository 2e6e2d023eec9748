//! A real Alertmanager (Debian's) that sends to the hook.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tocsin_virtual_desktop::{Home, Running, wait_for};

use super::{PATIENCE, api, free_port};

/// A running Alertmanager.
pub struct Alertmanager {
    _process: Running,
    origin: String,
}

impl Alertmanager {
    /// Starts one that sends every group after a second to `hook` with `token`.
    pub fn start(home: &Home, hook: &str, token: &str) -> Result<Self> {
        let config = json!({
            "route": {
                "receiver": "tocsin", "group_by": ["alertname"],
                "group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"
            },
            "receivers": [{
                "name": "tocsin",
                "webhook_configs": [{
                    "url": hook, "send_resolved": true,
                    "http_config": { "authorization": { "credentials": token } }
                }]
            }]
        });
        // JSON is YAML.
        let file = home.join("alertmanager.yml");
        fs::write(&file, config.to_string())?;
        let port = free_port();
        let process = Running::start(
            "prometheus-alertmanager",
            home.command("prometheus-alertmanager", "alertmanager")?
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.path={}", home.join("alertmanager").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .arg("--cluster.listen-address="),
        )?;
        let origin = format!("http://127.0.0.1:{port}");
        wait_for("Alertmanager", PATIENCE, || api::curl(&["-f", &format!("{origin}/-/ready")]).ok())?;
        Ok(Self { _process: process, origin })
    }

    /// Fires an alert, or resolves it when `ends_at` is in the past.
    pub fn alert(
        &self,
        labels: &Value,
        annotations: &Value,
        starts_at: &str,
        ends_at: Option<&str>,
    ) -> Result<()> {
        let mut alert = json!({ "labels": labels, "annotations": annotations, "startsAt": starts_at });
        if let Some(end) = ends_at {
            alert["endsAt"] = json!(end);
        }
        let body = json!([alert]).to_string();
        let url = format!("{}/api/v2/alerts", self.origin);
        let answer =
            api::curl(&["-w", "%{http_code}", "-H", "Content-Type: application/json", "-d", &body, &url])?;
        ensure!(answer.ends_with("200"), "Alertmanager answered {answer}");
        Ok(())
    }
}

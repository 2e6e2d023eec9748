//! The server's API through curl: an independent client.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Runs curl, past any proxy of the machine; its output.
pub fn curl(arguments: &[&str]) -> Result<String> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "30"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("cannot start curl")?;
    ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// Publishes with a token; the answer.
pub fn publish(origin: &str, token: &str, message: &Value) -> Result<Value> {
    let answer = curl(&[
        "--fail-with-body",
        "-H",
        &format!("Authorization: Bearer {token}"),
        "-H",
        "Content-Type: application/json",
        "-d",
        &message.to_string(),
        &format!("{origin}/v1/messages"),
    ])?;
    Ok(serde_json::from_str(&answer)?)
}

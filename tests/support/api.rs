//! The server's API through curl, an independent client, and through the control socket.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tocsin_control::Client;
use tokio::runtime::Runtime;

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

/// A call over a control socket; an error unless it succeeds.
pub fn control(runtime: &Runtime, client: &Client, method: &str, path: &str, body: &Value) -> Result<Value> {
    let body = (!body.is_null()).then(|| serde_json::to_vec(body)).transpose()?;
    let answer = runtime.block_on(client.request(method, path, body.map(Into::into)))?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(answer.is_success(), "{method} {path}: HTTP {} {text}", answer.status);
    Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
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

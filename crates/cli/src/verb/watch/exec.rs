//! A program for each message. The message is data: in the environment and on standard input, never in a command line,
//! where a shell would read a title like `; rm -rf ~` as a command.

use std::{path::Path, process::Stdio};

use tocsin_protocol::{Message, Shown};
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::{context::Context, exit::Failure, output::note};

/// Runs it to its end; whether it took the message.
pub async fn run(
    context: &Context,
    program: &Path,
    args: &[String],
    message: &Message,
) -> Result<Shown, Failure> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).kill_on_drop(true);
    for (name, value) in fields(message) {
        // A zero byte cannot be in the environment.
        command.env(name, value.replace('\0', "\u{fffd}"));
    }
    let mut child = command.spawn().map_err(|error| {
        Failure::failed(format!("cannot run {}: {error}", program.display()))
            .hint("--exec takes a program; its arguments go into --exec-arg")
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        let json = serde_json::to_vec(message).map_err(|error| Failure::failed(error.to_string()))?;
        // A program that does not read is fine.
        let _ = stdin.write_all(&json).await;
    }
    let status =
        child.wait().await.map_err(|error| Failure::failed(format!("{}: {error}", program.display())))?;
    if status.success() {
        return Ok(Shown::Shown);
    }
    let (program, status) = (program.display().to_string(), status.to_string());
    let values = [("program", program.as_str()), ("status", &status), ("id", message.id.as_str())];
    note(&format!("tocsin: {}", context.say("exec_failed", &values)));
    Ok(Shown::Failed)
}

fn fields(message: &Message) -> Vec<(&'static str, String)> {
    vec![
        ("TOCSIN_ID", message.id.to_string()),
        ("TOCSIN_TOPIC", message.topic.clone().unwrap_or_default()),
        ("TOCSIN_TITLE", message.title.clone()),
        ("TOCSIN_BODY", message.body.clone()),
        ("TOCSIN_PRIORITY", message.priority.get().to_string()),
        ("TOCSIN_TAGS", message.tags.join(",")),
        ("TOCSIN_SENDER", message.sender.clone()),
        ("TOCSIN_CLICK", message.click.clone().unwrap_or_default()),
        ("TOCSIN_KEY", message.key.clone().unwrap_or_default()),
        ("TOCSIN_RESOLVED", message.resolved.to_string()),
        ("TOCSIN_CREATED_AT", message.created_at.to_string()),
    ]
}

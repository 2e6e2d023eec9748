//! `tocsin send` and `tocsin receipt`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tocsin_protocol::{Action, MessageId, Priority, limits};

use super::parse;

/// What is sent, to whom, and what to wait for.
#[derive(Debug, Args)]
#[command(long_about = "\
Send a message to the members of a topic, or with --to to people by name.

The command ends when the server has stored the message durably; it prints the message's id. It is sent once, however \
often it has to be tried: every message carries an idempotency key. If the server cannot be reached and the \
resident runs on this computer, the message waits there (exit code 3) and is sent later under the same key.

With --wait the command stays until everybody (or with --any one person) has received, read or acknowledged it.")]
#[command(after_long_help = EXAMPLES)]
pub struct Send {
    /// The topic and the text, or with --to only the text; `-` reads the text from standard input.
    #[arg(value_names = ["TOPIC", "BODY"], num_args = 0..=2)]
    pub words: Vec<String>,
    /// Send to these people instead of a topic.
    #[arg(long, value_name = "USER", value_delimiter = ',')]
    pub to: Vec<String>,
    /// First line of the notification.
    #[arg(long, short)]
    pub title: Option<String>,
    /// 1 (history only) to 5 (critical: repeats until acknowledged), or min, low, default, high, critical.
    #[arg(long, short, value_name = "1-5", value_parser = parse::priority)]
    pub priority: Option<Priority>,
    /// Words to find it by; may be given several times.
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Address that opens when the message is clicked.
    #[arg(long, value_name = "URL")]
    pub click: Option<String>,
    /// Names the thing it is about: a newer message of the same topic and key takes the place of the older.
    #[arg(long)]
    pub key: Option<String>,
    /// Takes the place of this message.
    #[arg(long, value_name = "ID")]
    pub replaces: Option<MessageId>,
    /// The thing it is about is over.
    #[arg(long)]
    pub resolved: bool,
    /// The text is Markdown.
    #[arg(long, short)]
    pub markdown: bool,
    /// Nobody needs it after this time, for example 2h.
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub expires: Option<Duration>,
    /// A button that opens an address; may be given several times.
    #[arg(long = "action", value_name = "LABEL=URL", value_parser = parse::open_url)]
    pub actions: Vec<Action>,
    /// A button that acknowledges; without a value the reader's language names it.
    #[arg(long, value_name = "LABEL", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    pub ack_button: Option<String>,
    /// Escalation policy; default: that of the topic.
    #[arg(long)]
    pub policy: Option<String>,
    /// Sends what becomes of it to a webhook channel, for example `hook=acknowledged_by_any,received_by_all`.
    #[arg(long, value_name = "CHANNEL=STATE,…", value_parser = parse::report)]
    pub report: Option<tocsin_protocol::receipt::Report>,
    /// Sent once under this key, however often this command is repeated; default: a new one.
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    pub idempotency_key: Option<String>,
    /// How long to try again while the server cannot be reached; default 10s, 0 if nothing runs on this computer.
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub retry: Option<Duration>,
    /// What to wait for.
    #[command(flatten)]
    pub wait: Wait,
}

/// What `send` and `receipt` wait for.
#[derive(Debug, Args)]
pub struct Wait {
    /// Stay until everybody it is owed to is this far.
    #[arg(long = "wait", value_name = "STATE", value_enum)]
    pub until: Option<Until>,
    /// How long to wait; then the exit code is 5.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse::duration)]
    pub timeout: Duration,
    /// One person is enough.
    #[arg(long, requires = "until")]
    pub any: bool,
}

/// A state to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// A device of theirs stored it.
    Received,
    /// They opened or dismissed it.
    Read,
    /// They pressed Acknowledge.
    Acknowledged,
}

/// Which message, and what to wait for.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tocsin receipt k3V9x0abQw12
  tocsin receipt k3V9x0abQw12 --wait acknowledged --any --timeout 10m
  tocsin receipt k3V9x0abQw12 --json | jq -r '.missing[]'")]
pub struct Receipt {
    /// The message, as printed by `send`.
    #[arg(value_name = "ID")]
    pub id: MessageId,
    /// What to wait for.
    #[command(flatten)]
    pub wait: Wait,
}

fn idempotency_key(text: &str) -> Result<String, String> {
    let fits = (1..=limits::IDEMPOTENCY_KEY_BYTES).contains(&text.len());
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    (fits && visible)
        .then(|| text.to_owned())
        .ok_or_else(|| format!("expected 1 to {} visible ASCII characters", limits::IDEMPOTENCY_KEY_BYTES))
}

const EXAMPLES: &str = "\
Examples:
  tocsin send ops \"disk full on db-1\"
  tocsin send ops \"disk full\" --title db-1 --priority 5 --ack-button --wait acknowledged --any --timeout 5m
  tocsin send --to anna,bo \"lunch?\"
  journalctl -n 20 | tocsin send ops - --title \"last lines\" --priority low
  tocsin send ops \"db-1 is down\" --key db-1 && … && tocsin send ops \"db-1 is up\" --key db-1 --resolved
  id=$(tocsin send ops hello)                # without --wait only the id is printed";

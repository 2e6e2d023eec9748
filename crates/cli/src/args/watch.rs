//! `tocsin watch`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tocsin_protocol::{Priority, control::Transport};

use super::parse;

/// What is watched and what is done with it.
#[derive(Debug, Args)]
#[command(long_about = "\
Print messages as they come: one line each, or with --json one JSON value each. It is a device of its own, keeps its \
place in a small inbox and goes on where it was when it is started again; what came meanwhile is printed first. A \
message is received once it is in that inbox, and shown once its line is printed or the program of --exec has ended with 0.

What is fetched anew because the server was restored or reset is counted on standard error and goes into the inbox alone: \
nothing is printed and no program runs for it. Without --server it makes a token for itself, a new one when that is over, \
and revokes it at the end.

--exec runs a program for each message, one at a time. The message never becomes part of a command line: its fields \
are in environment variables (TOCSIN_ID, TOCSIN_TOPIC, TOCSIN_TITLE, TOCSIN_BODY, TOCSIN_PRIORITY, TOCSIN_TAGS, TOCSIN_SENDER, \
TOCSIN_CLICK, TOCSIN_KEY, TOCSIN_RESOLVED, TOCSIN_CREATED_AT) and the whole message is JSON on its standard input.")]
#[command(after_long_help = "\
Examples:
  tocsin watch
  tocsin watch --json | jq -r '.title'
  tocsin watch --topic ops --min-priority 4 --exec ./page-me.sh
  tocsin watch --transport sse --count 1
  tocsin watch --exec sh --exec-arg -c --exec-arg 'logger \"$TOCSIN_TITLE\"'")]
pub struct Watch {
    /// Only messages of these topics.
    #[arg(long = "topic", value_name = "TOPIC", value_delimiter = ',')]
    pub topics: Vec<String>,
    /// Only messages of at least this priority.
    #[arg(long, value_name = "1-5", value_parser = parse::priority)]
    pub min_priority: Option<Priority>,
    /// Name of this device; two watches at once need two names.
    #[arg(long, value_name = "NAME", default_value = "watch")]
    pub device: String,
    /// Where the place and the messages are kept; default: a directory of the device's name in the data directory.
    #[arg(long, value_name = "DIR")]
    pub inbox: Option<PathBuf>,
    /// Program to run for each message.
    #[arg(long, value_name = "PROGRAM")]
    pub exec: Option<PathBuf>,
    /// Argument of that program; may be given several times.
    #[arg(long, value_name = "ARG", requires = "exec", allow_hyphen_values = true)]
    pub exec_arg: Vec<String>,
    /// How messages come. By itself it takes the best that works; another one shows whether a proxy lets that through.
    #[arg(long, value_enum, default_value = "auto")]
    pub transport: Way,
    /// End after this many messages.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// How messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// WebSocket, or else Server-Sent Events, or else polling; and back up again.
    Auto,
    /// WebSocket alone.
    #[value(alias = "websocket")]
    Ws,
    /// Server-Sent Events alone.
    Sse,
    /// Polling alone.
    Poll,
}

impl Way {
    /// The only transport, if one was named.
    pub fn only(self) -> Option<Transport> {
        match self {
            Self::Auto => None,
            Self::Ws => Some(Transport::Websocket),
            Self::Sse => Some(Transport::Sse),
            Self::Poll => Some(Transport::Poll),
        }
    }
}

//! The command line, as clap sees it. One file per family of verbs; no logic beyond reading a value.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::exit::EXIT_CODES;

pub mod admin;
pub mod local;
pub mod parse;
pub mod send;
pub mod serve;
pub mod watch;

/// Tocsin (警钟): push messages to a team and know who received, read and acknowledged them.
#[derive(Debug, Parser)]
#[command(name = "tocsin", version, propagate_version = true, after_long_help = after_help(), max_term_width = 110)]
#[command(long_about = "\
Tocsin (警钟): push messages to a team and know who received, read and acknowledged them.

This one program is the desktop's resident (`tocsin tray`), the headless server (`tocsin serve`) and the command \
line. Without a command it starts the tray on a desktop.

Commands that need a server speak to the one that runs on this computer, through its control socket, which only \
this user can open: no token is needed. To speak to a server elsewhere give --server (or TOCSIN_SERVER) and a token \
in a file (--token-file) or in TOCSIN_TOKEN. A token is never taken from the command line, where every other user \
of the computer could read it.")]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do; without it the tray is started on a desktop.
    #[command(subcommand)]
    pub command: Option<Command>,
}

fn after_help() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES}\n\n{ENVIRONMENT}")
}

const EXAMPLES: &str = "\
Examples:
  tocsin serve --listen 127.0.0.1:8722
  tocsin topic add ops --member anna --member bo
  tocsin send ops \"disk full on db-1\" --title \"db-1\" --priority 5 --wait acknowledged --timeout 5m
  df -h | tocsin send ops - --title \"disk usage\"
  tocsin watch --topic ops --exec ./on-alert.sh
  tocsin status --json | jq .connection";

const ENVIRONMENT: &str = "\
Environment:
  TOCSIN_DATA_DIR    as --data-dir
  TOCSIN_SERVER      as --server
  TOCSIN_TOKEN       token for --server
  TOCSIN_TOKEN_FILE  as --token-file
  TOCSIN_LOG         as --log (RUST_LOG is read too)
  LANG               language of what is printed: en or zh_CN";

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Keep everything under this directory instead of the XDG directories; one directory has one server.
    #[arg(long, global = true, env = "TOCSIN_DATA_DIR", value_name = "DIR", help_heading = "Global options")]
    pub data_dir: Option<PathBuf>,
    /// Print one JSON value on stdout instead of text for people.
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// What is logged: error, warn, info, debug, trace, or per part such as `info,tocsin_server=debug`.
    #[arg(long, global = true, env = "TOCSIN_LOG", value_name = "FILTER", help_heading = "Global options")]
    pub log: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub server: Server,
}

/// Which server is spoken to.
#[derive(Clone, Debug, Args)]
pub struct Server {
    /// Speak to this server (https://host:port) instead of the one on this computer.
    #[arg(
        long = "server",
        global = true,
        env = "TOCSIN_SERVER",
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub url: Option<String>,
    /// File with the token for --server, readable by this user alone.
    #[arg(
        long,
        global = true,
        env = "TOCSIN_TOKEN_FILE",
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub token_file: Option<PathBuf>,
    /// SHA-256 of the server's CA certificate, as in an invite, when no public authority signed it.
    #[arg(
        long,
        global = true,
        env = "TOCSIN_CA",
        value_name = "FINGERPRINT",
        // One fingerprint in 64 begins with a hyphen.
        allow_hyphen_values = true,
        help_heading = "Global options"
    )]
    pub ca: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run in the tray: host or join a server, show messages as notifications.
    Tray,
    #[command(about = "Run a server without a desktop")]
    Serve(Box<serve::Serve>),
    /// Show the configuration that `serve` would use, or what is wrong with it.
    CheckConfig(Box<serve::Serve>),
    #[command(about = "Send a message")]
    Send(Box<send::Send>),
    /// Show who received, read and acknowledged a message.
    Receipt(send::Receipt),
    #[command(about = "Print messages as they come, or run a command for each")]
    Watch(Box<watch::Watch>),
    /// Show how things stand: connection, address of the page, log file, problems and their remedies.
    Status,
    /// List, add, change and remove people.
    #[command(subcommand)]
    User(admin::User),
    /// List, add, change and remove topics and their members.
    #[command(subcommand)]
    Topic(admin::Topic),
    /// List, create and revoke tokens.
    #[command(subcommand)]
    Token(admin::Token),
    /// List the devices that messages reach.
    Device(admin::Devices),
    /// Make an invite: one line that lets another computer join.
    Invite(admin::Invite),
    /// Join a server with an invite.
    Join(local::Join),
    /// Print a one-time address that opens the page in a browser.
    Login,
    /// Copy the server's data to a file while it runs.
    Backup(local::Backup),
    /// Put a backup in place of the server's data, while it does not run.
    Restore(local::Restore),
    /// Show the log.
    Logs(local::Logs),
    /// Remove everything that Tocsin stored for this user.
    Reset(local::Reset),
    /// No notifications for a while.
    Pause(local::Pause),
    /// Notifications again.
    Resume,
    /// Let the running Tocsin finish its work and end.
    Quit,
}

//! The command line, as clap sees it. One file per family of verbs; no logic beyond reading a value.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::exit::{EXIT_CODES, EXIT_CODES_SHORT};

pub mod admin;
pub mod channel;
pub mod escalation;
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

/// The command line as it is shown: the help of each command ends with the exit codes, and says which variables are read
/// but not what is in them.
pub fn command() -> clap::Command {
    finished(Cli::command().mut_args(|arg| arg.hide_env_values(true)))
}

fn finished(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|sub| {
        let sub = finished(sub.mut_args(|arg| arg.hide_env_values(true)));
        let examples = sub.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        sub.after_long_help(format!("{examples}\n\n{EXIT_CODES_SHORT}"))
    })
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
    #[arg(
        long,
        global = true,
        env = "TOCSIN_LOG",
        value_name = "FILTER",
        hide_short_help = true,
        help_heading = "Global options"
    )]
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
        hide_short_help = true,
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
        hide_short_help = true,
        help_heading = "Global options"
    )]
    pub ca: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run in the tray: host or join a server, show messages as notifications.
    #[command(after_long_help = "\
It goes on until Quit in the tray's menu or `tocsin quit`; a second start finds the first and ends with 0. Without a \
tray on the desktop it runs all the same.

Examples:
  tocsin tray
  tocsin tray & tocsin status")]
    Tray,
    #[command(about = "Run a server without a desktop")]
    Serve(Box<serve::Serve>),
    /// Show the configuration that `serve` would use, or what is wrong with it.
    #[command(after_long_help = "\
Takes the flags, variables and file of `serve`, opens nothing, and prints a file that says the same.

Examples:
  tocsin check-config
  tocsin check-config --config /etc/tocsin/serve.toml
  tocsin check-config --listen 0.0.0.0:8723 --tls > serve.toml")]
    CheckConfig(Box<serve::Serve>),
    #[command(about = "Send a message")]
    Send(Box<send::Send>),
    /// Show who received, read and acknowledged a message.
    Receipt(send::Receipt),
    /// List what was sent, with how many have it and who has not.
    Receipts(escalation::Receipts),
    /// Show or send a message again: to one person, or to all who have not received it.
    Resend(escalation::Resend),
    /// Stop the escalation of a message, and what of it waits to be sent.
    Cancel(escalation::Cancel),
    /// List, make, try and remove escalation policies: who is told next while nobody answers.
    #[command(after_long_help = "\
Examples:
  tocsin policy list
  tocsin policy set night night.json
  tocsin policy dry-run night.json --topic ops --priority 5
  tocsin topic change ops --policy night")]
    #[command(subcommand)]
    Policy(escalation::Policy),
    #[command(about = "Print messages as they come, or run a command for each")]
    Watch(Box<watch::Watch>),
    /// Show how things stand: connection, address of the page, log file, problems and their remedies.
    #[command(after_long_help = "\
Ends with 3 when nothing runs. With --server: the server's name, who the token is, how much is unread.

Examples:
  tocsin status
  tocsin status --json | jq -r '.problems[].code'
  tocsin status --server https://10.0.0.5:8723 --token-file ~/.tocsin-token")]
    Status,
    /// List, add, change and remove people.
    #[command(after_long_help = "\
Examples:
  tocsin user list
  tocsin user add anna --display-name \"Anna Li\"
  tocsin user change anna --role admin
  tocsin user remove anna")]
    #[command(subcommand)]
    User(admin::User),
    /// List, add, change and remove topics and their members.
    #[command(after_long_help = "\
Examples:
  tocsin topic list
  tocsin topic add ops --description \"Servers\" --member anna,bo
  tocsin topic add-member ops cy
  tocsin topic remove ops")]
    #[command(subcommand)]
    Topic(admin::Topic),
    /// List, add and revoke tokens.
    #[command(after_long_help = "\
Examples:
  tocsin token list
  tocsin token add backup-script --sender --topic ops
  tocsin token add laptop --user anna --expires 90d
  tocsin token revoke 7")]
    #[command(subcommand)]
    Token(admin::Token),
    /// List the devices that messages reach.
    #[command(after_long_help = "\
Examples:
  tocsin device
  tocsin device list --json | jq -r '.[] | select(.online).name'")]
    Device(admin::Devices),
    /// List, add, test and remove ways to people's phones: WeChat, WeCom, WeCom robots.
    #[command(after_long_help = "\
A secret is read from standard input, never from the command line. It goes where the server keeps secrets: the keyring of \
a desktop, the file of `tocsin serve --channel-secrets`. It cannot be read again.

Examples:
  tocsin channel add app --kind wecom --set corp_id=ww0123456789abcdef --set agent_id=1000002
  tocsin channel secret app secret < secret.txt
  tocsin channel people app
  tocsin channel bind app anna ZhangSan
  tocsin channel route app --topic ops --from-priority 4
  tocsin channel test app --user anna")]
    #[command(subcommand)]
    Channel(channel::Channel),
    /// Make an invite: one line that lets another computer join.
    Invite(admin::Invite),
    /// Join a server with an invite.
    Join(local::Join),
    /// Print a one-time address that opens the page in a browser.
    #[command(after_long_help = "\
Whoever opens it first, within five minutes, is signed in as you.

Examples:
  tocsin login
  xdg-open \"$(tocsin login)\"")]
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
    #[command(after_long_help = "Examples:\n  tocsin resume")]
    Resume,
    /// Let the running Tocsin finish its work and end.
    #[command(after_long_help = "\
Comes back when the data is free: requests have ended, streams were told to come back later.

Examples:
  tocsin quit
  tocsin quit; tocsin restore /var/backups/tocsin-2026-11-22.db")]
    Quit,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &clap::Command, path: &str, look: &mut impl FnMut(&str, &clap::Command)) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name());
            look(&path, sub);
            each(sub, &path, look);
        }
    }

    #[test]
    fn every_command_shows_examples_that_parse_to_it_and_the_exit_codes() {
        let mut seen = 0;
        each(&command(), "tocsin", &mut |path, command| {
            let help = command.clone().render_long_help().to_string();
            let (_, examples) = help.split_once("Examples:").unwrap_or_else(|| panic!("{path}: {help}"));
            assert!(examples.lines().any(|line| line.contains(path)), "{path} is not in its examples");
            assert!(help.contains("Exit codes:"), "{path}");
            seen += 1;
        });
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn one_verb_makes_things_and_the_usual_others_are_understood() {
        for words in [
            &["token", "add", "x"][..],
            &["token", "create", "x"],
            &["topic", "create", "x"],
            &["user", "create", "x"],
            &["token", "remove", "7"],
            &["user", "rm", "x"],
            &["user", "ls"],
            &["device", "list"],
            &["device"],
        ] {
            let parsed = command().try_get_matches_from(["tocsin"].iter().chain(words));
            assert!(parsed.is_ok(), "{words:?}");
        }
        let shown = command().render_long_help().to_string();
        assert!(!shown.contains("create"), "{shown}");
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }
}

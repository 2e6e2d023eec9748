//! What concerns this computer alone.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::parse;

/// Join with an invite.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The invite is a secret until it is used: `-` reads it from standard input.

Examples:
  tocsin join 'tocsin:https://10.0.0.5:8723#…'
  tocsin join - --user bo < invite.txt")]
pub struct Join {
    /// The invite, or `-`.
    pub invite: String,
    /// Your name, when the invite names nobody.
    #[arg(long)]
    pub user: Option<String>,
    /// Name of this device; default: the computer's name.
    #[arg(long)]
    pub device: Option<String>,
    /// Without the resident: store the token in this new file, for --token-file.
    #[arg(long, value_name = "FILE")]
    pub save_token: Option<PathBuf>,
}

/// A copy of the data.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The copy is taken while the server runs and is complete as of one moment. It holds every message and the hashes of \
tokens: keep it as safe as the data itself. It is readable by this user alone.

Examples:
  tocsin backup /var/backups/tocsin-$(date +%F).db")]
pub struct Backup {
    /// The file to make.
    pub file: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    pub force: bool,
}

/// Put a copy back.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The server must not run. The data of before is kept beside the new. Clients notice: their positions begin anew, they \
list what they may read and show nothing twice.

Examples:
  tocsin quit; tocsin restore /var/backups/tocsin-2026-11-22.db")]
pub struct Restore {
    /// A file made by `tocsin backup`.
    pub file: PathBuf,
}

/// The log.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The log of what runs; if nothing runs, the one that was written last. Secrets are never in it.

Examples:
  tocsin logs
  tocsin logs -f
  tocsin logs -n 1000 | grep WARN")]
pub struct Logs {
    /// Go on printing what is added.
    #[arg(long, short)]
    pub follow: bool,
    /// How many of the last lines.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub lines: usize,
}

/// Start over.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Removes the databases (also those of a server hosted here, with all its messages and people), the settings, the \
logs, the items in the keyring and the start at login. A running Tocsin is asked to end first.

Examples:
  tocsin backup last.db && tocsin reset
  tocsin reset --yes --data-dir /tmp/try")]
pub struct Reset {
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

/// No notifications for a while.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Messages go on arriving in the inbox and count as received. Critical ones (priority 5) are still shown, unless that was \
switched off in the settings.

Examples:
  tocsin pause
  tocsin pause 15m")]
pub struct Pause {
    /// How long, for example 15m or 1h.
    #[arg(value_name = "DURATION", default_value = "1h", value_parser = parse::duration)]
    pub duration: Duration,
}

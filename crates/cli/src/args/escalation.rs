//! Escalation: policies, sending again, stopping, and the list of receipts.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use tocsin_protocol::{MessageId, Priority, receipt::ReceiptFilter};

use super::parse;

/// Policies.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// List policies, the topics they are attached to and how many steps they have.
    #[command(
        alias = "ls",
        after_long_help = "Examples:\n  tocsin policy list\n  tocsin policy list --json | jq -r '.[].name'"
    )]
    List,
    /// Print a policy as the JSON that `set` takes.
    #[command(after_long_help = "Examples:\n  tocsin policy show night > night.json")]
    Show {
        /// The policy.
        name: String,
    },
    /// Make or change a policy; what is under way goes on as it began.
    #[command(after_long_help = SET_EXAMPLES)]
    Set {
        /// Unique, of letters, digits and `. _ -`.
        name: String,
        /// The policy as JSON; `-` or nothing: standard input.
        file: Option<PathBuf>,
    },
    /// Remove a policy and take it off its topics; what is under way goes on.
    #[command(alias = "rm", after_long_help = "Examples:\n  tocsin policy remove night")]
    Remove {
        /// The policy.
        name: String,
    },
    /// Show when a policy would tell whom, if nobody ever answered. Nothing is sent.
    #[command(
        after_long_help = "Examples:\n  tocsin policy dry-run night.json --topic ops --priority 5\n  tocsin policy show night | tocsin policy dry-run --topic ops"
    )]
    DryRun {
        /// The policy as JSON; `-` or nothing: standard input.
        file: Option<PathBuf>,
        /// For a message of this topic.
        #[arg(long)]
        topic: Option<String>,
        /// For a message of this priority.
        #[arg(long, short, value_name = "1-5", value_parser = parse::priority)]
        priority: Option<Priority>,
    },
}

const SET_EXAMPLES: &str = r#"Examples:
  tocsin policy set night <<'EOF'
  {"steps": [
    {"after_s": 120, "unless": "acknowledged_by_any", "notify": {"who": "missing"}, "via": ["desktop", "app"]},
    {"after_s": 300, "unless": "acknowledged_by_any", "notify": {"who": "next", "people": ["anna", "bo"]},
     "via": ["app"], "repeat": 3, "every_s": 300}],
   "quiet": {"from": "22:00", "to": "07:00", "zone": "Asia/Shanghai"}}
  EOF
  tocsin policy set night night.json
  tocsin topic change ops --policy night"#;

/// What is sent again, to whom, over which ways.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Repeating the command tells them again; what waits at a channel already is not sent twice.

Examples:
  tocsin resend k3V9x0abQw12                        # devices of all who have not received it show it again
  tocsin resend k3V9x0abQw12 --to anna --via app    # over the channel \"app\"
  tocsin receipts --filter undelivered --json | jq -r '.[].id' | xargs -n1 tocsin resend --via app")]
pub struct Resend {
    /// The message, as printed by `send`.
    #[arg(value_name = "ID")]
    pub id: MessageId,
    /// Only to these people; default: all who have not received it.
    #[arg(long, value_name = "USER", value_delimiter = ',')]
    pub to: Vec<String>,
    /// `desktop`, or the name of a channel; may be given several times.
    #[arg(long, value_name = "WAY", value_delimiter = ',', default_value = "desktop")]
    pub via: Vec<String>,
}

/// Which message is stopped.
#[derive(Debug, Args)]
#[command(after_long_help = "\
What people have already stays with them; an acknowledgement does the same.

Examples:
  tocsin cancel k3V9x0abQw12")]
pub struct Cancel {
    /// The message, as printed by `send`.
    #[arg(value_name = "ID")]
    pub id: MessageId,
}

/// Which receipts.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tocsin receipts --filter undelivered
  tocsin receipts --filter failed --channel app --since 24h
  tocsin receipts --topic ops --limit 200 --json | jq -r '.[] | select(.counts.missing > 0).id'")]
pub struct Receipts {
    /// Only those of this kind.
    #[arg(long, value_enum, default_value = "all")]
    pub filter: Filter,
    /// Only of this topic.
    #[arg(long)]
    pub topic: Option<String>,
    /// Only what is or was owed to this person.
    #[arg(long)]
    pub user: Option<String>,
    /// Only what went over this channel.
    #[arg(long)]
    pub channel: Option<String>,
    /// Only of the last so long, for example 24h.
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub since: Option<Duration>,
    /// At most this many.
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
}

/// A kind of receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Filter {
    /// All.
    All,
    /// Somebody has not received it.
    Undelivered,
    /// Somebody has not acknowledged it, though it asks for it.
    Unacknowledged,
    /// A delivery over a channel failed.
    Failed,
    /// Of a delivery over a channel nobody knows.
    Unknown,
    /// It expired before everybody had it.
    Expired,
}

impl From<Filter> for ReceiptFilter {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::All => Self::All,
            Filter::Undelivered => Self::Undelivered,
            Filter::Unacknowledged => Self::Unacknowledged,
            Filter::Failed => Self::Failed,
            Filter::Unknown => Self::Unknown,
            Filter::Expired => Self::Expired,
        }
    }
}

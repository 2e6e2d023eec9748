//! People, topics, tokens, devices, invites.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::parse;

/// People.
#[derive(Debug, Subcommand)]
pub enum User {
    /// List people.
    List,
    /// Add a person.
    #[command(
        after_long_help = "Examples:\n  tocsin user add anna --display-name \"Anna Li\"\n  tocsin user add root --role admin"
    )]
    Add {
        /// Unique, of `a-z 0-9 . _ -`.
        name: String,
        /// The name people know them by.
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// What they may do.
        #[arg(long, value_enum, default_value = "member")]
        role: Role,
    },
    /// Change a person's display name or role.
    Change {
        /// Whom.
        name: String,
        /// A new display name.
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// A new role. The last admin keeps theirs.
        #[arg(long, value_enum)]
        role: Option<Role>,
    },
    /// Remove a person with their tokens and devices; what they are still owed is withdrawn.
    Remove {
        /// Whom.
        name: String,
    },
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Everything.
    Admin,
    /// Own inbox and topics.
    Member,
}

impl From<Role> for tocsin_protocol::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Member => Self::Member,
        }
    }
}

/// Topics.
#[derive(Debug, Subcommand)]
pub enum Topic {
    /// List topics.
    List,
    /// Add a topic.
    #[command(
        after_long_help = "Examples:\n  tocsin topic add ops --description \"Servers\" --member anna --member bo"
    )]
    Add {
        /// Unique, of letters, digits and `. _ -`.
        name: String,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
        /// Days that bodies are kept.
        #[arg(long, value_name = "DAYS")]
        retention_days: Option<u32>,
        /// A first member; may be given several times.
        #[arg(long = "member", value_name = "USER", value_delimiter = ',')]
        members: Vec<String>,
    },
    /// Change a topic.
    Change {
        /// Which.
        name: String,
        /// A new description.
        #[arg(long)]
        description: Option<String>,
        /// Days that bodies are kept; 0: the server's default.
        #[arg(long, value_name = "DAYS")]
        retention_days: Option<u32>,
    },
    /// Remove a topic; its messages stay until they are pruned.
    Remove {
        /// Which.
        name: String,
    },
    /// List the members of a topic.
    Members {
        /// Which.
        name: String,
    },
    /// Make people members, from the next message on.
    AddMember {
        /// The topic.
        name: String,
        /// Whom.
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// End memberships; what these people are still owed is withdrawn.
    RemoveMember {
        /// The topic.
        name: String,
        /// Whom.
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
}

/// Tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// List tokens: never their secrets, which nobody keeps.
    List,
    /// Make a token and print its secret, once.
    #[command(
        visible_alias = "add",
        after_long_help = "\
Examples:
  tocsin token create backup-script --sender --topic ops > /etc/backup/token
  tocsin token create laptop --user anna --expires 90d"
    )]
    Create {
        /// What it is for.
        #[arg(default_value = "command line")]
        name: String,
        /// For a program: publishes to its topics and sees the receipts of its own messages, nothing else.
        #[arg(long, requires = "topics", conflicts_with = "user")]
        sender: bool,
        /// A topic that a sender token may publish to; may be given several times.
        #[arg(long = "topic", value_name = "TOPIC", value_delimiter = ',', requires = "sender")]
        topics: Vec<String>,
        /// The person it acts for; default: the one who asks.
        #[arg(long)]
        user: Option<String>,
        /// Until when it is good, for example 90d.
        #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
        expires: Option<Duration>,
    },
    /// Revoke a token at once; its open streams are closed.
    Revoke {
        /// As listed.
        id: String,
    },
}

/// Devices.
#[derive(Debug, Args)]
pub struct Devices {}

/// An invite.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tocsin invite --user anna --topic ops
  tocsin invite --role admin --expires 15m")]
pub struct Invite {
    /// Who is invited; made when joining if they do not exist. Default: the joining person chooses a name.
    #[arg(long)]
    pub user: Option<String>,
    /// Role of a person made by joining.
    #[arg(long, value_enum, default_value = "member")]
    pub role: Role,
    /// A topic they become a member of; may be given several times.
    #[arg(long = "topic", value_name = "TOPIC", value_delimiter = ',')]
    pub topics: Vec<String>,
    /// How long it can be used; default 1h, at most 7d.
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub expires: Option<Duration>,
}

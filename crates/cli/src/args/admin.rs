//! People, topics, tokens, devices, invites.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::parse;

/// People.
#[derive(Debug, Subcommand)]
pub enum User {
    /// List people.
    #[command(
        alias = "ls",
        after_long_help = "Examples:\n  tocsin user list\n  tocsin user list --json | jq -r '.[].name'"
    )]
    List,
    /// Add a person.
    #[command(
        alias = "create",
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
    #[command(
        after_long_help = "Examples:\n  tocsin user change anna --role admin\n  tocsin user change anna --display-name \"Anna Li\""
    )]
    Change {
        /// The person, as listed by `tocsin user list`.
        name: String,
        /// A new display name.
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// A new role. The last admin keeps theirs.
        #[arg(long, value_enum)]
        role: Option<Role>,
    },
    /// Remove a person with their tokens and devices; what they are still owed is withdrawn.
    #[command(alias = "rm", after_long_help = "Examples:\n  tocsin user remove anna")]
    Remove {
        /// The person, as listed by `tocsin user list`.
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
    #[command(
        alias = "ls",
        after_long_help = "Examples:\n  tocsin topic list\n  tocsin topic list --json | jq -r '.[].name'"
    )]
    List,
    /// Add a topic.
    #[command(
        alias = "create",
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
    #[command(
        after_long_help = "Examples:\n  tocsin topic change ops --description \"Servers\"\n  tocsin topic change audit --retention-days 365\n  tocsin topic change ops --policy night\n  tocsin topic change backups --expect-every 25h"
    )]
    Change {
        /// The topic, as listed by `tocsin topic list`.
        name: String,
        /// A new description.
        #[arg(long)]
        description: Option<String>,
        /// Days that bodies are kept; 0: the server's default.
        #[arg(long, value_name = "DAYS")]
        retention_days: Option<u32>,
        /// The escalation policy of its messages; empty: none.
        #[arg(long, value_name = "POLICY")]
        policy: Option<String>,
        /// Alert its members when no message comes for this long, for example 15m; 0: never.
        #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
        expect_every: Option<Duration>,
    },
    /// Remove a topic; its messages stay until they are pruned.
    #[command(alias = "rm", after_long_help = "Examples:\n  tocsin topic remove ops")]
    Remove {
        /// The topic, as listed by `tocsin topic list`.
        name: String,
    },
    /// List the members of a topic.
    #[command(after_long_help = "Examples:\n  tocsin topic members ops")]
    Members {
        /// The topic, as listed by `tocsin topic list`.
        name: String,
    },
    /// Make people members, from the next message on.
    #[command(after_long_help = "Examples:\n  tocsin topic add-member ops anna bo")]
    AddMember {
        /// The topic.
        name: String,
        /// People, as listed by `tocsin user list`.
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// End memberships; what these people are still owed is withdrawn.
    #[command(alias = "rm-member", after_long_help = "Examples:\n  tocsin topic remove-member ops bo")]
    RemoveMember {
        /// The topic.
        name: String,
        /// People, as listed by `tocsin user list`.
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
}

/// Tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// List tokens: never their secrets, which nobody keeps.
    #[command(
        alias = "ls",
        after_long_help = "Examples:\n  tocsin token list\n  tocsin token list --json | jq '.[] | select(.last_used_at == null)'"
    )]
    List,
    /// Make a token and print its secret, once.
    #[command(
        alias = "create",
        after_long_help = "\
Examples:
  tocsin token add backup-script --sender --topic ops > /etc/backup/token
  tocsin token add laptop --user anna --expires 90d"
    )]
    Add {
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
    #[command(alias = "remove", after_long_help = "Examples:\n  tocsin token revoke 7")]
    Revoke {
        /// As listed by `tocsin token list`.
        id: String,
    },
}

/// Devices.
#[derive(Debug, Args)]
pub struct Devices {
    /// What to do with them.
    #[command(subcommand)]
    pub verb: Option<DevicesVerb>,
}

/// There is one thing to do with devices: they come and go by themselves.
#[derive(Debug, Subcommand)]
pub enum DevicesVerb {
    /// List them, which is also done without this word.
    #[command(alias = "ls", after_long_help = "Examples:\n  tocsin device list")]
    List,
}

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

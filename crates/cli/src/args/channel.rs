//! Channels.

use clap::{Subcommand, ValueEnum};

/// What to do with channels.
#[derive(Debug, Subcommand)]
pub enum Channel {
    /// List channels: whether each can send, and what waits.
    #[command(
        alias = "ls",
        after_long_help = "Examples:\n  tocsin channel list\n  tocsin channel list --json | jq -r '.[] | select(.standing.state != \"ready\").name'"
    )]
    List,
    /// Add a channel, or change its settings; those that are not named are reset.
    #[command(
        alias = "create",
        after_long_help = "\
Settings of a WeCom app: corp_id, agent_id, callback (true: the console has the address of callbacks).
Of an official account: app_id, template_id, fields.<field>=<title|body|time|topic|sender|priority|id|=text>, token_mode, callback.
Of a robot: style (markdown, markdown_v2, text, card, news).
Of a webhook: url (https, or http to this computer).
Of all: proxy (none: direct), proxy_user; but for a webhook base_url.

Examples:
  tocsin channel add app --kind wecom --set corp_id=ww0123456789abcdef --set agent_id=1000002
  tocsin channel add oa --kind wechat --set app_id=wx0123456789abcdef --set template_id=T1 --set fields.thing1=title --set fields.time2=time
  tocsin channel add night --kind wecom-robot --display-name \"Night shift\"
  tocsin channel add ops-bot --kind webhook --set url=https://bot.example/tocsin"
    )]
    Add {
        /// Unique, of letters, digits and `. _ -`.
        name: String,
        /// What stands behind it.
        #[arg(long, value_enum)]
        kind: Kind,
        /// The name people know it by.
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// A setting; may be given several times.
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
        /// Keep it, but send nothing over it.
        #[arg(long)]
        disabled: bool,
    },
    /// Set, replace or delete a secret of a channel. It is read from standard input.
    #[command(after_long_help = "\
Parts: secret (official account, WeCom app), key (robot: its address or the key at its end; webhook: whsec_ and 24 to 64 random bytes as base64), callback_token, callback_key, \
proxy_password.

Examples:
  tocsin channel secret app secret < secret.txt
  tocsin channel secret night key
  openssl rand -base64 32 | sed 's/^/whsec_/' > key.txt; tocsin channel secret ops-bot key < key.txt
  tocsin channel secret app callback_key --delete")]
    Secret {
        /// The channel.
        name: String,
        /// Which secret.
        part: String,
        /// Delete it instead.
        #[arg(long)]
        delete: bool,
    },
    /// Try the credential, and send a message if somebody is named; a webhook is sent a test event.
    #[command(after_long_help = "\
Ends with 1 when something does not work, and says what to do about it.

Examples:
  tocsin channel test app
  tocsin channel test app --user anna
  tocsin channel test night --group
  tocsin channel test ops-bot")]
    Test {
        /// The channel.
        name: String,
        /// A message to this person, who has to be bound.
        #[arg(long, conflicts_with_all = ["address", "group"])]
        user: Option<String>,
        /// A message to this openid or userid.
        #[arg(long, conflicts_with = "group")]
        address: Option<String>,
        /// A message into the robot's group.
        #[arg(long)]
        group: bool,
    },
    /// List who can be bound: members that a WeCom app sees, newest followers of an official account.
    #[command(after_long_help = "Examples:\n  tocsin channel people app")]
    People {
        /// The channel.
        name: String,
    },
    /// Say who a person is at a channel: at once, or with a code that is sent to the address.
    #[command(after_long_help = "\
With --send-code the person gets six digits at the address. They, or an administrator, bind it with --code within ten minutes.

Examples:
  tocsin channel bind app anna ZhangSan
  tocsin channel bind app anna ZhangSan --send-code
  tocsin channel bind app anna --code 123456")]
    Bind {
        /// The channel.
        name: String,
        /// The person, as listed by `tocsin user list`.
        user: String,
        /// Their openid or userid, as listed by `tocsin channel people`.
        #[arg(required_unless_present = "code")]
        address: Option<String>,
        /// Send a code there first; whoever tells it is bound.
        #[arg(long)]
        send_code: bool,
        /// The code that was sent.
        #[arg(long, value_name = "CODE", conflicts_with_all = ["address", "send_code"])]
        code: Option<String>,
    },
    /// Take a person's address at a channel away; what waits for it fails.
    #[command(after_long_help = "Examples:\n  tocsin channel unbind app anna")]
    Unbind {
        /// The channel.
        name: String,
        /// The person.
        user: String,
    },
    /// Say which messages go over a channel. The most particular rule counts: topic and person, person, topic, neither.
    #[command(after_long_help = "\
Examples:
  tocsin channel route app --topic ops --from-priority 4
  tocsin channel route app --user anna --never
  tocsin channel route app --topic ops --remove")]
    Route {
        /// The channel.
        name: String,
        /// Only messages of this topic.
        #[arg(long)]
        topic: Option<String>,
        /// Only this person.
        #[arg(long)]
        user: Option<String>,
        /// From this priority on.
        #[arg(long, value_name = "1-5", value_parser = clap::value_parser!(u8).range(1..=5), required_unless_present_any = ["never", "remove"])]
        from_priority: Option<u8>,
        /// Not at all, whatever a more general rule says.
        #[arg(long, conflicts_with_all = ["from_priority", "remove"])]
        never: bool,
        /// Remove this rule.
        #[arg(long, conflicts_with = "from_priority")]
        remove: bool,
    },
    /// Remove a channel with its secrets and bindings; what waits is cancelled.
    #[command(alias = "rm", after_long_help = "Examples:\n  tocsin channel remove app")]
    Remove {
        /// The channel, as listed by `tocsin channel list`.
        name: String,
    },
}

/// What stands behind a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// An official account (服务号).
    Wechat,
    /// An app of a WeCom company (企业微信应用).
    Wecom,
    /// A robot in a WeCom group (群机器人).
    WecomRobot,
    /// An address that takes signed HTTP requests.
    Webhook,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    if name.is_empty() {
        return Err("expected NAME=VALUE".into());
    }
    if matches!(name, "secret" | "key" | "callback_token" | "callback_key" | "proxy_password") {
        return Err(format!(
            "{name} is a secret: `tocsin channel secret NAME {name}` reads it from standard input"
        ));
    }
    Ok((name.into(), value.into()))
}

//! People, topics, tokens, devices, invites.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{Millis, cursor::Epoch};

/// What a person may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, people and tokens included.
    Admin,
    /// Own inbox; publishes to topics they are a member of; receipts of what they sent or were sent.
    #[default]
    Member,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Acts for its user, within the user's role: subscribes, publishes, administers.
    Client,
    /// Publishes to its topics and sees the receipts of its own messages; belongs to a program, not a person.
    Sender,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct User {
    /// Unique, `[a-z0-9._-]`.
    pub name: String,
    /// The name people know them by.
    pub display_name: String,
    /// What they may do.
    pub role: Role,
    /// Since when.
    pub created_at: Millis,
}

/// `POST /v1/users`; `PATCH /v1/users/{name}` takes the same fields without `name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct NewUser {
    /// Unique, `[a-z0-9._-]`.
    pub name: String,
    /// Default: the name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Default: member.
    #[serde(default)]
    #[ts(as = "Option<Role>")]
    pub role: Role,
}

/// `PATCH /v1/users/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct UserChange {
    /// A new display name.
    pub display_name: Option<String>,
    /// A new role. The last admin keeps theirs.
    pub role: Option<Role>,
}

/// A stream of messages that people are members of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Topic {
    /// Unique, `[A-Za-z0-9._-]`.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How many members it has.
    pub members: u64,
    /// Whether the asking person is one.
    pub member: bool,
    /// Days that bodies are kept; absent: the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Name of the escalation policy of its messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// A message is expected at least this often, seconds; silence alerts its members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_every_s: Option<u64>,
    /// It is silent for too long: when the next message was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Millis>,
    /// Since when.
    pub created_at: Millis,
}

/// `POST /v1/topics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct NewTopic {
    /// Unique, `[A-Za-z0-9._-]`.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Days that bodies are kept.
    #[serde(default)]
    pub retention_days: Option<u32>,
    /// First members.
    #[serde(default)]
    #[ts(as = "Option<Vec<String>>")]
    pub members: Vec<String>,
}

/// `PATCH /v1/topics/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct TopicChange {
    /// A new description.
    pub description: Option<String>,
    /// Days that bodies are kept; 0 means the server's default.
    pub retention_days: Option<u32>,
    /// Name of an escalation policy; empty: none.
    pub policy: Option<String>,
    /// A message is expected at least this often, seconds, 10 or more; 0: not any more.
    pub expect_every_s: Option<u64>,
}

/// A token, as listed. Its secret is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Token {
    /// For revoking it.
    pub id: String,
    /// What it may do.
    pub kind: TokenKind,
    /// What it is for.
    pub name: String,
    /// The person it acts for; absent on sender tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Topics that a sender token may publish to; empty on client tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<String>>")]
    pub topics: Vec<String>,
    /// Since when.
    pub created_at: Millis,
    /// Until when, if it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// Last use, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Millis>,
}

/// `POST /v1/tokens`. A client token names its user, a sender token its topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct NewToken {
    /// What it may do.
    pub kind: TokenKind,
    /// What it is for.
    pub name: String,
    /// For client tokens: the person. Default: the one who asks.
    #[serde(default)]
    pub user: Option<String>,
    /// For sender tokens: topics it may publish to.
    #[serde(default)]
    #[ts(as = "Option<Vec<String>>")]
    pub topics: Vec<String>,
    /// Seconds until it ends.
    #[serde(default)]
    pub expires_in: Option<u64>,
}

/// Answer to [`NewToken`]: the only time its secret is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct MadeToken {
    /// As it will be listed.
    #[serde(flatten)]
    pub token: Token,
    /// `tcs_` and 43 characters of base64url: 256 random bits.
    pub secret: String,
}

/// One subscriber of a person: desktop, browser, phone, script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Device {
    /// Unique among the person's devices, `[A-Za-z0-9._-]`.
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// Topics it takes; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Vec<String>>,
    /// Whether a stream of it is open now.
    pub online: bool,
    /// Last sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Millis>,
    /// Everything up to here is stored on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<crate::Seq>,
}

/// `GET /v1/me`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Me {
    /// The person; absent for a sender token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// What the token may do.
    pub kind: TokenKind,
    /// The device that this token's streams are booked on, unless `?device=` names another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Unread messages; absent for a sender token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<u64>,
    /// The server.
    pub server: ServerInfo,
}

/// What a client may know about the server it speaks to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ServerInfo {
    /// Name of the team or host, as set by the operator.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Random name of this installation; the session cookie carries it.
    pub instance: String,
    /// The life of the log.
    pub epoch: Epoch,
}

/// `POST /v1/tickets`: for clients with neither header nor cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTicket {
    /// `ws`: one use within 30 s. `sse`: opens a stream session whose URL may reconnect.
    #[serde(rename = "for")]
    pub transport: TicketFor,
}

/// What a ticket opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TicketFor {
    /// A WebSocket.
    Ws,
    /// An event stream.
    Sse,
}

/// Answer to [`NewTicket`]: pass as `?ticket=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Ticket {
    /// Random, good once.
    pub ticket: String,
    /// Until when it can be used first.
    pub expires_at: Millis,
}

/// `POST /v1/invites` (admin).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct NewInvite {
    /// The person who is invited; made when joining if they do not exist. Absent: the joining person chooses.
    pub user: Option<String>,
    /// Role of a person made by joining.
    #[ts(as = "Option<Role>")]
    pub role: Role,
    /// Topics the person becomes a member of.
    #[ts(as = "Option<Vec<String>>")]
    pub topics: Vec<String>,
    /// Seconds until it ends; default 1 h, at most 7 days.
    pub expires_in: Option<u64>,
}

/// Answer to [`NewInvite`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Invite {
    /// The text to hand over; see [`crate::invite`].
    pub invite: String,
    /// Until when it can be used.
    pub expires_at: Millis,
}

/// `POST /v1/join`, without a token: the one-time code is the credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Join {
    /// The code from the invite.
    pub code: String,
    /// Name of the joining device.
    pub device: String,
    /// The person's name, when the invite names none.
    #[serde(default)]
    pub user: Option<String>,
    /// The person's display name, when they are new.
    #[serde(default)]
    pub display_name: Option<String>,
}

/// Answer to [`Join`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Joined {
    /// Who this device now belongs to.
    pub user: User,
    /// Name of the device.
    pub device: String,
    /// Secret of its client token, shown once.
    pub secret: String,
}

/// `POST /v1/login-codes`: a one-time way into the browser page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct LoginCode {
    /// Address of the page with the code in its fragment, which no server or proxy sees.
    pub url: String,
    /// Until when the code can be used (5 min).
    pub expires_at: Millis,
}

/// `POST /v1/session`: exchanges a one-time code or a client token for a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NewSession {
    /// The code from the fragment.
    Code(String),
    /// A client token that the person pasted.
    Token(String),
}

//! Channels as administrators set them up: how each stands, which secrets it has (never what they are), what a test
//! said, who can be bound.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::{
    DeliveryState, Millis,
    delivery::{Channel, ChannelHealth, ChannelKind, Delivery},
};

/// Longest secret, bytes: a robot's whole address is the longest there is.
pub const SECRET_BYTES: usize = 2048;
/// Longest address of a person at a channel, bytes.
pub const ADDRESS_BYTES: usize = 128;

/// `GET /v1/channels`: a channel with how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct ChannelView {
    /// The channel.
    #[serde(flatten)]
    pub channel: Channel,
    /// How it does.
    pub health: ChannelHealth,
    /// Every secret that its kind takes.
    pub secrets: Vec<SecretPart>,
    /// Whether it can send.
    pub standing: Standing,
    /// Calls go to the platform itself. Anything else sees secrets and messages.
    pub is_platform: bool,
    /// What to type into the platform's console, where this server has a public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Callbacks can be taken: they are switched on, and their secrets are there.
    pub callback_ready: bool,
    /// Why it is parked, and what a person can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

/// A secret of a channel: whether it is there, never what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct SecretPart {
    /// `secret`, `key`, `callback_token`, `callback_key`, `proxy_password`.
    pub part: String,
    /// Nothing is sent without it.
    pub required: bool,
    /// It is there.
    pub is_set: bool,
}

/// Whether a channel can send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// Yes.
    Ready,
    /// Switched off.
    Disabled,
    /// A secret has not been set.
    SecretMissing {
        /// Which.
        part: String,
    },
    /// The place where secrets are kept cannot be read now: a locked keyring.
    SecretsLocked,
    /// The settings make no sense.
    BadConfig {
        /// What is wrong.
        detail: String,
    },
}

/// `PUT /v1/channels/{name}/secrets/{part}`. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// The secret.
    pub secret: String,
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewSecret(…)")
    }
}

/// `POST /v1/channels/{name}/test`. With nothing in it only the credential is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct TestOrder {
    /// A message to this person, who has to be bound.
    pub user: Option<String>,
    /// A message to this openid or userid.
    pub address: Option<String>,
    /// A message into the robot's group.
    pub group: bool,
}

/// What a test said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct ChannelTest {
    /// The credential: a token was fetched.
    pub token: TestStep,
    /// The message.
    pub message: TestStep,
    /// The platform's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msgid: Option<String>,
}

/// One step of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum TestStep {
    /// It worked.
    Passed,
    /// It did not.
    Failed {
        /// Why.
        failing: Failing,
    },
    /// It was not asked for, or there is nothing to try, or the step before failed.
    Skipped,
}

/// Why something at a platform failed, and what a person can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Failing {
    /// What kind of failure.
    pub class: FailingClass,
    /// The platform's code, or one of ours. None of ours looks like a number.
    pub code: String,
    /// The platform's words.
    pub message: String,
    /// What to do: its sentence is `remedy.<code>` in the locale files.
    pub remedy: String,
    /// What the sentence needs, by the names of its placeholders.
    pub params: BTreeMap<String, String>,
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailingClass {
    /// The token is refused even after it was refreshed.
    Token,
    /// Later.
    Busy,
    /// Never, for this message or person.
    Permanent,
    /// Not before somebody changed something.
    Config,
    /// The platform has it already.
    Duplicate,
    /// A fault of this program.
    Bug,
    /// It was handed over and no answer came.
    Unknown,
    /// It never left this computer.
    NotSent,
}

/// `GET /v1/channels/{name}/candidates`: somebody who can be bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Candidate {
    /// Openid or userid.
    pub address: String,
    /// Their name at WeCom; the account's note about a follower, which may be empty.
    pub name: String,
    /// The person who has this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<String>,
}

/// `GET /v1/channels/{name}/templates`: a template of an official account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct TemplateInfo {
    /// Its id.
    pub template_id: String,
    /// Its title.
    pub title: String,
    /// Its text with its fields.
    pub content: String,
    /// The platform's example.
    pub example: String,
    /// What has to be filled.
    pub fields: Vec<TemplateFieldInfo>,
}

/// A field of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct TemplateFieldInfo {
    /// As the template names it.
    pub name: String,
    /// What it takes: `thing`, `time`, `phrase` …
    pub kind: String,
}

/// `GET /v1/channels/{name}/quota`: how many template messages an official account may send today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ChannelQuota {
    /// A day.
    #[ts(type = "number")]
    pub daily_limit: i64,
    /// Sent today, by whatever program.
    #[ts(type = "number")]
    pub used: i64,
    /// Left today.
    #[ts(type = "number")]
    pub remain: i64,
}

/// `PUT /v1/channels/{name}/bindings/{user}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBinding {
    /// Openid or userid; at a robot the userid that a mention names.
    pub address: String,
}

/// `POST /v1/channels/{name}/bindings/{user}/code`, which takes a [`NewBinding`]: a code went there, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct CodeSent {
    /// The message with the code.
    pub message: TestStep,
    /// Until when the code binds; absent: nobody has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
}

/// `POST /v1/channels/{name}/bindings/{user}/confirm`. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingCode {
    /// The six digits.
    pub code: String,
}

impl fmt::Debug for BindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BindingCode(…)")
    }
}

/// `POST /v1/channels/{name}/qr`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QrOrder {
    /// Whoever scans it becomes this person.
    pub user: String,
}

/// A QR code that binds whoever scans it first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ChannelQr {
    /// What the code says: draw this.
    pub url: String,
    /// Where the platform draws it.
    pub image_url: String,
    /// Until when it binds.
    pub expires_at: Millis,
}

/// `GET /v1/deliveries`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct DeliveryPage {
    /// The rows.
    pub items: Vec<Delivery>,
    /// Of those that failed or are unknown, by their id: why, and what a person can do.
    pub failings: BTreeMap<u64, Failing>,
    /// Pass as `before` to get the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// How far a message came over one channel: part of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[ts(optional_fields)]
pub struct Way {
    /// The channel.
    pub channel: String,
    /// As people know it; its name when it was removed.
    pub display_name: String,
    /// What stands behind it; absent when it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ChannelKind>,
    /// How far.
    pub state: DeliveryState,
    /// Since when.
    pub since: Millis,
    /// The platform's code for how it ended, or one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The platform's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it is tried next, at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Millis>,
    /// Until when it is tried by itself; absent: it is not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_up_at: Option<Millis>,
    /// Tries so far.
    pub attempts: u32,
    /// For sending it again.
    pub delivery: u64,
    /// How often a person had it sent again.
    pub round: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_in_its_debug() {
        assert!(!format!("{:?}", NewSecret { secret: "canary".into() }).contains("canary"));
        assert!(!format!("{:?}", BindingCode { code: "123456".into() }).contains("123456"));
    }
}

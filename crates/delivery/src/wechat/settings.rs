//! Settings of each kind of channel at the WeChat platforms.

use std::collections::BTreeMap;

use serde::Deserialize;
use tocsin_wechat::TokenMode;

use crate::line::{BadSettings, Road};

/// Longest value of a field, bytes.
const FIELD_BYTES: usize = 512;
/// Most fields that a template has.
const FIELDS: usize = 32;

/// Of a WeCom app.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wecom {
    /// `CorpID`.
    pub corp_id: String,
    /// `AgentId`.
    pub agent_id: u64,
    /// The console has this server's address: cards can have buttons.
    #[serde(default)]
    pub callback: bool,
    base_url: Option<String>,
    proxy: Option<String>,
    proxy_user: Option<String>,
}

/// Of an official account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Official {
    /// `AppID`.
    pub app_id: String,
    /// Which template is sent; nothing is sent before one is chosen.
    #[serde(default)]
    pub template_id: String,
    /// What each field of the template says.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// How tokens are fetched.
    #[serde(default)]
    pub token_mode: Mode,
    /// The console has this server's address.
    #[serde(default)]
    pub callback: bool,
    base_url: Option<String>,
    proxy: Option<String>,
    proxy_user: Option<String>,
}

/// How tokens are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By `stable_token`, the classic call where that is not known.
    #[default]
    Stable,
    /// By the classic call.
    Classic,
}

impl From<Mode> for TokenMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Stable => Self::StableFirst,
            Mode::Classic => Self::Classic,
        }
    }
}

/// Of a robot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Robot {
    /// What a message looks like.
    #[serde(default)]
    pub style: Style,
    base_url: Option<String>,
    proxy: Option<String>,
    proxy_user: Option<String>,
}

/// What a robot's message looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Colours and mentions.
    #[default]
    Markdown,
    /// Tables, lists and code; no mentions.
    MarkdownV2,
    /// Plain.
    Text,
    /// A card with a link.
    Card,
    /// An article with a link.
    News,
}

impl Wecom {
    pub(crate) fn check(&self) -> Result<(), BadSettings> {
        id("config.corp_id", &self.corp_id)
    }

    pub(crate) fn road(&self) -> Road<'_> {
        road(self.base_url.as_ref(), self.proxy.as_ref(), self.proxy_user.as_ref())
    }
}

impl Official {
    pub(crate) fn check(&self) -> Result<(), BadSettings> {
        id("config.app_id", &self.app_id)?;
        if self.template_id.len() > FIELD_BYTES {
            return Err(BadSettings::of("config.template_id", "too long"));
        }
        if self.fields.len() > FIELDS {
            return Err(BadSettings::of("config.fields", format!("at most {FIELDS}")));
        }
        for (name, source) in &self.fields {
            if !super::words::is_source(source) || source.len() > FIELD_BYTES {
                let what = "title, body, time, topic, sender, priority, id, or = and a fixed text";
                return Err(BadSettings::of(&format!("config.fields.{name}"), what));
            }
        }
        Ok(())
    }

    pub(crate) fn road(&self) -> Road<'_> {
        road(self.base_url.as_ref(), self.proxy.as_ref(), self.proxy_user.as_ref())
    }
}

impl Robot {
    pub(crate) fn road(&self) -> Road<'_> {
        road(self.base_url.as_ref(), self.proxy.as_ref(), self.proxy_user.as_ref())
    }
}

fn road<'a>(
    base_url: Option<&'a String>,
    proxy: Option<&'a String>,
    proxy_user: Option<&'a String>,
) -> Road<'a> {
    Road {
        base_url: base_url.map(String::as_str),
        proxy: proxy.map(String::as_str),
        proxy_user: proxy_user.map(String::as_str),
    }
}

fn id(field: &str, value: &str) -> Result<(), BadSettings> {
    let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if value.is_empty() || value.len() > 64 || !plain {
        return Err(BadSettings::of(field, "1 to 64 letters and digits, as the platform's console shows it"));
    }
    Ok(())
}

//! What an administrator sets: checked before anything is stored, and none of it secret.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use tocsin_protocol::delivery::ChannelKind;
use tocsin_wechat::{BaseUrl, Endpoint, Proxy, ProxyUrl, Timings, TokenMode};

use super::Secrets;

/// Longest value of a field, bytes.
const FIELD_BYTES: usize = 512;
/// Most fields that a template has.
const FIELDS: usize = 32;

/// A secret that a kind takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// Nothing is sent without it.
    pub required: bool,
}

const fn part(name: &'static str, required: bool) -> Part {
    Part { name, required }
}

/// The secret that opens an account or an app.
pub const SECRET: &str = "secret";
/// A robot's key, or its whole address.
pub const KEY: &str = "key";
/// `Token` of the console's callback settings.
pub const CALLBACK_TOKEN: &str = "callback_token";
/// `EncodingAESKey` of the console's callback settings.
pub const CALLBACK_KEY: &str = "callback_key";
/// For a proxy that asks for a login.
pub const PROXY_PASSWORD: &str = "proxy_password";

/// The secrets that a kind takes.
pub fn parts(kind: ChannelKind) -> &'static [Part] {
    match kind {
        ChannelKind::Wechat | ChannelKind::Wecom => {
            &const {
                [
                    part(SECRET, true),
                    part(CALLBACK_TOKEN, false),
                    part(CALLBACK_KEY, false),
                    part(PROXY_PASSWORD, false),
                ]
            }
        }
        ChannelKind::WecomRobot => &const { [part(KEY, true), part(PROXY_PASSWORD, false)] },
        ChannelKind::Webhook => &[],
    }
}

/// Settings or a secret that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {what}")]
pub struct BadSettings {
    /// Which field: `config.corp_id`, `secret`.
    pub field: String,
    /// What is wrong.
    pub what: String,
}

impl BadSettings {
    pub(super) fn of(field: &str, what: impl std::fmt::Display) -> Self {
        Self { field: field.into(), what: what.to_string() }
    }
}

/// The settings of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// An app of a WeCom company.
    Wecom(Wecom),
    /// An official account.
    Official(Official),
    /// A robot.
    Robot(Robot),
}

/// How calls travel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Road {
    base_url: Option<String>,
    proxy: Option<String>,
    proxy_user: Option<String>,
}

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

impl Settings {
    /// Reads and checks them.
    pub fn read(kind: ChannelKind, config: &serde_json::Value) -> Result<Self, BadSettings> {
        let settings = match kind {
            ChannelKind::Wecom => Self::Wecom(typed(config)?),
            ChannelKind::Wechat => Self::Official(typed(config)?),
            ChannelKind::WecomRobot => Self::Robot(typed(config)?),
            ChannelKind::Webhook => {
                return Err(BadSettings::of("kind", "webhooks can not be set up with this version"));
            }
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), BadSettings> {
        match self {
            Self::Wecom(wecom) => id("config.corp_id", &wecom.corp_id)?,
            Self::Official(official) => {
                id("config.app_id", &official.app_id)?;
                if official.template_id.len() > FIELD_BYTES {
                    return Err(BadSettings::of("config.template_id", "too long"));
                }
                if official.fields.len() > FIELDS {
                    return Err(BadSettings::of("config.fields", format!("at most {FIELDS}")));
                }
                for (name, source) in &official.fields {
                    if !super::words::is_source(source) || source.len() > FIELD_BYTES {
                        let what = "title, body, time, topic, sender, priority, id, or = and a fixed text";
                        return Err(BadSettings::of(&format!("config.fields.{name}"), what));
                    }
                }
            }
            Self::Robot(_) => {}
        }
        // A login in the address would be stored readable.
        let road = self.road();
        if road.proxy.as_deref().is_some_and(|proxy| proxy.contains('@')) {
            return Err(BadSettings::of(
                "config.proxy",
                "without a login: that goes into proxy_user and the secret",
            ));
        }
        self.endpoint(&Secrets::new(), Timings::default()).map(drop)
    }

    fn road(&self) -> Road {
        let (base_url, proxy, proxy_user) = match self {
            Self::Wecom(it) => (&it.base_url, &it.proxy, &it.proxy_user),
            Self::Official(it) => (&it.base_url, &it.proxy, &it.proxy_user),
            Self::Robot(it) => (&it.base_url, &it.proxy, &it.proxy_user),
        };
        Road { base_url: base_url.clone(), proxy: proxy.clone(), proxy_user: proxy_user.clone() }
    }

    /// A base address is set.
    pub(super) fn names_base(&self) -> bool {
        self.road().base_url.is_some_and(|url| !url.is_empty())
    }

    /// Calls go to the platform itself.
    pub fn is_platform(&self) -> bool {
        self.road()
            .base_url
            .filter(|url| !url.is_empty())
            .is_none_or(|url| BaseUrl::parse(&url).is_ok_and(|base| base.is_platform()))
    }

    pub(super) fn endpoint(&self, secrets: &Secrets, timings: Timings) -> Result<Endpoint, BadSettings> {
        let road = self.road();
        let mut endpoint = match road.base_url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => {
                Endpoint::at(BaseUrl::parse(url).map_err(|bad| BadSettings::of("config.base_url", bad))?)
            }
            None if matches!(self, Self::Official(_)) => Endpoint::official(),
            None => Endpoint::wecom(),
        };
        endpoint.proxy = match road.proxy.as_deref() {
            None | Some("") => Proxy::System,
            Some("none") => Proxy::Direct,
            Some(url) => {
                let bad = |bad| BadSettings::of("config.proxy", bad);
                let proxy = ProxyUrl::parse(url).map_err(bad)?;
                match (road.proxy_user.as_deref(), secrets.get(PROXY_PASSWORD)) {
                    (Some(user), Some(password)) if !user.is_empty() => {
                        Proxy::Via(proxy.with_login(user, password).map_err(bad)?)
                    }
                    _ => Proxy::Via(proxy),
                }
            }
        };
        endpoint.timings = timings;
        Ok(endpoint)
    }
}

fn typed<T: DeserializeOwned>(config: &serde_json::Value) -> Result<T, BadSettings> {
    let config = if config.is_null() { serde_json::json!({}) } else { config.clone() };
    serde_json::from_value(config).map_err(|error| {
        // serde says "missing field `corp_id`", "unknown field `x`, expected …".
        let text = error.to_string();
        let field = text.split('`').nth(1).map_or_else(|| "config".into(), |name| format!("config.{name}"));
        BadSettings { field, what: text }
    })
}

fn id(field: &str, value: &str) -> Result<(), BadSettings> {
    let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if value.is_empty() || value.len() > 64 || !plain {
        return Err(BadSettings::of(field, "1 to 64 letters and digits, as the platform's console shows it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(kind: ChannelKind, config: &serde_json::Value) -> String {
        Settings::read(kind, config).unwrap_err().field
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wecom = ChannelKind::Wecom;
        assert_eq!(field(wecom, &json!({"agent_id": 1})), "config.corp_id");
        assert_eq!(field(wecom, &json!({"corp_id": "ww1", "agent_id": 1, "secret": "x"})), "config.secret");
        assert_eq!(field(wecom, &json!({"corp_id": "w w", "agent_id": 1})), "config.corp_id");
        let with = |name: &str, value: &str| json!({"corp_id": "ww1", "agent_id": 1, name: value});
        assert_eq!(field(wecom, &with("base_url", "http://relay.example")), "config.base_url");
        assert_eq!(field(wecom, &with("proxy", "socks5://user:pass@host:1")), "config.proxy");
        assert_eq!(field(ChannelKind::Webhook, &json!({})), "kind");
        let template = json!({"app_id": "wx1", "fields": {"thing1": "nonsense"}});
        assert_eq!(field(ChannelKind::Wechat, &template), "config.fields.thing1");
    }

    #[test]
    fn a_relay_is_no_platform() {
        let read = |config| Settings::read(ChannelKind::WecomRobot, &config).unwrap();
        assert!(read(json!({})).is_platform());
        assert!(read(serde_json::Value::Null).is_platform());
        assert!(!read(json!({"base_url": "https://relay.example"})).is_platform());
    }
}

//! What an administrator sets: checked before anything is stored, and none of it secret.

use serde::de::DeserializeOwned;
use tocsin_protocol::delivery::ChannelKind;
use tocsin_wechat::{BaseUrl, Endpoint, Proxy, ProxyUrl, Timings};

use super::Secrets;
use crate::{
    webhook::settings::Webhook,
    wechat::settings::{Official, Robot, Wecom},
};

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
/// A robot's key, or its whole address; what a webhook's requests are signed with.
pub const KEY: &str = "key";
/// `Token` of the console's callback settings.
pub const CALLBACK_TOKEN: &str = "callback_token";
/// `EncodingAESKey` of the console's callback settings.
pub const CALLBACK_KEY: &str = "callback_key";
/// For a proxy that asks for a login.
const PROXY_PASSWORD: &str = "proxy_password";

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
        ChannelKind::WecomRobot | ChannelKind::Webhook => {
            &const { [part(KEY, true), part(PROXY_PASSWORD, false)] }
        }
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
    pub(crate) fn of(field: &str, what: impl std::fmt::Display) -> Self {
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
    /// An address that takes signed requests.
    Webhook(Webhook),
}

impl Settings {
    /// Reads and checks them.
    pub fn read(kind: ChannelKind, config: &serde_json::Value) -> Result<Self, BadSettings> {
        let settings = match kind {
            ChannelKind::Wecom => Self::Wecom(typed(config)?),
            ChannelKind::Wechat => Self::Official(typed(config)?),
            ChannelKind::WecomRobot => Self::Robot(typed(config)?),
            ChannelKind::Webhook => Self::Webhook(typed(config)?),
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), BadSettings> {
        match self {
            Self::Wecom(wecom) => wecom.check()?,
            Self::Official(official) => official.check()?,
            Self::Robot(_) => {}
            Self::Webhook(webhook) => webhook.check()?,
        }
        self.road().check()
    }

    fn road(&self) -> Road<'_> {
        match self {
            Self::Wecom(it) => it.road(),
            Self::Official(it) => it.road(),
            Self::Robot(it) => it.road(),
            Self::Webhook(it) => it.road(),
        }
    }

    /// Calls go to the platform itself; a webhook has nobody in between.
    pub fn is_platform(&self) -> bool {
        self.road().base().ok().is_some_and(|base| base.is_none_or(|base| base.is_platform()))
    }
}

/// How calls travel, as it is written in the settings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Road<'a> {
    /// Another base address than the platform's.
    pub base_url: Option<&'a str>,
    /// A proxy's address, or `none`.
    pub proxy: Option<&'a str>,
    /// Its login; the password is a secret.
    pub proxy_user: Option<&'a str>,
}

impl Road<'_> {
    fn check(&self) -> Result<(), BadSettings> {
        // A login in the address would be stored readable.
        if self.proxy.is_some_and(|proxy| proxy.contains('@')) {
            return Err(BadSettings::of(
                "config.proxy",
                "without a login: that goes into proxy_user and the secret",
            ));
        }
        self.base()?;
        self.proxy(&Secrets::new()).map(drop)
    }

    /// The base address, if one is set.
    pub fn base(&self) -> Result<Option<BaseUrl>, BadSettings> {
        let base = self.base_url.filter(|url| !url.is_empty()).map(BaseUrl::parse);
        base.transpose().map_err(|bad| BadSettings::of("config.base_url", bad))
    }

    /// How calls leave this computer.
    pub fn proxy(&self, secrets: &Secrets) -> Result<Proxy, BadSettings> {
        let bad = |bad| BadSettings::of("config.proxy", bad);
        let url = match self.proxy {
            None | Some("") => return Ok(Proxy::System),
            Some("none") => return Ok(Proxy::Direct),
            Some(url) => ProxyUrl::parse(url).map_err(bad)?,
        };
        Ok(Proxy::Via(match (self.proxy_user, secrets.get(PROXY_PASSWORD)) {
            (Some(user), Some(password)) if !user.is_empty() => {
                url.with_login(user, password).map_err(bad)?
            }
            _ => url,
        }))
    }

    /// Where calls to a platform go; to `usual` unless another base is set.
    pub fn endpoint(
        &self,
        usual: Endpoint,
        secrets: &Secrets,
        timings: Timings,
    ) -> Result<Endpoint, BadSettings> {
        let base = self.base()?.unwrap_or(usual.base);
        Ok(Endpoint { base, proxy: self.proxy(secrets)?, timings })
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
        let template = json!({"app_id": "wx1", "fields": {"thing1": "nonsense"}});
        assert_eq!(field(ChannelKind::Wechat, &template), "config.fields.thing1");
        assert_eq!(field(ChannelKind::Webhook, &json!({})), "config.url");
        let proxied = json!({"url": "https://ops.example/in", "proxy": "ftp://host"});
        assert_eq!(field(ChannelKind::Webhook, &proxied), "config.proxy");
    }

    #[test]
    fn a_relay_is_no_platform() {
        let read = |config| Settings::read(ChannelKind::WecomRobot, &config).unwrap();
        assert!(read(json!({})).is_platform());
        assert!(read(serde_json::Value::Null).is_platform());
        assert!(!read(json!({"base_url": "https://relay.example"})).is_platform());
        let hook = Settings::read(ChannelKind::Webhook, &json!({"url": "https://ops.example/in"}));
        assert!(hook.unwrap().is_platform());
    }
}

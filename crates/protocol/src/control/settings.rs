//! What a person sets: language, colours, popups, and the server while hosting. The resident keeps it in its file; the
//! window and the command line change it over the control socket.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `GET /native/settings`; `PATCH` takes any of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Language of everything a person sees.
    pub language: Language,
    /// Colours of the window.
    pub theme: Theme,
    /// Start the resident at login.
    pub autostart: bool,
    /// Popups.
    pub notifications: Notifications,
    /// The server, while hosting.
    pub hosting: Hosting,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            language: Language::System,
            theme: Theme::System,
            autostart: false,
            notifications: Notifications::default(),
            hosting: Hosting::default(),
        }
    }
}

/// `PATCH /native/settings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct SettingsChange {
    /// See [`Settings`].
    pub language: Option<Language>,
    /// See [`Settings`].
    pub theme: Option<Theme>,
    /// See [`Settings`].
    pub autostart: Option<bool>,
    /// See [`Settings`].
    pub notifications: Option<Notifications>,
    /// See [`Settings`].
    pub hosting: Option<Hosting>,
}

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub enum Language {
    /// As the desktop is set.
    #[default]
    #[serde(rename = "system")]
    System,
    /// English.
    #[serde(rename = "en")]
    En,
    /// 简体中文.
    #[serde(rename = "zh-CN")]
    ZhCn,
}

/// Colours of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the desktop is set.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// How popups behave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Notifications {
    /// Below this priority: inbox only.
    pub min_priority: crate::Priority,
    /// No popups within these hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// Priority 5 shows in quiet hours and while paused.
    pub critical_overrides: bool,
    /// Topics that go to the inbox only.
    pub muted_topics: Vec<String>,
}

impl Default for Notifications {
    fn default() -> Self {
        Self {
            min_priority: crate::Priority::try_from(2).unwrap_or_default(),
            quiet_hours: None,
            critical_overrides: true,
            muted_topics: Vec::new(),
        }
    }
}

/// Daily hours without popups, by the computer's clock; `from` after `to` spans midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// First minute of the day, 0 to 1439.
    pub from: u16,
    /// First minute that is no longer quiet.
    pub to: u16,
}

/// The server, while hosting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Hosting {
    /// Loopback port.
    pub port: u16,
    /// Whether other computers can reach it, over TLS.
    pub lan: bool,
    /// Port of the LAN listener.
    pub lan_port: u16,
    /// Name of the team, shown to those who join.
    pub name: String,
    /// Where a proxy or tunnel lets the internet reach the loopback port: `https://push.example.org`. Platforms call
    /// back there, and invites name it where the LAN is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Keeps this computer from sleeping while it hosts.
    pub stay_awake: bool,
}

/// Loopback port of a hosted server. Unassigned at IANA, outside the ephemeral range.
pub const DEFAULT_PORT: u16 = 8722;
/// LAN port of a hosted server.
pub const DEFAULT_LAN_PORT: u16 = 8723;

impl Default for Hosting {
    fn default() -> Self {
        Self {
            port: DEFAULT_PORT,
            lan: false,
            lan_port: DEFAULT_LAN_PORT,
            name: "Tocsin".into(),
            public_url: None,
            stay_awake: false,
        }
    }
}

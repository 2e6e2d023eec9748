//! The control socket: what the window, the command line and a second start say to the resident.
//!
//! HTTP over a Unix socket. Two families of routes:
//!
//! - `/native/…` — what only the desktop has, listed in [`NATIVE_ROUTES`].
//! - `/v1/…` — the server's API. The resident answers the person's own inbox (`GET /v1/messages`, `read`,
//!   `acknowledge`) from the local inbox, so that it works offline, and hands everything else to the embedded or
//!   joined server with the token added. [`BRIDGE_ROUTES`] lists what the window may call.

mod refusal;
mod settings;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use refusal::Refusal;
pub use settings::{
    DEFAULT_LAN_PORT, DEFAULT_PORT, Hosting, Language, Notifications, QuietHours, Settings, SettingsChange,
    Theme,
};

use crate::{Message, MessageId, Millis, StateChange};

/// Routes of the native family: method and path.
pub const NATIVE_ROUTES: &[(&str, &str)] = &[
    ("GET", "/native/hello"),
    ("GET", "/native/status"),
    ("GET", "/native/events"),
    ("GET", "/native/settings"),
    ("PATCH", "/native/settings"),
    ("POST", "/native/host"),
    ("POST", "/native/join"),
    ("POST", "/native/pause"),
    ("POST", "/native/test-notification"),
    ("POST", "/native/read-all"),
    ("POST", "/native/vault"),
    ("POST", "/native/window"),
    ("POST", "/native/open-url"),
    ("POST", "/native/spool"),
    ("POST", "/native/quit"),
];

/// Routes of the server that the window may call through the resident; `{}` stands for one path segment.
pub const BRIDGE_ROUTES: &[(&str, &str)] = &[
    ("GET", "/v1/me"),
    ("GET", "/v1/messages"),
    ("POST", "/v1/messages"),
    ("GET", "/v1/messages/{}"),
    ("GET", "/v1/messages/{}/receipt"),
    ("POST", "/v1/messages/{}/read"),
    ("POST", "/v1/messages/{}/acknowledge"),
    ("POST", "/v1/messages/{}/cancel"),
    ("POST", "/v1/messages/{}/resend"),
    ("GET", "/v1/receipts"),
    ("GET", "/v1/policies"),
    ("PUT", "/v1/policies/{}"),
    ("DELETE", "/v1/policies/{}"),
    ("POST", "/v1/policies/dry-run"),
    ("GET", "/v1/users"),
    ("POST", "/v1/users"),
    ("PATCH", "/v1/users/{}"),
    ("DELETE", "/v1/users/{}"),
    ("GET", "/v1/topics"),
    ("POST", "/v1/topics"),
    ("PATCH", "/v1/topics/{}"),
    ("DELETE", "/v1/topics/{}"),
    ("GET", "/v1/topics/{}/members"),
    ("PUT", "/v1/topics/{}/members/{}"),
    ("DELETE", "/v1/topics/{}/members/{}"),
    ("GET", "/v1/tokens"),
    ("POST", "/v1/tokens"),
    ("DELETE", "/v1/tokens/{}"),
    ("GET", "/v1/devices"),
    ("POST", "/v1/invites"),
    ("POST", "/v1/login-codes"),
    ("GET", "/v1/channels"),
    ("GET", "/v1/channels/{}"),
    ("PUT", "/v1/channels/{}"),
    ("DELETE", "/v1/channels/{}"),
    ("PUT", "/v1/channels/{}/secrets/{}"),
    ("DELETE", "/v1/channels/{}/secrets/{}"),
    ("POST", "/v1/channels/{}/test"),
    ("POST", "/v1/channels/{}/reopen"),
    ("GET", "/v1/channels/{}/candidates"),
    ("GET", "/v1/channels/{}/templates"),
    ("GET", "/v1/channels/{}/quota"),
    ("POST", "/v1/channels/{}/qr"),
    ("GET", "/v1/channels/{}/bindings"),
    ("PUT", "/v1/channels/{}/bindings/{}"),
    ("DELETE", "/v1/channels/{}/bindings/{}"),
    ("POST", "/v1/channels/{}/bindings/{}/code"),
    ("POST", "/v1/channels/{}/bindings/{}/confirm"),
    ("GET", "/v1/routes"),
    ("PUT", "/v1/routes"),
    ("DELETE", "/v1/routes"),
    ("GET", "/v1/deliveries"),
    ("GET", "/v1/deliveries/{}"),
    ("POST", "/v1/deliveries/resend"),
];

/// Calls that make tokens or people: the window's process asks in a native dialog before it passes them on, so that
/// a script in the webview cannot do it alone.
pub const CONFIRMED_ROUTES: &[(&str, &str)] =
    &[("POST", "/v1/users"), ("POST", "/v1/tokens"), ("POST", "/v1/invites"), ("POST", "/v1/login-codes")];

/// Whether `method` and `path` (without query) match an entry of `routes`. A path with an empty segment, a dot
/// segment, a backslash or a percent sign matches nothing.
pub fn is_route(routes: &[(&str, &str)], method: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'%' | b'?' | b'#'))
    };
    if !rest.split('/').all(plain) {
        return false;
    }
    routes.iter().any(|(m, pattern)| {
        *m == method
            && pattern.split('/').count() == path.split('/').count()
            && pattern.split('/').zip(path.split('/')).all(|(p, s)| p == "{}" || p == s)
    })
}

/// `GET /native/hello`: the handshake. A client of another build asks the resident to drain and starts its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Hello {
    /// Version of the program.
    pub version: String,
    /// Names the very build, so that an update in place is noticed.
    pub build: String,
    /// Process id.
    pub pid: u32,
    /// Whether it is the desktop's resident or a headless server.
    pub kind: ResidentKind,
}

/// What answers on the control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ResidentKind {
    /// `tocsin tray`.
    Tray,
    /// `tocsin serve`: only `hello`, `status`, `quit` and the `/v1/…` family.
    Headless,
}

/// `GET /native/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(optional_fields)]
pub struct Status {
    /// See [`Hello`].
    pub hello: Hello,
    /// Host or join.
    pub mode: Mode,
    /// The stream to the server.
    pub connection: Connection,
    /// Unread messages in the local inbox.
    pub unread: u64,
    /// No popups until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Millis>,
    /// Address of the browser page, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The data directory.
    pub data_dir: String,
    /// The log file.
    pub log_file: String,
    /// The language of everything a person sees: English or Chinese, never "system".
    #[serde(default)]
    #[ts(optional, as = "Option<Language>")]
    pub language: Language,
    /// Whether this computer is kept from sleeping, as [`Hosting::stay_awake`] asks for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<bool>")]
    pub kept_awake: bool,
    /// When this computer last slept while it hosted: nobody could reach the server meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slept: Option<Slept>,
    /// What the person should know, worst first.
    pub problems: Vec<Problem>,
}

/// A time that the computer slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Slept {
    /// When it fell asleep.
    pub from: Millis,
    /// When it was awake again.
    pub to: Millis,
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "mode", rename_all = "snake_case")]
#[ts(optional_fields)]
pub enum Mode {
    /// Nothing chosen yet.
    Unset,
    /// The server runs inside this resident.
    Host {
        /// Addresses it listens on.
        addresses: Vec<String>,
        /// Whether other computers can reach it.
        lan: bool,
    },
    /// A server elsewhere, or a `tocsin serve` beside this resident.
    Join {
        /// Its origin.
        origin: String,
        /// Whose inbox this is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
}

/// State of the stream to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
#[ts(optional_fields)]
pub enum Connection {
    /// No server chosen yet.
    Idle,
    /// First attempt under way.
    Connecting,
    /// Messages arrive.
    Online {
        /// How.
        transport: Transport,
        /// Since when.
        since: Millis,
    },
    /// Messages do not arrive; attempts go on.
    Offline {
        /// Since when.
        since: Millis,
        /// Why, in a sentence for people (already in their language).
        reason: String,
        /// When the next attempt is made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Millis>,
    },
    /// The server no longer takes this device's token; a new invite is needed.
    Refused {
        /// Since when.
        since: Millis,
        /// Why.
        reason: String,
    },
}

/// How messages arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// WebSocket.
    Websocket,
    /// Server-Sent Events.
    Sse,
    /// Long polling.
    Poll,
}

/// Something that keeps Tocsin from working as it should, with the way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(optional_fields)]
pub struct Problem {
    /// What it is, for programs; also the key of its sentences in the locale files (`problem.<code>`).
    pub code: ProblemCode,
    /// Since when.
    pub since: Millis,
    /// What the system said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The kinds of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// Nothing can be stored: the disk is full or the directory is not writable.
    StoreUnwritable,
    /// The database is of a newer version.
    StoreNewer,
    /// The port is taken by another program.
    PortInUse,
    /// No keyring on this computer.
    KeyringMissing,
    /// The keyring is locked.
    KeyringLocked,
    /// The keyring failed.
    KeyringFailed,
    /// No notification daemon.
    NotificationsMissing,
    /// No tray host.
    TrayMissing,
    /// The device's token was refused.
    TokenRefused,
    /// The server is at the other end of a broken or unknown certificate.
    CertificateRefused,
    /// A message for somebody failed over a channel of the hosted server, and was not sent again.
    DeliveryFailed,
    /// The computer hosts and is set to sleep, slept, or cannot be kept awake although that is asked for.
    HostSleeps,
}

/// `POST /native/join`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct JoinRequest {
    /// The invite's text.
    pub invite: String,
    /// The person's name, when the invite names none.
    #[serde(default)]
    pub user: Option<String>,
    /// Name of this device; default: the host's name.
    #[serde(default)]
    pub device: Option<String>,
}

/// `POST /native/pause`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Pause {
    /// Until when; absent: resume now.
    #[serde(default)]
    pub until: Option<Millis>,
}

/// `POST /native/vault`: where secrets go when there is no keyring.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "choice", rename_all = "snake_case", deny_unknown_fields)]
pub enum VaultChoice {
    /// A file sealed with this passphrase, asked for at each start.
    Passphrase {
        /// At least 8 characters.
        passphrase: String,
    },
    /// Kept in memory until the resident ends.
    ThisRunOnly,
}

/// `POST /native/window`: open the window, or bring it to the front.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct OpenWindow {
    /// What to show.
    pub view: Option<View>,
    /// Lets the window come to the front on Wayland.
    pub activation_token: Option<String>,
}

/// What the window shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "view", rename_all = "snake_case")]
pub enum View {
    /// The inbox.
    Inbox,
    /// One message.
    Message {
        /// Which.
        id: MessageId,
    },
    /// The settings.
    Settings,
}

/// `POST /native/open-url`: http or https, in the person's browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct OpenUrl {
    /// The address.
    pub url: String,
}

/// `POST /native/spool`: a publish that waits in the resident until the server can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Spool {
    /// Its idempotency key: sent once, however often it is tried.
    pub idempotency_key: String,
    /// The message.
    pub publish: crate::Publish,
}

/// `GET /native/events`: one per SSE event; the first is always `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(optional_fields)]
pub enum ResidentEvent {
    /// The status changed (sent whole).
    Status(Box<Status>),
    /// A message was stored in the local inbox.
    Message(Box<Message>),
    /// A message was read or acknowledged.
    State(StateChange),
    /// Settings changed (sent whole).
    Settings(Box<Settings>),
    /// The window that listens should show this and come to the front.
    Show {
        /// What to show.
        view: View,
        /// See [`OpenWindow`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activation_token: Option<String>,
    },
    /// The resident is about to end; the window should, too.
    Quit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_routes_without_tricks() {
        assert!(is_route(BRIDGE_ROUTES, "GET", "/v1/messages/Abc123Abc123/receipt"));
        assert!(!is_route(BRIDGE_ROUTES, "DELETE", "/v1/messages"));
        for path in [
            "/v1/messages/../tokens",
            "/v1//me",
            "v1/me",
            "/v1/me/",
            "https://x/v1/me",
            "/v1/messages/%2e%2e",
            "/v1/messages/a\\b",
        ] {
            assert!(!is_route(BRIDGE_ROUTES, "GET", path), "{path}");
        }
    }
}

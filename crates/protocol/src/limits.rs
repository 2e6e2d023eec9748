//! What a message may be. One place, quoted by the server's checks, the UI's forms and the docs.

/// Title, bytes of UTF-8: two lines of a popup.
pub const TITLE_BYTES: usize = 256;
/// Body, bytes of UTF-8: far above an alert, far below what would hurt a phone.
pub const BODY_BYTES: usize = 16 * 1024;
/// Tags on one message.
pub const TAGS: usize = 10;
/// One tag, bytes.
pub const TAG_BYTES: usize = 64;
/// `click` and action URLs, bytes: what browsers and proxies carry.
pub const URL_BYTES: usize = 2048;
/// `key`, bytes.
pub const KEY_BYTES: usize = 128;
/// `Idempotency-Key`, bytes.
pub const IDEMPOTENCY_KEY_BYTES: usize = 128;
/// Buttons on one message: what notification daemons draw beside "Open".
pub const ACTIONS: usize = 3;
/// Label of a button, bytes.
pub const LABEL_BYTES: usize = 64;
/// People named in `to`.
pub const RECIPIENTS: usize = 500;
/// Devices of one person: their computers, phones, browsers and scripts many times over, and the load tests' shared
/// accounts. `?device=` makes them by name: without an end a loop over names would fill the database, and every receipt
/// looks at all devices of its people.
pub const DEVICES: usize = 256;
/// Expiry, seconds: 30 days, longer than bodies are kept.
pub const EXPIRES_IN_S: u64 = 30 * 24 * 3600;
/// Name of a user or topic, characters `[a-z0-9._-]` beginning with a letter or digit (topics also take upper case).
pub const NAME_BYTES: usize = 64;
/// Display name of a user, topic, device or token, bytes.
pub const DISPLAY_BYTES: usize = 128;
/// One page of a listing: default and most.
pub const PAGE_DEFAULT: usize = 50;
/// See [`PAGE_DEFAULT`].
pub const PAGE_MOST: usize = 200;
/// A request body, bytes: a whole Alertmanager group of a few hundred alerts.
pub const REQUEST_BYTES: usize = 1024 * 1024;
/// A WebSocket message, bytes.
pub const FRAME_BYTES: usize = 64 * 1024;

/// What the server itself tells its administrators. No request can name it: see [`is_name`].
pub const ALERTS_TOPIC: &str = "_alerts";

/// Whether `name` can name a user, topic or device.
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether `url` is an address that a server can have: http or https, a host, perhaps a port, no path.
pub fn is_origin(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b))
    })
}

//! A webhook: one signed HTTP request per delivery to an address that an administrator set, by the rules of
//! [Standard Webhooks](https://www.standardwebhooks.com).
//!
//! Invariants: `webhook-id` is the key of the delivery, so every try has the same and a receiver that has seen it can
//! leave it; every try has the same bytes and a time and signature of its own. Nothing that an answer says beyond its
//! status is kept.

mod body;
mod client;
pub(crate) mod failing;
mod send;
pub(crate) mod settings;
mod sign;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Client;
use tocsin_protocol::{Message, delivery::ChannelKind};
use tocsin_store::outbox::{GIVE_UP_AFTER, Item, Limits};
use tocsin_wechat::Clock;
use url::Url;

pub use sign::{BadKey, Key};

use self::{
    body::{PUBLISHED, TEST, body},
    settings::Webhook,
};
use crate::{
    Channel, Outcome, Parcel, Unfit,
    line::{BadSettings, Ground, KEY, Secrets},
};

/// One address.
pub struct Hook {
    url: Url,
    key: Key,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl Hook {
    pub(crate) fn new(settings: &Webhook, secrets: &Secrets, ground: &Ground) -> Result<Self, BadSettings> {
        let url = settings.url()?;
        let secret = secrets.get(KEY).ok_or_else(|| BadSettings::of(KEY, "is missing"))?;
        let key = Key::parse(secret.expose()).map_err(|bad| BadSettings::of(KEY, bad))?;
        let client = client::client(settings, &url, secrets, ground.timings)?;
        Ok(Self { url, key, client, clock: ground.clock.clone() })
    }

    /// What a test sends: receivers can tell it from a message.
    pub(crate) fn trial(message: &Message) -> Result<String, Unfit> {
        body(TEST, message, &[])
    }
}

#[async_trait]
impl Channel for Hook {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    fn limits(&self) -> Limits {
        Limits {
            windows: Vec::new(),
            same_content_ms: 0,
            digest_over: None,
            at_once: 1,
            repeat_safe_ms: GIVE_UP_AFTER,
        }
    }

    fn render(&self, item: &Item) -> Result<String, Unfit> {
        body(PUBLISHED, &item.message, &item.mentions)
    }

    async fn send(&self, parcel: Parcel<'_>) -> Outcome {
        let now = self.clock.now();
        send::outcome(send::signed(&self.client, &self.url, &self.key, &parcel, now), now).await
    }
}

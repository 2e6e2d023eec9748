//! An official account: template messages, one per person.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use tocsin_protocol::{
    Message,
    channel::{ChannelQuota, Failing, TemplateFieldInfo, TemplateInfo},
    delivery::ChannelKind,
};
use tocsin_store::outbox::{Item, Limits};
use tocsin_wechat::{
    Endpoint,
    callback::{Callback, Dialect},
    official::{Credential, OfficialAccount, Scene, TemplateMessage},
};

use super::{
    RECIPIENT, failing,
    patience::Patience,
    request::{left_out, restored, safe_ms, stored},
    settings::Official,
    wecom::callback,
    words::Words,
};
use crate::{
    Channel, Outcome, Parcel, Unfit,
    line::{BadSettings, Code, Ground, Person, SECRET, Secrets},
};

/// For how long the platform takes one `client_msg_id` for the same message, seconds.
const DEDUPE_SECONDS: u32 = 600;
/// The same content to the same person sooner is refused or dropped.
const SAME_CONTENT_MS: i64 = 60_000;
/// Requests at the same time.
const AT_ONCE: usize = 8;
/// Followers that are looked up for a list to choose from: each is a call.
const FOLLOWERS: usize = 100;
/// Of those at the same time.
const LOOK_UPS: usize = 8;

/// One account.
pub struct Account {
    client: OfficialAccount,
    template_id: String,
    fields: BTreeMap<String, String>,
    callback: Option<Callback>,
    words: Words,
    patience: Patience,
}

impl Account {
    pub(crate) fn new(settings: &Official, secrets: &Secrets, ground: &Ground) -> Result<Self, BadSettings> {
        let secret = secrets.get(SECRET).cloned().ok_or_else(|| BadSettings::of(SECRET, "is missing"))?;
        let token_mode = settings.token_mode.into();
        let credential = Credential { app_id: settings.app_id.clone(), secret, token_mode };
        let endpoint = settings.road().endpoint(Endpoint::official(), secrets, ground.timings)?;
        let client = OfficialAccount::new(credential, &endpoint, &ground.parts())
            .map_err(|bad| BadSettings::of("config.base_url", bad))?;
        let callback =
            if settings.callback { callback(Dialect::Official, &settings.app_id, secrets)? } else { None };
        Ok(Self {
            client,
            template_id: settings.template_id.clone(),
            fields: settings.fields.clone(),
            callback,
            words: ground.words.clone(),
            patience: Patience::new(&ground.clock),
        })
    }

    pub(crate) fn callback(&self) -> Option<&Callback> {
        self.callback.as_ref()
    }

    pub(crate) async fn forget(&self) {
        self.client.forget_token().await;
    }

    pub(crate) async fn check(&self) -> Result<(), Failing> {
        self.client.check().await.map_err(|failure| failing::failing(&failure))
    }

    pub(crate) async fn people(&self) -> Result<Vec<Person>, Failing> {
        let all = self.client.all_followers().await.map_err(|failure| failing::failing(&failure))?;
        // The newest come last, and whoever is to be bound followed a moment ago.
        let newest = all.into_iter().rev().take(FOLLOWERS);
        let looked = stream::iter(newest).map(async |openid| {
            // A name is welcome, not needed.
            let name = self.client.follower(&openid).await.map(|who| who.remark).unwrap_or_default();
            Person { address: openid, name }
        });
        Ok(looked.buffered(LOOK_UPS).collect().await)
    }

    pub(crate) async fn templates(&self) -> Result<Vec<TemplateInfo>, Failing> {
        let list = self.client.templates().await.map_err(|failure| failing::failing(&failure))?;
        let shown = list.into_iter().map(|template| {
            let fields = template.fields().into_iter().map(|field| TemplateFieldInfo {
                kind: serde_json::to_value(field.kind)
                    .ok()
                    .and_then(|kind| kind.as_str().map(ToOwned::to_owned))
                    .unwrap_or_default(),
                name: field.name,
            });
            TemplateInfo {
                fields: fields.collect(),
                template_id: template.template_id,
                title: template.title,
                content: template.content,
                example: template.example,
            }
        });
        Ok(shown.collect())
    }

    pub(crate) async fn quota(&self) -> Result<ChannelQuota, Failing> {
        let quota = self.client.template_quota().await.map_err(|failure| failing::failing(&failure))?;
        Ok(ChannelQuota { daily_limit: quota.daily_limit, used: quota.used, remain: quota.remain })
    }

    pub(crate) async fn qr(&self, scene: [u8; 16], expire_seconds: u32) -> Result<(String, Code), Failing> {
        let scene = Scene::from_random(scene);
        let qr = self
            .client
            .create_qr(&scene, expire_seconds)
            .await
            .map_err(|failure| failing::failing(&failure))?;
        let code = Code { url: qr.url, image_url: qr.image_url, expire_seconds: qr.expire_seconds };
        Ok((scene.as_str().to_owned(), code))
    }

    pub(crate) fn rendered(&self, message: &Message, key: &str) -> Result<String, Unfit> {
        if self.template_id.is_empty() {
            return Err(Unfit("template_id: no template is chosen".into()));
        }
        let data = self.fields.iter();
        let data = data.map(|(name, source)| (name.clone(), self.words.field(name, source, message)));
        let message = TemplateMessage {
            openid: RECIPIENT.into(),
            template_id: self.template_id.clone(),
            url: self.words.link(message),
            mini_program: None,
            client_msg_id: key.into(),
            data: data.collect(),
        };
        stored(message.prepare())
    }

    /// Sends it by itself, without the outbox.
    pub(crate) async fn aside(&self, parcel: Parcel<'_>) -> Outcome {
        let prepared = match restored(&parcel) {
            Ok(prepared) => prepared,
            Err(outcome) => return outcome,
        };
        self.patience.aside(self.client.send(&prepared).await)
    }
}

#[async_trait]
impl Channel for Account {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Wechat
    }

    fn limits(&self) -> Limits {
        Limits {
            windows: Vec::new(),
            same_content_ms: SAME_CONTENT_MS,
            digest_over: None,
            at_once: AT_ONCE,
            repeat_safe_ms: safe_ms(DEDUPE_SECONDS),
        }
    }

    fn render(&self, item: &Item) -> Result<String, Unfit> {
        self.rendered(&item.message, &item.key)
    }

    fn left_out(&self, body: &str) -> Option<String> {
        left_out(body)
    }

    async fn send(&self, parcel: Parcel<'_>) -> Outcome {
        match restored(&parcel) {
            Ok(prepared) => self.patience.outcome(self.client.send(&prepared).await),
            Err(outcome) => outcome,
        }
    }
}

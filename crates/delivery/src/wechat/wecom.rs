//! A WeCom app: one request per person, so that a retry never reaches those who have the message.
//!
//! With a callback address a message is a card, and a message that asks for it has an Acknowledge button; its `task_id`
//! is the key of the delivery, whose beginning is the message's id. Without one it is a text card, or a text where there
//! is no page to link to.

use async_trait::async_trait;
use tocsin_protocol::{Action, Message, MessageId, channel::Failing, delivery::ChannelKind};
use tocsin_store::outbox::{Item, Limits};
use tocsin_wechat::{
    Endpoint, Failure,
    callback::{Callback, Dialect},
    crypto::AesKey,
    wecom::{
        ACKNOWLEDGE_KEY, AppMessage, Button, Card, Content, Credential, DEDUPE_MOST_SECONDS, Recipients,
        WecomApp,
    },
};

use super::{
    RECIPIENT, failing,
    minute::Minute,
    patience::Patience,
    request::{left_out, restored, safe_ms, stored},
    settings::Wecom,
    words::Words,
};
use crate::{
    Channel, Outcome, Parcel, Unfit,
    line::{BadSettings, CALLBACK_KEY, CALLBACK_TOKEN, Ground, Person, SECRET, Secrets},
};

/// What WeCom delivers to one member; beyond it drops without a word.
const MEMBER_A_MINUTE: u32 = 30;
/// The same in an hour.
const MEMBER_AN_HOUR: u32 = 1_000;
/// Requests at the same time: far below where WeCom refuses an app.
const AT_ONCE: usize = 8;

/// No right to list members, no such API for this app, no department that it sees.
const LISTS_NOBODY: [i64; 3] = [60011, 48002, 60003];

/// One app.
pub struct App {
    client: WecomApp,
    callback: Option<Callback>,
    words: Words,
    minute: Minute,
    patience: Patience,
}

impl App {
    pub(crate) fn new(settings: &Wecom, secrets: &Secrets, ground: &Ground) -> Result<Self, BadSettings> {
        let secret = secrets.get(SECRET).cloned().ok_or_else(|| BadSettings::of(SECRET, "is missing"))?;
        let credential =
            Credential { corp_id: settings.corp_id.clone(), agent_id: settings.agent_id, secret };
        let endpoint = settings.road().endpoint(Endpoint::wecom(), secrets, ground.timings)?;
        let client = WecomApp::new(credential, &endpoint, &ground.parts())
            .map_err(|bad| BadSettings::of("config.base_url", bad))?;
        let callback =
            if settings.callback { callback(Dialect::Wecom, &settings.corp_id, secrets)? } else { None };
        Ok(Self {
            client,
            callback,
            words: ground.words.clone(),
            minute: Minute::new(&ground.clock, MEMBER_A_MINUTE),
            patience: Patience::new(&ground.clock),
        })
    }

    pub(crate) fn callback(&self) -> Option<&Callback> {
        self.callback.as_ref()
    }

    pub(crate) async fn forget(&self) {
        self.client.forget_token().await;
    }

    /// Tokens are handed to any address; the list of members is not.
    pub(crate) async fn check(&self) -> Result<(), Failing> {
        self.client.check().await.map_err(|failure| failing::failing(&failure))?;
        match self.client.members(1).await {
            Ok(_) => Ok(()),
            // An app that may list nobody can still send.
            Err(Failure::Refused(refused)) if LISTS_NOBODY.contains(&refused.errcode) => Ok(()),
            Err(failure) => Err(failing::failing(&failure)),
        }
    }

    pub(crate) async fn people(&self) -> Result<Vec<Person>, Failing> {
        let members = self.client.all_members().await.map_err(|failure| failing::failing(&failure))?;
        Ok(members.into_iter().map(|member| Person { address: member.userid, name: member.name }).collect())
    }

    pub(crate) fn rendered(&self, message: &Message, key: &str) -> Result<String, Unfit> {
        let prepared = AppMessage {
            to: Recipients::user(RECIPIENT),
            agent_id: self.client.agent_id(),
            content: self.content(message, key),
            dedupe_seconds: DEDUPE_MOST_SECONDS,
            // One that is to ring again must not look like a repetition.
            mark: if key.split('-').count() > 3 { key.into() } else { message.id.to_string() },
        };
        stored(prepared.prepare())
    }

    /// Sends it by itself, without the outbox.
    pub(crate) async fn aside(&self, parcel: Parcel<'_>) -> Outcome {
        match self.minute.admit(&parcel) {
            Ok(prepared) => self.patience.aside(self.client.send(&prepared).await),
            Err(outcome) => outcome,
        }
    }

    fn content(&self, message: &Message, key: &str) -> Content {
        let link = self.words.link(message);
        let asks = message.actions.iter().any(|action| matches!(action, Action::Acknowledge { .. }));
        let urgent = message.priority >= tocsin_protocol::Priority::HIGH;
        if self.callback.is_some() && (asks || urgent) && !message.resolved {
            let label = message.actions.iter().find_map(|action| match action {
                Action::Acknowledge { label } => label.clone(),
                Action::OpenUrl { .. } => None,
            });
            let label = label.unwrap_or_else(|| self.words.say("acknowledge", &[]));
            return Content::Card(Card {
                source: message.topic.clone().unwrap_or_default(),
                title: Words::title(message).into(),
                description: self.words.time(message.created_at),
                text: message.body.trim().into(),
                fields: Vec::new(),
                url: link,
                buttons: vec![Button::acknowledge(label)],
                task_id: key.into(),
            });
        }
        match link {
            Some(url) => Content::TextCard {
                title: Words::title(message).into(),
                description: message.body.trim().into(),
                url,
                button: None,
            },
            None => Content::Text { content: Words::whole(message), more: String::new() },
        }
    }
}

/// What opens pushes; nothing while a secret of it is missing.
pub(super) fn callback(
    dialect: Dialect,
    receive_id: &str,
    secrets: &Secrets,
) -> Result<Option<Callback>, BadSettings> {
    let (Some(token), Some(key)) = (secrets.get(CALLBACK_TOKEN), secrets.get(CALLBACK_KEY)) else {
        return Ok(None);
    };
    let key = AesKey::parse(key.expose()).map_err(|bad| BadSettings::of(CALLBACK_KEY, bad))?;
    Ok(Some(Callback {
        dialect,
        token: token.clone(),
        keys: vec![key],
        receive_id: receive_id.into(),
        allow_plain: false,
    }))
}

/// The message that a card was about, if it was a press on our button.
pub fn pressed(task_id: &str, key: &str) -> Option<MessageId> {
    if key != ACKNOWLEDGE_KEY {
        return None;
    }
    task_id.split('-').next()?.parse().ok()
}

#[async_trait]
impl Channel for App {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Wecom
    }

    fn limits(&self) -> Limits {
        Limits {
            windows: vec![self.minute.window(), (MEMBER_AN_HOUR, 3_600_000)],
            same_content_ms: 0,
            digest_over: None,
            at_once: AT_ONCE,
            repeat_safe_ms: safe_ms(DEDUPE_MOST_SECONDS),
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
            Ok(prepared) => {
                self.minute.count(parcel.address);
                self.patience.outcome(self.client.send(&prepared).await)
            }
            Err(outcome) => outcome,
        }
    }
}

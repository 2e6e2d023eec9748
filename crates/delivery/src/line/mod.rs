//! A channel as administrators set it up: from its settings and secrets to something that sends, is tested, and lists
//! who can be bound.
//!
//! ```text
//! config (JSON) ─► Settings ─┐
//! secrets ──────► Secrets ───┴─► Line ─► Channel (for the courier)
//!                                   ├──► check, test, candidates, templates, QR code (for administrators)
//!                                   └──► Callback (for what the platform pushes)
//! ```
//!
//! Here is told apart what stands behind a channel, and nowhere else; what each kind does is in [`wechat`](crate::wechat)
//! and [`webhook`](crate::webhook).

mod failing;
mod settings;

use std::{collections::BTreeMap, sync::Arc};

use tocsin_protocol::{
    Message,
    channel::{ChannelQuota, Failing, TemplateInfo},
    delivery::ChannelKind,
};
use tocsin_wechat::{Clock, Secret, Timings, TokenCache, callback::Callback};

pub(crate) use failing::{UNFIT, unfit};
pub use failing::{about, of_outcome};
pub use settings::{BadSettings, Part, Settings, parts};
pub(crate) use settings::{CALLBACK_KEY, CALLBACK_TOKEN, KEY, Road, SECRET};

use crate::{
    Channel, Outcome, Parcel,
    webhook::Hook,
    wechat::{Account, App, Group, Words},
};

/// Secrets of one channel by the names of their parts.
pub type Secrets = BTreeMap<String, Secret>;

/// What a channel is made with besides its settings and secrets.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Where sealed access tokens wait for the next start.
    pub cache: Arc<dyn TokenCache>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// What is written around messages.
    pub words: Words,
    /// Time limits of calls.
    pub timings: Timings,
}

/// Somebody who can be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Openid or userid.
    pub address: String,
    /// Their name, or the account's note about them; may be empty.
    pub name: String,
}

/// A QR code that names its scene when it is scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// What it says.
    pub url: String,
    /// Where the platform draws it.
    pub image_url: String,
    /// For how long it is good, in seconds.
    pub expire_seconds: i64,
}

/// Why a channel can not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unable {
    /// This kind has no such thing.
    NotHere,
    /// The platform refused, or was not reached.
    Failed(Failing),
}

/// One credential at a platform.
#[derive(Clone)]
pub enum Line {
    /// An app of a WeCom company.
    Wecom(Arc<App>),
    /// An official account.
    Official(Arc<Account>),
    /// A robot in a WeCom group.
    Robot(Arc<Group>),
    /// An address that takes signed requests.
    Webhook(Arc<Hook>),
}

impl Line {
    /// Ready to be used; nothing is asked yet.
    pub fn new(settings: &Settings, secrets: &Secrets, ground: &Ground) -> Result<Self, BadSettings> {
        Ok(match settings {
            Settings::Wecom(wecom) => Self::Wecom(Arc::new(App::new(wecom, secrets, ground)?)),
            Settings::Official(official) => {
                Self::Official(Arc::new(Account::new(official, secrets, ground)?))
            }
            Settings::Robot(robot) => Self::Robot(Arc::new(Group::new(robot, secrets, ground)?)),
            Settings::Webhook(webhook) => Self::Webhook(Arc::new(Hook::new(webhook, secrets, ground)?)),
        })
    }

    /// For the courier.
    pub fn channel(&self) -> Arc<dyn Channel> {
        match self {
            Self::Wecom(app) => app.clone(),
            Self::Official(account) => account.clone(),
            Self::Robot(group) => group.clone(),
            Self::Webhook(hook) => hook.clone(),
        }
    }

    /// What stands behind it.
    pub fn kind(&self) -> ChannelKind {
        self.channel().kind()
    }

    /// Asks for a token, held or not; at WeCom also for members, since only that looks at the trusted IPs. A robot and
    /// a webhook have nothing to try but a message: [`Unable::NotHere`].
    pub async fn check(&self) -> Result<(), Unable> {
        match self {
            Self::Wecom(app) => app.check().await.map_err(Unable::Failed),
            Self::Official(account) => account.check().await.map_err(Unable::Failed),
            Self::Robot(_) | Self::Webhook(_) => Err(Unable::NotHere),
        }
    }

    /// Sends a message by itself, without the outbox: a test. It counts for the platform's minute, and is refused where that
    /// is full.
    pub async fn try_out(&self, message: &Message, address: &str, key: &str) -> Outcome {
        let body = match self {
            Self::Wecom(app) => app.rendered(message, key),
            Self::Official(account) => account.rendered(message, key),
            Self::Robot(group) => group.rendered(message, &[]),
            Self::Webhook(_) => Hook::trial(message),
        };
        match body {
            Ok(body) => self.aside(Parcel { address, key, body: &body }).await,
            Err(bad) => Outcome::Refused(unfit(bad)),
        }
    }

    async fn aside(&self, parcel: Parcel<'_>) -> Outcome {
        match self {
            Self::Wecom(app) => app.aside(parcel).await,
            Self::Official(account) => account.aside(parcel).await,
            Self::Robot(group) => group.aside(parcel).await,
            Self::Webhook(hook) => hook.send(parcel).await,
        }
    }

    /// Who can be bound.
    pub async fn people(&self) -> Result<Vec<Person>, Unable> {
        match self {
            Self::Wecom(app) => app.people().await.map_err(Unable::Failed),
            Self::Official(account) => account.people().await.map_err(Unable::Failed),
            Self::Robot(_) | Self::Webhook(_) => Err(Unable::NotHere),
        }
    }

    /// The account's templates.
    pub async fn templates(&self) -> Result<Vec<TemplateInfo>, Unable> {
        match self {
            Self::Official(account) => account.templates().await.map_err(Unable::Failed),
            Self::Wecom(_) | Self::Robot(_) | Self::Webhook(_) => Err(Unable::NotHere),
        }
    }

    /// How many template messages the account may send today.
    pub async fn quota(&self) -> Result<ChannelQuota, Unable> {
        match self {
            Self::Official(account) => account.quota().await.map_err(Unable::Failed),
            Self::Wecom(_) | Self::Robot(_) | Self::Webhook(_) => Err(Unable::NotHere),
        }
    }

    /// A QR code that binds whoever scans it.
    pub async fn qr(&self, scene: [u8; 16], expire_seconds: u32) -> Result<(String, Code), Unable> {
        match self {
            Self::Official(account) => account.qr(scene, expire_seconds).await.map_err(Unable::Failed),
            Self::Wecom(_) | Self::Robot(_) | Self::Webhook(_) => Err(Unable::NotHere),
        }
    }

    /// Forgets the access token: the credential is being removed or replaced.
    pub async fn forget(&self) {
        match self {
            Self::Wecom(app) => app.forget().await,
            Self::Official(account) => account.forget().await,
            Self::Robot(_) | Self::Webhook(_) => {}
        }
    }

    /// What opens the platform's pushes, if they are set up.
    pub fn callback(&self) -> Option<&Callback> {
        match self {
            Self::Wecom(app) => app.callback(),
            Self::Official(account) => account.callback(),
            Self::Robot(_) | Self::Webhook(_) => None,
        }
    }
}

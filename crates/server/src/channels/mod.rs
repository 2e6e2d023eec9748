//! Ways to people outside live connections: the outbox's courier, the credentials it sends with, and what administrators
//! see and set of them.
//!
//! - A channel is *held* as it was when it was last looked at: made ready, or why not. Whatever changes it (settings, a
//!   secret, a keyring that was unlocked) looks again; the courier sends over what is ready and leaves the rest waiting.
//! - No secret leaves this module but into a client of the platform.
//! - With no channel the courier sleeps until the outbox changes, and publishing does nothing here.

pub mod callback;
mod herald;
pub mod proof;
mod secrets;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use tocsin_delivery::{
    Courier,
    line::{self, Ground, Line, Part, Secrets, Settings},
    wechat::Words,
};
use tocsin_protocol::{
    Millis,
    channel::{ChannelView, Failing, SecretPart, Standing},
    delivery::{Channel, ChannelHealth, ChannelKind, Flow},
};
use tocsin_store::{Clock, Error, Result, outbox::Outbox};
use tocsin_wechat::{FileCache, NoCache, Secret, TokenCache, callback::Guard};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use secrets::{SecretError, SecretStore, ThisRun};
pub use tocsin_wechat::Secret as ChannelSecret;

use crate::{Config, alerts::Alerts};

/// A locked keyring is looked at again this often: a person unlocks it when they have logged in.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// QR codes that can bind at the same time: one for each person of the largest team.
const SCENES_MOST: usize = 500;

/// Channels, as far as this server has them.
pub struct Outside {
    /// What is to be sent, and what became of it.
    pub outbox: Arc<dyn Outbox>,
    /// Sends it.
    pub courier: Courier,
    secrets: Arc<dyn SecretStore>,
    ground: Ground,
    public_url: Option<String>,
    alerts: Arc<Alerts>,
    clock: Clock,
    held: RwLock<BTreeMap<String, Held>>,
    /// One change of a channel at a time.
    changing: tokio::sync::Mutex<()>,
    /// Pushes that were taken lately.
    pushes: Mutex<Guard>,
    /// QR codes that bind, by their scene.
    scenes: Mutex<BTreeMap<String, Scene>>,
    /// Codes that bind whoever can tell them.
    pub proofs: proof::Proofs,
    tasks: TaskTracker,
}

/// A channel as it was when it was last looked at.
#[derive(Clone)]
struct Held {
    line: Option<Line>,
    standing: Standing,
    set: BTreeSet<&'static str>,
    settings: Option<Settings>,
}

/// Whom a QR code binds.
struct Scene {
    channel: String,
    user: String,
    until: Millis,
}

/// The store's clock, for clients of platforms.
struct WallClock(Clock);

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

impl tocsin_wechat::Clock for WallClock {
    fn now(&self) -> Millis {
        (self.0)()
    }
}

impl Outside {
    /// Starts the courier, and makes ready what can be. Nothing is waited for: a keyring may be locked for hours.
    pub fn start(
        outbox: Arc<dyn Outbox>,
        config: &Config,
        alerts: Arc<Alerts>,
        clock: &Clock,
        metrics: &tocsin_delivery::Metrics,
        shutdown: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Arc<Self> {
        let page = config.public_url.as_deref().or(config.advertised_origin.as_deref());
        let cache: Arc<dyn TokenCache> = match &config.token_dir {
            Some(dir) => Arc::new(FileCache::new(dir)),
            None => Arc::new(NoCache),
        };
        let ground = Ground {
            cache,
            clock: Arc::new(WallClock(clock.clone())),
            words: Words::new(config.locale.clone(), page),
            timings: config.platform_timings,
        };
        let courier = Courier::new(outbox.clone(), clock.clone())
            .counting(metrics.clone())
            .herald(herald::herald(config.locale.clone()));
        let outside = Arc::new(Self {
            outbox,
            courier,
            secrets: config.secrets.clone(),
            ground,
            public_url: config.public_url.clone(),
            alerts,
            clock: clock.clone(),
            held: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            pushes: Mutex::default(),
            scenes: Mutex::default(),
            proofs: proof::Proofs::default(),
            tasks: tasks.clone(),
        });
        let (courier, stop, patience) = (outside.courier.clone(), shutdown.clone(), config.connections.drain);
        tasks.spawn(async move {
            let cut = async {
                stop.cancelled().await;
                // What is on its way gets a moment; what is cut off is `unknown`, or sent again where that is safe.
                tokio::time::sleep(patience).await;
            };
            tokio::select! {
                () = courier.run(stop.clone()) => {}
                () = cut => {}
            }
        });
        let (looking, stop) = (outside.clone(), shutdown.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = looking.look_at_all() => {}
                () = stop.cancelled() => {}
            }
        });
        outside
    }

    /// Makes ready what can be, and goes on while something is locked.
    async fn look_at_all(&self) {
        loop {
            let again = match self.outbox.channels().await {
                Ok(channels) => {
                    let mut locked = false;
                    for channel in channels {
                        let known = self.held(&channel.name);
                        if known.is_none_or(|held| held.standing == Standing::SecretsLocked) {
                            let standing = self.look(&channel).await;
                            locked |= standing == Standing::SecretsLocked;
                        }
                    }
                    locked
                }
                Err(error) => {
                    tracing::warn!(%error, "channels cannot be read now");
                    true
                }
            };
            if !again {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn held(&self, name: &str) -> Option<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// What sends over this channel, if it is ready.
    pub fn line(&self, name: &str) -> Option<Line> {
        self.held(name).and_then(|held| held.line)
    }

    /// The channel of this name.
    pub async fn channel(&self, name: &str) -> Result<Channel> {
        let all = self.outbox.channels().await?;
        all.into_iter().find(|channel| channel.name == name).ok_or(Error::NotFound("channel"))
    }

    /// Looks at a channel anew and begins, or stops, to send over it.
    async fn look(&self, channel: &Channel) -> Standing {
        let _one = self.changing.lock().await;
        let held = self.prepare(channel).await;
        let standing = held.standing.clone();
        match &held.line {
            Some(line) if channel.enabled => self.courier.channels().attach(&channel.name, line.channel()),
            _ => self.courier.channels().detach(&channel.name),
        }
        tracing::info!(channel = %channel.name, ?standing, "channel");
        self.held.write().unwrap_or_else(PoisonError::into_inner).insert(channel.name.clone(), held);
        standing
    }

    async fn prepare(&self, channel: &Channel) -> Held {
        let mut held = Held { line: None, standing: Standing::Ready, set: BTreeSet::new(), settings: None };
        match Settings::read(channel.kind, &channel.config) {
            Ok(settings) => held.settings = Some(settings),
            Err(bad) => held.standing = Standing::BadConfig { detail: bad.to_string() },
        }
        let mut secrets = Secrets::new();
        for part in line::parts(channel.kind) {
            match self.secrets.get(&channel.name, part.name).await {
                Ok(Some(secret)) => {
                    held.set.insert(part.name);
                    secrets.insert(part.name.to_owned(), secret);
                }
                Ok(None) if part.required && held.standing == Standing::Ready => {
                    held.standing = Standing::SecretMissing { part: part.name.into() };
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(channel = %channel.name, %error, "a secret cannot be read now");
                    held.standing = Standing::SecretsLocked;
                    return held;
                }
            }
        }
        if let (Standing::Ready, Some(settings)) = (&held.standing, &held.settings) {
            match Line::new(settings, &secrets, &self.ground) {
                Ok(line) => held.line = Some(line),
                Err(bad) => held.standing = Standing::BadConfig { detail: bad.to_string() },
            }
        }
        if !channel.enabled && held.standing == Standing::Ready {
            held.standing = Standing::Disabled;
        }
        held
    }

    /// Somebody changed it: looks again, and closes its breaker, since what was wrong may be mended.
    pub async fn changed(&self, name: &str) -> Result<()> {
        let channel = self.channel(name).await?;
        self.look(&channel).await;
        self.outbox.reopen_channel(name).await
    }

    /// Stores or replaces a secret.
    pub async fn set_secret(
        &self,
        name: &str,
        part: &Part,
        secret: &Secret,
    ) -> std::result::Result<(), SecretError> {
        self.forget_token(name).await;
        self.secrets.set(name, part.name, secret).await
    }

    /// Removes a secret.
    pub async fn delete_secret(&self, name: &str, part: &Part) -> std::result::Result<(), SecretError> {
        self.forget_token(name).await;
        self.secrets.delete(name, part.name).await
    }

    async fn forget_token(&self, name: &str) {
        if let Some(line) = self.line(name) {
            line.forget().await;
        }
    }

    /// Removes a channel: its secrets first, so that none is left that nobody knows of.
    pub async fn remove(&self, channel: &Channel) -> std::result::Result<Result<()>, SecretError> {
        self.courier.channels().detach(&channel.name);
        self.forget_token(&channel.name).await;
        for part in line::parts(channel.kind) {
            match self.secrets.delete(&channel.name, part.name).await {
                // What the environment holds is the operator's to remove.
                Ok(()) | Err(SecretError::ReadOnly(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let removed = self.outbox.remove_channel(&channel.name).await;
        self.held.write().unwrap_or_else(PoisonError::into_inner).remove(&channel.name);
        Ok(removed)
    }

    /// All channels as administrators see them.
    pub async fn views(&self) -> Result<Vec<ChannelView>> {
        let (channels, health) = (self.outbox.channels().await?, self.outbox.channel_health().await?);
        let mut health: BTreeMap<String, ChannelHealth> =
            health.into_iter().map(|health| (health.channel.clone(), health)).collect();
        let mut views = Vec::new();
        for channel in channels {
            // One that was made between the two questions has no health yet; it is in the next answer.
            let Some(health) = health.remove(&channel.name) else { continue };
            if self.held(&channel.name).is_none() {
                self.look(&channel).await;
            }
            views.push(self.view(channel, health));
        }
        Ok(views)
    }

    fn view(&self, channel: Channel, health: ChannelHealth) -> ChannelView {
        let held = self.held(&channel.name);
        let standing = held.as_ref().map_or(Standing::SecretsLocked, |held| held.standing.clone());
        let set = held.as_ref().map(|held| held.set.clone()).unwrap_or_default();
        let settings = held.as_ref().and_then(|held| held.settings.as_ref());
        ChannelView {
            secrets: line::parts(channel.kind)
                .iter()
                .map(|part| SecretPart {
                    part: part.name.into(),
                    required: part.required,
                    is_set: set.contains(part.name),
                })
                .collect(),
            standing,
            is_platform: settings.is_none_or(Settings::is_platform),
            callback_url: self.callback_url(&channel),
            callback_ready: held
                .as_ref()
                .and_then(|held| held.line.as_ref())
                .is_some_and(|line| line.callback().is_some()),
            failing: parked(channel.kind, &health),
            channel,
            health,
        }
    }

    fn callback_url(&self, channel: &Channel) -> Option<String> {
        let kind = match channel.kind {
            ChannelKind::Wechat => "wechat",
            ChannelKind::Wecom => "wecom",
            ChannelKind::WecomRobot | ChannelKind::Webhook => return None,
        };
        let url = self.public_url.as_deref()?.trim_end_matches('/');
        Some(format!("{url}/v1/hooks/{kind}/{}", channel.name))
    }

    /// What is written around messages.
    pub fn words(&self) -> &Words {
        &self.ground.words
    }

    /// A QR code of this scene binds this person until then.
    pub fn expect_scan(&self, scene: String, channel: &str, user: &str, until: Millis) {
        let mut scenes = self.scenes();
        let now = (self.clock)();
        scenes.retain(|_, scene| scene.until > now);
        // The one that ends first makes room.
        if scenes.len() >= SCENES_MOST
            && let Some(first) =
                scenes.iter().min_by_key(|(_, scene)| scene.until).map(|(name, _)| name.clone())
        {
            scenes.remove(&first);
        }
        scenes.insert(scene, Scene { channel: channel.into(), user: user.into(), until });
    }

    /// Whom a scanned code binds. Used once.
    fn take_scene(&self, channel: &str, scene: &str) -> Option<String> {
        let now = (self.clock)();
        let mut scenes = self.scenes();
        let found = scenes.get(scene).filter(|found| found.channel == channel && found.until > now)?;
        let user = found.user.clone();
        scenes.remove(scene);
        Some(user)
    }

    fn scenes(&self) -> MutexGuard<'_, BTreeMap<String, Scene>> {
        self.scenes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a channel is parked, and what to do about it.
fn parked(kind: ChannelKind, health: &ChannelHealth) -> Option<Failing> {
    let code = health.code.as_deref().filter(|_| health.flow != Flow::Open)?;
    Some(line::about(kind, code, health.reason.as_deref().unwrap_or_default()))
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

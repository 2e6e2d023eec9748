//! What the platforms push: from a request to an answer.
//!
//! - The platform is answered by a deadline (`Config::answer_pushes_within`) whatever the store does; the work goes on beside it,
//!   and is tried again for a while if the store cannot write.
//! - What was acted on once is answered again in the same way, without effect.
//! - A press proves who pressed. Whether the message is theirs is for the store, which refuses what is not owed to them.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use tocsin_delivery::wechat::pressed;
use tocsin_protocol::{MessageId, Millis};
use tocsin_store::{
    Error, Press, Pressed, Result, Store,
    outbox::{Bound, Confirmation},
};
use tocsin_wechat::callback::{
    Admission, Answer, Callback, Event, Fingerprint, Guard, Opened, Query, Rejected, Reply, TemplateStatus,
};

use tokio::time::{Instant, timeout_at};

use super::Outside;
use crate::alerts::Alert;

/// A store that cannot write is asked again for so long; the platform repeats its push only a few times.
const KEEP_TRYING: Duration = Duration::from_mins(2);
/// Between two of those tries.
const PAUSE: Duration = Duration::from_secs(1);

/// The platform tells whole seconds, the past one.
const SECOND_OF_THE_PLATFORM: i64 = 1;

/// After the platform lost a message: it has time to recover, and the person still wants to know.
const LOST_PAUSE: Millis = 60_000;
/// After a person got too many: the window is not documented.
const LIMITED_PAUSE: Millis = 3_600_000;

/// Why a template message did not arrive, and after how long it is worth another try.
fn became(status: &TemplateStatus) -> (Option<&str>, Option<Millis>) {
    match status {
        TemplateStatus::Delivered => (None, None),
        TemplateStatus::Blocked => (Some("failed:user block"), None),
        TemplateStatus::Limited => (Some("failed:freq limit"), Some(LIMITED_PAUSE)),
        TemplateStatus::Lost => (Some("failed: system failed"), Some(LOST_PAUSE)),
        TemplateStatus::Failed(why) => (Some(why), None),
    }
}

/// Why a push was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// There is no such channel, or it takes no pushes.
    NotHere,
    /// It is not the platform's, not for us, or old.
    Rejected(Rejected),
    /// It could not be acted on; the platform shall repeat it.
    Store(Error),
}

/// Two channels may hear of the same event: each acts on it.
fn at_channel(channel: &str, push: &Fingerprint) -> Fingerprint {
    // The fingerprint first: it is of one length, so that nothing runs together.
    Sha256::new().chain_update(push).chain_update(channel).finalize().into()
}

impl Outside {
    /// The console verifies the address: what to answer.
    pub fn verify(&self, channel: &str, query: &str) -> std::result::Result<String, Refusal> {
        let line = self.line(channel).ok_or(Refusal::NotHere)?;
        let callback = line.callback().ok_or(Refusal::NotHere)?;
        callback.verify_url(&Query::parse(query), (self.clock)()).map_err(Refusal::Rejected)
    }

    /// A push, answered by `deadline`.
    pub async fn pushed(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        channel: &str,
        query: &str,
        body: &[u8],
        deadline: Instant,
    ) -> std::result::Result<Answer, Refusal> {
        let line = self.line(channel).ok_or(Refusal::NotHere)?;
        let callback = line.callback().ok_or(Refusal::NotHere)?;
        let now = (self.clock)();
        let opened = callback.open(&Query::parse(query), body, now).map_err(Refusal::Rejected)?;
        let push = at_channel(channel, &opened.fingerprint);
        let admission = self.pushes().admit(push, opened.signed_at, now);
        let reply = match admission {
            // Still worked on: whatever comes of it, the platform has done its part.
            Admission::Repeat(reply) => reply.unwrap_or(Reply::Success),
            Admission::First => {
                self.first(store, channel, &opened.event, push, deadline).await.map_err(Refusal::Store)?
            }
        };
        Ok(self.written(callback, &opened, &reply))
    }

    fn written(&self, callback: &Callback, opened: &Opened, reply: &Reply) -> Answer {
        callback.reply(opened, reply, (self.clock)(), rand::rng().random())
    }

    /// Acts on it, and waits for that as long as the platform does.
    async fn first(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        channel: &str,
        event: &Event,
        push: Fingerprint,
        deadline: Instant,
    ) -> Result<Reply> {
        let (this, store, channel, event) = (self.clone(), store.clone(), channel.to_owned(), event.clone());
        let working = self.tasks.spawn(async move { this.work(&store, &channel, &event, push).await });
        match timeout_at(deadline, working).await {
            Ok(Ok(done)) => done,
            // A panic in it has been told where it happened.
            Ok(Err(_)) => Err(Error::Unavailable("the push was not worked on".into())),
            Err(_) => Ok(Reply::Success),
        }
    }

    async fn work(
        &self,
        store: &Arc<dyn Store>,
        channel: &str,
        event: &Event,
        push: Fingerprint,
    ) -> Result<Reply> {
        let until = Instant::now() + KEEP_TRYING;
        loop {
            match self.act(store, channel, event).await {
                Ok(reply) => {
                    self.pushes().answered(&push, reply.clone());
                    return Ok(reply);
                }
                Err(error) => {
                    tracing::warn!(%error, channel, "a push could not be acted on");
                    let passing = matches!(error, Error::Unavailable(_));
                    if !passing || Instant::now() >= until {
                        self.pushes().give_up(&push);
                        return Err(error);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn act(&self, store: &Arc<dyn Store>, channel: &str, event: &Event) -> Result<Reply> {
        match event {
            Event::CardPressed { from, task_id, key, .. } => {
                if let Some(message) = pressed(task_id, key) {
                    return self.acknowledge(store, channel, from, message).await;
                }
            }
            Event::TemplateSent { from, msgid, status, .. } => {
                let (failed, again) = became(status);
                let said = Confirmation {
                    channel: channel.into(),
                    msgid: msgid.clone(),
                    address: from.clone(),
                    failed: failed.map(ToOwned::to_owned),
                    again: again.map(|pause| (self.clock)().saturating_add(pause)),
                };
                self.outbox.confirm(said, self.courier.teller()).await?;
            }
            Event::Subscribed { from, scene: Some(scene) } | Event::Scanned { from, scene } => {
                if let Some(user) = self.take_scene(channel, scene) {
                    match self.outbox.bind(channel, &user, from).await {
                        Ok(_) => tracing::info!(channel, user, "bound by QR code"),
                        // The address is somebody else's, or the person has left: nothing that trying again mends.
                        Err(Error::Conflict(why)) => tracing::warn!(channel, user, why, "not bound"),
                        Err(Error::UnknownUser(_) | Error::NotFound(_)) => {}
                        Err(error) => {
                            let until = (self.clock)().saturating_add(600_000);
                            self.expect_scan(scene.clone(), channel, &user, until);
                            return Err(error);
                        }
                    }
                }
            }
            Event::Unsubscribed { from, at } => self.left(channel, from, *at).await?,
            Event::AppInactive { is_closed } => self.inactive(channel, *is_closed).await?,
            _ => {}
        }
        Ok(Reply::Success)
    }

    /// Somebody stopped following at this time (Unix seconds). Whoever was bound later came back, and that was told first.
    async fn left(&self, channel: &str, from: &str, at: i64) -> Result<()> {
        let told = at.saturating_add(SECOND_OF_THE_PLATFORM).saturating_mul(1_000);
        let bindings = self.outbox.bindings(channel).await?;
        if bindings.iter().any(|bound| bound.address.eq_ignore_ascii_case(from) && bound.bound_at > told) {
            tracing::info!(channel, "somebody left before they were bound: nothing to do");
            return Ok(());
        }
        self.outbox.unbind(channel, Bound::Address(from.to_owned())).await.map(drop)
    }

    /// A press on Acknowledge counts for the person who is bound to whoever pressed.
    async fn acknowledge(
        &self,
        store: &Arc<dyn Store>,
        channel: &str,
        from: &str,
        message: MessageId,
    ) -> Result<Reply> {
        let bindings = self.outbox.bindings(channel).await?;
        let Some(bound) = bindings.into_iter().find(|bound| bound.address.eq_ignore_ascii_case(from)) else {
            tracing::warn!(channel, "a card was pressed by somebody who is not bound");
            return Ok(Reply::Success);
        };
        let (user, _) = store.user(&bound.user).await?;
        let press = Press { user, message, pressed: Pressed::Acknowledge, at: (self.clock)() };
        match store.press(press).await {
            Ok(_) => Ok(Reply::CardButton {
                user: from.to_owned(),
                replace_name: self.words().say("acknowledged", &[]),
            }),
            // Not owed to them any more, or pruned: trying again mends nothing.
            Err(Error::NotFound(_) | Error::Forbidden(_) | Error::Gone) => Ok(Reply::Success),
            Err(error) => Err(error),
        }
    }

    async fn inactive(&self, channel: &str, is_closed: bool) -> Result<()> {
        let name = self.channel(channel).await?.display_name;
        let key = if is_closed { "inactive_title" } else { "inactive_soon_title" };
        let alert = Alert {
            cause: format!("inactive-{channel}"),
            title: self.words().say(key, &[("channel", &name)]),
            body: self.words().say("inactive_body", &[]),
        };
        self.alerts.raise(alert).await.map(drop)
    }

    fn pushes(&self) -> MutexGuard<'_, Guard> {
        self.pushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

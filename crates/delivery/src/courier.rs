//! Carries between outbox and channels.
//!
//! A [`turn`](Courier::turn) claims what is due and does all of it; [`run`](Courier::run) goes on until it is told to
//! stop, sleeping until something is due. Times are wall clock: the computer may sleep, and what was due meanwhile is
//! then due at once. tokio's timers stand still in suspend, so no sleep is longer than [`NAP`].
//!
//! The steps of a delivery, and what a kill after each leaves:
//! claimed (nothing happened: its lease ends) → begun (it may have arrived: `unknown`, or again where the platform
//! recognises it) → sent (the same) → settled.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tocsin_protocol::{Millis, delivery::AttemptResult};
use tocsin_store::{
    Clock, Error, Result,
    outbox::{
        Again, ClaimOrder, Claimed, DeliveryId, Herald, History, Job, Next, Noticed, Outbox, Settlement,
        Start, StartOf, Started, Work, codes, health::Omen,
    },
};
use tokio_util::sync::CancellationToken;

use crate::{Case, Channel, Channels, Metrics, Outcome, Parcel, Verdict, judge};

/// How long a platform may take to answer: slow ones take seconds; after this nobody knows.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a lane belongs to a courier: a request, its booking, and time to spare.
pub const LEASE_MS: Millis = 90_000;
/// A try that could not be made this soon after it was booked is not made: its lease may be over before it ends.
const STALE_MS: Millis = LEASE_MS / 3;
/// A clock that goes back by less is being adjusted.
const SET_BACK_MS: Millis = 5_000;
/// Lanes served at the same time by one courier.
const AT_ONCE: usize = 32;
/// The longest sleep: in suspend timers stand still, so this is how late a wake is noticed.
const NAP: Duration = Duration::from_secs(15);
/// After the store failed.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

/// A number in 0..1 for each roll.
pub type Dice = Arc<dyn Fn() -> f64 + Send + Sync>;

/// How long a courier waits for what it cannot know.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For an answer.
    pub send_timeout: Duration,
    /// After the store failed.
    pub trouble_pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { send_timeout: SEND_TIMEOUT, trouble_pause: TROUBLE_PAUSE }
    }
}

/// Serves one outbox. Cheap to clone; clones are couriers of their own that share channels and counters.
#[derive(Clone)]
pub struct Courier {
    outbox: Arc<dyn Outbox>,
    clock: Clock,
    dice: Dice,
    pace: Pace,
    channels: Channels,
    herald: Option<Herald>,
    metrics: Metrics,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Lanes served.
    pub jobs: usize,
    /// When something is due next, if nothing else happens before; nothing: nothing waits.
    pub next: Option<Millis>,
    /// What claiming noticed.
    pub noticed: Noticed,
}

impl Courier {
    /// A courier by this clock, which must be the store's, with real dice and the default pace.
    pub fn new(outbox: Arc<dyn Outbox>, clock: Clock) -> Self {
        Self {
            outbox,
            clock,
            dice: Arc::new(rand::random::<f64>),
            pace: Pace::default(),
            channels: Channels::default(),
            herald: None,
            metrics: Metrics::default(),
        }
    }

    /// With these dice.
    #[must_use]
    pub fn dice(self, dice: Dice) -> Self {
        Self { dice, ..self }
    }

    /// At this pace.
    #[must_use]
    pub fn pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// With these counters.
    #[must_use]
    pub fn counting(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Tells of failures.
    #[must_use]
    pub fn herald(self, herald: Herald) -> Self {
        Self { herald: Some(herald), ..self }
    }

    /// The channels that can send; attach and detach them at any time.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whom failures are told to, for [`Outbox::confirm`].
    pub fn teller(&self) -> Option<Herald> {
        self.herald.clone()
    }

    /// Goes on until it is told to stop; what is on its way then is finished first.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut changed, mut attached) = (self.outbox.outbox_changed(), self.channels.changed());
        let mut running = FuturesUnordered::new();
        let mut latest = Millis::MAX;
        loop {
            latest = self.mend(latest).await;
            changed.mark_unchanged();
            attached.mark_unchanged();
            let room = AT_ONCE - running.len();
            let next = match self.claim(room).await {
                Ok(claimed) => {
                    running.extend(claimed.jobs.into_iter().map(|job| self.deliver(job)));
                    // Where there is no room there is nothing to wait for but room.
                    claimed.next.filter(|_| running.len() < AT_ONCE)
                }
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be served now");
                    tokio::time::sleep(self.pace.trouble_pause).await;
                    Some((self.clock)())
                }
            };
            let nap = self.nap(next);
            tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = running.next() => {}
                _ = changed.changed() => {}
                _ = attached.changed() => {}
                () = nap => {}
            }
        }
        finish(running).await;
    }

    /// Looks whether the clock was set back, at the start too; gives the time for the next look.
    async fn mend(&self, latest: Millis) -> Millis {
        let now = (self.clock)();
        if now >= latest.saturating_sub(SET_BACK_MS) && latest != Millis::MAX {
            return now;
        }
        match self.outbox.mend_times(LEASE_MS).await {
            Ok(0) => now,
            Ok(count) => {
                tracing::warn!(count, "the clock was set back; what waited is due now");
                now
            }
            // Looked for again with the next turn.
            Err(_) => latest,
        }
    }

    /// Sleeps until then or a while; without an end if nothing waits.
    async fn nap(&self, next: Option<Millis>) {
        match next {
            Some(at) => {
                let wait = u64::try_from(at.saturating_sub((self.clock)())).unwrap_or(0).max(1);
                tokio::time::sleep(Duration::from_millis(wait).min(NAP)).await;
            }
            None => std::future::pending().await,
        }
    }

    /// Claims what is due and does all of it.
    pub async fn turn(&self) -> Result<Turn> {
        let claimed = self.claim(AT_ONCE).await?;
        let turn = Turn { jobs: claimed.jobs.len(), next: claimed.next, noticed: claimed.noticed };
        finish(claimed.jobs.into_iter().map(|job| self.deliver(job)).collect()).await;
        Ok(turn)
    }

    async fn claim(&self, most: usize) -> Result<Claimed> {
        let order = ClaimOrder {
            channels: self.channels.limits(),
            most,
            lease_ms: LEASE_MS,
            herald: self.herald.clone(),
        };
        let claimed = self.outbox.claim_lanes(order).await?;
        self.metrics.noticed(claimed.noticed);
        Ok(claimed)
    }

    /// One job from its lease to its settlement.
    async fn deliver(&self, job: Job) {
        let Some(channel) = self.channels.get(&job.channel) else {
            // Detached since: it waits, as everything there.
            return self.put_back(&job, Again::NotSent).await;
        };
        let (start, key, history) = match prepare(&*channel, &job.work) {
            Ok(prepared) => prepared,
            Err((id, reason)) => return self.refuse(&job, id, reason).await,
        };
        let body = start.body.clone();
        let started = match self.outbox.begin(job.lease, start).await {
            Ok(started) => started,
            // Cancelled, or the lease is over: nothing is to be sent.
            Err(Error::Gone) => return,
            Err(error) => {
                // It may be booked nevertheless; then its lease ends, and it counts as lost.
                tracing::warn!(%error, "a delivery could not be begun");
                return;
            }
        };
        let key = key.unwrap_or_else(|| started.key.clone());
        let outcome = self.send(&*channel, &job, &started, &key, &body).await;
        let case = Case {
            history,
            address: &job.address,
            started_at: started.at,
            now: (self.clock)(),
            repeat_safe_ms: channel.limits().repeat_safe_ms,
            roll: (self.dice)(),
        };
        let mut verdict = judge(outcome, &case);
        if verdict.result == AttemptResult::Accepted
            && let Some(words) = channel.left_out(&body)
        {
            (verdict.code, verdict.reason) = (Some(codes::FITTED.into()), Some(words));
        }
        let digest = !matches!(job.work, Work::One(_));
        let said = self.settlement(&job, Some(&started), started.delivery, &verdict);
        if let Some(settled) = self.settle(said).await {
            self.metrics.settled(channel.kind(), digest, &verdict, &settled);
        }
    }

    async fn send(
        &self,
        channel: &dyn Channel,
        job: &Job,
        started: &Started,
        key: &str,
        body: &str,
    ) -> Outcome {
        // The computer slept between booking and sending: another may have this lane before an answer comes.
        if (self.clock)().saturating_sub(started.at) > STALE_MS {
            return Outcome::NotSent("it was booked too long ago".into());
        }
        let parcel = Parcel { address: &job.address, key, body };
        let sending = AssertUnwindSafe(channel.send(parcel)).catch_unwind();
        match tokio::time::timeout(self.pace.send_timeout, sending).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Outcome::Unknown("the channel broke down".into()),
            Err(_) => Outcome::Unknown("no answer in time".into()),
        }
    }

    /// A message that can not be rendered.
    async fn refuse(&self, job: &Job, id: DeliveryId, reason: String) {
        let verdict = Verdict {
            result: AttemptResult::Refused,
            next: Next::Failed,
            omen: Omen::None,
            code: Some("unfit".into()),
            reason: Some(reason),
            msgid: None,
            broken: None,
            flagged: None,
        };
        self.settle(self.settlement(job, None, id, &verdict)).await;
    }

    async fn put_back(&self, job: &Job, why: Again) {
        let id = match &job.work {
            Work::One(item) => item.id,
            Work::Again { id, .. } => *id,
            Work::Digest(items) => match items.first() {
                Some(item) => item.id,
                None => return,
            },
        };
        let verdict = Verdict {
            result: AttemptResult::NotSent,
            next: Next::Retry { at: (self.clock)(), why },
            omen: Omen::None,
            code: None,
            reason: None,
            msgid: None,
            broken: None,
            flagged: None,
        };
        self.settle(self.settlement(job, None, id, &verdict)).await;
    }

    fn settlement(
        &self,
        job: &Job,
        started: Option<&Started>,
        delivery: DeliveryId,
        verdict: &Verdict,
    ) -> Settlement {
        Settlement {
            lease: job.lease,
            attempt: started.map(|started| started.attempt),
            delivery,
            result: verdict.result,
            next: verdict.next,
            code: verdict.code.clone(),
            reason: verdict.reason.clone(),
            msgid: verdict.msgid.clone(),
            omen: verdict.omen.clone(),
            broken: verdict.broken.clone(),
            flagged: verdict.flagged.clone(),
            roll: (self.dice)(),
            herald: self.herald.clone(),
        }
    }

    /// Books an answer. While the disk is full it is kept and tried again as long as the lease lasts: what is lost here is
    /// `unknown` for ever.
    async fn settle(&self, said: Settlement) -> Option<tocsin_store::outbox::Settled> {
        let until = (self.clock)().saturating_add(LEASE_MS);
        loop {
            match self.outbox.settle(said.clone()).await {
                Ok(settled) => return Some(settled),
                Err(error) => {
                    tracing::warn!(%error, "an answer could not be booked");
                    let passing = matches!(error, Error::Unavailable(_));
                    if !passing || (self.clock)() >= until {
                        return None;
                    }
                    tokio::time::sleep(self.pace.trouble_pause).await;
                }
            }
        }
    }
}

async fn finish<F: Future<Output = ()>>(mut running: FuturesUnordered<F>) {
    while running.next().await.is_some() {}
}

type Prepared = (Start, Option<String>, History);

/// What is sent; with the key of a message (a digest gets its own), and what happened before.
fn prepare(channel: &dyn Channel, work: &Work) -> Result<Prepared, (DeliveryId, String)> {
    match work {
        Work::One(item) => {
            let body = match &item.body {
                Some(body) => body.clone(),
                None => channel.render(item).map_err(|unfit| (item.id, unfit.0))?,
            };
            Ok((Start { what: StartOf::One(item.id), body }, Some(item.key.clone()), item.history))
        }
        Work::Again { id, body, history } => {
            Ok((Start { what: StartOf::One(*id), body: body.clone() }, None, *history))
        }
        Work::Digest(items) => {
            let first = items.first().map_or(DeliveryId(0), |item| item.id);
            let digest = channel.render_digest(items).map_err(|unfit| (first, unfit.0))?;
            let taken = items.iter().take(digest.taken.max(1)).map(|item| item.id).collect();
            Ok((Start { what: StartOf::Digest(taken), body: digest.body }, None, History::default()))
        }
    }
}

//! Access tokens: one per credential, kept fresh.
//!
//! ```text
//! get() ──► state (pure, token/state.rs) ──► the token held │ a refusal that still stands │ join the one flight
//!                                                                                           └► source ─► sealed cache
//! ```
//!
//! Invariants:
//! - **One flight.** However many callers need a token, one request is made; all of them get its result, a failure too.
//!   The flight is a task of its own: a caller that is cancelled loses nobody the token that was fetched.
//! - **Nobody waits for a refresh** while the token held is still good: the flight runs beside the calls, and if it
//!   fails the token goes on being used.
//! - **Compare and expire.** Only the token that was refused is dropped. If somebody has fetched another one since,
//!   that one is tried instead.
//! - **A refused token costs one request.** Further refusals before any success cost one request each after a growing
//!   pause: a token that is stolen or refused for good makes no storm of requests.
//! - **Wall clock**, because a token expires while the computer sleeps; a clock that was set back makes the token doubtful.

mod cache;
mod record;
mod sealed;
mod source;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt as _, future::Shared};

pub use cache::{FileCache, NoCache, TokenCache};
pub use source::{CLASSIC_A_DAY, MAY_FORCE_A_DAY, TokenMode};
pub(crate) use source::{OfficialSource, Source, WecomSource};
pub(crate) use state::{Token, hardened, refused_pause};

use crate::{
    Clock, Secret,
    outcome::{Cause, Failure, NotSent, Refused},
};
use sealed::Sealed;
use source::How;
use state::{Decision, State};

type Flight = Shared<futures_util::future::BoxFuture<'static, Result<Token, Failure>>>;

/// The tokens of one credential.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<Inner>);

struct Inner {
    source: Box<dyn Source>,
    cache: Sealed,
    clock: Arc<dyn Clock>,
    state: Mutex<Held>,
}

/// The state and the flight under one lock, which is never held across an await.
struct Held {
    state: State,
    flight: Option<Flight>,
    /// The credential is being deleted: a flight that lands later stores nothing.
    is_forgotten: bool,
}

impl Tokens {
    /// `name` names the credential in the cache, `secret` seals it there.
    pub fn new(
        source: Box<dyn Source>,
        cache: Arc<dyn TokenCache>,
        name: String,
        secret: &Secret,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let cache = Sealed::new(cache, name, secret);
        let state = Mutex::new(Held { state: State::default(), flight: None, is_forgotten: false });
        Self(Arc::new(Inner { source, cache, clock, state }))
    }

    /// A token to use now.
    pub async fn get(&self) -> Result<Token, Failure> {
        let flight = {
            let mut held = self.0.lock();
            match held.state.decide(self.0.clock.now()) {
                Decision::Use(token) => return Ok(token),
                Decision::UseAndRefresh(token) => {
                    // It flies by itself.
                    drop(self.join_flight(&mut held));
                    return Ok(token);
                }
                Decision::Refuse(failure) => return Err(failure),
                Decision::Fetch => self.join_flight(&mut held),
            }
        };
        flight.await
    }

    /// Whether another request hands out the token that is held, so that asking ends nobody's.
    pub fn may_ask_again(&self) -> bool {
        self.0.source.hands_out_again()
    }

    /// Asks the platform, whatever is held and whatever failed before: whether it still hands out tokens to us.
    pub async fn ask(&self) -> Result<Token, Failure> {
        self.0.load().await;
        let flight = {
            let mut held = self.0.lock();
            held.state.retry_now();
            self.join_flight(&mut held)
        };
        flight.await
    }

    fn join_flight(&self, held: &mut Held) -> Flight {
        if let Some(flight) = &held.flight {
            return flight.clone();
        }
        let inner = self.0.clone();
        let task = tokio::spawn(async move { inner.fly().await });
        let flight = async move {
            task.await.unwrap_or_else(|_| {
                // The runtime is shutting down, or the task panicked.
                let detail = "the token request was given up".into();
                Err(Failure::NotSent(NotSent::of(Cause::Broken, detail)))
            })
        };
        held.flight.insert(flight.boxed().shared()).clone()
    }

    /// The platform took a call with this token.
    pub fn confirm(&self, used: &Token) {
        self.0.lock().state.confirm(used);
    }

    /// The platform refused a call because of this token. Returns how often in a row that has happened to any token.
    pub fn expire(&self, used: &Token, refusal: &Refused) -> u32 {
        let now = self.0.clock.now();
        self.0.lock().state.expire(used, refusal, now)
    }

    /// Forgets earlier failures: a person has changed something and asks at once.
    pub fn retry_now(&self) {
        self.0.lock().state.retry_now();
    }

    /// Forgets the token, in memory and in the cache.
    pub async fn forget(&self) {
        {
            let mut held = self.0.lock();
            held.state = State::default();
            held.is_forgotten = true;
        }
        self.0.cache.turn().await.remove().await;
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Held> {
        // Every change of the state is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks into the cache, once after a start; says whether this was the time.
    async fn load(&self) -> bool {
        if self.lock().state.is_loaded() {
            return false;
        }
        let record = self.cache.load().await;
        self.lock().state.load(record);
        true
    }

    /// One flight: from the cache after a start, else from the platform.
    async fn fly(self: Arc<Self>) -> Result<Token, Failure> {
        if self.load().await {
            let mut held = self.lock();
            if let Decision::Use(token) | Decision::UseAndRefresh(token) = held.state.decide(self.clock.now())
            {
                held.flight = None;
                return Ok(token);
            }
        }
        // Reckoned from before the request: what it takes on the way is life that the token has lost.
        let asked_at = self.clock.now();
        let how: How = self.lock().state.how(asked_at);
        let fetch = self.source.fetch(how).await;
        let result = {
            let mut held = self.lock();
            held.state.spend(&fetch, asked_at);
            // In the same breath as the result: a caller whose call was refused with this token must start another
            // flight, not join this one.
            held.flight = None;
            match fetch.result {
                Ok(fetched) => Ok(held.state.take(fetched, asked_at)),
                Err(failure) => Err(held.state.failed(failure, self.clock.now())),
            }
        };
        if let Err(failure) = &result {
            tracing::warn!(%failure, "no access token could be fetched");
        }
        // Beside the callers: a disk that hangs holds up no message.
        tokio::spawn(async move { self.persist().await });
        result
    }

    /// Stores what is held **then**: of two that overlap the later never stores the older.
    async fn persist(&self) {
        let mut storing = self.cache.turn().await;
        let record = {
            let held = self.lock();
            if held.is_forgotten {
                return;
            }
            held.state.record()
        };
        storing.store(record).await;
    }
}

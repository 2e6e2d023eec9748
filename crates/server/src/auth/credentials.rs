//! Who presents which secret, remembered until the log says otherwise, so that a request costs no query.
//!
//! Invariants:
//! - Only valid credentials are remembered, so nobody can push others out by guessing.
//! - The hub's tail hands every committed entry to [`Credentials::forget`]: what a revocation ends is forgotten when
//!   its entry is reached. An answer of the store that was under way meanwhile is not kept (`generation`).
//! - Expiry is checked on every use, remembered or not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use subtle::ConstantTimeEq;
use tocsin_protocol::{Millis, TokenKind};
use tocsin_store::{Clock, Entry, Principal, Result, SecretHash, Store, TokenId, UserId};

use super::{Attempts, LoginCodes, Proof, Tickets, secret};
use crate::config::{Config, LocalAccess};

/// Credentials remembered: a team of 200 with a dozen devices each. Beyond, all are asked for again.
const REMEMBERED_MOST: usize = 4096;
/// A session is asked for again after this long, which also puts off its idle end.
const SESSION_FRESH_MS: Millis = 60_000;
/// A token's last use is kept to the minute.
const TOUCH_MS: Millis = 60_000;
/// Device that a browser's streams are booked on, unless `?device=` names another.
const BROWSER_DEVICE: &str = "browser";

/// Who presents which secret.
pub struct Credentials {
    store: Arc<dyn Store>,
    clock: Clock,
    local: Option<(SecretHash, LocalAccess)>,
    cache: Mutex<Cache>,
    /// Failures per address.
    pub attempts: Attempts,
    /// Tickets for streams.
    pub tickets: Arc<Tickets>,
    /// Codes for the browser page.
    pub codes: LoginCodes,
}

#[derive(Default)]
struct Cache {
    known: HashMap<Proof, Known>,
    /// Grows with each invalidation: an answer asked for before it is not kept.
    generation: u64,
}

struct Known {
    principal: Arc<Principal>,
    asked_at: Millis,
    touched_at: Millis,
}

impl Credentials {
    /// Nothing remembered yet.
    pub fn new(store: Arc<dyn Store>, config: &Config, clock: Clock) -> Self {
        let local = config.local.clone().map(|local| (secret::hash(&local.secret), local));
        Self {
            store,
            local,
            cache: Mutex::default(),
            attempts: Attempts::new(config.rates.auth_failures_per_min),
            tickets: Arc::new(Tickets::new(clock.clone())),
            codes: LoginCodes::default(),
            clock,
        }
    }

    /// Whose credential this is; `None` if unknown, expired or revoked.
    pub async fn check(&self, proof: &Proof) -> Result<Option<Arc<Principal>>> {
        let now = (self.clock)();
        let generation = match self.remembered(proof, now) {
            Remembered::Good(principal) => return Ok(Some(principal)),
            Remembered::Touch(principal) => {
                self.store.touch(None, principal.token)?;
                return Ok(Some(principal));
            }
            Remembered::Ask(generation) => generation,
        };
        let Some(principal) = self.ask(proof).await? else { return Ok(None) };
        let principal = Arc::new(principal);
        if principal.expires_at.is_some_and(|at| at <= now) {
            return Ok(None);
        }
        if principal.token.0 > 0 {
            self.store.touch(None, principal.token)?;
        }
        self.keep(proof, principal.clone(), now, generation);
        Ok(Some(principal))
    }

    /// Remembers an answer that was asked for at `generation`, unless something ended since.
    fn keep(&self, proof: &Proof, principal: Arc<Principal>, now: Millis, generation: u64) {
        let mut cache = self.lock();
        if cache.generation != generation {
            return;
        }
        if cache.known.len() >= REMEMBERED_MOST {
            cache.known.clear();
        }
        cache.known.insert(*proof, Known { principal, asked_at: now, touched_at: now });
    }

    /// Forgets what a committed entry ends.
    pub fn forget(&self, entry: &Entry) {
        match entry {
            Entry::Revoked { token } => self.forget_where(|_, known| known.principal.token == *token),
            Entry::SessionEnded { session } => {
                self.forget_where(|proof, _| *proof == Proof::Session(*session));
            }
            Entry::UserRemoved { user } => {
                self.forget_where(|_, known| {
                    known.principal.user.as_ref().is_some_and(|(id, ..)| id == user)
                });
            }
            Entry::AccountsChanged => self.forget_where(|_, _| true),
            Entry::Message(_)
            | Entry::Joined { .. }
            | Entry::Left { .. }
            | Entry::Filter { .. }
            | Entry::State { .. } => {}
        }
    }

    fn forget_where(&self, ended: impl Fn(&Proof, &Known) -> bool) {
        let mut cache = self.lock();
        cache.generation += 1;
        cache.known.retain(|proof, known| !ended(proof, known));
    }

    fn remembered(&self, proof: &Proof, now: Millis) -> Remembered {
        let mut cache = self.lock();
        let generation = cache.generation;
        let Some(known) = cache.known.get_mut(proof) else { return Remembered::Ask(generation) };
        let stale = matches!(proof, Proof::Session(_)) && now - known.asked_at >= SESSION_FRESH_MS;
        if stale || known.principal.expires_at.is_some_and(|at| at <= now) {
            cache.known.remove(proof);
            return Remembered::Ask(generation);
        }
        let principal = known.principal.clone();
        if principal.token.0 > 0 && now - known.touched_at >= TOUCH_MS {
            known.touched_at = now;
            return Remembered::Touch(principal);
        }
        Remembered::Good(principal)
    }

    async fn ask(&self, proof: &Proof) -> Result<Option<Principal>> {
        match proof {
            Proof::Token(hash) => match &self.local {
                Some((local, access)) if bool::from(local.ct_eq(hash)) => self.local(access).await,
                _ => self.store.authenticate(hash).await,
            },
            Proof::Session(hash) => Ok(self.store.session(hash).await?.map(|session| Principal {
                token: session.token.unwrap_or_else(|| without_token(session.user.0)),
                name: session.user.1.clone(),
                device: Some(BROWSER_DEVICE.into()),
                expires_at: session.expires_at,
                ..person(session.user)
            })),
        }
    }

    async fn local(&self, access: &LocalAccess) -> Result<Option<Principal>> {
        match self.store.user(&access.user).await {
            Ok((id, user)) => Ok(Some(Principal {
                device: Some(access.device.clone()),
                ..person((id, user.name, user.role))
            })),
            Err(tocsin_store::Error::UnknownUser(_) | tocsin_store::Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Remembered {
    Good(Arc<Principal>),
    /// Good; its last use is to be noted.
    Touch(Arc<Principal>),
    /// Ask the store; the generation to compare with afterwards.
    Ask(u64),
}

/// Stands for the token of somebody who came without one (by a login code, or as the embedding host): the person's
/// own number below zero, so that idempotency keys stay apart between people and the same over restarts.
fn without_token(user: UserId) -> TokenId {
    TokenId(-user.0)
}

fn person(user: (UserId, String, tocsin_protocol::Role)) -> Principal {
    Principal {
        token: without_token(user.0),
        kind: TokenKind::Client,
        name: user.1.clone(),
        user: Some(user),
        topics: Arc::new([]),
        device: None,
        expires_at: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tocsin_protocol::{NewToken, NewUser, Role};
    use tocsin_store::{TokenOrder, model::ModelStore};

    use super::*;
    use crate::auth::Secret;

    async fn desk() -> (Arc<ModelStore>, Credentials, Proof, String, Arc<AtomicI64>) {
        let now = Arc::new(AtomicI64::new(1_000_000));
        let clock: Clock = {
            let now = now.clone();
            Arc::new(move || now.load(Ordering::Relaxed))
        };
        let store = Arc::new(ModelStore::new(clock.clone(), Millis::MAX / 4, Millis::MAX / 4));
        store.add_user(NewUser { name: "ann".into(), display_name: None, role: Role::Admin }).await.unwrap();
        let secret = Secret::token();
        let user = Some("ann".into());
        let token = NewToken {
            kind: TokenKind::Client,
            name: "t".into(),
            user,
            topics: Vec::new(),
            expires_in: Some(60),
        };
        let token = store.add_token(TokenOrder { token, secret: secret.hash(), device: None }).await.unwrap();
        let credentials = Credentials::new(store.clone(), &Config::default(), clock);
        (store, credentials, Proof::Token(secret.hash()), token.id, now)
    }

    #[tokio::test]
    async fn what_is_remembered_needs_no_query_until_the_log_ends_it() {
        let (store, credentials, proof, id, _) = desk().await;
        let principal = credentials.check(&proof).await.unwrap().unwrap();
        store.revoke_token(&id, None).await.unwrap();
        assert!(
            credentials.check(&proof).await.unwrap().is_some(),
            "from memory: the tail has not come there yet"
        );
        credentials.forget(&Entry::Revoked { token: TokenId(principal.token.0 + 1) });
        assert!(credentials.check(&proof).await.unwrap().is_some(), "another token's end");
        credentials.forget(&Entry::Revoked { token: principal.token });
        assert!(credentials.check(&proof).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn expiry_is_looked_at_even_when_remembered() {
        let (_, credentials, proof, _, now) = desk().await;
        assert!(credentials.check(&proof).await.unwrap().is_some());
        now.fetch_add(59_999, Ordering::Relaxed);
        assert!(credentials.check(&proof).await.unwrap().is_some());
        now.fetch_add(1, Ordering::Relaxed);
        assert!(credentials.check(&proof).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_end_while_the_store_is_asked_is_not_overwritten_by_its_answer() {
        let (_, credentials, proof, _, _) = desk().await;
        // What `check` does, with an invalidation in the middle.
        let Remembered::Ask(generation) = credentials.remembered(&proof, 1_000_000) else {
            panic!("nothing is remembered yet")
        };
        let answer = Arc::new(credentials.ask(&proof).await.unwrap().unwrap());
        credentials.forget(&Entry::Revoked { token: answer.token });
        credentials.keep(&proof, answer, 1_000_000, generation);
        assert!(
            matches!(credentials.remembered(&proof, 1_000_000), Remembered::Ask(_)),
            "a revoked token was remembered"
        );
    }
}

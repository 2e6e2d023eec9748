//! What to do when a token is needed: a pure state machine with the clock passed in.

use std::fmt;

use super::{
    record::{CLOCK_SLACK, Kept, MARGIN, Record},
    source::{CLASSIC_A_DAY, Fetch, Fetched, How, MAY_FORCE_A_DAY},
};
use crate::{
    Secret,
    clock::Millis,
    errcode::{Class, Pause, Remedy},
    outcome::{Failure, Refused},
};

/// First pause after a failed request; doubled with each further one.
const FIRST_PAUSE: Millis = 1_000;
/// Longest pause while nothing was reached: a network that is back should be noticed soon.
const UNREACHED_PAUSE: Millis = 5_000;
/// Longest pause while the platform is busy.
const BUSY_PAUSE: Millis = 60_000;
/// First and longest pause after a refusal that only a person can change: repeated wrong secrets block the address.
const CONFIG_PAUSE: (Millis, Millis) = (60_000, 600_000);
/// First and longest pause after fresh tokens were refused, too.
const REFUSED_PAUSE: (Millis, Millis) = (10_000, 600_000);
/// From this many refusals in a row on, it is not a passing fault: somebody else fetches tokens for this account.
const REFUSED_FOR_GOOD: u32 = 3;
/// A forced refresh is answered with the same token if the last one is younger than this.
const BETWEEN_FORCED: Millis = 30_000;

/// A token to call with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(Secret);

impl Token {
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What to do.
pub(super) enum Decision {
    Use(Token),
    UseAndRefresh(Token),
    Refuse(Failure),
    Fetch,
}

/// A failed request for a token.
struct Failed {
    failure: Failure,
    in_a_row: u32,
    at: Millis,
    retry_at: Millis,
}

/// Refusals of tokens by business calls, since the last success.
#[derive(Default)]
struct Refusals {
    /// Of any token.
    in_a_row: u32,
    /// The last one refused, and how often.
    value: Option<Token>,
    same: u32,
    /// The fast answer until `not_before`.
    refusal: Option<Refused>,
    at: Millis,
    not_before: Millis,
}

#[derive(Default)]
pub(super) struct State {
    record: Record,
    is_loaded: bool,
    failed: Option<Failed>,
    refusals: Refusals,
}

impl State {
    pub fn decide(&self, now: Millis) -> Decision {
        if let Some(kept) = self.record.token.as_ref().filter(|kept| kept.is_good(now)) {
            let token = Token(Secret::new(kept.value.as_str()));
            let may_try = !self.failed.as_ref().is_some_and(|failed| stands(failed.at, failed.retry_at, now));
            let is_due = now >= kept.refresh_at && may_try;
            return if is_due { Decision::UseAndRefresh(token) } else { Decision::Use(token) };
        }
        if let Some(failed) = self.failed.as_ref().filter(|failed| stands(failed.at, failed.retry_at, now)) {
            return Decision::Refuse(failed.failure.clone());
        }
        match &self.refusals.refusal {
            Some(refusal) if stands(self.refusals.at, self.refusals.not_before, now) => {
                Decision::Refuse(Failure::Refused(refusal.clone()))
            }
            _ => Decision::Fetch,
        }
    }

    pub fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// What the cache held. A token that was fetched meanwhile wins.
    pub fn load(&mut self, record: Option<Record>) {
        if let (false, Some(record), None) = (self.is_loaded, record, &self.record.token) {
            self.record = record;
        }
        self.is_loaded = true;
    }

    /// How to ask. Forced only if the platform, asked again, handed out the very token that its own calls refuse.
    pub fn how(&mut self, now: Millis) -> How {
        self.record.turn_day(now);
        let rested = now - self.record.forced_at >= BETWEEN_FORCED || now < self.record.forced_at;
        How {
            force: self.refusals.same >= 2 && rested && self.record.forced < MAY_FORCE_A_DAY,
            may_use_classic: self.record.classic < CLASSIC_A_DAY,
        }
    }

    /// Counts what a request cost.
    pub fn spend(&mut self, fetch: &Fetch, now: Millis) {
        self.record.turn_day(now);
        self.record.classic += u32::from(fetch.used_classic);
        if fetch.used_force {
            self.record.forced += 1;
            self.record.forced_at = now;
        }
    }

    pub fn take(&mut self, fetched: Fetched, asked_at: Millis) -> Token {
        self.failed = None;
        self.record.token = Some(Kept::new(&fetched.token, asked_at, fetched.expires_in));
        Token(fetched.token)
    }

    pub fn failed(&mut self, failure: Failure, now: Millis) -> Failure {
        let in_a_row = self.failed.as_ref().map_or(1, |failed| failed.in_a_row.saturating_add(1));
        let retry_at = now.saturating_add(pause_after(&failure, in_a_row));
        self.failed = Some(Failed { failure: failure.clone(), in_a_row, at: now, retry_at });
        failure
    }

    pub fn record(&self) -> Record {
        self.record.clone()
    }

    fn holds(&self, used: &Token) -> bool {
        self.record.token.as_ref().is_some_and(|kept| kept.value == used.expose())
    }

    pub fn confirm(&mut self, used: &Token) {
        if self.refusals.in_a_row > 0 && self.holds(used) {
            self.refusals = Refusals::default();
        }
    }

    /// Drops the token if it is still the one held. Another one has been fetched by somebody otherwise.
    pub fn expire(&mut self, used: &Token, refusal: &Refused, now: Millis) -> u32 {
        if !self.holds(used) {
            return self.refusals.in_a_row;
        }
        self.record.token = None;
        let refusals = &mut self.refusals;
        refusals.in_a_row = refusals.in_a_row.saturating_add(1);
        refusals.same = if refusals.value.as_ref() == Some(used) { refusals.same + 1 } else { 1 };
        refusals.value = Some(used.clone());
        // The first is the ordinary end of a token's life. From the second on a fresh token was refused.
        if refusals.in_a_row >= 2 {
            let pause = doubled(REFUSED_PAUSE, refusals.in_a_row - 1);
            refusals.at = now;
            refusals.not_before = now.saturating_add(pause);
            refusals.refusal = Some(hardened(refusal, refusals.in_a_row, pause));
        }
        refusals.in_a_row
    }

    pub fn retry_now(&mut self) {
        self.failed = None;
        self.refusals.not_before = Millis::MIN;
    }
}

/// A refusal of a fresh token: busy for a while, then for a person to look into.
pub(crate) fn hardened(refusal: &Refused, in_a_row: u32, pause: Millis) -> Refused {
    let mut refusal = refusal.clone();
    let for_good = in_a_row >= REFUSED_FOR_GOOD || matches!(refusal.remedy, Remedy::CheckSecret);
    refusal.class = if for_good { Class::Config } else { Class::Busy };
    if for_good && refusal.remedy == Remedy::None {
        refusal.remedy = Remedy::TokenContested;
    }
    refusal.pause = Some(Pause::Seconds(u32::try_from(pause / 1000).unwrap_or(u32::MAX)));
    refusal
}

/// The pause that stands after so many refusals in a row.
pub(crate) fn refused_pause(in_a_row: u32) -> Millis {
    doubled(REFUSED_PAUSE, in_a_row.saturating_sub(1).max(1))
}

fn pause_after(failure: &Failure, in_a_row: u32) -> Millis {
    match failure {
        Failure::Refused(refused) => match (refused.class, refused.pause) {
            (_, Some(Pause::Seconds(seconds))) => Millis::from(seconds) * 1000,
            (Class::Config | Class::Bug | Class::Permanent, _) => doubled(CONFIG_PAUSE, in_a_row),
            // An hour, not the day: a person may clear the quota.
            (_, Some(Pause::Day | Pause::Widening)) => 12 * MARGIN,
            _ => doubled((FIRST_PAUSE, BUSY_PAUSE), in_a_row),
        },
        Failure::Unknown(_) => doubled((FIRST_PAUSE, BUSY_PAUSE), in_a_row),
        Failure::NotSent(not_sent) if not_sent.class == Class::Config => doubled(CONFIG_PAUSE, in_a_row),
        Failure::NotSent(_) => doubled((FIRST_PAUSE, UNREACHED_PAUSE), in_a_row),
    }
}

/// Whether a pause that began at `at` still lasts. One that began in the future was set by a clock that has been set
/// back since, and would last for as long as that.
fn stands(at: Millis, until: Millis, now: Millis) -> bool {
    now < until && now.saturating_add(CLOCK_SLACK) >= at
}

/// `first`, doubled with each further failure, up to `most`.
fn doubled((first, most): (Millis, Millis), in_a_row: u32) -> Millis {
    let factor =
        1_i64.checked_shl(in_a_row.saturating_sub(1)).filter(|factor| *factor > 0).unwrap_or(i64::MAX);
    first.saturating_mul(factor).min(most)
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;

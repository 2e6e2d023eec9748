//! What of the state outlives the process, and how long a token is good for.

use serde::{Deserialize, Serialize};

use crate::{
    Secret,
    clock::{Millis, platform_day},
};

/// A token is refreshed this long before it expires: the platforms keep the old one alive for as long.
pub(super) const MARGIN: Millis = 300_000;
/// Inside the margin the platform hands out the same token again, at most with this much beyond the margin. It is
/// taken, and asked for again when so much remains that the platform must hand out another one.
const SLACK: Millis = 60_000;
const REMAINS_AT_NEXT_TRY: Millis = 290_000;
/// Never two refreshes of a good token closer than this, whatever lifetime the platform names.
pub(super) const BETWEEN_REFRESHES: Millis = 10_000;
/// Longest life that any platform gives a token, with room for a clock that is corrected. A cached token that claims
/// more was written under another clock.
const LONGEST_LIFE: Millis = 7_200_000 + 600_000;
/// How far a clock may have been set back before a token's expiry means nothing any more.
pub(super) const CLOCK_SLACK: Millis = 60_000;

/// A token with its times.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The token. Sealed when stored.
    pub value: String,
    pub asked_at: Millis,
    pub expires_at: Millis,
    pub refresh_at: Millis,
}

impl Kept {
    /// A token that was asked for at `asked_at` and lives for `expires_in` seconds.
    pub fn new(value: &Secret, asked_at: Millis, expires_in: i64) -> Self {
        let life = expires_in.saturating_mul(1000).clamp(0, LONGEST_LIFE);
        let expires_at = asked_at + life;
        let refresh_at = if life > MARGIN + SLACK {
            expires_at - MARGIN
        } else if life > REMAINS_AT_NEXT_TRY {
            expires_at - REMAINS_AT_NEXT_TRY
        } else {
            asked_at + life / 2
        };
        let refresh_at = refresh_at.max(asked_at + BETWEEN_REFRESHES);
        Self { value: value.expose().to_owned(), asked_at, expires_at, refresh_at }
    }

    /// Good at this moment, as far as the clock can be believed.
    pub fn is_good(&self, now: Millis) -> bool {
        now < self.expires_at
            && now + CLOCK_SLACK >= self.asked_at
            && self.expires_at - self.asked_at <= LONGEST_LIFE
    }
}

/// What is kept: the token, and how many requests of the rare kinds were made on which day of the platform.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Record {
    pub token: Option<Kept>,
    pub day: i64,
    pub classic: u32,
    pub forced: u32,
    pub forced_at: Millis,
}

impl Record {
    /// The counts begin anew with the platform's day.
    pub fn turn_day(&mut self, now: Millis) {
        let today = platform_day(now);
        if self.day != today {
            (self.day, self.classic, self.forced) = (today, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(expires_in: i64) -> Kept {
        Kept::new(&Secret::new("t"), 1_000_000, expires_in)
    }

    #[test]
    fn refreshed_300_seconds_before_expiry_reckoned_from_before_the_request() {
        let token = kept(7200);
        assert_eq!(token.expires_at, 1_000_000 + 7_200_000);
        assert_eq!(token.refresh_at, token.expires_at - 300_000);
    }

    #[test]
    fn the_same_token_at_the_margin_is_taken_and_asked_for_again_when_290_seconds_remain() {
        let token = kept(301);
        assert_eq!(token.refresh_at, token.expires_at - 290_000);
        assert_eq!(kept(300).refresh_at, kept(300).expires_at - 290_000);
        assert_eq!(kept(295).refresh_at, 1_000_000 + BETWEEN_REFRESHES, "never at once");
    }

    #[test]
    fn a_clock_set_back_makes_a_token_doubtful() {
        let token = kept(7200);
        assert!(token.is_good(1_000_000));
        assert!(token.is_good(1_000_000 - CLOCK_SLACK));
        assert!(!token.is_good(1_000_000 - CLOCK_SLACK - 1));
        assert!(!token.is_good(token.expires_at));
    }

    proptest! {
        /// However short or absurd a life the platform names, refreshing is no spin, and no token outlives its name.
        #[test]
        fn no_life_makes_a_spin(expires_in in any::<i64>(), asked_at in 0..4_000_000_000_000_i64) {
            let token = Kept::new(&Secret::new("t"), asked_at, expires_in);
            prop_assert!(token.refresh_at >= asked_at + BETWEEN_REFRESHES);
            prop_assert!(token.expires_at <= asked_at + LONGEST_LIFE);
            prop_assert!(token.expires_at >= asked_at);
        }
    }
}

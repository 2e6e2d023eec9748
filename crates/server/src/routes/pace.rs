//! How fast one token may publish: a bucket per token that refills steadily.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tocsin_protocol::{Code, Millis};
use tocsin_store::TokenId;

use crate::{Failure, config::Rates};

/// Buckets kept; full ones are forgotten first, because a new one is full too.
const BUCKETS_MOST: usize = 10_000;

/// How fast one token may publish.
pub struct Pace {
    per_s: Option<u32>,
    burst: u32,
    buckets: Mutex<HashMap<TokenId, Bucket>>,
}

/// Thousandths of a publish, so that slow rates refill evenly.
struct Bucket {
    left_milli: i64,
    at: Millis,
}

impl Pace {
    /// All buckets full.
    pub fn new(rates: &Rates) -> Self {
        Self { per_s: rates.publish_per_s, burst: rates.publish_burst.max(1), buckets: Mutex::default() }
    }

    /// Takes one publish of a token's, or says when there will be one.
    pub fn take(&self, token: TokenId, now: Millis) -> Result<(), Failure> {
        let Some(per_s) = self.per_s else { return Ok(()) };
        let full = i64::from(self.burst) * 1000;
        let refill = i64::from(per_s.max(1));
        let level =
            |bucket: &Bucket| (bucket.left_milli + (now - bucket.at).max(0).saturating_mul(refill)).min(full);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MOST && !buckets.contains_key(&token) {
            buckets.retain(|_, bucket| level(bucket) < full);
        }
        let bucket = buckets.entry(token).or_insert(Bucket { left_milli: full, at: now });
        let left = level(bucket);
        *bucket = Bucket { left_milli: left, at: now };
        if left >= 1000 {
            bucket.left_milli -= 1000;
            return Ok(());
        }
        let wait_ms = (1000 - left).div_euclid(refill) + 1;
        let seconds = u64::try_from(wait_ms.div_euclid(1000) + 1).unwrap_or(1);
        Err(Failure::new(
            Code::RateLimited,
            format!("this token publishes faster than {per_s} messages a second"),
        )
        .hint("send less, or let the operator raise the limit")
        .retry_after(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_refills_per_token() {
        let pace = Pace::new(&Rates { publish_per_s: Some(2), publish_burst: 3, ..Rates::default() });
        for _ in 0..3 {
            pace.take(TokenId(1), 0).unwrap();
        }
        assert_eq!(pace.take(TokenId(1), 0).unwrap_err().retry_after_s, Some(1));
        pace.take(TokenId(2), 0).unwrap();
        assert!(pace.take(TokenId(1), 499).is_err());
        pace.take(TokenId(1), 500).unwrap();
        assert!(pace.take(TokenId(1), 500).is_err());
    }
}

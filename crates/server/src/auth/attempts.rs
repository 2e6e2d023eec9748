//! Failed authentications of each address. Only failures are counted and only failures are refused with 429, so that
//! an attacker behind the team's own NAT cannot lock the team out: a valid credential never comes past here.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use tocsin_protocol::Millis;

/// Failures are counted over this long.
const WINDOW_MS: Millis = 60_000;
/// Addresses remembered. One who owns more is not stopped by a limit per address anyway.
const ADDRESSES_MOST: usize = 10_000;

/// Counts failures.
pub struct Attempts {
    per_min: u32,
    seen: Mutex<HashMap<IpAddr, Window>>,
}

struct Window {
    since: Millis,
    failures: u32,
}

impl Attempts {
    /// Lets `per_min` failures of one address a minute pass as they are.
    pub fn new(per_min: u32) -> Self {
        Self { per_min, seen: Mutex::default() }
    }

    /// Notes a failure. `Some(seconds)`: too many, come back then.
    pub fn failed(&self, address: IpAddr, now: Millis) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let address = neighbourhood(address);
        if seen.len() >= ADDRESSES_MOST && !seen.contains_key(&address) {
            seen.retain(|_, window| now - window.since < WINDOW_MS);
            if seen.len() >= ADDRESSES_MOST {
                seen.clear();
            }
        }
        let window = seen.entry(address).or_insert(Window { since: now, failures: 0 });
        if now - window.since >= WINDOW_MS || now < window.since {
            *window = Window { since: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
        let left_ms = WINDOW_MS - (now - window.since);
        (window.failures > self.per_min).then(|| u64::try_from(left_ms.div_euclid(1000) + 1).unwrap_or(1))
    }
}

/// One customer of a provider has a whole /64 of IPv6, so addresses in it count as one.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_per_address_and_per_minute() {
        let attempts = Attempts::new(2);
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        assert_eq!(attempts.failed(a, 0), None);
        assert_eq!(attempts.failed(a, 1), None);
        assert_eq!(attempts.failed(a, 30_000), Some(31));
        assert_eq!(attempts.failed(b, 30_000), None);
        assert_eq!(attempts.failed(a, 60_000), None, "a new minute");
    }

    #[test]
    fn a_v6_customer_is_one_address() {
        let attempts = Attempts::new(1);
        assert_eq!(attempts.failed("2001:db8::1".parse().unwrap(), 0), None);
        assert!(attempts.failed("2001:db8::2".parse().unwrap(), 0).is_some());
        assert_eq!(attempts.failed("2001:db8:0:1::2".parse().unwrap(), 0), None);
    }
}

//! Wall time, passed in. Monotonic time is tokio's, which tests pause.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use tocsin_protocol::Millis;

/// Where wall time comes from.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Unix time in milliseconds.
    fn now(&self) -> Millis;
}

/// The computer's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis::try_from(elapsed.as_millis()).unwrap_or(Millis::MAX)
    }
}

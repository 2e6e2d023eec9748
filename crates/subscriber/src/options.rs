//! What a host or a test may set.

use std::{sync::Arc, time::Duration};

use tocsin_protocol::control::Transport;

use crate::{Clock, SystemClock};

/// How a subscriber behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Seed of the jitter and of the random instance name.
    pub seed: u64,
    /// Waits.
    pub timings: Timings,
    /// Only this transport, whatever becomes of it; none: the best that works.
    pub only: Option<Transport>,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), seed: rand::random(), timings: Timings::default(), only: None }
    }
}

/// Waits. The defaults are the documented ones; tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// Upper bound of the first random delay; doubles with each failure.
    pub backoff_first: Duration,
    /// Upper bound that the delay stops growing at.
    pub backoff_most: Duration,
    /// A connection that held this long begins anew with the shortest delay, and may climb.
    pub stable: Duration,
    /// Longest wait between attempts to climb back to a better transport.
    pub climb_most: Duration,
    /// A connection that ended sooner than this did not work.
    pub short_lived: Duration,
    /// Name resolution, TCP and TLS.
    pub connect: Duration,
    /// From the request to the first byte of a stream: the server sends one at once, so a longer wait means that
    /// something on the way collects the answer.
    pub first_byte: Duration,
    /// How often an event stream or a poll shows life, when the server has not said so.
    pub heartbeat: Duration,
    /// How long the server is asked to hold a poll.
    pub poll_wait: Duration,
    /// How often wall time is compared with monotonic time to notice a sleep. Each is a wake-up of the processor.
    pub sleep_check: Duration,
    /// A jump of wall time against monotonic time that counts as sleep; clocks are set by less.
    pub sleep_jump: Duration,
    /// How long a connection may stay silent when it is probed after a sleep.
    pub probe: Duration,
    /// Without a message for so long after connecting, all that was waiting has arrived.
    pub caught_up: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            backoff_first: Duration::from_millis(500),
            backoff_most: Duration::from_secs(30),
            stable: Duration::from_mins(1),
            climb_most: Duration::from_hours(1),
            short_lived: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
            poll_wait: Duration::from_secs(25),
            sleep_check: Duration::from_secs(5),
            sleep_jump: Duration::from_secs(4),
            probe: Duration::from_secs(5),
            caught_up: Duration::from_millis(500),
        }
    }
}

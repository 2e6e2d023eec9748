//! Tickets: a way into a stream for clients that can send neither a header nor a cookie, in the address itself. An
//! address ends up in logs, so what it carries must soon be worthless:
//!
//! - for a WebSocket one use within 30 s;
//! - for an event stream the first use within 30 s opens a *stream session*: the same address may reconnect (an
//!   `EventSource` can not change its address) until 5 min after the last disconnect.
//!
//! A ticket holds no rights of its own: each use asks anew whether the credential it was made with is still good.
//! They live in memory: after a restart a client makes a new one.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tocsin_protocol::{Code, Millis, account::TicketFor};
use tocsin_store::{Clock, SecretHash};

use super::{Proof, Secret};
use crate::Failure;

/// Time until the first use.
pub const FIRST_USE_MS: Millis = 30_000;
/// Time after the last disconnect in which an event stream may come back: longer than a laptop's walk between rooms.
pub const RETURN_MS: Millis = 5 * 60_000;
/// Tickets at a time. A page makes one per stream; thousands mean that somebody makes them in a loop.
const TICKETS_MOST: usize = 20_000;

/// All tickets of one server.
pub struct Tickets {
    clock: Clock,
    made: Mutex<HashMap<SecretHash, Ticket>>,
}

struct Ticket {
    transport: TicketFor,
    proof: Proof,
    state: TicketState,
}

enum TicketState {
    Fresh {
        until: Millis,
    },
    /// `open` streams use it now; the last one that did not end at `left_at`.
    Streaming {
        open: u32,
        left_at: Millis,
    },
}

impl Ticket {
    fn over(&self, now: Millis) -> bool {
        match self.state {
            TicketState::Fresh { until } => now >= until,
            TicketState::Streaming { open, left_at } => open == 0 && now >= left_at + RETURN_MS,
        }
    }
}

impl Tickets {
    /// None yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, made: Mutex::default() }
    }

    /// Makes a ticket for whoever gave `proof`; returns it with the time until which it can be used first.
    pub fn make(&self, transport: TicketFor, proof: Proof) -> Result<(Secret, Millis), Failure> {
        let now = (self.clock)();
        let until = now + FIRST_USE_MS;
        let secret = Secret::code();
        let mut made = self.lock();
        if made.len() >= TICKETS_MOST {
            made.retain(|_, ticket| !ticket.over(now));
        }
        if made.len() >= TICKETS_MOST {
            return Err(Failure::new(Code::Busy, "too many tickets are open")
                .hint("use each ticket you make")
                .retry_after(30));
        }
        made.insert(secret.hash(), Ticket { transport, proof, state: TicketState::Fresh { until } });
        Ok((secret, until))
    }

    /// Uses a ticket. The pass is to be kept for as long as the stream lives.
    pub(super) fn enter(
        self: &Arc<Self>,
        secret: &SecretHash,
        transport: TicketFor,
    ) -> Option<(Proof, Pass)> {
        let now = (self.clock)();
        let mut made = self.lock();
        let ticket = made.get_mut(secret)?;
        if ticket.transport != transport {
            return None;
        }
        if ticket.over(now) {
            made.remove(secret);
            return None;
        }
        let proof = ticket.proof;
        match transport {
            TicketFor::Ws => {
                made.remove(secret);
            }
            TicketFor::Sse => {
                let open = match ticket.state {
                    TicketState::Fresh { .. } => 0,
                    TicketState::Streaming { open, .. } => open,
                };
                ticket.state = TicketState::Streaming { open: open + 1, left_at: now };
            }
        }
        Some((proof, Pass { tickets: self.clone(), secret: *secret }))
    }

    fn left(&self, secret: &SecretHash) {
        let now = (self.clock)();
        if let Some(Ticket { state: TicketState::Streaming { open, left_at }, .. }) =
            self.lock().get_mut(secret)
        {
            *open = open.saturating_sub(1);
            *left_at = now;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SecretHash, Ticket>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A ticket in use; dropping it starts the time in which the stream may come back.
pub(super) struct Pass {
    tickets: Arc<Tickets>,
    secret: SecretHash,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pass")
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.tickets.left(&self.secret);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    fn tickets() -> (Arc<Tickets>, Arc<AtomicI64>) {
        let now = Arc::new(AtomicI64::new(1_000_000));
        let clock = now.clone();
        (Arc::new(Tickets::new(Arc::new(move || clock.load(Ordering::Relaxed)))), now)
    }

    #[test]
    fn a_websocket_ticket_is_good_once_and_for_30_s() {
        let (tickets, now) = tickets();
        let (secret, until) = tickets.make(TicketFor::Ws, Proof::Token([1; 32])).unwrap();
        assert_eq!(until, 1_000_000 + FIRST_USE_MS);
        assert!(tickets.enter(&secret.hash(), TicketFor::Sse).is_none(), "not what it was made for");
        assert!(tickets.enter(&secret.hash(), TicketFor::Ws).is_some());
        assert!(tickets.enter(&secret.hash(), TicketFor::Ws).is_none());

        let (late, _) = tickets.make(TicketFor::Ws, Proof::Token([1; 32])).unwrap();
        now.fetch_add(FIRST_USE_MS, Ordering::Relaxed);
        assert!(tickets.enter(&late.hash(), TicketFor::Ws).is_none());
    }

    #[test]
    fn an_event_stream_may_come_back_until_5_min_after_it_left() {
        let (tickets, now) = tickets();
        let (secret, _) = tickets.make(TicketFor::Sse, Proof::Session([2; 32])).unwrap();
        let first = tickets.enter(&secret.hash(), TicketFor::Sse).unwrap();
        now.fetch_add(3_600_000, Ordering::Relaxed);
        let second = tickets.enter(&secret.hash(), TicketFor::Sse).expect("the first is still open");
        drop(first);
        now.fetch_add(RETURN_MS, Ordering::Relaxed);
        drop(second);
        now.fetch_add(RETURN_MS - 1, Ordering::Relaxed);
        drop(tickets.enter(&secret.hash(), TicketFor::Sse).expect("within 5 min"));
        now.fetch_add(RETURN_MS, Ordering::Relaxed);
        assert!(tickets.enter(&secret.hash(), TicketFor::Sse).is_none());
    }
}

//! Which transport to try: WebSocket, then event stream, then poll; down when something on the way breaks one, up
//! again after a while.

use tocsin_protocol::control::Transport;

use super::{Failure, Kind};

/// Broken attempts in a row that blame the transport: one may be a restart of the server.
const STRIKES: u32 = 2;
/// After so many attempts that did not even reach the server, one goes by plain HTTP: where only the system's proxy
/// leads out, a WebSocket, which is dialled directly, never arrives.
const DETOUR: u32 = 3;

/// Where on the ladder the next attempt is made, and why.
#[derive(Debug)]
pub(super) struct Ladder {
    rung: Transport,
    strikes: u32,
    misses: u32,
    /// Whether a proxy may stand between: not on loopback.
    detours: bool,
    /// The only rung there is.
    only: Option<Transport>,
}

/// Whether the next attempt may follow at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    AtOnce,
    Wait,
}

impl Ladder {
    pub fn new(detours: bool) -> Self {
        Self { rung: Transport::Websocket, strikes: 0, misses: 0, detours, only: None }
    }

    /// The same ladder with one rung: somebody wants to see how this transport fares.
    #[must_use]
    pub fn only(mut self, transport: Option<Transport>) -> Self {
        self.only = transport;
        self.rung = transport.unwrap_or(Transport::Websocket);
        self
    }

    pub fn rung(&self) -> Transport {
        self.rung
    }

    /// Begin anew at the top: the network is another one, or somebody asked.
    pub fn top(&mut self) {
        *self = Self::new(self.detours).only(self.only);
    }

    /// Messages arrive on `transport`.
    pub fn arrived(&mut self, transport: Transport) {
        self.rung = transport;
        self.misses = 0;
    }

    /// The connection held long enough to say that the transport works.
    pub fn held(&mut self) {
        self.strikes = 0;
    }

    /// Whether a better rung may be tried from `transport`.
    pub fn climbs(&self, transport: Transport) -> bool {
        self.only.is_none() && transport != Transport::Websocket
    }

    /// An attempt or a short-lived connection failed: picks the rung of the next.
    pub fn failed(&mut self, failure: &Failure) -> Pace {
        if self.only.is_some() {
            return Pace::Wait;
        }
        match failure.kind {
            Kind::Blocked => self.down(),
            Kind::Broken | Kind::Ended => {
                self.strikes += 1;
                if self.strikes < STRIKES {
                    return Pace::Wait;
                }
                // Not at once: a server that restarts breaks every transport.
                let _ = self.down();
                Pace::Wait
            }
            Kind::Network => {
                self.misses += 1;
                self.rung = match self.rung {
                    Transport::Websocket if self.detours && self.misses % (DETOUR + 1) == DETOUR => {
                        Transport::Sse
                    }
                    _ => Transport::Websocket,
                };
                Pace::Wait
            }
            Kind::Server | Kind::Refused | Kind::Halted => Pace::Wait,
        }
    }

    fn down(&mut self) -> Pace {
        self.strikes = 0;
        if let Some(lower) = lower(self.rung) {
            self.rung = lower;
            return Pace::AtOnce;
        }
        self.rung = Transport::Websocket;
        Pace::Wait
    }
}

/// The next transport down.
pub(super) fn lower(transport: Transport) -> Option<Transport> {
    match transport {
        Transport::Websocket => Some(Transport::Sse),
        Transport::Sse => Some(Transport::Poll),
        Transport::Poll => None,
    }
}

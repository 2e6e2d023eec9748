//! The state machine.
//!
//! One stream is *current*. While it is not the best transport, a better one is dialled beside it from time to time
//! (a climb) and takes over only once it works, so that climbing never interrupts what arrives.

use std::time::Duration;

use tocsin_protocol::{Millis, control::Transport};
use tokio::time::Instant;

use super::{
    Backoff, Connection, Failure, Kind, Reason,
    ladder::{Ladder, Pace, lower},
    sleep::{SleepWatch, Slept},
};
use crate::Timings;

/// A point in time, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub mono: Instant,
    pub wall: Millis,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Start,
    /// The current stream works; something comes on it at least every `heartbeat`.
    Opened {
        heartbeat: Duration,
    },
    /// Something came on the current stream.
    Heard,
    /// The current stream is no more.
    Failed(Failure),
    /// The stream dialled beside it works.
    ClimbOpened {
        heartbeat: Duration,
    },
    /// The stream dialled beside it is no more.
    ClimbFailed(Failure),
    Stop,
    /// The deadline passed.
    Tick,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Dial the current stream.
    Open(Transport),
    /// Dial a better one beside it.
    Climb(Transport),
    /// The one beside becomes the current; the old one is dropped.
    Adopt,
    /// Drop the one beside.
    Abandon,
    /// Drop the current one.
    Close,
    /// Make the other side answer, if the transport can.
    Probe,
    /// Tell the host.
    Report(Connection),
    /// Tell the host that the computer slept.
    Wake(Slept),
}

#[derive(Debug)]
enum Phase {
    /// Nothing is tried by itself.
    Resting,
    Waiting {
        until: Instant,
    },
    Opening,
    Online(Online),
}

#[derive(Debug)]
struct Online {
    transport: Transport,
    opened: Instant,
    heard: Now,
    heartbeat: Duration,
    /// Silent until then after a probe: dead.
    probed_until: Option<Instant>,
    /// Silence has been probed.
    probed: bool,
    /// It has been noted that this connection is stable.
    stable: bool,
    climb: Climb,
}

#[derive(Debug)]
enum Climb {
    /// At the top already.
    None,
    At(Instant),
    /// One is being dialled. What the current stream failed of meanwhile waits for its outcome: often the server
    /// merely replaced it by the one that is being dialled.
    Trying {
        target: Transport,
        lost: Option<Failure>,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Machine {
    timings: Timings,
    backoff: Backoff,
    ladder: Ladder,
    sleep: SleepWatch,
    phase: Phase,
    /// How long until the next climb; grows with each that is tried.
    climb_wait: Duration,
    /// Since when nothing arrives; set while not online.
    offline_since: Millis,
    /// A first attempt has failed or a connection was lost.
    was_told: bool,
}

impl Machine {
    /// `loopback`: no proxy can be in between.
    pub fn new(timings: Timings, seed: u64, loopback: bool, now: Now) -> Self {
        Self {
            timings,
            backoff: Backoff::new(timings.backoff_first, timings.backoff_most, seed),
            ladder: Ladder::new(!loopback),
            sleep: SleepWatch::new(now, timings.sleep_check, timings.sleep_jump),
            phase: Phase::Resting,
            climb_wait: timings.stable,
            offline_since: now.wall,
            was_told: false,
        }
    }

    /// The same, on one transport alone.
    #[must_use]
    pub fn only(mut self, transport: Option<Transport>) -> Self {
        self.ladder = self.ladder.only(transport);
        self
    }

    /// When [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.phase {
            Phase::Resting => return None,
            Phase::Waiting { until } => Some(*until),
            Phase::Opening => None,
            Phase::Online(online) => Some(online.deadline(&self.timings)),
        };
        Some(own.map_or(self.sleep.next(), |own| own.min(self.sleep.next())))
    }

    /// Takes an input; what is to be done, in order.
    pub fn on(&mut self, input: Input, now: Now) -> Vec<Action> {
        match input {
            Input::Start => self.begin(Reason::Asked, now),
            Input::Opened { heartbeat } => self.opened(heartbeat, now),
            Input::Heard => {
                if let Phase::Online(online) = &mut self.phase {
                    online.hear(now);
                }
                Vec::new()
            }
            Input::Failed(failure) => self.failed(failure, now),
            Input::ClimbOpened { heartbeat } => self.climbed(heartbeat, now),
            Input::ClimbFailed(failure) => self.climb_failed(&failure, now),
            Input::Stop => self.rest(Reason::Stopped),
            Input::Tick => self.tick(now),
        }
    }

    /// Connects at once at the top, whatever there was.
    fn begin(&mut self, reason: Reason, now: Now) -> Vec<Action> {
        let mut actions = self.leave();
        self.backoff.reset();
        self.ladder.top();
        self.climb_wait = self.timings.stable;
        // The clocks may have drifted apart by whatever time nobody looked.
        let _ = self.sleep.slept(now);
        actions.extend(self.open(reason, now));
        actions
    }

    fn open(&mut self, reason: Reason, now: Now) -> Vec<Action> {
        self.phase = Phase::Opening;
        let report = if self.was_told {
            Connection::Offline { since: self.offline_since, reason, retry_at: Some(now.wall) }
        } else {
            Connection::Connecting
        };
        vec![Action::Report(report), Action::Open(self.ladder.rung())]
    }

    /// Drops whatever is open and remembers since when nothing arrives.
    fn leave(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        match std::mem::replace(&mut self.phase, Phase::Resting) {
            Phase::Online(online) => {
                if matches!(online.climb, Climb::Trying { .. }) {
                    actions.push(Action::Abandon);
                }
                self.offline_since = online.heard.wall;
                self.was_told = true;
                actions.push(Action::Close);
            }
            Phase::Opening => actions.push(Action::Close),
            Phase::Resting | Phase::Waiting { .. } => {}
        }
        actions
    }

    fn opened(&mut self, heartbeat: Duration, now: Now) -> Vec<Action> {
        if !matches!(self.phase, Phase::Opening) {
            return Vec::new();
        }
        let transport = self.ladder.rung();
        self.online(transport, heartbeat, now)
    }

    fn online(&mut self, transport: Transport, heartbeat: Duration, now: Now) -> Vec<Action> {
        self.ladder.arrived(transport);
        self.was_told = true;
        let climb =
            if self.ladder.climbs(transport) { Climb::At(now.mono + self.climb_wait) } else { Climb::None };
        self.phase = Phase::Online(Online {
            transport,
            opened: now.mono,
            heard: now,
            heartbeat,
            probed_until: None,
            probed: false,
            stable: false,
            climb,
        });
        vec![Action::Report(Connection::Online { transport, since: now.wall })]
    }

    fn failed(&mut self, failure: Failure, now: Now) -> Vec<Action> {
        let for_good =
            matches!(failure.kind, Kind::Refused) || matches!(failure.reason, Reason::NotUnderstood(_));
        let mut held = false;
        match &mut self.phase {
            Phase::Resting | Phase::Waiting { .. } => return Vec::new(),
            Phase::Opening => {}
            Phase::Online(online) => {
                if let (Climb::Trying { lost, .. }, false) = (&mut online.climb, for_good) {
                    *lost = Some(failure);
                    return vec![Action::Close];
                }
                let lived = now.mono.saturating_duration_since(online.opened);
                held = lived >= self.timings.short_lived;
                if lived >= self.timings.stable {
                    self.backoff.reset();
                }
            }
        }
        let mut actions = self.leave();
        if held {
            self.ladder.held();
        }
        actions.extend(match failure.kind {
            Kind::Refused => {
                vec![Action::Report(Connection::Refused { since: now.wall, reason: failure.reason })]
            }
            Kind::Halted => vec![self.offline(failure.reason, None)],
            _ => self.retry(failure, held, now),
        });
        actions
    }

    fn retry(&mut self, failure: Failure, held: bool, now: Now) -> Vec<Action> {
        // A connection that held says that its transport works, whatever ended it.
        let pace =
            if held && failure.kind != Kind::Blocked { Pace::Wait } else { self.ladder.failed(&failure) };
        self.was_told = true;
        if pace == Pace::AtOnce {
            return self.open(failure.reason, now);
        }
        let wait = match failure.reason {
            Reason::GoingAway => self.backoff.spread(),
            _ => self.backoff.next(failure.asked),
        };
        self.phase = Phase::Waiting { until: now.mono + wait };
        let wait = Millis::try_from(wait.as_millis()).unwrap_or(Millis::MAX);
        vec![self.offline(failure.reason, Some(now.wall.saturating_add(wait)))]
    }

    fn offline(&self, reason: Reason, retry_at: Option<Millis>) -> Action {
        Action::Report(Connection::Offline { since: self.offline_since, reason, retry_at })
    }

    fn climbed(&mut self, heartbeat: Duration, now: Now) -> Vec<Action> {
        let Phase::Online(Online { climb: Climb::Trying { target, .. }, .. }) = &self.phase else {
            return vec![Action::Abandon];
        };
        let target = *target;
        let mut actions = vec![Action::Adopt];
        actions.extend(self.online(target, heartbeat, now));
        actions
    }

    fn climb_failed(&mut self, failure: &Failure, now: Now) -> Vec<Action> {
        let Phase::Online(online) = &mut self.phase else { return Vec::new() };
        let Climb::Trying { target, lost } = &mut online.climb else { return Vec::new() };
        if let Some(lost) = lost.take() {
            online.climb = Climb::None;
            let mut actions = vec![Action::Abandon];
            actions.extend(self.failed(lost, now));
            return actions;
        }
        // From poll there are two steps up; where a WebSocket does not get through an event stream may.
        let blamed = matches!(failure.kind, Kind::Blocked | Kind::Broken);
        if let Some(next) = lower(*target).filter(|next| blamed && *next != online.transport) {
            *target = next;
            return vec![Action::Abandon, Action::Climb(next)];
        }
        online.climb = Climb::At(now.mono + self.climb_wait);
        vec![Action::Abandon]
    }

    /// Something happened that often kills connections unnoticed: make sure, at once.
    fn doubt(&mut self, reason: Reason, now: Now) -> Vec<Action> {
        match &mut self.phase {
            Phase::Resting => Vec::new(),
            Phase::Online(online) if online.transport == Transport::Websocket => {
                online.probed_until = Some(now.mono + self.timings.probe);
                vec![Action::Probe]
            }
            // The other transports cannot be asked; a new one is as quick as a probe.
            _ => self.begin(reason, now),
        }
    }

    fn rest(&mut self, reason: Reason) -> Vec<Action> {
        let mut actions = self.leave();
        actions.push(self.offline(reason, None));
        actions
    }

    fn tick(&mut self, now: Now) -> Vec<Action> {
        if let Some(slept) = self.sleep.slept(now) {
            let mut actions = vec![Action::Wake(slept)];
            actions.extend(self.doubt(Reason::Slept, now));
            return actions;
        }
        let timings = self.timings;
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now.mono => {
                // The last report stands until there is something new to say.
                self.phase = Phase::Opening;
                vec![Action::Open(self.ladder.rung())]
            }
            Phase::Online(online) => {
                if online.is_dead(now.mono) {
                    let failure = Failure::new(Kind::Ended, Reason::Silent);
                    // Waiting for a climb would only prolong the silence.
                    if matches!(online.climb, Climb::Trying { .. }) {
                        online.climb = Climb::None;
                        let mut actions = vec![Action::Abandon];
                        actions.extend(self.failed(failure, now));
                        return actions;
                    }
                    return self.failed(failure, now);
                }
                let mut actions = Vec::new();
                if now.mono >= online.opened + timings.stable && !online.stable {
                    online.stable = true;
                    self.backoff.reset();
                    self.ladder.held();
                    if online.transport == Transport::Websocket {
                        self.climb_wait = timings.stable;
                    }
                }
                if !online.probed && now.mono >= online.heard.mono + online.heartbeat.mul_f32(1.5) {
                    online.probed = true;
                    actions.push(Action::Probe);
                }
                if matches!(online.climb, Climb::At(at) if at <= now.mono) {
                    online.climb = Climb::Trying { target: Transport::Websocket, lost: None };
                    self.climb_wait = (self.climb_wait * 2).min(timings.climb_most);
                    actions.push(Action::Climb(Transport::Websocket));
                }
                actions
            }
            _ => Vec::new(),
        }
    }
}

impl Online {
    fn hear(&mut self, now: Now) {
        self.heard = now;
        self.probed_until = None;
        self.probed = false;
    }

    fn is_dead(&self, now: Instant) -> bool {
        let lost = matches!(self.climb, Climb::Trying { lost: Some(_), .. });
        let silent = now >= self.heard.mono + self.heartbeat * 2
            || self.probed_until.is_some_and(|until| until <= now);
        silent && !lost
    }

    fn deadline(&self, timings: &Timings) -> Instant {
        if let Climb::Trying { lost: Some(_), .. } = self.climb {
            // The outcome comes from the dialling, which has deadlines of its own.
            return self.heard.mono + timings.climb_most;
        }
        let silence = if self.probed { self.heartbeat * 2 } else { self.heartbeat.mul_f32(1.5) };
        let mut deadline = self.heard.mono + silence;
        if let Some(until) = self.probed_until {
            deadline = deadline.min(until);
        }
        if let Climb::At(at) = self.climb {
            deadline = deadline.min(at);
        }
        if !self.stable {
            deadline = deadline.min(self.opened + timings.stable);
        }
        deadline
    }
}

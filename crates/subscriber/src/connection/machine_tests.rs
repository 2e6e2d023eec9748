//! Hours of a connection's life in microseconds.

use std::time::Duration;

use tocsin_protocol::{Millis, control::Transport};
use tokio::time::Instant;

use super::{Action, Connection, Failure, Input, Kind, Machine, Now, Reason, Slept};
use crate::Timings;

const WEBSOCKET: Transport = Transport::Websocket;
const SSE: Transport = Transport::Sse;
const POLL: Transport = Transport::Poll;
const HEARTBEAT: Duration = Duration::from_secs(20);

/// A machine with a clock that is moved by hand, and everything it ever asked for.
struct Bench {
    machine: Machine,
    now: Now,
    log: Vec<Action>,
}

impl Bench {
    fn new() -> Self {
        Self::on(false)
    }

    fn on(loopback: bool) -> Self {
        let now = Now { mono: Instant::now(), wall: 1_000_000 };
        Self { machine: Machine::new(Timings::default(), 7, loopback, now), now, log: Vec::new() }
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        let actions = self.machine.on(input, self.now);
        self.log.extend(actions.iter().cloned());
        actions
    }

    /// Lets time pass, ticking whenever the machine wants it; what it asked for.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        let until = self.now.mono + time;
        let mut actions = Vec::new();
        for _ in 0..100_000 {
            let Some(next) = self.machine.deadline().filter(|next| *next <= until) else {
                self.advance(until.saturating_duration_since(self.now.mono));
                return actions;
            };
            self.advance(next.saturating_duration_since(self.now.mono));
            actions.extend(self.input(Input::Tick));
        }
        panic!("the machine spins: its deadline does not move");
    }

    fn advance(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.wall += Millis::try_from(time.as_millis()).unwrap();
    }

    /// Lets time pass while something comes every ten seconds.
    fn pass_alive(&mut self, time: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        for _ in 0..time.as_secs() / 10 {
            actions.extend(self.pass(Duration::from_secs(10)));
            actions.extend(self.input(Input::Heard));
        }
        actions
    }

    fn online(transport: Transport) -> Self {
        let mut bench = Self::new();
        bench.input(Input::Start);
        while bench.last_opened() != transport {
            bench.input(Input::Failed(Failure::nothing_came()));
        }
        bench.input(Input::Opened { heartbeat: HEARTBEAT });
        bench
    }

    fn last_opened(&self) -> Transport {
        let open = |a: &Action| if let Action::Open(t) = a { Some(*t) } else { None };
        self.log.iter().rev().find_map(open).unwrap()
    }

    fn report(&self) -> &Connection {
        let report = |a: &'_ Action| matches!(a, Action::Report(_));
        match self.log.iter().rev().find(|a| report(a)) {
            Some(Action::Report(connection)) => connection,
            _ => panic!("nothing reported"),
        }
    }
}

fn ended() -> Input {
    Input::Failed(Failure::new(Kind::Ended, Reason::Ended))
}

fn unreachable() -> Input {
    Input::Failed(Failure::new(Kind::Network, Reason::Unreachable("refused".into())))
}

#[test]
fn first_attempt_is_a_websocket() {
    let mut bench = Bench::new();
    assert_eq!(bench.input(Input::Start), [Action::Report(Connection::Connecting), Action::Open(WEBSOCKET)]);
    let since = bench.now.wall;
    let actions = bench.input(Input::Opened { heartbeat: HEARTBEAT });
    assert_eq!(actions, [Action::Report(Connection::Online { transport: WEBSOCKET, since })]);
}

#[test]
fn a_blocked_transport_gives_way_at_once_and_the_last_one_waits() {
    let mut bench = Bench::new();
    bench.input(Input::Start);
    let blocked = || Input::Failed(Failure::status(400, None));
    assert!(bench.input(blocked()).contains(&Action::Open(SSE)));
    assert!(bench.input(Input::Failed(Failure::nothing_came())).contains(&Action::Open(POLL)));
    assert!(!bench.input(blocked()).iter().any(|a| matches!(a, Action::Open(_))));
    assert!(matches!(
        bench.report(),
        Connection::Offline { reason: Reason::Blocked(Some(400)), retry_at: Some(_), .. }
    ));
    assert!(bench.pass(Duration::from_secs(31)).contains(&Action::Open(WEBSOCKET)));
}

#[test]
fn one_broken_attempt_may_be_a_restart_two_are_the_transport() {
    let mut bench = Bench::new();
    bench.input(Input::Start);
    bench.input(Input::Failed(Failure::broken()));
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.last_opened(), WEBSOCKET);
    bench.input(Input::Failed(Failure::broken()));
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.last_opened(), SSE);
}

#[test]
fn a_server_that_is_down_blames_no_transport() {
    let mut bench = Bench::on(true);
    bench.input(Input::Start);
    for _ in 0..50 {
        bench.input(unreachable());
        bench.pass(Duration::from_secs(31));
        assert_eq!(bench.last_opened(), WEBSOCKET);
    }
    // Beyond loopback a proxy may be the only way out: now and then plain HTTP is tried, and only then.
    let mut bench = Bench::new();
    bench.input(Input::Start);
    let mut tried = Vec::new();
    for _ in 0..8 {
        tried.push(bench.last_opened());
        bench.input(unreachable());
        bench.pass(Duration::from_secs(31));
    }
    assert_eq!(tried, [WEBSOCKET, WEBSOCKET, WEBSOCKET, SSE, WEBSOCKET, WEBSOCKET, WEBSOCKET, SSE]);
}

#[test]
fn waits_grow_and_begin_anew_after_a_stable_connection() {
    let mut bench = Bench::online(WEBSOCKET);
    bench.pass_alive(Duration::from_secs(70));
    bench.input(ended());
    let wait = |bench: &Bench| match bench.report() {
        Connection::Offline { retry_at: Some(at), .. } => at - bench.now.wall,
        other => panic!("{other:?}"),
    };
    assert!(wait(&bench) <= 500);
    let mut longest = 0;
    for _ in 0..200 {
        bench.pass(Duration::from_secs(31));
        bench.input(unreachable());
        longest = longest.max(wait(&bench));
    }
    assert!((20_000..=30_000).contains(&longest), "{longest}");
    bench.pass(Duration::from_secs(31));
    bench.input(Input::Opened { heartbeat: HEARTBEAT });
    bench.pass_alive(Duration::from_secs(70));
    bench.input(ended());
    assert!(wait(&bench) <= 500);
}

#[test]
fn what_the_server_asks_for_is_waited_for() {
    let mut bench = Bench::new();
    bench.input(Input::Start);
    bench.input(Input::Failed(Failure::status(503, Some(Duration::from_secs(40)))));
    assert!(bench.pass(Duration::from_secs(39)).is_empty());
    assert_eq!(bench.pass(Duration::from_secs(2)), [Action::Open(WEBSOCKET)]);
}

#[test]
fn offline_since_the_last_sign_of_life() {
    let mut bench = Bench::online(WEBSOCKET);
    bench.pass_alive(Duration::from_secs(30));
    let since = bench.now.wall;
    assert!(bench.pass(HEARTBEAT * 3 / 2).contains(&Action::Probe));
    let actions = bench.pass(HEARTBEAT / 2);
    assert_eq!(actions[0], Action::Close);
    for _ in 0..3 {
        let Connection::Offline { since: told, .. } = bench.report() else { panic!("{:?}", bench.report()) };
        assert_eq!(*told, since);
        bench.pass(Duration::from_secs(31));
        bench.input(unreachable());
    }
}

#[test]
fn an_answered_probe_keeps_the_connection() {
    let mut bench = Bench::online(WEBSOCKET);
    assert!(bench.pass(HEARTBEAT * 3 / 2).contains(&Action::Probe));
    bench.input(Input::Heard);
    assert!(!bench.pass(HEARTBEAT).contains(&Action::Close));
}

#[test]
fn a_refused_token_and_a_replacement_end_it() {
    for (failure, refused) in [
        (Failure::status(401, None), true),
        (Failure::new(Kind::Refused, Reason::Unauthorised), true),
        (Failure::new(Kind::Halted, Reason::Replaced), false),
        (Failure::new(Kind::Halted, Reason::NotUnderstood(4102)), false),
    ] {
        let mut bench = Bench::online(WEBSOCKET);
        assert_eq!(bench.input(Input::Failed(failure))[0], Action::Close);
        assert_eq!(matches!(bench.report(), Connection::Refused { .. }), refused);
        assert!(refused || matches!(bench.report(), Connection::Offline { retry_at: None, .. }));
        assert_eq!(bench.machine.deadline(), None, "a resting machine never wakes");
    }
}

#[test]
fn climbs_after_a_minute_without_interrupting() {
    let mut bench = Bench::online(SSE);
    assert!(!bench.pass_alive(Duration::from_secs(50)).contains(&Action::Climb(WEBSOCKET)));
    let actions = bench.pass_alive(Duration::from_secs(20));
    assert_eq!(actions, [Action::Climb(WEBSOCKET)]);
    let actions = bench.input(Input::ClimbOpened { heartbeat: HEARTBEAT });
    assert_eq!(actions[0], Action::Adopt);
    assert!(matches!(bench.report(), Connection::Online { transport: WEBSOCKET, .. }));
}

#[test]
fn climbs_ever_more_seldom() {
    let mut bench = Bench::online(SSE);
    let mut climbs = 0;
    for _ in 0..24 * 360 {
        if bench.pass_alive(Duration::from_secs(10)).contains(&Action::Climb(WEBSOCKET)) {
            climbs += 1;
            assert_eq!(bench.input(Input::ClimbFailed(Failure::status(400, None))), [Action::Abandon]);
        }
    }
    assert!((24..35).contains(&climbs), "{climbs} climbs a day");
}

#[test]
fn from_poll_the_event_stream_is_tried_when_the_websocket_is_blocked() {
    let mut bench = Bench::online(POLL);
    assert!(bench.pass_alive(Duration::from_secs(70)).contains(&Action::Climb(WEBSOCKET)));
    let actions = bench.input(Input::ClimbFailed(Failure::status(400, None)));
    assert_eq!(actions, [Action::Abandon, Action::Climb(SSE)]);
    bench.input(Input::ClimbOpened { heartbeat: HEARTBEAT });
    assert!(matches!(bench.report(), Connection::Online { transport: SSE, .. }));
}

#[test]
fn a_stream_replaced_by_its_own_climb_is_no_loss() {
    let mut bench = Bench::online(SSE);
    bench.pass_alive(Duration::from_secs(70));
    bench.input(Input::Failed(Failure::new(Kind::Halted, Reason::Replaced)));
    assert!(bench.report().is_online());
    bench.pass(Duration::from_secs(15));
    bench.input(Input::ClimbOpened { heartbeat: HEARTBEAT });
    assert!(matches!(bench.report(), Connection::Online { transport: WEBSOCKET, .. }));
    // But when the climb fails, too, the loss counts.
    let mut bench = Bench::online(SSE);
    bench.pass_alive(Duration::from_secs(70));
    bench.input(ended());
    bench.input(Input::ClimbFailed(Failure::broken()));
    assert!(!bench.report().is_online());
    bench.pass(Duration::from_secs(31));
    assert_eq!(bench.last_opened(), SSE, "it worked, so it is tried again");
}

#[test]
fn a_wake_is_noticed_and_the_connection_probed_at_once() {
    let mut bench = Bench::online(WEBSOCKET);
    bench.now.wall += 3_600_000;
    let actions = bench.pass(Duration::from_secs(5));
    let (from, to) = (bench.now.wall - 3_600_000, bench.now.wall);
    assert_eq!(actions, [Action::Wake(Slept { from, to }), Action::Probe]);
    assert!(
        bench.pass(Duration::from_secs(5)).contains(&Action::Close),
        "no answer within the time for a probe"
    );

    let mut bench = Bench::online(SSE);
    bench.now.wall += 3_600_000;
    assert!(bench.pass(Duration::from_secs(5)).contains(&Action::Open(WEBSOCKET)));

    let mut bench = Bench::new();
    bench.input(Input::Start);
    bench.input(Input::Failed(Failure::status(503, Some(Duration::from_mins(5)))));
    bench.now.wall += 3_600_000;
    assert!(
        bench.pass(Duration::from_secs(5)).contains(&Action::Open(WEBSOCKET)),
        "a wait ends with a sleep"
    );
}

#[test]
fn a_clock_that_is_set_is_no_sleep_when_it_goes_back() {
    let mut bench = Bench::online(WEBSOCKET);
    bench.now.wall -= 3_600_000;
    assert!(bench.pass(Duration::from_secs(20)).is_empty());
}

mod property {
    use proptest::prelude::*;

    use super::*;

    fn inputs() -> impl Strategy<Value = Vec<(u8, u64)>> {
        prop::collection::vec((0_u8..12, 0_u64..90_000), 1..200)
    }

    fn input(n: u8) -> Input {
        match n {
            0 => Input::Start,
            1 | 2 => Input::Opened { heartbeat: HEARTBEAT },
            3 => Input::Heard,
            4 => Input::Failed(Failure::broken()),
            5 => Input::Failed(Failure::nothing_came()),
            6 => unreachable(),
            7 => ended(),
            8 => Input::Failed(Failure::status(503, Some(Duration::from_secs(3)))),
            9 => Input::ClimbOpened { heartbeat: HEARTBEAT },
            10 => Input::ClimbFailed(Failure::status(400, None)),
            _ => Input::Failed(Failure::new(Kind::Halted, Reason::Replaced)),
        }
    }

    proptest! {
        /// Whatever happens in whatever order: it never spins, never dials two streams at once without dropping one,
        /// and while it is not resting there is always a next step.
        #[test]
        fn always_a_next_step(steps in inputs()) {
            let mut bench = Bench::new();
            bench.input(Input::Start);
            for (n, wait) in steps {
                bench.input(input(n));
                bench.pass(Duration::from_millis(wait));
            }
            let (mut current, mut beside) = (false, false);
            for action in &bench.log {
                match action {
                    Action::Open(_) => { prop_assert!(!beside); current = true; }
                    Action::Climb(_) => { prop_assert!(!beside); beside = true; }
                    Action::Adopt => { prop_assert!(beside); beside = false; current = true; }
                    Action::Abandon => beside = false,
                    Action::Close => current = false,
                    Action::Report(Connection::Online { .. }) => prop_assert!(current),
                    Action::Report(_) | Action::Probe | Action::Wake(_) => {}
                }
            }
            let resting = matches!(bench.report(), Connection::Refused { .. } | Connection::Offline { retry_at: None, .. });
            prop_assert_eq!(bench.machine.deadline().is_none(), resting);
        }
    }
}

#[test]
fn the_only_transport_is_neither_left_nor_climbed_from() {
    for only in [WEBSOCKET, SSE, POLL] {
        let mut bench = Bench::new();
        bench.machine = bench.machine.only(Some(only));
        bench.input(Input::Start);
        for failure in [Failure::nothing_came(), Failure::broken(), Failure::broken(), Failure::broken()] {
            bench.input(Input::Failed(failure));
            bench.pass(Duration::from_mins(1));
            assert_eq!(bench.last_opened(), only);
        }
        bench.input(unreachable());
        bench.pass(Duration::from_mins(1));
        bench.input(Input::Opened { heartbeat: HEARTBEAT });
        let actions = bench.pass_alive(Duration::from_hours(2));
        assert!(!actions.iter().any(|action| matches!(action, Action::Climb(_))), "{only:?}");
        bench.input(Input::Start);
        assert_eq!(bench.last_opened(), only);
    }
}

//! The state machine under any order of events.

use proptest::prelude::*;

use super::*;
use crate::{
    errcode::{Call, Platform, classify},
    outcome::{Cause, NotSent},
};

const START: Millis = 1_767_000_000_000;

fn refusal() -> Refused {
    let verdict = classify(Platform::Official, Call::Business, 40001, "");
    Refused::of(Platform::Official, Call::Business, 40001, String::new(), verdict)
}

fn fetched(number: u32) -> Fetched {
    Fetched { token: Secret::new(format!("token-{number}")), expires_in: 7200 }
}

#[test]
fn an_old_token_that_is_refused_late_drops_nothing() {
    let mut state = State::default();
    let old = state.take(fetched(1), START);
    assert_eq!(state.expire(&old, &refusal(), START), 1);
    let new = state.take(fetched(2), START);
    for _ in 0..100 {
        assert_eq!(state.expire(&old, &refusal(), START), 1, "not counted either");
    }
    assert!(matches!(state.decide(START), Decision::Use(token) if token == new));
}

#[test]
fn the_first_refusal_costs_no_pause_and_a_success_forgets_it() {
    let mut state = State::default();
    for number in 0..50 {
        let token = state.take(fetched(number), START);
        state.confirm(&token);
        state.expire(&token, &refusal(), START);
        assert!(matches!(state.decide(START), Decision::Fetch), "{number}");
    }
    assert!(!state.how(START).force);
}

#[test]
fn a_clock_that_is_set_back_prolongs_no_pause() {
    let mut state = State::default();
    let lost = || Failure::NotSent(NotSent::of(Cause::Unreachable, String::new()));
    state.failed(lost(), START);
    assert!(matches!(state.decide(START), Decision::Refuse(_)));
    assert!(matches!(state.decide(START - 24 * 3_600_000), Decision::Fetch));
    for number in 0..2 {
        let token = state.take(fetched(number), START);
        state.expire(&token, &refusal(), START);
    }
    assert!(matches!(state.decide(START), Decision::Refuse(_)));
    assert!(matches!(state.decide(START - 24 * 3_600_000), Decision::Fetch));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Need { works: bool, reached: bool },
    Wait(i64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let need = (any::<bool>(), any::<bool>()).prop_map(|(works, reached)| Step::Need { works, reached });
    let step = prop_oneof![4 => need, 3 => (0_i64..20_000).prop_map(Step::Wait), 1 => (0_i64..9_000_000).prop_map(Step::Wait), 1 => Just(Step::Restart)];
    proptest::collection::vec(step, 1..300)
}

proptest! {
    /// Whatever works and fails in whatever order: a good token is used, and requests that bring nothing keep their
    /// pause. (A token that worked may be replaced at once, so those are not counted.)
    #[test]
    fn requests_that_bring_nothing_keep_their_pause(steps in steps()) {
        let (mut state, mut now, mut number) = (State::default(), START, 0);
        let mut last_in_vain: Option<Millis> = None;
        for step in steps {
            match step {
                Step::Wait(by) => now += by,
                Step::Restart => {
                    let record = state.record();
                    state = State::default();
                    state.load(Some(record));
                    last_in_vain = None;
                }
                Step::Need { works, reached } => match state.decide(now) {
                    Decision::Use(token) | Decision::UseAndRefresh(token) if works => state.confirm(&token),
                    Decision::Use(token) | Decision::UseAndRefresh(token) => {
                        state.expire(&token, &refusal(), now);
                    }
                    Decision::Refuse(_) => {}
                    Decision::Fetch => {
                        if let Some(before) = last_in_vain {
                            prop_assert!(now >= before + FIRST_PAUSE, "{} ms after one in vain", now - before);
                        }
                        if reached {
                            number += 1;
                            let token = state.take(fetched(number), now);
                            prop_assert!(matches!(state.decide(now), Decision::Use(_)));
                            if works { state.confirm(&token) } else { state.expire(&token, &refusal(), now); }
                            // The first refusal is the ordinary end of a token's life.
                            last_in_vain = (!works && state.refusals.in_a_row >= 2).then_some(now);
                        } else {
                            let lost = NotSent::of(Cause::Unreachable, String::new());
                            state.failed(Failure::NotSent(lost), now);
                            last_in_vain = Some(now);
                        }
                    }
                },
            }
        }
    }
}

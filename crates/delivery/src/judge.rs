//! What an answer means: the next state, the time of another try, and what it says about the credential. Pure.
//!
//! | answer | delivery | credential |
//! |---|---|---|
//! | accepted | accepted; failed for whom it names | good |
//! | token | busy, as below | trips |
//! | busy with a time | waits for it, as often as it is said | pauses until then |
//! | busy | three tries with full jitter, then failed | fault |
//! | trouble | again until it is given up | fault |
//! | permanent, bug | failed | good |
//! | config | failed | trips; pauses if the platform says for how long, and that is long |
//! | config that is known to err | once more in a minute, then failed | fault, then trips |
//! | duplicate | after a try that may have arrived: accepted; else once more in a minute | good |
//! | no answer | again while the platform recognises it, else unknown | fault |
//! | an answer that can not be read | the same, once | fault |
//! | not sent | again until it is given up | fault |
//!
//! After a try that may have arrived, `failed` is `unknown`.

use tocsin_protocol::{Millis, delivery::AttemptResult};
use tocsin_store::outbox::{
    Again, History, Next, codes,
    health::{Omen, TRIP_OPEN},
};

use crate::{Class, Outcome, Refusal};

/// Tries of a delivery that the platform is too busy for: what both platforms advise.
pub const BUSY_TRIES: u32 = 3;
/// The first pause between tries; it doubles.
const PAUSE_FIRST: Millis = 1_000;
/// The longest pause between tries.
const PAUSE_MOST: Millis = 300_000;
/// The shortest: what full jitter rolls may be nothing.
const PAUSE_LEAST: Millis = 100;
/// How long the platform takes the same content for a repetition, and a little.
const DUPLICATE_PAUSE: Millis = 61_000;
/// Code of an answer that named none.
const NO_CONNECTION: &str = "not_sent";

/// What an answer is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What happened before this try.
    pub history: History,
    /// Whom it was for.
    pub address: &'a str,
    /// When it began.
    pub started_at: Millis,
    /// Now.
    pub now: Millis,
    /// How long a repetition shows nothing twice: [`Limits::repeat_safe_ms`](tocsin_store::outbox::Limits).
    pub repeat_safe_ms: Millis,
    /// In 0..1.
    pub roll: f64,
}

/// What it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How the try ended.
    pub result: AttemptResult,
    /// What becomes of the delivery.
    pub next: Next,
    /// What it says about the credential.
    pub omen: Omen,
    /// The platform's code, or one of ours.
    pub code: Option<String>,
    /// The platform's words.
    pub reason: Option<String>,
    /// The platform's name for it.
    pub msgid: Option<String>,
    /// The address is none any more: why.
    pub broken: Option<String>,
    /// The person is not reached at present: why.
    pub flagged: Option<String>,
}

/// What an answer means. Once a try may have arrived, no later refusal makes the delivery `failed`, and no other try is put
/// off beyond the time in which the platform recognises it.
pub fn judge(outcome: Outcome, case: &Case<'_>) -> Verdict {
    let verdict = answered(outcome, case);
    let Some(since) = case.history.unsure_at else { return verdict };
    let next = match verdict.next {
        Next::Failed => Next::Unknown,
        Next::Retry { at, why } => Next::Retry { at: at.min(since.saturating_add(case.repeat_safe_ms)), why },
        next => next,
    };
    Verdict { next, ..verdict }
}

fn answered(outcome: Outcome, case: &Case<'_>) -> Verdict {
    match outcome {
        Outcome::Accepted { msgid, refused } => {
            let mine = refused.into_iter().find(|(address, _)| address.eq_ignore_ascii_case(case.address));
            match mine {
                // The call as a whole succeeded, so whatever its class, it is about this person.
                Some((_, refusal)) => refused_with(&refusal, Next::Failed, Omen::Good),
                None => Verdict { msgid, ..plain(AttemptResult::Accepted, Next::Accepted, Omen::Good) },
            }
        }
        Outcome::Refused(refusal) => refused(&refusal, case),
        Outcome::Unknown(reason) => unsure(case, codes::UNKNOWN, reason, true),
        // A second one is a fault of theirs or ours that repeating does not mend.
        Outcome::Unreadable(reason) => {
            unsure(case, codes::UNREADABLE, reason, case.history.unsure_at.is_none())
        }
        Outcome::NotSent(reason) => {
            let at = case.now.saturating_add(pause(case.history.attempts, case.roll));
            let next = Next::Retry { at, why: Again::NotSent };
            Verdict {
                code: Some(NO_CONNECTION.into()),
                reason: Some(reason),
                ..plain(AttemptResult::NotSent, next, Omen::Fault)
            }
        }
    }
}

/// It may have arrived. Another try only where the platform recognises a repetition, and where one is worth it.
fn unsure(case: &Case<'_>, code: &str, reason: String, worth_another: bool) -> Verdict {
    let since = case.history.unsure_at.unwrap_or(case.started_at);
    let at = case.now.saturating_add(pause(case.history.attempts, case.roll));
    let safe = !case.history.resent && at < since.saturating_add(case.repeat_safe_ms);
    let again = safe && worth_another;
    let next = if again { Next::Retry { at, why: Again::Unsure } } else { Next::Unknown };
    Verdict {
        code: Some(code.into()),
        reason: Some(reason),
        ..plain(AttemptResult::Unknown, next, Omen::Fault)
    }
}

fn refused(refusal: &Refusal, case: &Case<'_>) -> Verdict {
    let (next, omen) = match refusal.class {
        Class::Busy => match refusal.retry_after_ms {
            Some(wait) => {
                let until = case.now.saturating_add(wait.max(PAUSE_LEAST));
                (Next::Retry { at: until, why: Again::Paused }, Omen::Pause(until))
            }
            None => (busy(case), Omen::Fault),
        },
        Class::Trouble => {
            let at = case.now.saturating_add(pause(case.history.attempts, case.roll));
            (Next::Retry { at, why: Again::Busy }, Omen::Fault)
        }
        Class::Token => (busy(case), Omen::Trip),
        Class::Config if refusal.once_more && case.history.duplicates == 0 => {
            let at = case.now.saturating_add(refusal.retry_after_ms.unwrap_or(DUPLICATE_PAUSE));
            (Next::Retry { at, why: Again::Duplicate }, Omen::Fault)
        }
        Class::Config => match refusal.retry_after_ms {
            // The platform says for how long, and it is longer than the breaker's longest: a probe before would only
            // fail one more message.
            Some(wait) if wait >= TRIP_OPEN.1 => (Next::Failed, Omen::Pause(case.now.saturating_add(wait))),
            _ => (Next::Failed, Omen::Trip),
        },
        Class::Duplicate if case.history.unsure_at.is_some() => (Next::Accepted, Omen::Good),
        Class::Duplicate if case.history.duplicates == 0 => {
            let at = case.now.saturating_add(DUPLICATE_PAUSE);
            (Next::Retry { at, why: Again::Duplicate }, Omen::Good)
        }
        Class::Duplicate | Class::Permanent | Class::Bug => (Next::Failed, Omen::Good),
    };
    refused_with(refusal, next, omen)
}

/// Another try, or the end of them.
fn busy(case: &Case<'_>) -> Next {
    if case.history.busy + 1 < BUSY_TRIES {
        let at = case.now.saturating_add(pause(case.history.busy, case.roll));
        return Next::Retry { at, why: Again::Busy };
    }
    Next::Failed
}

/// Full jitter: anything up to the doubled pause, so that many that failed together do not come back together.
fn pause(tries: u32, roll: f64) -> Millis {
    let doubled = PAUSE_FIRST.saturating_mul(1 << tries.min(20)).min(PAUSE_MOST);
    #[expect(clippy::cast_possible_truncation, reason = "at most five minutes")]
    let rolled = (doubled as f64 * roll.clamp(0.0, 1.0)) as Millis;
    rolled.max(PAUSE_LEAST)
}

fn plain(result: AttemptResult, next: Next, omen: Omen) -> Verdict {
    Verdict { result, next, omen, code: None, reason: None, msgid: None, broken: None, flagged: None }
}

fn refused_with(refusal: &Refusal, next: Next, omen: Omen) -> Verdict {
    Verdict {
        code: Some(refusal.code.clone()),
        reason: Some(refusal.message.clone()),
        broken: refusal.broken.then(|| refusal.message.clone()),
        flagged: refusal.flagged.then(|| refusal.message.clone()),
        ..plain(AttemptResult::Refused, next, omen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_000_000;

    fn case(history: History) -> Case<'static> {
        Case { history, address: "Ann", started_at: NOW - 5, now: NOW, repeat_safe_ms: 0, roll: 0.5 }
    }

    fn refusal(class: Class) -> Refusal {
        Refusal {
            class,
            code: "7".into(),
            message: "m".into(),
            retry_after_ms: None,
            broken: false,
            flagged: false,
            once_more: false,
        }
    }

    fn of(class: Class, history: History) -> (Next, Omen) {
        let verdict = judge(Outcome::Refused(refusal(class)), &case(history));
        (verdict.next, verdict.omen)
    }

    #[test]
    fn busy_is_tried_three_times_in_all() {
        let mut history = History::default();
        let mut tries = 1;
        while let (Next::Retry { at, why: Again::Busy }, Omen::Fault) = of(Class::Busy, history) {
            assert!(at > NOW && at <= NOW + 4_000);
            history.busy += 1;
            tries += 1;
        }
        assert_eq!(tries, BUSY_TRIES);
        assert_eq!(of(Class::Busy, history).0, Next::Failed);
        assert_eq!(of(Class::Busy, History { unsure_at: Some(1), ..history }).0, Next::Unknown);
    }

    #[test]
    fn what_may_have_arrived_is_not_called_failed_and_not_put_off_for_too_long() {
        let unsure = History { unsure_at: Some(NOW - 9_000), duplicates: 1, ..History::default() };
        for class in [Class::Permanent, Class::Config, Class::Bug] {
            assert_eq!(of(class, unsure).0, Next::Unknown, "{class:?}");
        }
        let invalid =
            Outcome::Accepted { msgid: None, refused: vec![("ann".into(), refusal(Class::Permanent))] };
        assert_eq!(judge(invalid, &case(unsure)).next, Next::Unknown);
        let safe = Case { repeat_safe_ms: 60_000, ..case(unsure) };
        let wait = Refusal { retry_after_ms: Some(3_600_000), ..refusal(Class::Busy) };
        let verdict = judge(Outcome::Refused(wait), &safe);
        assert_eq!(verdict.next, Next::Retry { at: NOW + 51_000, why: Again::Paused });
        assert_eq!(verdict.omen, Omen::Pause(NOW + 3_600_000), "the pause itself is as long as it is");
    }

    #[test]
    fn a_quota_waits_as_long_as_it_is_told_and_costs_no_try() {
        let wait = Refusal { retry_after_ms: Some(3_600_000), ..refusal(Class::Busy) };
        let verdict = judge(Outcome::Refused(wait), &case(History { busy: 9, ..History::default() }));
        assert_eq!(verdict.next, Next::Retry { at: NOW + 3_600_000, why: Again::Paused });
        assert_eq!(verdict.omen, Omen::Pause(NOW + 3_600_000));
    }

    #[test]
    fn trouble_is_waited_out_with_longer_and_longer_pauses() {
        let at =
            |attempts| match of(Class::Trouble, History { attempts, busy: attempts, ..History::default() }) {
                (Next::Retry { at, why: Again::Busy }, Omen::Fault) => at - NOW,
                other => panic!("{other:?}"),
            };
        assert_eq!([at(0), at(1), at(9), at(999)], [500, 1_000, PAUSE_MOST / 2, PAUSE_MOST / 2]);
    }

    #[test]
    fn refusals_for_good() {
        let none = History::default();
        assert_eq!(of(Class::Permanent, none), (Next::Failed, Omen::Good));
        assert_eq!(of(Class::Bug, none), (Next::Failed, Omen::Good));
        assert_eq!(of(Class::Config, none), (Next::Failed, Omen::Trip));
        assert_eq!(of(Class::Token, none).1, Omen::Trip);
    }

    #[test]
    fn a_duplicate_is_good_news_only_after_doubt() {
        let none = History::default();
        let again = Next::Retry { at: NOW + DUPLICATE_PAUSE, why: Again::Duplicate };
        assert_eq!(of(Class::Duplicate, none).0, again);
        assert_eq!(of(Class::Duplicate, History { duplicates: 1, ..none }).0, Next::Failed);
        assert_eq!(of(Class::Duplicate, History { unsure_at: Some(1), ..none }).0, Next::Accepted);
    }

    #[test]
    fn no_answer_is_tried_again_only_while_that_is_safe() {
        let safe = Case { repeat_safe_ms: 60_000, ..case(History::default()) };
        let next = |case: &Case<'_>| judge(Outcome::Unknown("timeout".into()), case).next;
        assert!(matches!(next(&safe), Next::Retry { why: Again::Unsure, .. }));
        let first = History { unsure_at: Some(NOW - 60_000), ..History::default() };
        assert_eq!(next(&Case { history: first, ..safe }), Next::Unknown);
        let resent = History { resent: true, ..History::default() };
        assert_eq!(next(&Case { history: resent, ..safe }), Next::Unknown);
        assert_eq!(next(&case(History::default())), Next::Unknown);
    }

    #[test]
    fn what_can_not_be_read_is_tried_once_more_and_only_where_that_is_safe() {
        let safe = Case { repeat_safe_ms: 60_000, ..case(History::default()) };
        let of = |case: &Case<'_>| judge(Outcome::Unreadable("<html>".into()), case);
        assert!(matches!(of(&safe).next, Next::Retry { why: Again::Unsure, .. }));
        let second =
            of(&Case { history: History { unsure_at: Some(NOW - 9), ..History::default() }, ..safe });
        assert_eq!((second.next, second.code.as_deref()), (Next::Unknown, Some("unreadable")));
        assert_eq!(second.reason.as_deref(), Some("<html>"));
        assert_eq!(of(&case(History::default())).next, Next::Unknown);
    }

    #[test]
    fn a_code_that_is_known_to_err_gets_one_more_try() {
        let doubted = Refusal { once_more: true, retry_after_ms: Some(60_000), ..refusal(Class::Config) };
        let of = |history| {
            let verdict = judge(Outcome::Refused(doubted.clone()), &case(history));
            (verdict.next, verdict.omen)
        };
        let again = Next::Retry { at: NOW + 60_000, why: Again::Duplicate };
        assert_eq!(of(History::default()), (again, Omen::Fault));
        assert_eq!(of(History { duplicates: 1, ..History::default() }), (Next::Failed, Omen::Trip));
    }

    #[test]
    fn a_pause_that_is_known_to_last_is_not_probed() {
        let of = |wait| {
            let refused = Refusal { retry_after_ms: Some(wait), ..refusal(Class::Config) };
            let verdict = judge(Outcome::Refused(refused), &case(History::default()));
            (verdict.next, verdict.omen)
        };
        assert_eq!(of(86_400_000), (Next::Failed, Omen::Pause(NOW + 86_400_000)));
        assert_eq!(of(3_600_000), (Next::Failed, Omen::Pause(NOW + 3_600_000)));
        assert_eq!(of(10_000), (Next::Failed, Omen::Trip), "the breaker waits for longer than that");
    }

    #[test]
    fn a_success_for_others_is_none_for_this_one() {
        let broken = Refusal { broken: true, ..refusal(Class::Permanent) };
        let answer = |who: &str| Outcome::Accepted {
            msgid: Some("1".into()),
            refused: vec![(who.into(), broken.clone())],
        };
        let verdict = judge(answer("ann"), &case(History::default()));
        assert_eq!(
            (verdict.next, verdict.broken.as_deref()),
            (Next::Failed, Some("m")),
            "lower case on the wire"
        );
        let verdict = judge(answer("bob"), &case(History::default()));
        assert_eq!((verdict.next, verdict.msgid.as_deref()), (Next::Accepted, Some("1")));
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_are_never_nothing() {
        assert_eq!(pause(0, 1.0), 1_000);
        assert_eq!(pause(3, 1.0), 8_000);
        assert_eq!(pause(60, 1.0), PAUSE_MOST);
        assert_eq!(pause(9, 0.0), PAUSE_LEAST);
    }
}

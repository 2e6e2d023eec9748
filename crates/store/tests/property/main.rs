//! Random schedules, run against SQLite and the in-memory model at once: both answer the same.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

mod compare;
mod escalate;
mod schedule;
mod template;
mod twins;

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::{prelude::*, test_runner::TestRunner};

/// Steps of a long schedule: enough for a person to come, miss something, leave and come back.
const STEPS: std::ops::Range<usize> = 20..60;
/// Short schedules: how many, how long, and how many of them one pair of stores goes through, each with topics of its
/// own: the past of the others is what it has to leave alone.
const SCHEDULES: u32 = 10_000;
const SHORT: std::ops::Range<usize> = 4..10;
const PER_STORE: u32 = 8;

fn alone(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
}

proptest! {
    // Each case is some thousand comparisons.
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_the_model_agree(steps in prop::collection::vec(schedule::step(), STEPS)) {
        alone(async {
            let mut twins = twins::Twins::new().await;
            for (number, step) in steps.iter().enumerate() {
                twins.run(step).await;
                compare::everything(&twins, number, step).await;
            }
        });
    }
}

/// Many short schedules, each compared at its end.
#[test]
fn receipts_of_many_schedules_agree() {
    let workers =
        std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let ran = AtomicU32::new(0);
    let cases = SCHEDULES.div_ceil(PER_STORE).div_ceil(workers);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| run_cases(cases, &ran))).collect();
        for worker in workers {
            if let Err(failed) = worker.join().unwrap() {
                panic!("{failed}");
            }
        }
    });
    let ran = ran.into_inner();
    println!("{ran} schedules agree");
    assert!(ran >= SCHEDULES);
}

fn run_cases(cases: u32, ran: &AtomicU32) -> Result<(), String> {
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let one = prop::collection::vec(schedule::step(), SHORT);
    let several = prop::collection::vec(one, PER_STORE as usize);
    let mut runner = TestRunner::new(config);
    let result = runner.run(&several, |schedules| {
        alone(async {
            let mut twins = twins::Twins::new().await;
            for steps in &schedules {
                twins.renew().await;
                for step in steps {
                    twins.run(step).await;
                }
                compare::what_matters(&twins, steps.len(), &steps[steps.len() - 1]).await;
                ran.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(())
    });
    result.map_err(|error| error.to_string())
}

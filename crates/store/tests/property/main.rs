//! Random schedules, run against SQLite and the in-memory model at once: after every step both answer the same.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

mod compare;
mod schedule;
mod twins;

use proptest::prelude::*;

/// Steps of one schedule: enough for a person to come, miss something, leave and come back.
const STEPS: std::ops::Range<usize> = 20..60;

proptest! {
    // Each case is some thousand comparisons with a flush per write.
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_the_model_agree(steps in prop::collection::vec(schedule::step(), STEPS)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut twins = twins::Twins::new().await;
            for (number, step) in steps.iter().enumerate() {
                twins.run(step).await;
                compare::everything(&twins, number, step).await;
            }
        });
    }
}

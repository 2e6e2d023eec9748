//! Whether messages reach people over the channels of the hosted server: what failed is told in the tray and the window
//! until it was sent again, or is a day old and only history.
//!
//! That something failed is a message on the alerts' topic, too. A message is read and gone; this stays while it is true.

use std::{collections::BTreeSet, time::Duration};

use tocsin_protocol::{DeliveryState, Millis, control::ProblemCode};
use tocsin_server::AppState;
use tocsin_store::outbox::{DeliveryQuery, Outbox};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use crate::desk::Desk;

/// What failed longer ago is history.
const RECENT: Millis = tocsin_store::outbox::GIVE_UP_AFTER;
/// Looked at this often while something is failed: it becomes history without a word. While nothing is, nothing wakes.
const LOOK: Duration = Duration::from_mins(1);
/// Between two looks, however much happens: the outbox tells of every delivery that ends, each look reads what failed,
/// and a person sees no difference. A wait that follows a look costs no wake while nothing happens.
const BREATH: Duration = Duration::from_secs(1);
/// Enough to name every channel that fails.
const MOST: usize = 200;

/// Tells [`ProblemCode::DeliveryFailed`] for as long as something is failed. Never returns.
pub async fn watch(desk: &Desk, state: &AppState) {
    let Some(outside) = &state.outside else { return std::future::pending().await };
    look_after(outside.outbox.outbox_changed(), || look(desk, &*outside.outbox)).await;
}

/// Looks now, after every change, and for as long as a look says that time alone changes something.
async fn look_after<L: Future<Output = bool>>(mut changed: watch::Receiver<u64>, look: impl Fn() -> L) {
    loop {
        changed.mark_unchanged();
        let soonest = Instant::now() + BREATH;
        let again = look().await;
        let later = async { if again { sleep(LOOK).await } else { std::future::pending().await } };
        tokio::select! {
            result = changed.changed() => if result.is_err() { return std::future::pending().await },
            () = later => {}
        }
        sleep_until(soonest).await;
    }
}

/// Tells how things stand; whether something is failed, or may be.
async fn look(desk: &Desk, outbox: &dyn Outbox) -> bool {
    match failing(outbox, desk.now()).await {
        Ok(names) if names.is_empty() => {
            desk.clear(ProblemCode::DeliveryFailed);
            false
        }
        Ok(names) => {
            let names: Vec<_> = names.into_iter().collect();
            desk.raise(ProblemCode::DeliveryFailed, names.join(", "));
            true
        }
        Err(error) => {
            tracing::warn!(%error, "deliveries cannot be read now");
            true
        }
    }
}

/// Names of the channels over which something failed lately.
async fn failing(outbox: &dyn Outbox, now: Millis) -> tocsin_store::Result<BTreeSet<String>> {
    let query =
        DeliveryQuery { limit: MOST, states: vec![DeliveryState::Failed], ..DeliveryQuery::default() };
    // When it failed, not when it was queued: what is given up was tried for a day, what is sent again may be old.
    let mut failed = outbox.deliveries(query).await?;
    failed.retain(|row| row.since >= now.saturating_sub(RECENT));
    if failed.is_empty() {
        return Ok(BTreeSet::new());
    }
    // A channel that was removed has nothing more to be done about.
    let channels = outbox.channels().await?;
    let of = |name: &str| channels.iter().find(|channel| channel.name == name);
    Ok(failed.iter().filter_map(|row| of(&row.channel)).map(|channel| channel.display_name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tocsin_store::{
        conformance::{Bench, Hand, outbox::Post, to_topic},
        model::ModelStore,
        outbox::{ClaimOrder, GIVE_UP_AFTER},
    };
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test]
    async fn what_is_given_up_after_a_day_is_told_for_a_day() {
        let hand = Hand::default();
        let store = std::sync::Arc::new(ModelStore::new(hand.clock(), 7 * GIVE_UP_AFTER, 90 * GIVE_UP_AFTER));
        let post = Post { bench: Bench { store: store.clone(), hand }, outbox: store };
        let now = || post.bench.hand.now();
        post.desk(&["ann"]).await;
        post.bench.publish(to_topic("ops")).await;
        assert!(failing(&*post.outbox, now()).await.unwrap().is_empty());
        post.bench.hand.step(GIVE_UP_AFTER);
        let look = ClaimOrder { channels: Vec::new(), most: 1, lease_ms: 1, herald: None };
        assert_eq!(post.outbox.claim_lanes(look).await.unwrap().noticed.given_up, 1);
        post.bench.hand.step(RECENT - 1);
        assert_eq!(failing(&*post.outbox, now()).await.unwrap().len(), 1);
        post.bench.hand.step(2);
        assert!(failing(&*post.outbox, now()).await.unwrap().is_empty(), "only history");
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_changes_costs_a_look_a_second_and_silence_none() {
        let changes = watch::Sender::new(0);
        let looks = Cell::new(0);
        let count = || {
            looks.set(looks.get() + 1);
            std::future::ready(false)
        };
        let looking = look_after(changes.subscribe(), count);
        let storm = async {
            for _ in 0..1000 {
                changes.send_modify(|number| *number += 1);
                advance(Duration::from_millis(3)).await;
                tokio::task::yield_now().await;
            }
        };
        let mut looking = std::pin::pin!(looking);
        tokio::select! {
            () = &mut looking => {}
            () = storm => {}
        }
        assert_eq!(looks.get(), 3, "in three seconds");
        timeout(Duration::from_hours(1), looking).await.unwrap_err();
        assert_eq!(looks.get(), 4, "the last change is looked at, and then nothing happens");
    }
}

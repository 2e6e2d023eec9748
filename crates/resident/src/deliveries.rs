//! Whether messages reach people over the channels of the hosted server: what failed is told in the tray and the window
//! until it was sent again, or is a day old and only history.
//!
//! That something failed is a message on the alerts' topic, too. A message is read and gone; this stays while it is true.

use std::{collections::BTreeSet, time::Duration};

use tocsin_protocol::{DeliveryState, Millis, control::ProblemCode};
use tocsin_server::AppState;
use tocsin_store::outbox::{DeliveryQuery, Outbox};
use tokio::time::sleep;

use crate::desk::Desk;

/// What was queued longer ago is history: a delivery is tried for a day.
const RECENT: Millis = tocsin_store::outbox::GIVE_UP_AFTER;
/// Looked at this often while something is failed: it becomes history without a word. While nothing is, nothing wakes.
const LOOK: Duration = Duration::from_mins(1);
/// Enough to name every channel that fails.
const MOST: usize = 200;

/// Tells [`ProblemCode::DeliveryFailed`] for as long as something is failed. Never returns.
pub async fn watch(desk: &Desk, state: &AppState) {
    let Some(outside) = &state.outside else { return std::future::pending().await };
    let mut changed = outside.outbox.outbox_changed();
    loop {
        changed.mark_unchanged();
        let again = match failing(&*outside.outbox, desk.now()).await {
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
        };
        let later = async { if again { sleep(LOOK).await } else { std::future::pending().await } };
        tokio::select! {
            result = changed.changed() => if result.is_err() { return std::future::pending().await },
            () = later => {}
        }
    }
}

/// Names of the channels over which something failed lately.
async fn failing(outbox: &dyn Outbox, now: Millis) -> tocsin_store::Result<BTreeSet<String>> {
    let query = DeliveryQuery {
        limit: MOST,
        states: vec![DeliveryState::Failed],
        since: Some(now.saturating_sub(RECENT)),
        ..DeliveryQuery::default()
    };
    let failed = outbox.deliveries(query).await?;
    if failed.is_empty() {
        return Ok(BTreeSet::new());
    }
    // A channel that was removed has nothing more to be done about.
    let channels = outbox.channels().await?;
    let of = |name: &str| channels.iter().find(|channel| channel.name == name);
    Ok(failed.iter().filter_map(|row| of(&row.channel)).map(|channel| channel.display_name.clone()).collect())
}

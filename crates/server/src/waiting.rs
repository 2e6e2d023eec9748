//! Who waits for what becomes of a message.
//!
//! However many wait for the same message, the store is asked once for all of them: after something happened, and then
//! not again for a moment. And one token has only so many waits at once: each holds a connection and keeps its message
//! looked at.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tocsin_protocol::{Code, Counts, MessageId, escalation::Milestone};
use tokio::{sync::watch, time::sleep};

use crate::{AppState, Failure, auth::Proof};

/// Waits of one token at once.
pub const WAITS_MOST: usize = 64;
/// Between two looks at a message: acknowledgements come by the hundred.
const PAUSE: Duration = Duration::from_millis(100);
/// When a token that waits for too much may try again.
const RETRY_S: u64 = 5;

/// What was seen of a message last; nothing before the first look.
type Seen = watch::Sender<Option<Counts>>;

/// Everybody who waits.
#[derive(Default)]
pub struct Waiting {
    watched: Mutex<HashMap<MessageId, Arc<Seen>>>,
    waits: Mutex<HashMap<Proof, usize>>,
}

/// A place among the waits of a token, given back when it is dropped.
struct Place<'a> {
    waiting: &'a Waiting,
    whose: Proof,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waits = self.waiting.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = waits.entry(self.whose) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Waiting {
    /// Waits until it is reached; `false` when the time is over or the server ends.
    pub async fn reached(
        &self,
        state: &AppState,
        whose: Proof,
        (id, milestone): (MessageId, Milestone),
        patience: Duration,
    ) -> Result<bool, Failure> {
        let _place = self.place(whose)?;
        let mut seen = self.watch(state, id);
        let reached = async {
            let there = |counts: &Option<Counts>| counts.is_some_and(|counts| counts.reached(milestone));
            if seen.wait_for(there).await.is_ok() {
                return Ok(true);
            }
            // The look failed: whoever waits hears why.
            Ok(state.store.counts(id).await?.reached(milestone))
        };
        tokio::select! {
            reached = reached => reached,
            () = sleep(patience) => Ok(false),
            () = state.shutdown.cancelled() => Ok(false),
        }
    }

    fn place(&self, whose: Proof) -> Result<Place<'_>, Failure> {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waits.entry(whose).or_default();
        if *count >= WAITS_MOST {
            return Err(Failure::new(
                Code::RateLimited,
                format!("this token waits for {WAITS_MOST} receipts already"),
            )
            .hint("end some, or have it told to a webhook with `report`")
            .retry_after(RETRY_S));
        }
        *count += 1;
        Ok(Place { waiting: self, whose })
    }

    /// What is seen of it from now on; the first who waits sets a look going.
    fn watch(&self, state: &AppState, id: MessageId) -> watch::Receiver<Option<Counts>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        match watched.entry(id) {
            Entry::Occupied(seen) => seen.get().subscribe(),
            Entry::Vacant(place) => {
                let seen = place.insert(Arc::new(watch::channel(None).0));
                let receiver = seen.subscribe();
                state.tasks.spawn(look(state.clone(), id, seen.clone()));
                receiver
            }
        }
    }

    /// Whether nobody waits for it any more; then it is not watched any more either.
    fn left(&self, id: MessageId, seen: &Seen) -> bool {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let left = seen.receiver_count() == 0;
        if left {
            watched.remove(&id);
        }
        left
    }
}

/// Looks at a message after each change of anything, until nobody waits for it.
async fn look(state: AppState, id: MessageId, seen: Arc<Seen>) {
    // What a person presses moves the head, what a device stores the acknowledgements, what a platform says the outbox.
    let (mut head, mut acks) = (state.store.head(), state.acks.committed());
    let mut outbox = state.outside.as_ref().map(|outside| outside.outbox.outbox_changed());
    while !state.shutdown.is_cancelled() && !state.waiting.left(id, &seen) {
        head.mark_unchanged();
        acks.mark_unchanged();
        if let Some(outbox) = &mut outbox {
            outbox.mark_unchanged();
        }
        let Ok(counts) = state.store.counts(id).await else { break };
        seen.send_replace(Some(counts));
        let posted = async {
            match &mut outbox {
                Some(outbox) => outbox.changed().await.is_ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Ok(()) = head.changed() => {}
            Ok(()) = acks.changed() => {}
            true = posted => {}
            () = seen.closed() => continue,
            () = state.shutdown.cancelled() => break,
        }
        sleep(PAUSE).await;
    }
    let mut watched = state.waiting.watched.lock().unwrap_or_else(PoisonError::into_inner);
    // A new look at the same message may be under way already.
    if watched.get(&id).is_some_and(|known| Arc::ptr_eq(known, &seen)) {
        watched.remove(&id);
    }
}

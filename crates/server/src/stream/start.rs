//! Where a stream begins: after the cursor, after what its device acknowledged, or with a reset.
//!
//! A reset is sent only if the log has another epoch, or if something owed to this person was pruned after its cursor.
//! It names what was lost and carries a position to go on from: after a new epoch the one that the store knows the device
//! to have acknowledged (what comes twice is recognised by its id), after pruning the one before the next message that is
//! still there. Never silence, never a silent replay of everything.

use std::sync::atomic::{AtomicI64, Ordering};

use tocsin_protocol::{Cursor, Epoch, Millis, Reset, Seq, stream::ResetReason};
use tocsin_store::{DeviceRecord, EpochReason, Result};

use super::opening::Opening;
use crate::AppState;

/// A client ahead of the log means that the log was put back. Once an hour is often enough to notice that, and too
/// seldom for a broken client to keep everybody busy with resets.
const REBIRTH_EVERY_MS: Millis = 3_600_000;

/// When the log last began a new life because of a client.
#[derive(Debug)]
pub struct Rebirths(AtomicI64);

impl Default for Rebirths {
    fn default() -> Self {
        Self(AtomicI64::new(Millis::MIN))
    }
}

impl Rebirths {
    /// Whether it may now; only one of all who ask at once is told so.
    fn allowed(&self, now: Millis) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        now.saturating_sub(last) >= REBIRTH_EVERY_MS
            && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Where a stream begins.
#[derive(Debug)]
pub struct Start {
    /// Whose stream it is.
    pub device: DeviceRecord,
    /// The log that positions count in.
    pub epoch: Epoch,
    /// The stream begins after this.
    pub at: Seq,
    /// To be told first.
    pub reset: Option<Reset>,
    /// The log when the device was looked up.
    pub head: Seq,
    /// What the store knows to be acknowledged by this device, or where what it was sent began; `at` if that is nothing.
    pub acked: Seq,
    /// What was lost to retention after `at` and is told by `reset`, as a number. More than that while the store is read
    /// means that something went that nobody was told of.
    pub lost: u64,
}

impl Start {
    /// Its position as a cursor.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(self.epoch.clone(), self.at)
    }
}

/// Looks up the device, and finds out where its stream begins.
pub async fn start(state: &AppState, opening: &Opening, cursor: Option<&Cursor>) -> Result<Start> {
    let device = state.store.open_device(opening.user, &opening.device).await?;
    let mut head = *state.store.head().borrow();
    let mut epoch = state.store.epoch();
    let stored = device.start.min(head);
    let (mut at, mut reset) = (stored, None);
    match cursor {
        Some(cursor) if cursor.epoch == epoch && cursor.seq <= head => {
            (at, reset) = resume(state, &device, &epoch, cursor.seq, head).await?;
        }
        Some(cursor) => {
            if cursor.epoch == epoch && state.rebirths.allowed((state.clock)()) {
                warn_of_rebirth(opening, cursor, head);
                epoch = state.store.new_epoch(EpochReason::ClientAhead).await?;
                head = *state.store.head().borrow();
                // Their positions mean nothing any more; they come back and are reset one by one.
                state.hub.send_away();
            }
            at = stored.min(head);
            reset = Some(Reset {
                cursor: Cursor::new(epoch.clone(), at),
                reason: ResetReason::Epoch,
                lost: 0,
                lost_since: None,
            });
        }
        // It keeps no position, but the store does.
        None if device.position.is_some() => {
            (at, reset) = resume(state, &device, &epoch, stored, head).await?;
        }
        None => {}
    }
    // One that never acknowledged has nothing that it could acknowledge again, wherever its cursor is from, but what it
    // was sent by this server and was cut off with.
    let acked = device.position.or_else(|| state.hub.mark(device.id).began(at));
    let acked = acked.map_or(at, |acked| acked.min(at));
    let lost = state.store.lost(device.id, at).await?.count;
    Ok(Start { device, epoch, at, reset, head, acked, lost })
}

/// Names who caused it: with every backup in order, it is that client that makes up its cursors.
fn warn_of_rebirth(opening: &Opening, cursor: &Cursor, head: Seq) {
    tracing::warn!(
        user = %opening.name, device = %opening.device, token = opening.identity.token().map(|token| token.0),
        cursor = %cursor, head,
        "a client is ahead of the log: an older copy was put back; all positions are reset"
    );
}

async fn resume(
    state: &AppState,
    device: &DeviceRecord,
    epoch: &Epoch,
    after: Seq,
    head: Seq,
) -> Result<(Seq, Option<Reset>)> {
    let lost = state.store.lost(device.id, after).await?;
    if lost.count == 0 {
        return Ok((after, None));
    }
    // What is pruned after this is not in `lost`, and is noticed when the store is read: see `Start::lost`.
    let next = state.store.replay(device.id, after, head, 1).await?;
    let at = next.items.first().map_or(head, |item| match item {
        tocsin_store::OwedItem::Message(message) => message.cursor.seq - 1,
        tocsin_store::OwedItem::State(change) => change.cursor.seq - 1,
    });
    let cursor = Cursor::new(epoch.clone(), at.max(after));
    Ok((
        cursor.seq,
        Some(Reset { cursor, reason: ResetReason::Retention, lost: lost.count, lost_since: lost.since }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_ahead_changes_the_epoch_once_an_hour() {
        let rebirths = Rebirths::default();
        assert!(rebirths.allowed(1_000));
        assert!(!rebirths.allowed(1_000));
        assert!(!rebirths.allowed(1_000 + REBIRTH_EVERY_MS - 1));
        assert!(rebirths.allowed(1_000 + REBIRTH_EVERY_MS));
    }
}

//! `POST /v1/ack`: the acknowledgement of clients whose stream has no way back (SSE, and polls between two cursors).
//!
//! Which stretch it covers is decided by what was sent to the device, not by what the client says; the rows that say
//! how a message was shown are made here for the WebSocket, too.

use tocsin_protocol::{
    Code, Seq, limits,
    stream::{Ack, ShownReport},
};
use tocsin_store::{AckRange, DeviceId, DeviceRecord, ShownRow, UserId};

use crate::{AppState, Failure};

/// Reports of showing in one acknowledgement: a page of a replay, several times over.
const REPORTS_MOST: usize = 1000;

/// Books what `device` of `user` acknowledges and returns once it is durable. What the server did not send to this
/// device is not covered, whatever the client says.
pub async fn acknowledge(state: &AppState, user: UserId, device: &str, ack: &Ack) -> Result<(), Failure> {
    if !limits::is_name(device) {
        return Err(Failure::new(Code::InvalidField, "not a device name"));
    }
    if ack.shown.len() > REPORTS_MOST {
        return Err(Failure::new(Code::InvalidField, format!("more than {REPORTS_MOST} reports at once")));
    }
    let device = state.store.open_device(user, device).await?;
    let epoch = state.store.epoch();
    // Positions of another life of the log say nothing about this one; the stream's reset will say so.
    let range = if ack.from.epoch == epoch && ack.cursor.epoch == epoch {
        covered(state, &device, ack.from.seq, ack.cursor.seq)
    } else {
        None
    };
    state.acks.book(range, reports(state, device.id, &ack.shown));
    Ok(state.acks.flush().await?)
}

/// What of `from < seq ≤ to` was sent to this device: since this server started, or, for a client that acknowledges
/// again what a crash took, after what the store knows of it. A device of which the store knows nothing has nothing to
/// acknowledge again.
fn covered(state: &AppState, device: &DeviceRecord, from: Seq, to: Seq) -> Option<AckRange> {
    let sent = state.hub.mark(device.id).get();
    let (least, most) = match sent.from {
        Some(began) => (device.position.map_or(began, |position| began.min(position)), sent.upto),
        None => (device.position?, *state.store.head().borrow()),
    };
    let (from, to) = (from.max(least), to.min(most));
    let nothing = from >= to || (sent.from.is_some_and(|began| from >= began) && sent.message <= from);
    (!nothing).then(|| AckRange { device: device.id, from, to, at: (state.clock)() })
}

/// Reports as rows of the store; a time in the future counts as now.
pub fn reports(state: &AppState, device: DeviceId, reports: &[ShownReport]) -> Vec<ShownRow> {
    let now = (state.clock)();
    reports
        .iter()
        .map(|report| ShownRow { device, message: report.id, shown: report.shown, at: report.at.min(now) })
        .collect()
}

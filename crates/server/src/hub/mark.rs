//! What was sent to one device, so that an acknowledgement that comes by another way than the stream (`POST /v1/ack`,
//! the next poll's cursor) covers no more than that.

use std::sync::{Mutex, PoisonError};

use tocsin_protocol::Seq;

/// What was sent to one device.
#[derive(Debug, Default)]
pub struct Mark {
    sent: Mutex<Sent>,
}

/// A device's stretch of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Streams that are open now.
    pub streams: u32,
    /// Polls that wait for their answer.
    pub polls: u32,
    /// Where the stream began; of several open at once, or one after the other without a gap, the earliest. `None`: none
    /// since this server started.
    pub from: Option<Seq>,
    /// Everything up to here has been sent.
    pub upto: Seq,
    /// The last message among it; 0: none.
    pub message: Seq,
}

impl Sent {
    /// Whether its device can be reached at once.
    pub(super) fn is_open(&self) -> bool {
        self.streams > 0 || self.polls > 0
    }
}

impl Mark {
    /// As it is now.
    pub fn get(&self) -> Sent {
        *self.lock()
    }

    /// A stream begins after `from`. What an earlier one sent may not be acknowledged yet: a client that was cut off in
    /// between acknowledges it on this one.
    pub(super) fn open(&self, from: Seq) {
        let mut sent = self.lock();
        sent.from = Some(match sent.from {
            Some(earlier) if sent.streams > 0 || from <= sent.upto => earlier.min(from),
            _ => from,
        });
        sent.streams += 1;
        sent.upto = sent.upto.max(from);
    }

    pub(super) fn close(&self) {
        let mut sent = self.lock();
        sent.streams = sent.streams.saturating_sub(1);
    }

    /// A poll waits for its answer.
    pub(super) fn asks(&self) {
        self.lock().polls += 1;
    }

    pub(super) fn answered(&self) {
        let mut sent = self.lock();
        sent.polls = sent.polls.saturating_sub(1);
    }

    /// Everything up to `seq` was sent; the last message among it, if there was one.
    pub fn sent(&self, seq: Seq, message: Option<Seq>) {
        let mut sent = self.lock();
        sent.upto = sent.upto.max(seq);
        sent.message = sent.message.max(message.unwrap_or(0));
    }

    /// Where what was sent begins, if everything from there up to `seq` was.
    pub fn began(&self, seq: Seq) -> Option<Seq> {
        let sent = self.get();
        sent.from.filter(|from| *from <= seq && seq <= sent.upto)
    }

    /// A polling client begins a stretch after `from`; the one before it is acknowledged.
    pub fn restart(&self, from: Seq) {
        let mut sent = self.lock();
        if sent.streams == 0 {
            sent.from = Some(from);
        }
        sent.upto = sent.upto.max(from);
    }

    /// A client was told a position without being sent everything before it: nothing up to there is acknowledged by it,
    /// unless it was sent before.
    pub fn told(&self, position: Seq) {
        let mut sent = self.lock();
        if sent.from.is_none() {
            sent.from = Some(position);
            sent.upto = position;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What one stream has sent, and what of it was acknowledged.

use tocsin_protocol::{Cursor, Epoch, Millis, Seq};
use tocsin_store::{AckRange, DeviceId};

/// What one stream has sent, and what of it was acknowledged.
#[derive(Debug)]
pub struct Ledger {
    epoch: Epoch,
    device: DeviceId,
    /// End of the last range that was booked, or where the stream began.
    acked: Seq,
    /// Everything up to here was sent, or is not owed to this device.
    sent: Seq,
    /// A message above `acked` was sent, at or after this position. `None`: none, so an acknowledgement covers nothing.
    open: Option<Seq>,
}

impl Ledger {
    /// A stream of `device` that begins after `from`. `acked` is what the store knows to be acknowledged: if that is
    /// less, the client stored more than the store heard of, and acknowledges again.
    pub fn new(epoch: Epoch, device: DeviceId, acked: Seq, from: Seq) -> Self {
        let acked = acked.min(from);
        Self { epoch, device, acked, sent: from, open: (acked < from).then_some(acked + 1) }
    }

    /// Something was sent.
    pub fn sent(&mut self, seq: Seq, is_message: bool) {
        self.sent = self.sent.max(seq);
        if is_message {
            self.open.get_or_insert(seq);
        }
    }

    /// Whose stream it is.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The range to book for an acknowledgement, if it covers anything that was sent.
    pub fn acknowledge(&mut self, cursor: &Cursor, at: Millis) -> Option<AckRange> {
        // Of another life of the log: it says nothing about this one.
        if cursor.epoch != self.epoch {
            return None;
        }
        // Never more than was sent, whatever the client says.
        let to = cursor.seq.min(self.sent);
        if to <= self.acked || self.open.is_none_or(|open| open > to) {
            return None;
        }
        let range = AckRange { device: self.device, from: self.acked, to, at };
        self.acked = to;
        self.open = (to < self.sent).then_some(to + 1);
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(acked: Seq, from: Seq) -> (Ledger, impl Fn(Seq) -> Cursor) {
        let epoch: Epoch = "k3v9x0ab".parse().unwrap();
        (Ledger::new(epoch.clone(), DeviceId(1), acked, from), move |seq| Cursor::new(epoch.clone(), seq))
    }

    fn booked(range: Option<AckRange>) -> Option<(Seq, Seq)> {
        range.map(|range| (range.from, range.to))
    }

    #[test]
    fn a_range_begins_where_the_stream_did_and_ends_at_what_was_sent() {
        let (mut ledger, at) = ledger(10, 10);
        ledger.sent(12, true);
        assert_eq!(booked(ledger.acknowledge(&at(99), 0)), Some((10, 12)));
        assert_eq!(booked(ledger.acknowledge(&at(12), 0)), None, "once");
        ledger.sent(15, true);
        ledger.sent(17, true);
        assert_eq!(booked(ledger.acknowledge(&at(15), 0)), Some((12, 15)));
        assert_eq!(booked(ledger.acknowledge(&at(17), 0)), Some((15, 17)));
    }

    #[test]
    fn positions_alone_write_nothing() {
        let (mut ledger, at) = ledger(10, 10);
        ledger.sent(50, false);
        assert_eq!(booked(ledger.acknowledge(&at(50), 0)), None);
        ledger.sent(60, true);
        assert_eq!(booked(ledger.acknowledge(&at(55), 0)), None);
        assert_eq!(booked(ledger.acknowledge(&at(60), 0)), Some((10, 60)));
    }

    #[test]
    fn what_a_crash_took_is_acknowledged_again() {
        let (mut ledger, at) = ledger(4, 10);
        assert_eq!(booked(ledger.acknowledge(&at(10), 0)), Some((4, 10)));
        let other: Cursor = "zzzzzzzz-10".parse().unwrap();
        assert_eq!(booked(ledger.acknowledge(&other, 0)), None);
    }
}

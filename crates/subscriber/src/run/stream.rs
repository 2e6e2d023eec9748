//! What is known of the current stream.

use std::{collections::VecDeque, time::Duration};

use tocsin_protocol::{Cursor, Message, MessageId, Millis, StateChange};
use tokio::time::Instant;

use crate::{Arrival, PENDING_FRESH_MS, connection::Now};

/// A server that sends something so long after it was sent an acknowledgement has read that, too.
const SETTLED: Duration = Duration::from_secs(5);
/// However busy it is, what arrives is live after so many quiet times.
const CATCHING_UP_MOST: u32 = 20;

#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Where it started: acknowledgements cover nothing before.
    from: Option<Cursor>,
    /// The last position acknowledged on it, or where it started.
    acknowledged: Option<Cursor>,
    opened_at: Millis,
    catching_up: Option<CatchingUp>,
    missed: u64,
    /// Acknowledgements sent as frames, which nobody confirms.
    unsettled: VecDeque<Sent>,
}

#[derive(Debug)]
struct CatchingUp {
    at: Instant,
    most: Instant,
    quiet: Duration,
}

#[derive(Debug)]
struct Sent {
    at: Instant,
    reports: Vec<MessageId>,
}

impl Stream {
    /// It works. `caught_up`: it took over from one that had nothing left to catch up with.
    pub fn opened(&mut self, now: Now, quiet: Duration, caught_up: bool) {
        self.opened_at = now.wall;
        self.catching_up = (!caught_up).then(|| CatchingUp {
            at: now.mono + quiet,
            most: now.mono + quiet * CATCHING_UP_MOST,
            quiet,
        });
    }

    /// When everything that was waiting counts as arrived.
    pub fn caught_up_at(&self) -> Option<Instant> {
        self.catching_up.as_ref().map(|c| c.at)
    }

    /// Everything that was waiting has arrived; how much that was.
    pub fn caught_up(&mut self) -> u64 {
        self.catching_up = None;
        std::mem::take(&mut self.missed)
    }

    /// How a message came that arrives now. The clocks of server and device may differ by a little; then a message
    /// sent while connecting is told of in the summary, or one that was missed by a popup: neither is lost.
    pub fn arrival(&self, message: &Message) -> Arrival {
        if self.catching_up.is_some() && message.created_at < self.opened_at {
            Arrival::Missed
        } else {
            Arrival::Live
        }
    }

    /// How a reminder came, if it is one. What was asked for a moment before the device was back is as urgent as if it
    /// had been there.
    pub fn reminded(&self, change: &StateChange) -> Arrival {
        let fresh_since = self.opened_at.saturating_sub(PENDING_FRESH_MS);
        let stale = change.remind_at.is_some_and(|at| at < fresh_since);
        if self.catching_up.is_some() && stale { Arrival::Missed } else { Arrival::Live }
    }

    /// Counts a stored message.
    pub fn stored(&mut self, arrival: Arrival, now: Instant) {
        if arrival != Arrival::Live {
            self.missed += 1;
        }
        if let Some(catching_up) = &mut self.catching_up {
            catching_up.at = (now + catching_up.quiet).min(catching_up.most);
        }
    }

    /// A position of the server's: the first (`true`) is where the stream started.
    pub fn positioned(&mut self, cursor: &Cursor) -> bool {
        let first = self.from.is_none();
        if first {
            self.restarted(cursor);
        }
        first
    }

    /// The stream goes on from another position.
    pub fn restarted(&mut self, cursor: &Cursor) {
        self.from = Some(cursor.clone());
        self.acknowledged = Some(cursor.clone());
    }

    pub fn from(&self) -> Option<&Cursor> {
        self.from.as_ref()
    }

    pub fn acknowledged(&self) -> Option<&Cursor> {
        self.acknowledged.as_ref()
    }

    pub fn acknowledge(&mut self, cursor: Cursor) {
        self.acknowledged = Some(cursor);
    }

    /// A frame with these reports was handed to the connection.
    pub fn sent(&mut self, now: Instant, reports: Vec<MessageId>) {
        // Without reports only the latest matters.
        if reports.is_empty() && self.unsettled.back().is_some_and(|sent| sent.reports.is_empty()) {
            self.unsettled.pop_back();
        }
        self.unsettled.push_back(Sent { at: now, reports });
    }

    /// The server was heard: the reports that it has read by then.
    pub fn settle(&mut self, now: Instant) -> Vec<MessageId> {
        let mut settled = Vec::new();
        while self.unsettled.front().is_some_and(|sent| sent.at + SETTLED <= now) {
            settled.extend(self.unsettled.pop_front().into_iter().flat_map(|sent| sent.reports));
        }
        settled
    }

    /// The stream ended: what it acknowledged without being sure, and the reports to send again.
    pub fn end(&mut self) -> (Option<(Cursor, Cursor)>, Vec<MessageId>) {
        let unsure = !self.unsettled.is_empty();
        let reports = self.unsettled.drain(..).flat_map(|sent| sent.reports).collect();
        let range = self.from.take().zip(self.acknowledged.take());
        (range.filter(|(from, to)| unsure && from.epoch == to.epoch && from.seq < to.seq), reports)
    }
}

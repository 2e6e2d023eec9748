//! The recent end of the log, in memory: what the hub's tail reads after every commit.

use std::collections::VecDeque;

use tocsin_protocol::Seq;

use crate::{Entry, LogEntry};

/// Entries kept: a tail that is further behind reads the file.
const ENTRIES: usize = 512;
/// Bytes of text kept, roughly: 16 KiB bodies must not add up.
const BYTES: usize = 512 * 1024;

/// Entries of the log without a gap, up to the head.
pub(super) struct Recent {
    entries: VecDeque<LogEntry>,
    /// The last position that is not in `entries`.
    after: Seq,
    bytes: usize,
}

impl Recent {
    /// Knows nothing up to `head`.
    pub(super) fn after(head: Seq) -> Self {
        Self { entries: VecDeque::new(), after: head, bytes: 0 }
    }

    /// Forgets what it holds.
    pub(super) fn forget(&mut self, head: Seq) {
        *self = Self::after(head);
    }

    /// Takes what was committed just now.
    pub(super) fn extend(&mut self, entries: Vec<LogEntry>) {
        for entry in entries {
            self.bytes += weight(&entry);
            self.entries.push_back(entry);
        }
        while self.entries.len() > ENTRIES || self.bytes > BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= weight(&oldest);
            self.after = oldest.seq;
        }
    }

    /// Entries after `after`, if all of them are here.
    pub(super) fn read(&self, after: Seq, limit: usize) -> Option<Vec<LogEntry>> {
        let skip = usize::try_from(after.checked_sub(self.after)?).ok()?;
        Some(self.entries.iter().skip(skip).take(limit).cloned().collect())
    }
}

fn weight(entry: &LogEntry) -> usize {
    match &entry.entry {
        Entry::Message(Some(stored)) => 400 + stored.message.title.len() + stored.message.body.len(),
        _ => 100,
    }
}

//! A connection's place in the hub: there while this is held, gone when it is dropped, however the connection ended.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tocsin_protocol::Seq;
use tocsin_store::TopicId;
use tokio::time::Instant;

use super::{
    Hub,
    frame::Frame,
    queue::{Gulp, Queue, Word},
};

/// A connection's place in the hub.
#[derive(Debug)]
pub struct Link {
    pub(super) hub: Hub,
    pub(super) queue: Arc<Queue>,
}

/// The way in for live frames; does not keep the connection's place.
#[derive(Debug)]
pub struct Gate {
    hub: Hub,
    queue: Arc<Queue>,
}

impl Gate {
    /// Lets live frames in, above what is applied now and above `at`; returns the position applied: the store is to
    /// be read up to there. `filter` is what the store said of the device at a position that is applied by now.
    pub fn open(&self, at: Seq, filter: Option<Arc<[TopicId]>>) -> Seq {
        self.hub.table().go_live(&self.queue, at, filter)
    }

    /// The hub behind it.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}

impl Link {
    /// The way in for live frames.
    pub fn gate(&self) -> Gate {
        Gate { hub: self.hub.clone(), queue: self.queue.clone() }
    }

    /// See [`Queue::poll`].
    pub fn poll(
        &self,
        cx: &mut Context<'_>,
        room: bool,
        gulp: Gulp,
        into: &mut Vec<Arc<Frame>>,
    ) -> Poll<Word> {
        self.queue.poll(cx, room, gulp, into)
    }

    /// Asks to be told when `due` has come; see [`Word::Time`].
    pub fn arm(&self, due: Instant) {
        self.hub.wheel().arm(&self.queue, due);
    }

    /// Everything up to `seq` was handed to the connection.
    pub fn sent(&self, seq: Seq, message: Option<Seq>) {
        self.queue.mark().sent(seq, message);
    }

    /// The hub it is part of.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.hub.leave(&self.queue);
    }
}

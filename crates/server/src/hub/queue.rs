//! The queue between the hub and one connection: frames, the word that time has passed, and the end.
//!
//! Invariants:
//! - Bounded by count and bytes; when full the connection ends as lagging and resumes from its cursor. Whoever pushes
//!   never waits.
//! - Frames at or below `floor` are dropped: the connection has them from its replay.
//! - Asked with room, it says [`Word::Time`] only when no frame is queued, so that a position read before asking covers
//!   all frames that went out.
//! - One waker, one lock, nothing awaited inside. An idle connection's queue owns no heap.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tocsin_protocol::Seq;
use tocsin_store::{DeviceId, SecretHash, TokenId, TopicId, UserId};

use super::{frame::Frame, mark::Mark};
use crate::{listen::Wire, metrics::Transport};

/// Capacity that an emptied queue may keep: one burst, not the high-water mark.
const KEEP_SLOTS: usize = 8;

/// Whose connection it is, and what ends it.
#[derive(Debug)]
pub struct Who {
    /// The person.
    pub user: UserId,
    /// Their device.
    pub device: DeviceId,
    /// Revoking this token ends the connection.
    pub token: TokenId,
    /// Ending this session ends the connection.
    pub session: Option<SecretHash>,
    /// A newer connection of the same person and instance replaces this one.
    pub instance: Option<Box<str>>,
    /// How it carries frames.
    pub transport: Transport,
}

/// Why the hub ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The queue was full.
    Lagging,
    /// The server is going away, or the log began a new life: come back after a random delay.
    GoingAway,
    /// The token, session or person is gone.
    Unauthorised,
    /// The same instance connected again.
    Replaced,
}

/// What a connection gets from its queue.
#[derive(Debug)]
pub enum Word {
    /// Frames were put into the buffer that was passed.
    Frames,
    /// A time that the connection armed has come; everything queued has been taken.
    Time,
    /// It is over.
    End(End),
}

/// How much one call takes out: what one vectored write carries.
#[derive(Clone, Copy, Debug)]
pub struct Gulp {
    /// Frames.
    pub items: usize,
    /// Bytes; exceeded by at most one frame.
    pub bytes: usize,
}

/// One connection as the hub sees it.
#[derive(Debug)]
pub struct Queue {
    pub(super) who: Who,
    /// What was sent to its device, for acknowledgements that come over another way.
    pub(super) mark: Arc<Mark>,
    /// Breaks the connection when its body is not polled any more (SSE: the task waits for the socket alone).
    wire: Option<Arc<Wire>>,
    /// Place in the person's list, kept by the table under its lock.
    pub(super) slot: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Set when the connection has read the store up to here; nothing is queued before.
    floor: Option<Seq>,
    filter: Option<Arc<[TopicId]>>,
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    waker: Option<Waker>,
    end: Option<End>,
    /// The end was taken.
    told: bool,
    /// An armed time has come and was not taken yet.
    due: bool,
    /// What is armed looks whether the last time was taken.
    watching: bool,
    /// The tick of the wheel that counts, others are stale; 0: none.
    armed: u64,
}

/// Bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub items: usize,
    pub bytes: usize,
}

impl Queue {
    pub(super) fn new(who: Who, mark: Arc<Mark>, wire: Option<Arc<Wire>>) -> Self {
        Self { who, mark, wire, slot: AtomicU64::new(0), inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on frames above `floor` are queued.
    pub(super) fn go_live(&self, floor: Seq, filter: Option<Arc<[TopicId]>>) {
        let mut inner = self.lock();
        inner.floor = Some(floor);
        inner.filter = filter;
    }

    pub(super) fn set_filter(&self, filter: Option<Arc<[TopicId]>>) {
        self.lock().filter = filter;
    }

    /// Queues a frame if the device takes its topic (`None`: sent to people by name). Says whether it was queued.
    pub(super) fn push(&self, frame: &Arc<Frame>, topic: Option<TopicId>, bounds: Bounds) -> Pushed {
        let mut inner = self.lock();
        let wanted = inner.floor.is_some_and(|floor| frame.seq() > floor)
            && topic.is_none_or(|topic| inner.filter.as_ref().is_none_or(|filter| filter.contains(&topic)));
        if !wanted || inner.end.is_some() {
            return Pushed::Passed;
        }
        let weight = frame.weight(self.who.transport);
        let full = inner.frames.len() >= bounds.items
            || (!inner.frames.is_empty() && inner.bytes + weight > bounds.bytes);
        if full {
            inner.finish(End::Lagging);
            return Pushed::Full;
        }
        inner.bytes += weight;
        inner.frames.push_back(frame.clone());
        inner.wake();
        Pushed::Queued
    }

    /// Ends the connection; the first reason stands.
    pub(super) fn end(&self, why: End) {
        self.lock().finish(why);
    }

    /// Takes frames (only `if room`), or learns that time has passed or that it is over.
    pub fn poll(
        &self,
        cx: &mut Context<'_>,
        room: bool,
        gulp: Gulp,
        into: &mut Vec<Arc<Frame>>,
    ) -> Poll<Word> {
        let mut inner = self.lock();
        if let Some(end) = inner.end
            && !std::mem::replace(&mut inner.told, true)
        {
            return Poll::Ready(Word::End(end));
        }
        if room && !inner.frames.is_empty() {
            inner.take(gulp, self.who.transport, into);
            return Poll::Ready(Word::Frames);
        }
        if inner.due {
            inner.due = false;
            return Poll::Ready(Word::Time);
        }
        inner.listen(cx);
        Poll::Pending
    }

    /// Notes that `tick` is when the connection wants to be told; `false` if it will be told earlier anyway.
    pub(super) fn arm(&self, tick: u64) -> bool {
        let mut inner = self.lock();
        // Whoever arms has been polled: there is nothing to watch.
        let watched = std::mem::replace(&mut inner.watching, false);
        if !watched && inner.armed != 0 && inner.armed <= tick {
            return false;
        }
        inner.armed = tick;
        true
    }

    /// Looks at `tick` whether the last time was taken; `false` if it was by now.
    pub(super) fn watch(&self, tick: u64) -> bool {
        let mut inner = self.lock();
        if inner.watching {
            inner.armed = tick;
        }
        inner.watching
    }

    /// The wheel reached `tick`.
    pub(super) fn fire(&self, tick: u64) -> Fired {
        let mut inner = self.lock();
        if inner.armed != tick {
            return Fired::Stale;
        }
        inner.armed = 0;
        let stuck = std::mem::replace(&mut inner.due, true);
        inner.wake();
        let Some(wire) = &self.wire else { return Fired::Told };
        if stuck {
            wire.cut();
            return Fired::Cut;
        }
        inner.watching = true;
        Fired::Watch
    }

    /// Position up to which this connection was sent everything, and what was a message.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    pub(super) fn slot(&self) -> usize {
        usize::try_from(self.slot.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Queued,
    /// Not wanted, or the connection is ending.
    Passed,
    Full,
}

/// What became of an armed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fired {
    Stale,
    Told,
    /// Told; look again after the write deadline whether it was taken.
    Watch,
    /// Nobody took the last one: the connection was broken.
    Cut,
}

impl Inner {
    fn take(&mut self, gulp: Gulp, transport: Transport, into: &mut Vec<Arc<Frame>>) {
        let mut bytes = 0;
        while into.len() < gulp.items && bytes < gulp.bytes {
            let Some(frame) = self.frames.pop_front() else { break };
            bytes += frame.weight(transport);
            into.push(frame);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        if self.frames.is_empty() && self.frames.capacity() > KEEP_SLOTS {
            self.frames = VecDeque::new();
        }
    }

    fn finish(&mut self, why: End) {
        if self.end.is_none() {
            self.end = Some(why);
            self.frames = VecDeque::new();
            self.bytes = 0;
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn listen(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
    }
}

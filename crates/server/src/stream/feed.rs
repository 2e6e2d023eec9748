//! What one stream carries, in order and without a gap: what the store has, then what the hub brings.
//!
//! 1. Pages from the store until it is less than one page behind what the hub has applied. However far behind a client
//!    is, nothing is queued for it meanwhile.
//! 2. Under the hub's lock: live frames are let in, and the position applied is learned.
//! 3. The store up to that position.
//! 4. Live frames; all are above it, and above where the client said it was.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt, stream::BoxStream};
use tocsin_protocol::Seq;
use tocsin_store::{DeviceId, Store, TopicId};
use tokio::time::Instant;

use crate::hub::{End, Frame, Gate, Gulp, Link, Word};

/// What one write carries: more does not make `writev` cheaper, and bounds what is held outside the queue.
const GULP: Gulp = Gulp { items: 64, bytes: 16 * 1024 };

/// Reads the store until the hub takes over.
pub struct CatchUp {
    /// The log.
    pub store: Arc<dyn Store>,
    /// Way in for live frames.
    pub gate: Gate,
    /// Whose stream it is.
    pub device: DeviceId,
    /// Everything up to here was sent.
    pub at: Seq,
    /// Entries of one page.
    pub page: usize,
    /// The device was looked up when the log was here; its filter is the one of no earlier position.
    pub looked_up_at: Seq,
    /// Topics the device takes.
    pub filter: Option<Arc<[TopicId]>>,
    /// Set once live: the store is read up to here.
    pub upto: Option<Seq>,
    /// Where it began.
    pub began: Seq,
    /// What was lost after that, and the client knows of it.
    pub lost: u64,
}

/// A stretch of the store.
#[derive(Debug)]
pub struct Stretch {
    /// Oldest first.
    pub frames: Vec<Arc<Frame>>,
    /// Everything up to here is in them or before.
    pub reached: Seq,
}

impl CatchUp {
    /// The next stretch; `None` when the hub has taken over.
    pub async fn step(&mut self) -> tocsin_store::Result<Option<Stretch>> {
        let upto = match self.upto {
            Some(upto) if self.at >= upto => return Ok(None),
            Some(upto) => upto,
            None => {
                let hub = self.gate.hub();
                // A filter that the hub has not come to yet must not decide about older messages.
                hub.reached(self.looked_up_at).await;
                let applied = hub.applied();
                if applied.saturating_sub(self.at) < self.page as u64 {
                    let upto = self.gate.open(self.at, self.filter.take());
                    self.upto = Some(upto);
                    return Ok(Some(Stretch { frames: Vec::new(), reached: self.at }));
                }
                applied
            }
        };
        let replay = self.store.replay(self.device, self.at, upto, self.page).await?;
        if replay.reached <= self.at {
            // It would be asked the same for ever.
            return Err(tocsin_store::Error::Damaged(format!("a replay after {} went nowhere", self.at)));
        }
        // Pruned between the look at what was lost and the page: to go on would be silence. The client comes back with
        // the position it has, and is told.
        if self.store.lost(self.device, self.began).await?.count > self.lost {
            return Err(tocsin_store::Error::Unavailable("messages were pruned while they were read".into()));
        }
        self.at = replay.reached;
        let frames = replay.items.into_iter().map(|item| Arc::new(Frame::replayed(item))).collect();
        Ok(Some(Stretch { frames, reached: self.at }))
    }

    /// All stretches, one after the other.
    pub fn stretches(self) -> impl Stream<Item = tocsin_store::Result<Stretch>> + Send {
        futures_util::stream::unfold(Some(self), async |catch_up| {
            let mut catch_up = catch_up?;
            match catch_up.step().await {
                Ok(None) => None,
                Ok(Some(stretch)) => Some((Ok(stretch), Some(catch_up))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// What one stream carries.
pub struct Feed {
    link: Link,
    /// Boxed, and gone once live: an idle connection pays for no replay.
    catch_up: Option<BoxStream<'static, tocsin_store::Result<Stretch>>>,
    /// Everything up to here was handed out, or is not owed.
    position: Seq,
}

/// What a feed says.
pub enum Event {
    /// Frames were put into the buffer.
    Frames,
    /// A time that was armed has come.
    Time,
    /// It is over.
    End(Ended),
}

/// Why a feed is over.
#[derive(Debug)]
pub enum Ended {
    /// The hub says so.
    ByHub(End),
    /// The store could not be read.
    Store(tocsin_store::Error),
}

impl Feed {
    /// A feed of `link`, of what comes after `catch_up.at`.
    pub fn new(link: Link, catch_up: CatchUp) -> Self {
        Self { link, position: catch_up.at, catch_up: Some(catch_up.stretches().boxed()) }
    }

    /// Puts frames into `into` (only `if room`), or says that time has passed or that it is over.
    pub fn poll(&mut self, cx: &mut Context<'_>, room: bool, into: &mut Vec<Arc<Frame>>) -> Poll<Event> {
        loop {
            // Before the queue is looked at: what is applied by now is in it.
            let applied = self.link.hub().applied();
            match self.link.poll(cx, room && self.catch_up.is_none(), GULP, into) {
                Poll::Ready(Word::Frames) => {
                    self.handed_out(into);
                    return Poll::Ready(Event::Frames);
                }
                Poll::Ready(Word::Time) => {
                    if room && self.catch_up.is_none() {
                        self.position = self.position.max(applied);
                        self.link.sent(self.position, None);
                    }
                    return Poll::Ready(Event::Time);
                }
                Poll::Ready(Word::End(end)) => return Poll::Ready(Event::End(Ended::ByHub(end))),
                Poll::Pending => {}
            }
            let Some(catch_up) = self.catch_up.as_mut().filter(|_| room) else { return Poll::Pending };
            match std::task::ready!(catch_up.poll_next_unpin(cx)) {
                Some(Ok(stretch)) => {
                    into.extend(stretch.frames);
                    self.position = self.position.max(stretch.reached);
                    self.handed_out(into);
                    if !into.is_empty() {
                        return Poll::Ready(Event::Frames);
                    }
                }
                Some(Err(error)) => {
                    self.catch_up = None;
                    return Poll::Ready(Event::End(Ended::Store(error)));
                }
                None => self.catch_up = None,
            }
        }
    }

    fn handed_out(&mut self, frames: &[Arc<Frame>]) {
        let last = frames.last().map_or(0, |frame| frame.seq());
        self.position = self.position.max(last);
        let message = frames.iter().rev().find(|frame| frame.is_message()).map(|frame| frame.seq());
        self.link.sent(self.position, message);
    }

    /// Everything up to here was handed out, or is not owed.
    pub fn position(&self) -> Seq {
        self.position
    }

    /// Asks for [`Event::Time`] when `due` has come.
    pub fn arm(&self, due: Instant) {
        self.link.arm(due);
    }
}

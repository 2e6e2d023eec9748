//! One open WebSocket: reads acknowledgements, writes what its feed brings, says goodbye.
//!
//! One task, written as a state machine, because there are thousands and most do nothing: no read buffer (bytes are read
//! into the stack and parsed at once), no timer of its own (the hub's wheel), no heap while idle.
//!
//! Invariants:
//! - A position goes out only when nothing is queued or half written, so it covers everything before it.
//! - Every write has a deadline, every peer has a pong deadline; both end the connection.
//! - After the close frame nothing is sent; the socket stays until the peer has closed too, or a short while, so that a
//!   reset does not take the close frame from it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tocsin_protocol::{ClientFrame, Cursor, Epoch, stream::close};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{
    outgoing::Outgoing,
    parse::{Inbound, Reader, Violation},
};
use crate::{
    AppState,
    hub::{End, Frame},
    stream::{
        ack::reports,
        feed::{Ended, Event, Feed},
        ledger::Ledger,
    },
};

/// Read at once: an acknowledgement has 60 bytes.
const READ_BYTES: usize = 2048;
/// A peer has this long to close after we did: a slow one must first read what stands in the system's buffers, megabytes
/// perhaps, before it comes to the code that tells it why.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
/// Frames to be written beyond which a peer is not read from: one that pings and does not read must not fill memory.
const OWED_ANSWERS: usize = 128;

/// One open WebSocket.
pub struct Connection<T> {
    pub(super) io: T,
    pub(super) state: AppState,
    pub(super) feed: Feed,
    pub(super) ledger: Ledger,
    pub(super) epoch: Epoch,
    pub(super) reader: Reader,
    pub(super) out: Outgoing,
    pub(super) expires: Option<Instant>,
    pub(super) times: Times,
    pub(super) phase: Phase,
}

/// When things last happened.
#[derive(Debug)]
pub(super) struct Times {
    /// The peer was last heard.
    pub heard: Instant,
    /// It was last pinged.
    pub pinged: Instant,
    /// Something was last written.
    pub written: Instant,
    /// The socket takes nothing since.
    pub stalled: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The close frame is in `out`, or written.
    Closing {
        until: Instant,
        peer_closed: bool,
    },
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Idle,
    Progress,
    Gone,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Connection<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let steps = [this.read(cx), this.hear_hub(cx), this.write(cx)];
            if steps.contains(&Step::Gone) {
                return Poll::Ready(());
            }
            if !steps.contains(&Step::Progress) {
                return Poll::Pending;
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    fn read(&mut self, cx: &mut Context<'_>) -> Step {
        if self.out.len() >= OWED_ANSWERS {
            return Step::Idle;
        }
        let mut bytes = [std::mem::MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
            Poll::Pending => return Step::Idle,
            Poll::Ready(Err(_)) => return Step::Gone,
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Step::Gone,
            Poll::Ready(Ok(())) => {}
        }
        self.times.heard = Instant::now();
        if let Phase::Closing { peer_closed: true, .. } = self.phase {
            return Step::Progress;
        }
        self.reader.extend(buffer.filled());
        self.take_inbound();
        Step::Progress
    }

    /// Takes what the reader has.
    pub(super) fn take_inbound(&mut self) {
        loop {
            match self.reader.next() {
                Ok(None) => return,
                Ok(Some(inbound)) => self.inbound(inbound),
                Err(violation) => return self.violated(violation),
            }
        }
    }

    fn inbound(&mut self, inbound: Inbound) {
        if let Phase::Closing { peer_closed, .. } = &mut self.phase {
            *peer_closed |= inbound == Inbound::Close;
            return;
        }
        match inbound {
            Inbound::Pong => {}
            Inbound::Ping(payload) => self.out.control(0xA, &payload),
            Inbound::Close => {
                self.close(Some(1000), "");
                if let Phase::Closing { peer_closed, .. } = &mut self.phase {
                    *peer_closed = true;
                }
            }
            Inbound::Text(text) => match serde_json::from_str(&text) {
                Ok(frame) => self.frame(frame),
                Err(_) => self.close(Some(close::BAD_FRAME), "not a frame of tocsin.v1"),
            },
        }
    }

    /// Acts on a frame of the protocol.
    pub(super) fn frame(&mut self, frame: ClientFrame) {
        match frame {
            ClientFrame::Heartbeat => {}
            ClientFrame::Resume { .. } => {
                self.close(Some(close::BAD_FRAME), "resume is the first frame, once");
            }
            ClientFrame::Ack { cursor, shown } => {
                let range = self.ledger.acknowledge(&cursor, (self.state.clock)());
                let rows = reports(&self.state, self.ledger.device(), &shown);
                self.state.acks.book(range, rows);
            }
        }
    }

    fn violated(&mut self, violation: Violation) {
        if self.phase == Phase::Open {
            self.close(Some(violation.code()), &violation.to_string());
        }
        // What follows can not be read; only the end of the connection is waited for.
        if let Phase::Closing { peer_closed, .. } = &mut self.phase {
            *peer_closed = true;
        }
    }

    fn close(&mut self, code: Option<u16>, reason: &str) {
        if self.phase != Phase::Open {
            return;
        }
        tracing::debug!(?code, reason, "closing a WebSocket");
        self.out.close(code, reason);
        let until = Instant::now() + CLOSE_WAIT.min(self.state.config.connections.drain);
        self.phase = Phase::Closing { until, peer_closed: false };
        self.feed.arm(until);
    }

    fn hear_hub(&mut self, cx: &mut Context<'_>) -> Step {
        let room = self.phase == Phase::Open && self.out.is_empty();
        let mut frames: Vec<Arc<Frame>> = Vec::new();
        match self.feed.poll(cx, room, &mut frames) {
            Poll::Pending => Step::Idle,
            Poll::Ready(Event::Frames) => {
                for frame in frames {
                    self.ledger.sent(frame.seq(), frame.is_message());
                    self.out.push(frame.ws().clone());
                }
                Step::Progress
            }
            Poll::Ready(Event::Time) => self.on_time(room),
            Poll::Ready(Event::End(ended)) => {
                let (code, reason) = goodbye(&ended);
                self.close(Some(code), reason);
                Step::Progress
            }
        }
    }

    fn on_time(&mut self, room: bool) -> Step {
        let now = Instant::now();
        let limits = &self.state.config.streams;
        if let Phase::Closing { until, .. } = self.phase {
            if now >= until {
                return Step::Gone;
            }
            self.feed.arm(until);
            return Step::Progress;
        }
        if self.times.stalled.is_some_and(|since| now >= since + limits.write_deadline) {
            return Step::Gone;
        }
        if self.expires.is_some_and(|at| now >= at) {
            self.close(Some(close::UNAUTHORISED), "the token expired");
            return Step::Progress;
        }
        if now >= self.times.heard + limits.pong_wait {
            self.close(Some(close::SILENT), "no sign of life");
            return Step::Progress;
        }
        if now >= self.times.pinged + limits.ping_period {
            self.times.pinged = now;
            self.out.control(0x9, &[]);
        }
        if room && now >= self.times.written + limits.heartbeat {
            self.times.written = now;
            let position = self.feed.position();
            self.ledger.sent(position, false);
            self.out.push(Frame::position(Cursor::new(self.epoch.clone(), position)).ws().clone());
        }
        self.arm();
        Step::Progress
    }

    /// Asks to be told of the next time at which something is due.
    pub(super) fn arm(&self) {
        let limits = &self.state.config.streams;
        let mut due = (self.times.heard + limits.pong_wait)
            .min(self.times.pinged + limits.ping_period)
            // While a write is under way there is nothing to beat for.
            .min(self.times.written.max(self.times.stalled.unwrap_or(self.times.written)) + limits.heartbeat);
        if let Some(stalled) = self.times.stalled {
            due = due.min(stalled + limits.write_deadline);
        }
        self.feed.arm(self.expires.map_or(due, |at| at.min(due)));
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Step {
        if self.out.is_empty() && self.times.stalled.is_none() {
            return self.after_close(cx);
        }
        match self.out.poll_write(&mut self.io, cx) {
            Poll::Ready(Ok(())) => {
                self.times.stalled = None;
                self.times.written = Instant::now();
                Step::Progress
            }
            Poll::Ready(Err(_)) => Step::Gone,
            Poll::Pending => {
                if self.times.stalled.is_none() {
                    let now = Instant::now();
                    self.times.stalled = Some(now);
                    self.feed.arm(now + self.state.config.streams.write_deadline);
                }
                Step::Idle
            }
        }
    }

    fn after_close(&mut self, cx: &mut Context<'_>) -> Step {
        match self.phase {
            Phase::Open => Step::Idle,
            Phase::Closing { peer_closed, .. } => {
                let shut = Pin::new(&mut self.io).poll_shutdown(cx).is_ready();
                if shut && peer_closed { Step::Gone } else { Step::Idle }
            }
        }
    }
}

/// Close code and reason.
fn goodbye(ended: &Ended) -> (u16, &'static str) {
    match ended {
        Ended::ByHub(End::Lagging) => (close::LAGGING, "too slow; resume from your cursor"),
        Ended::ByHub(End::GoingAway) => (close::GOING_AWAY, "the server is going away"),
        Ended::ByHub(End::Unauthorised) => (close::UNAUTHORISED, "the token or session has ended"),
        Ended::ByHub(End::Replaced) => (close::REPLACED, "another connection of this instance took over"),
        Ended::Store(error) => {
            tracing::warn!(%error, "a WebSocket closes: its messages cannot be read now");
            (close::BUSY, "messages cannot be read now")
        }
    }
}

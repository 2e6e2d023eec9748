//! Frames on their way into the socket: many in one `writev`, none copied.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut, Bytes};
use tokio::io::AsyncWrite;

use crate::hub::frame::put_header;

/// Slices of one `writev`.
const SLICES: usize = 64;
/// Capacity that may stay while nothing is to be written.
const KEEP: usize = 4;

/// Frames on their way into the socket.
#[derive(Debug, Default)]
pub struct Outgoing {
    frames: VecDeque<Bytes>,
    /// The first frame was written in part: it must be finished before anything else can be said.
    begun: bool,
}

impl Outgoing {
    /// Appends a whole frame.
    pub fn push(&mut self, frame: Bytes) {
        self.frames.push_back(frame);
    }

    /// Appends a control frame. `payload` has at most 125 bytes.
    pub fn control(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = Vec::with_capacity(2 + payload.len());
        put_header(&mut frame, opcode, payload.len());
        frame.put_slice(payload);
        self.push(frame.into());
    }

    /// Drops what was not begun, then says goodbye.
    pub fn close(&mut self, code: Option<u16>, reason: &str) {
        self.frames.truncate(usize::from(self.begun));
        let payload =
            code.map(|code| [&code.to_be_bytes()[..], reason.as_bytes()].concat()).unwrap_or_default();
        self.control(0x8, &payload);
    }

    /// Nothing is left to be written.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Frames that are left.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Writes as much as the socket takes.
    pub fn poll_write(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.frames.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut used = 0;
            for (slice, frame) in slices.iter_mut().zip(&self.frames) {
                *slice = IoSlice::new(frame);
                used += 1;
            }
            let written = match slices.get(..used) {
                Some([only]) => std::task::ready!(Pin::new(&mut *io).poll_write(cx, only))?,
                Some(several) => std::task::ready!(Pin::new(&mut *io).poll_write_vectored(cx, several))?,
                None => 0,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        if self.frames.capacity() > KEEP {
            self.frames = VecDeque::new();
        }
        // A TLS stream may still hold what it took.
        Pin::new(io).poll_flush(cx)
    }

    fn advance(&mut self, mut written: usize) {
        self.begun = false;
        while let Some(first) = self.frames.front_mut() {
            if written < first.len() {
                self.begun |= written > 0;
                first.advance(written);
                return;
            }
            written -= first.len();
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `step` bytes per write.
    struct Slow(Vec<u8>, usize);

    impl AsyncWrite for Slow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(self.1);
            self.0.extend_from_slice(&buf[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn everything_is_written_in_order_however_little_is_taken() {
        for step in 1..9 {
            let mut out = Outgoing::default();
            for text in ["abc", "d", "efgh"] {
                out.push(Bytes::from_static(text.as_bytes()));
            }
            let mut io = Slow(Vec::new(), step);
            let mut cx = Context::from_waker(std::task::Waker::noop());
            assert!(out.poll_write(&mut io, &mut cx).is_ready());
            assert_eq!(io.0, b"abcdefgh");
            assert!(out.is_empty());
        }
    }

    #[test]
    fn a_frame_that_was_begun_is_finished_before_the_close() {
        let mut out = Outgoing::default();
        out.push(Bytes::from_static(b"abc"));
        out.push(Bytes::from_static(b"def"));
        out.advance(1);
        out.close(Some(4000), "");
        let left: Vec<u8> = out.frames.iter().flatten().copied().collect();
        assert_eq!(left, b"bc\x88\x02\x0f\xa0");

        let mut untouched = Outgoing::default();
        untouched.push(Bytes::from_static(b"abc"));
        untouched.close(None, "");
        assert_eq!(untouched.frames, [Bytes::from_static(b"\x88\x00")]);
    }
}

//! One connection as requests on it see it: a way to break it, and to learn whether an answer was written.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Something that is taken back unless it is confirmed.
pub struct Undo(Option<Box<dyn FnOnce() + Send>>);

impl Undo {
    /// Runs `back` when dropped unconfirmed.
    pub fn new(back: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(back)))
    }

    /// It stands.
    pub fn confirm(mut self) {
        self.0 = None;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(back) = self.0.take() {
            back();
        }
    }
}

impl std::fmt::Debug for Undo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Undo").field(&self.0.is_some()).finish()
    }
}

/// One connection as requests on it see it. In the extensions of each request.
#[derive(Debug, Default)]
pub struct Wire {
    cut: AtomicBool,
    cutting: AtomicWaker,
    holding: AtomicBool,
    unwritten: Mutex<Vec<Undo>>,
}

impl Wire {
    /// Breaks the connection: for one whose other end takes nothing.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.cutting.wake();
    }

    /// Confirms `undo` when everything that is to be written by now has been handed to the kernel, or lets it run when
    /// the connection ends before that.
    pub fn until_written(&self, undo: Undo) {
        self.lock().push(undo);
        self.holding.store(true, Ordering::Release);
    }

    /// Resolves when the connection is to be broken.
    pub(super) fn poll_cut(&self, cx: &Context<'_>) -> Poll<()> {
        self.cutting.register(cx.waker());
        if self.cut.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn flushed(&self) {
        if self.holding.swap(false, Ordering::AcqRel) {
            std::mem::take(&mut *self.lock()).into_iter().for_each(Undo::confirm);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Undo>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket whose flushes and end are told to its [`Wire`].
#[derive(Debug)]
pub struct Tracked<T> {
    // First: dropped, and the other end told, before anything is taken back.
    io: Option<T>,
    wire: Arc<Wire>,
}

impl<T> Tracked<T> {
    pub(super) fn new(io: T, wire: Arc<Wire>) -> Self {
        Self { io: Some(io), wire }
    }

    /// The socket alone. `None`: never, it is there until this.
    pub fn into_inner(mut self) -> Option<T> {
        self.io.take()
    }
}

impl<T> Drop for Tracked<T> {
    fn drop(&mut self) {
        drop(self.io.take());
        let left = std::mem::take(&mut *self.wire.lock());
        drop(left);
    }
}

fn closed() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl<T: AsyncRead + Unpin> AsyncRead for Tracked<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io.as_mut().map_or_else(|| Poll::Ready(Err(closed())), |io| Pin::new(io).poll_read(cx, buf))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tracked<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.as_mut().map_or_else(|| Poll::Ready(Err(closed())), |io| Pin::new(io).poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed =
            self.io.as_mut().map_or_else(|| Poll::Ready(Err(closed())), |io| Pin::new(io).poll_flush(cx));
        if let Poll::Ready(Ok(())) = flushed {
            self.wire.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().map_or(Poll::Ready(Ok(())), |io| Pin::new(io).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io
            .as_mut()
            .map_or_else(|| Poll::Ready(Err(closed())), |io| Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}

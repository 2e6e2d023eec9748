//! A body that knows whether it was written, because what it carries is taken back if it was not.
//!
//! Handed over whole: the connection confirms once everything has gone to the kernel ([`Wire`]). Dropped before it was
//! read, or with the connection broken before it was written: undone.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::listen::{Undo, Wire};

/// A body that is taken back unless it is written.
pub struct Revocable {
    bytes: Option<Bytes>,
    undo: Option<Undo>,
    wire: Option<Arc<Wire>>,
}

impl Revocable {
    /// `undo` runs unless `bytes` are written. Without a wire (no socket), having been read counts as written.
    pub fn new(bytes: Bytes, undo: Undo, wire: Option<Arc<Wire>>) -> Self {
        Self { bytes: Some(bytes), undo: Some(undo), wire }
    }
}

impl Body for Revocable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        match (self.undo.take(), &self.wire) {
            // The caller puts the bytes behind what waits to be written before it flushes again.
            (Some(undo), Some(wire)) => wire.until_written(undo),
            (Some(undo), None) => undo.confirm(),
            (None, _) => {}
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

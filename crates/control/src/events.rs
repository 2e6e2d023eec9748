//! The event stream of the resident: Server-Sent Events, one [`ResidentEvent`] as JSON in each.

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tocsin_protocol::control::ResidentEvent;

use crate::{Error, Result};

/// Largest event taken: a status with its problems or a message of 16 KiB stays far below.
const EVENT_BYTES: usize = 1024 * 1024;

/// Events, until the resident ends.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    lines: Lines,
}

impl Events {
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body, lines: Lines::default() }
    }

    /// The next event; `None` when the resident closed the stream.
    pub async fn next(&mut self) -> Option<Result<ResidentEvent>> {
        loop {
            if let Some(data) = self.lines.take() {
                return Some(
                    serde_json::from_slice(&data).map_err(|error| Error::Protocol(error.to_string())),
                );
            }
            if self.lines.pending.len() > EVENT_BYTES {
                return Some(Err(Error::TooLarge(EVENT_BYTES)));
            }
            match self.body.frame().await? {
                Ok(frame) => self.lines.feed(&frame.into_data().unwrap_or_default()),
                Err(error) => return Some(Err(Error::Protocol(error.to_string()))),
            }
        }
    }

    /// The same as a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<ResidentEvent>> + Send {
        futures_util::stream::unfold(Some(self), |events| async move {
            let mut events = events?;
            let event = events.next().await?;
            let go_on = event.is_ok();
            Some((event, go_on.then_some(events)))
        })
    }
}

/// Splits the bytes into the `data` of events. Comments and other fields are skipped.
#[derive(Debug, Default)]
struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &Bytes) {
        self.pending.extend_from_slice(bytes);
    }

    /// The data of the next complete event that has any.
    fn take(&mut self) -> Option<Vec<u8>> {
        loop {
            let end = self.pending.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.pending.drain(..end + 2).collect();
            let mut data = Vec::new();
            for line in block.split(|byte| *byte == b'\n') {
                if let Some(rest) = line.strip_prefix(b"data:") {
                    if !data.is_empty() {
                        data.push(b'\n');
                    }
                    data.extend_from_slice(rest.strip_prefix(b" ").unwrap_or(rest));
                }
            }
            if !data.is_empty() {
                return Some(data);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let wire = b": hello\n\ndata: {\"type\":\"quit\"}\n\nevent: x\ndata: a\ndata: b\n\ndata: part";
        for size in 1..wire.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in wire.chunks(size) {
                lines.feed(&Bytes::copy_from_slice(piece));
                while let Some(data) = lines.take() {
                    found.push(String::from_utf8(data).unwrap());
                }
            }
            assert_eq!(found, ["{\"type\":\"quit\"}", "a\nb"], "pieces of {size}");
        }
    }
}

//! One item of a stream, encoded once for all connections that carry it.
//!
//! Server frames are unmasked, so a WebSocket frame is the same for everybody: header and payload are made once and
//! each connection writes the same bytes. The same holds for an SSE event, chunk framing aside.

use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use tocsin_protocol::{Cursor, Message, Reset, Seq, StateChange};
use tocsin_store::{OwedItem, StoredMessage};

use crate::metrics::Transport;

/// One item of a stream.
#[derive(Debug)]
pub struct Frame {
    seq: Seq,
    kind: Kind,
    ws: OnceLock<Bytes>,
    sse: OnceLock<Bytes>,
}

#[derive(Debug)]
enum Kind {
    Live(Arc<StoredMessage>),
    Replayed(Box<Message>),
    State(Box<StateChange>),
    Reset(Box<Reset>),
    Position(Cursor),
}

impl Frame {
    fn new(seq: Seq, kind: Kind) -> Self {
        Self { seq, kind, ws: OnceLock::new(), sse: OnceLock::new() }
    }

    /// A message as it was committed.
    pub fn live(message: Arc<StoredMessage>, seq: Seq) -> Self {
        Self::new(seq, Kind::Live(message))
    }

    /// Somebody read or acknowledged.
    pub fn state(change: StateChange) -> Self {
        Self::new(change.cursor.seq, Kind::State(Box::new(change)))
    }

    /// An item of a replay: a message may carry flags that the live one did not.
    pub fn replayed(item: OwedItem) -> Self {
        match item {
            OwedItem::Message(message) => Self::new(message.cursor.seq, Kind::Replayed(message)),
            OwedItem::State(change) => Self::state(change),
        }
    }

    /// The position asked for can not be continued.
    pub fn reset(reset: Reset) -> Self {
        Self::new(reset.cursor.seq, Kind::Reset(Box::new(reset)))
    }

    /// Nothing owed up to here.
    pub fn position(cursor: Cursor) -> Self {
        Self::new(cursor.seq, Kind::Position(cursor))
    }

    /// Its position.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// It is something that an acknowledgement is about.
    pub fn is_message(&self) -> bool {
        matches!(self.kind, Kind::Live(_) | Kind::Replayed(_))
    }

    /// A whole WebSocket text frame with its header.
    pub fn ws(&self) -> &Bytes {
        self.ws.get_or_init(|| match &self.kind {
            Kind::Live(stored) => tagged("message", &stored.message),
            Kind::Replayed(message) => tagged("message", message),
            Kind::State(change) => tagged("state", change),
            Kind::Reset(reset) => tagged("reset", reset),
            Kind::Position(cursor) => tagged("position", &Position { cursor }),
        })
    }

    /// A whole event with its `id:` and the empty line that ends it.
    pub fn sse(&self) -> &Bytes {
        self.sse.get_or_init(|| match &self.kind {
            Kind::Live(stored) => event("", &stored.message.cursor, &stored.message),
            Kind::Replayed(message) => event("", &message.cursor, message),
            Kind::State(change) => event("event: state\n", &change.cursor, change),
            Kind::Reset(reset) => event("event: reset\n", &reset.cursor, reset),
            // An id without data: the browser stores it and dispatches nothing.
            Kind::Position(cursor) => Bytes::from(format!("id: {cursor}\n\n")),
        })
    }

    /// Bytes it takes in a connection's queue.
    pub fn weight(&self, transport: Transport) -> usize {
        match transport {
            Transport::WebSocket => self.ws().len(),
            Transport::Sse => self.sse().len(),
            Transport::Poll => 0,
        }
    }
}

#[derive(Serialize)]
struct Position<'a> {
    cursor: &'a Cursor,
}

/// Serialisation of these types has no way to fail: string keys only, no maps, no custom code that errs. An empty
/// object instead of a panic would still be an honest frame that clients ignore.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec())
}

fn event(kind: &str, cursor: &Cursor, value: &impl Serialize) -> Bytes {
    // serde_json escapes line ends, so the data is one line whatever the message holds.
    let data = json(value);
    let mut event = Vec::with_capacity(data.len() + 64);
    event.extend_from_slice(kind.as_bytes());
    event.extend_from_slice(format!("id: {cursor}\ndata: ").as_bytes());
    event.extend_from_slice(&data);
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// `{"type":"<tag>",…}`: what serde makes of [`ServerFrame`](tocsin_protocol::ServerFrame), without a copy of the value.
fn tagged(tag: &str, value: &impl Serialize) -> Bytes {
    let data = json(value);
    let rest = data.get(1..).unwrap_or(b"}");
    let comma = if rest == b"}" { "" } else { "," };
    let head = format!("{{\"type\":\"{tag}\"{comma}");
    let mut frame = BytesMut::with_capacity(head.len() + rest.len() + 10);
    put_header(&mut frame, 0x1, head.len() + rest.len());
    frame.put_slice(head.as_bytes());
    frame.put_slice(rest);
    frame.freeze()
}

/// Header of an unmasked, final frame (RFC 6455, 5.2).
pub fn put_header(frame: &mut impl BufMut, opcode: u8, length: usize) {
    frame.put_u8(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => frame.put_u8(short),
        (_, Ok(medium)) => {
            frame.put_u8(126);
            frame.put_u16(medium);
        }
        _ => {
            frame.put_u8(127);
            frame.put_u64(length as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::{ServerFrame, stream::ResetReason};

    use super::*;

    fn payload(frame: &Bytes) -> &[u8] {
        match frame[1] {
            126 => &frame[4..],
            127 => &frame[10..],
            _ => &frame[2..],
        }
    }

    #[test]
    fn frames_are_what_the_protocol_says() {
        let cursor: Cursor = "k3v9x0ab-7".parse().unwrap();
        let change = StateChange {
            cursor: cursor.clone(),
            id: "abcdefghijkl".parse().unwrap(),
            read_at: Some(5),
            acknowledged_at: None,
            remind_at: None,
            settled: None,
        };
        let reset = Reset { cursor: cursor.clone(), reason: ResetReason::Epoch, lost: 0, lost_since: None };
        let cases = [
            (Frame::state(change.clone()), ServerFrame::State(change)),
            (Frame::reset(reset.clone()), ServerFrame::Reset(reset)),
            (Frame::position(cursor.clone()), ServerFrame::Position { cursor }),
        ];
        for (frame, expected) in cases {
            assert_eq!(serde_json::from_slice::<ServerFrame>(payload(frame.ws())).unwrap(), expected);
            assert!(frame.sse().ends_with(b"\n\n"));
        }
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)] {
            let mut bytes = Vec::new();
            put_header(&mut bytes, 1, length);
            assert_eq!(bytes.len(), header, "{length}");
        }
    }
}

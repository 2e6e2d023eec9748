//! Client frames, byte by byte as they come (RFC 6455, 5).
//!
//! Nothing is allocated while nothing is half received. A frame's length is judged from its header, before its payload
//! is waited for.

use tocsin_protocol::limits::FRAME_BYTES;

/// Longest payload of a control frame.
const CONTROL_BYTES: usize = 125;

/// Something a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A whole text message.
    Text(String),
    /// To be answered with the same bytes.
    Ping(Vec<u8>),
    /// Answer to our ping.
    Pong,
    /// The client closes.
    Close,
}

/// What a client must not send, with the close code that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Not of RFC 6455.
    #[error("not a valid WebSocket frame")]
    Protocol,
    /// Binary data.
    #[error("binary messages are not taken")]
    Binary,
    /// Text that is not UTF-8.
    #[error("text must be UTF-8")]
    NotUtf8,
    /// Too much.
    #[error("a message has at most 64 KiB")]
    TooLarge,
}

impl Violation {
    /// The close code.
    pub fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
        }
    }
}

/// Reads client frames.
#[derive(Debug, Default)]
pub struct Reader {
    /// Received and not yet read.
    buffer: Vec<u8>,
    /// Payload of a fragmented message so far.
    message: Option<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Header {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    /// Bytes of the header itself.
    head: usize,
    /// Bytes of the payload.
    length: usize,
}

impl Reader {
    /// Takes what was received.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next thing, if it is there whole. After an error nothing more is to be asked.
    pub fn next(&mut self) -> Result<Option<Inbound>, Violation> {
        loop {
            let Some(header) = header(&self.buffer)? else { return Ok(None) };
            self.admit(&header)?;
            let end = header.head + header.length;
            if self.buffer.len() < end {
                return Ok(None);
            }
            let mut payload = self.buffer[header.head..end].to_vec();
            if self.buffer.len() == end {
                self.buffer = Vec::new();
            } else {
                self.buffer.drain(..end);
            }
            payload.iter_mut().zip(header.mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
            if let Some(inbound) = self.take(header, payload)? {
                return Ok(Some(inbound));
            }
        }
    }

    /// Judges a frame by its header.
    fn admit(&self, header: &Header) -> Result<(), Violation> {
        let begun = self.message.as_ref().map(Vec::len);
        match header.opcode {
            0x0 if begun.is_none() => Err(Violation::Protocol),
            0x1 if begun.is_some() => Err(Violation::Protocol),
            0x0 | 0x1 if begun.unwrap_or(0) + header.length > FRAME_BYTES => Err(Violation::TooLarge),
            0x2 => Err(Violation::Binary),
            0x8..=0xA if !header.last || header.length > CONTROL_BYTES => Err(Violation::Protocol),
            0x0 | 0x1 | 0x8..=0xA => Ok(()),
            _ => Err(Violation::Protocol),
        }
    }

    fn take(&mut self, header: Header, payload: Vec<u8>) -> Result<Option<Inbound>, Violation> {
        match header.opcode {
            0x8 => close(&payload).map(|()| Some(Inbound::Close)),
            0x9 => Ok(Some(Inbound::Ping(payload))),
            0xA => Ok(Some(Inbound::Pong)),
            _ => {
                let whole = match self.message.take() {
                    None => payload,
                    Some(mut begun) => {
                        begun.extend_from_slice(&payload);
                        begun
                    }
                };
                if !header.last {
                    self.message = Some(whole);
                    return Ok(None);
                }
                String::from_utf8(whole).map(|text| Some(Inbound::Text(text))).map_err(|_| Violation::NotUtf8)
            }
        }
    }
}

fn header(bytes: &[u8]) -> Result<Option<Header>, Violation> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    // No extension was agreed on, so the reserved bits are zero; a client masks.
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return Err(Violation::Protocol);
    }
    let (length, wide) = match (second & 0x7F, rest) {
        (126, _) => match rest.first_chunk() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
            None => return Ok(None),
        },
        (127, _) => match rest.first_chunk() {
            Some(length) => (u64::from_be_bytes(*length), 8),
            None => return Ok(None),
        },
        (short, _) => (u64::from(short), 0),
    };
    let shortest = match wide {
        0 => true,
        2 => length >= 126,
        _ => length > u64::from(u16::MAX),
    };
    if !shortest {
        return Err(Violation::Protocol);
    }
    let Some(mask) = rest.get(wide..wide + 4) else { return Ok(None) };
    let mask = [mask[0], mask[1], mask[2], mask[3]];
    // What does not fit is too large by far; `admit` says so.
    let length = usize::try_from(length).unwrap_or(usize::MAX / 2).min(usize::MAX / 2);
    Ok(Some(Header { last: first & 0x80 != 0, opcode: first & 0x0F, mask, head: 2 + wide + 4, length }))
}

/// Code and reason of a close frame.
fn close(payload: &[u8]) -> Result<(), Violation> {
    match payload {
        [] => Ok(()),
        [a, b, reason @ ..] => match u16::from_be_bytes([*a, *b]) {
            1000..=1003 | 1007..=1014 | 3000..=4999 => {
                std::str::from_utf8(reason).map(|_| ()).map_err(|_| Violation::NotUtf8)
            }
            _ => Err(Violation::Protocol),
        },
        [_] => Err(Violation::Protocol),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            length @ 126..=65535 => {
                bytes.push(0xFE);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                bytes.push(0xFF);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    fn read(bytes: &[u8], step: usize) -> Result<Vec<Inbound>, Violation> {
        let (mut reader, mut all) = (Reader::default(), Vec::new());
        for chunk in bytes.chunks(step) {
            reader.extend(chunk);
            while let Some(inbound) = reader.next()? {
                all.push(inbound);
            }
        }
        assert!(reader.buffer.is_empty());
        Ok(all)
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let long = "é".repeat(200);
        let bytes = [
            frame(0x81, b"one"),
            frame(0x01, "h\u{e9}".as_bytes().split_at(2).0),
            frame(0x89, b"?"),
            frame(0x00, "h\u{e9}".as_bytes().split_at(2).1),
            frame(0x80, b"!"),
            frame(0x81, long.as_bytes()),
            frame(0x8A, b""),
            frame(0x88, &[0x03, 0xE8]),
        ]
        .concat();
        let expected = vec![
            Inbound::Text("one".into()),
            Inbound::Ping(b"?".to_vec()),
            Inbound::Text("h\u{e9}!".into()),
            Inbound::Text(long),
            Inbound::Pong,
            Inbound::Close,
        ];
        for step in [1, 2, 3, 7, 100, 100_000] {
            assert_eq!(read(&bytes, step), Ok(expected.clone()), "{step}");
        }
    }

    #[test]
    fn violations_have_their_codes() {
        let cases: Vec<(&str, Vec<u8>, u16)> = vec![
            ("unmasked", vec![0x81, 1, b'x'], 1002),
            ("reserved bit", frame(0xC1, b"x"), 1002),
            ("reserved opcode", frame(0x83, b"x"), 1002),
            ("reserved control", frame(0x8B, b"x"), 1002),
            ("continuation of nothing", frame(0x80, b"x"), 1002),
            ("new message inside another", [frame(0x01, b"x"), frame(0x81, b"y")].concat(), 1002),
            ("fragmented ping", frame(0x09, b"x"), 1002),
            ("long ping", frame(0x89, &[0; 126]), 1002),
            ("length in more bytes than needed", vec![0x81, 0xFE, 0, 1, 0, 0, 0, 0, b'x'], 1002),
            ("binary", frame(0x82, b"x"), 1003),
            ("not UTF-8", frame(0x81, &[0xFF]), 1007),
            ("too large", frame(0x81, &vec![b'x'; FRAME_BYTES + 1]), 1009),
            ("too large by its header alone", vec![0x81, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], 1009),
            (
                "too large in pieces",
                [frame(0x01, &vec![b'x'; FRAME_BYTES]), frame(0x80, b"x")].concat(),
                1009,
            ),
            ("close of one byte", frame(0x88, &[3]), 1002),
            ("close with a code that is never sent", frame(0x88, &[0x03, 0xED]), 1002),
            ("close with a reason that is not UTF-8", frame(0x88, &[0x03, 0xE8, 0xFF]), 1007),
        ];
        for (what, bytes, code) in cases {
            assert_eq!(read(&bytes, 4096).map_err(Violation::code), Err(code), "{what}");
        }
    }
}

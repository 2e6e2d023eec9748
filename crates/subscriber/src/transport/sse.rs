//! The format of event streams, read byte by byte as it comes: LF, CR and CRLF, a byte order mark, data over several
//! lines, `retry`. What one event may hold is bounded, so that a stream without an end of line cannot fill memory.

use std::time::Duration;

/// One event or one line: a message within the server's bounds, escaped, and some room.
pub(super) const EVENT_BYTES: usize = 256 * 1024;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One block of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// `event:`; empty for a message.
    pub event: String,
    /// `id:` of this very block.
    pub id: Option<String>,
    /// `data:` lines, joined by LF. `None` without any: nothing is dispatched then, but the id counts.
    pub data: Option<String>,
    /// `retry:`.
    pub retry: Option<Duration>,
}

/// The stream is no event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadStream {
    #[error("an event or line of the stream is too large")]
    TooLarge,
    #[error("the stream is not UTF-8")]
    NotUtf8,
}

/// Reads a stream in whatever pieces it comes.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    block: Block,
    /// Something was set in the block.
    begun: bool,
    /// The last byte was CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The first line, which may begin with a byte order mark, is over.
    past_first: bool,
}

impl Parser {
    /// Takes the next bytes; the blocks that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Block>, BadStream> {
        let mut blocks = Vec::new();
        for &byte in bytes {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                continue;
            }
            match byte {
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    blocks.extend(self.end_of_line()?);
                }
                _ if self.line.len() >= EVENT_BYTES => return Err(BadStream::TooLarge),
                _ => self.line.push(byte),
            }
        }
        Ok(blocks)
    }

    fn end_of_line(&mut self) -> Result<Option<Block>, BadStream> {
        let line = std::mem::take(&mut self.line);
        let line = if std::mem::replace(&mut self.past_first, true) {
            &line[..]
        } else {
            line.strip_prefix(BOM).unwrap_or(&line)
        };
        if line.is_empty() {
            return Ok(std::mem::take(&mut self.begun).then(|| std::mem::take(&mut self.block)));
        }
        let line = std::str::from_utf8(line).map_err(|_| BadStream::NotUtf8)?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        self.field(field, value.strip_prefix(' ').unwrap_or(value))?;
        Ok(None)
    }

    fn field(&mut self, field: &str, value: &str) -> Result<(), BadStream> {
        match field {
            "data" => match &mut self.block.data {
                None => self.block.data = Some(value.into()),
                Some(data) if data.len() + value.len() >= EVENT_BYTES => return Err(BadStream::TooLarge),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            "event" => self.block.event = value.into(),
            "id" if !value.contains('\0') => self.block.id = Some(value.into()),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                self.block.retry = value.parse().ok().map(Duration::from_millis);
            }
            // A comment or a field of later.
            _ => return Ok(()),
        }
        self.begun = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8]) -> Vec<Block> {
        Parser::default().feed(text).unwrap()
    }

    fn block(event: &str, id: Option<&str>, data: Option<&str>) -> Block {
        Block { event: event.into(), id: id.map(Into::into), data: data.map(Into::into), retry: None }
    }

    #[test]
    fn every_end_of_line() {
        let expected = vec![block("state", Some("a-1"), Some("x\ny"))];
        for end in ["\n", "\r", "\r\n"] {
            let text = ["event: state", "id:a-1", "data: x", "data:y", "", ""].join(end);
            assert_eq!(all(text.as_bytes()), expected, "{end:?}");
        }
    }

    #[test]
    fn mark_comments_and_unknown_fields() {
        let text = "\u{feff}: hello\n\nretry: 1500\nnonsense\nwhat: ever\n\nid: a-7\n\ndata\n\n: ping\n\n";
        let mut retry = block("", None, None);
        retry.retry = Some(Duration::from_millis(1500));
        assert_eq!(
            all(text.as_bytes()),
            vec![retry, block("", Some("a-7"), None), block("", None, Some(""))]
        );
    }

    #[test]
    fn only_one_space_goes_and_bad_values_are_ignored() {
        assert_eq!(all(b"data:  x\nretry: 1s\nid: a\0b\n\n"), vec![block("", None, Some(" x"))]);
    }

    #[test]
    fn an_unfinished_block_is_not_dispatched() {
        assert_eq!(all(b"data: x\nid: a-1\n"), vec![]);
    }

    #[test]
    fn bounds() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(&vec![b'x'; EVENT_BYTES]), Ok(vec![]));
        assert_eq!(parser.feed(b"x"), Err(BadStream::TooLarge));
        let line = format!("data: {}\n", "x".repeat(EVENT_BYTES / 2));
        let mut parser = Parser::default();
        assert_eq!(parser.feed(line.as_bytes()), Ok(vec![]));
        assert_eq!(parser.feed(line.as_bytes()), Err(BadStream::TooLarge));
        assert_eq!(Parser::default().feed(b"data: \xff\n"), Err(BadStream::NotUtf8));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same(
            lines in prop::collection::vec("(data|id|event|retry|)(:| |: |)[a-z0-9é\u{feff}]{0,6}", 0..40),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n"]), 40),
            cuts in prop::collection::vec(0_usize..400, 0..20),
        ) {
            let text: String = lines.iter().zip(&ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
            let bytes = text.as_bytes();
            let whole = all(bytes);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let pieces: Vec<Block> = cuts.windows(2).flat_map(|w| parser.feed(&bytes[w[0]..w[1]]).unwrap()).collect();
            prop_assert_eq!(pieces, whole);
        }
    }
}

//! One WebSocket: a hand-made handshake, and a reader that only finds the frame borders.

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A WebSocket after its handshake.
pub struct Ws {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Ws {
    /// Connects to `path` (with query) from `source`, which spreads clients over the loopback range.
    pub async fn connect(address: &str, source: [u8; 4], path: &str, token: &str) -> Result<Self> {
        let mut stream = dial(address, source).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tocsin.v1\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut buffer = Vec::with_capacity(512);
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                bail!("closed during the handshake");
            }
        };
        if !buffer.starts_with(b"HTTP/1.1 101") {
            bail!("refused: {}", String::from_utf8_lossy(&buffer));
        }
        buffer.drain(..end);
        let mut ws = Self { stream, buffer };
        // Without it the server waits a moment for a cursor before it begins.
        ws.send_text(r#"{"type":"resume"}"#).await?;
        Ok(ws)
    }

    /// The next text frame's payload; pings are answered, a close is an error.
    pub async fn next(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some((opcode, start, end)) = frame(&self.buffer) {
                let payload = self.buffer[start..end].to_vec();
                self.buffer.drain(..end);
                match opcode {
                    1 => return Ok(payload),
                    8 => bail!("closed by the server: {payload:?}"),
                    9 => self.send(10, &payload).await?,
                    _ => {}
                }
                continue;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }

    /// Sends a text frame.
    pub async fn send_text(&mut self, text: &str) -> Result<()> {
        self.send(1, text.as_bytes()).await
    }

    /// The next message's whole frame; other frames are passed over.
    pub async fn message(&mut self) -> Result<Vec<u8>> {
        loop {
            let frame = self.next().await?;
            if frame.starts_with(br#"{"type":"message""#) {
                return Ok(frame);
            }
        }
    }

    /// Acknowledges up to this message, as a subscriber that has stored it.
    pub async fn acknowledge(&mut self, message: &[u8]) -> Result<()> {
        let cursor = text_field(message, r#""cursor":""#).context("a message without a cursor")?;
        self.send_text(&format!(r#"{{"type":"ack","cursor":"{cursor}"}}"#)).await
    }

    /// Gives up reading frames singly: from here on only bytes are counted.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        let length = u8::try_from(payload.len())
            .ok()
            .filter(|l| *l < 126)
            .context("a frame of this client is short")?;
        // The mask is zero: allowed, and the payload goes as it is.
        let mut out = vec![0x80 | opcode, 0x80 | length, 0, 0, 0, 0];
        out.extend_from_slice(payload);
        Ok(self.stream.write_all(&out).await?)
    }
}

/// The text behind `mark` up to the next quote, without parsing the rest: the generator must not be what is measured.
pub fn text_field<'a>(frame: &'a [u8], mark: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(frame).ok()?;
    let start = text.find(mark)? + mark.len();
    text[start..].split('"').next()
}

/// Opcode and payload range of the first whole frame.
pub fn frame(buffer: &[u8]) -> Option<(u8, usize, usize)> {
    let opcode = buffer.first()? & 0x0f;
    let (start, length) = match *buffer.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short & 0x7f)),
    };
    let end = start + length;
    (buffer.len() >= end).then_some((opcode, start, end))
}

/// Connects from a chosen loopback address: one has 28 000 ports only.
pub async fn dial(address: &str, source: [u8; 4]) -> Result<TcpStream> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind((std::net::Ipv4Addr::from(source), 0).into())?;
    let stream = socket.connect(address.parse()?).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

//! One keep-alive HTTP/1.1 connection.

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection and what was read too much.
pub struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
    host: String,
}

/// Status and body.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

impl Http {
    /// Connects.
    pub async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096), host: address.into() })
    }

    /// Sends a request and waits for its answer.
    pub async fn request(&mut self, method: &str, path: &str, token: &str, body: &[u8]) -> Result<Answer> {
        let request = self.encode(method, path, token, body);
        self.exchange(&request).await
    }

    /// The bytes of a request, for sending them many times.
    pub fn encode(&self, method: &str, path: &str, token: &str, body: &[u8]) -> Vec<u8> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.host,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        request
    }

    /// Sends encoded bytes and waits for the answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let text = std::str::from_utf8(&self.buffer[..head])?;
        let status = text.get(9..12).context("short status line")?.parse()?;
        let length = text
            .lines()
            .find_map(|l| {
                l.to_ascii_lowercase().strip_prefix("content-length:").map(|v| v.trim().parse::<usize>())
            })
            .context("an answer without a length")??;
        while self.buffer.len() < head + length {
            self.more().await?;
        }
        let body = self.buffer[head..head + length].to_vec();
        self.buffer.drain(..head + length);
        Ok(Answer { status, body })
    }

    /// Sends an encoded publish and waits until it is durable.
    pub async fn publish(&mut self, request: &[u8]) -> Result<()> {
        let answer = self.exchange(request).await?;
        ensure!(answer.status == 201, "publish: {}", String::from_utf8_lossy(&answer.body));
        Ok(())
    }

    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

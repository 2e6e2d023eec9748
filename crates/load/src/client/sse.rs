//! One event stream, held open; its bytes are read and dropped.

use anyhow::{Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::ws::dial;

/// Connects and waits for the first bytes of the stream.
pub async fn connect(address: &str, source: [u8; 4], path: &str, token: &str) -> Result<TcpStream> {
    let mut stream = dial(address, source).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            bail!("closed before the first event");
        }
    }
    if !head.starts_with(b"HTTP/1.1 200") {
        bail!("refused: {}", String::from_utf8_lossy(&head));
    }
    Ok(stream)
}

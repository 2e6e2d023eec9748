//! One request at a time over the control socket, with the standard library alone.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Longer than any answer of the resident takes; a hung one must not hang this program.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a request and returns status and JSON body (`null` when empty).
pub fn request(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
    let mut stream =
        UnixStream::connect(socket).with_context(|| format!("cannot connect to {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    // HTTP/1.0, so that the answer is neither chunked nor kept open.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| format!("no answer to {method} {path}"))?;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("answer to {method} {path}"))
}

/// Like [`request`], for one that must succeed.
pub fn expect(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    match request(socket, method, path, body)? {
        (200..=299, value) => Ok(value),
        (status, value) => bail!("{method} {path}: {status} {value}"),
    }
}

fn parse(answer: &str) -> Result<(u16, Value)> {
    let (head, body) = answer.split_once("\r\n\r\n").context("it has no end of headers")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("it has no status")?;
    let body = if body.trim().is_empty() {
        Value::Null
    } else {
        serde_json::from_str(body).unwrap_or_else(|_| body.into())
    };
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers() {
        assert_eq!(
            parse("HTTP/1.0 200 OK\r\ncontent-type: x\r\n\r\n{\"a\":1}").unwrap(),
            (200, json!({"a": 1}))
        );
        assert_eq!(parse("HTTP/1.0 204 No Content\r\n\r\n").unwrap(), (204, Value::Null));
        assert!(parse("").is_err());
        assert!(parse("HTTP/1.0 two\r\n\r\n").is_err());
    }
}

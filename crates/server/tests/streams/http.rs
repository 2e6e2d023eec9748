//! HTTP as bytes over a socket, so that nothing between hides what is on the wire.

use std::{collections::HashMap, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::desk::{Person, soon};

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// The head of a request.
pub fn head(method: &str, path: &str, person: Option<&Person>, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    if let Some(person) = person {
        head.push_str(&["Authorization: Bearer ", &person.token, "\r\n"].concat());
    }
    for (name, value) in headers {
        head.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    head + "\r\n"
}

pub async fn get(address: SocketAddr, path: &str, person: &Person, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = headers.iter().copied().chain([("Connection", "close")]).collect();
    request(address, &head("GET", path, Some(person), &headers)).await
}

pub async fn post(address: SocketAddr, path: &str, person: &Person, body: &str) -> Answer {
    let length = body.len().to_string();
    let headers =
        [("Connection", "close"), ("Content-Type", "application/json"), ("Content-Length", &length)];
    request(address, &(head("POST", path, Some(person), &headers) + body)).await
}

/// Sends bytes and reads until the end; the body must be whole.
pub async fn request(address: SocketAddr, bytes: &str) -> Answer {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon("an answer", socket.read_to_end(&mut answer)).await.unwrap();
    parse(&answer)
}

/// Takes a whole answer apart.
pub fn parse(bytes: &[u8]) -> Answer {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {bytes:?}"));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let headers: HashMap<_, _> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let body = if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        let (body, whole) = dechunk(rest);
        assert!(whole, "the chunked body was cut off");
        body
    } else {
        rest.to_vec()
    };
    Answer { status, headers, body: String::from_utf8(body).unwrap() }
}

/// The data of a chunked body, and whether its last chunk is there.
pub fn dechunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut data = Vec::new();
    while let Some(line) = bytes.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        let rest = &bytes[line + 2..];
        if length == 0 {
            return (data, rest.starts_with(b"\r\n"));
        }
        if rest.len() < length + 2 {
            break;
        }
        data.extend_from_slice(&rest[..length]);
        bytes = &rest[length + 2..];
    }
    (data, false)
}

/// An open event stream, read as `curl -N` does.
pub struct EventStream {
    socket: TcpStream,
    bytes: Vec<u8>,
    pub status: u16,
    pub head: String,
    /// Events given out already.
    given: usize,
}

/// One block of an event stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: Option<String>,
    pub retry: Option<u64>,
}

impl EventStream {
    pub async fn open(address: SocketAddr, path: &str, person: &Person, headers: &[(&str, &str)]) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(head("GET", path, Some(person), headers).as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            assert!(soon("a head", socket.read_buf(&mut bytes)).await.unwrap() > 0, "closed before the head");
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { socket, bytes: bytes[end + 4..].to_vec(), status, head: head.to_ascii_lowercase(), given: 0 }
    }

    fn blocks(&self) -> (Vec<Block>, bool) {
        let (data, whole) = dechunk(&self.bytes);
        let text = String::from_utf8(data).unwrap();
        let mut parts: Vec<_> = text.split("\n\n").collect();
        parts.pop();
        (parts.into_iter().map(block).collect(), whole)
    }

    /// The next block; `None` when the body has ended as it should.
    pub async fn next(&mut self) -> Option<Block> {
        loop {
            let (blocks, whole) = self.blocks();
            if let Some(block) = blocks.get(self.given) {
                self.given += 1;
                return Some(block.clone());
            }
            if whole {
                return None;
            }
            let read = soon("an event", self.socket.read_buf(&mut self.bytes)).await.unwrap();
            assert!(read > 0, "the body was cut off");
        }
    }

    /// The next message's title and id, whatever heartbeats come before.
    pub async fn message(&mut self) -> (String, String) {
        loop {
            let block = self.next().await.expect("the stream ended");
            if block.event.is_none()
                && let (Some(data), Some(id)) = (block.data, block.id)
            {
                let message: serde_json::Value = serde_json::from_str(&data).unwrap();
                assert_eq!(message["cursor"], id);
                return (message["title"].as_str().unwrap().into(), id);
            }
        }
    }
}

fn block(text: &str) -> Block {
    let mut block = Block::default();
    for line in text.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        match name {
            "id" => block.id = Some(value.into()),
            "event" => block.event = Some(value.into()),
            "data" => block.data = Some(value.into()),
            "retry" => block.retry = Some(value.parse().unwrap()),
            _ => panic!("unexpected line {line:?}"),
        }
    }
    block
}

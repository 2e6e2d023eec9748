//! A server on which a test plays the platform, one answer at a time; and the faults that no HTTP library would make.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use percent_encoding::percent_decode_str;
use tocsin_wechat::{BaseUrl, Endpoint, Proxy, Timings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// The query as it came.
    pub raw: String,
    pub head: String,
    pub body: String,
}

impl Seen {
    pub fn token(&self) -> &str {
        self.query.get("access_token").map_or("", String::as_str)
    }
}

/// What to answer.
pub enum Play {
    /// 200 with this body, with the content type that official accounts answer with.
    Json(String),
    /// Another status with this body.
    Status(u16, String),
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// Nothing, for as long as the client waits.
    Hang,
    /// The end of the connection.
    Close,
}

impl Play {
    pub fn json(text: impl Into<String>) -> Self {
        Self::Json(text.into())
    }
}

pub struct Stage {
    pub base: BaseUrl,
    pub address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Stage {
    /// Plays: `script` gets a request and how many of the same path came before it.
    pub async fn play(script: impl Fn(&Seen, usize) -> Play + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (script, record) = (Arc::new(script), seen.clone());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, script.clone(), record.clone()));
            }
        });
        let base = BaseUrl::parse(&format!("http://{address}")).expect("a base");
        Self { base, address, seen }
    }

    pub fn endpoint(&self) -> Endpoint {
        let timings =
            Timings { connect: std::time::Duration::from_secs(5), call: std::time::Duration::from_secs(20) };
        Endpoint { base: self.base.clone(), proxy: Proxy::Direct, timings }
    }

    /// An endpoint that gives up soon, for answers that never come.
    pub fn impatient(&self) -> Endpoint {
        let mut endpoint = self.endpoint();
        endpoint.timings.call = std::time::Duration::from_millis(300);
        endpoint
    }

    pub fn all(&self) -> Vec<Seen> {
        self.seen.lock().expect("the record").clone()
    }

    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.all().into_iter().filter(|seen| seen.path.ends_with(path)).collect()
    }

    pub fn count(&self, path: &str) -> usize {
        self.seen(path).len()
    }
}

async fn serve(
    mut connection: TcpStream,
    script: Arc<impl Fn(&Seen, usize) -> Play>,
    record: Arc<Mutex<Vec<Seen>>>,
) {
    let mut buffer = Vec::new();
    while let Some(seen) = read(&mut connection, &mut buffer).await {
        let play = {
            let mut record = record.lock().expect("the record");
            let before = record.iter().filter(|other| other.path == seen.path).count();
            record.push(seen.clone());
            script(&seen, before)
        };
        let answer = match play {
            Play::Json(body) => response(200, "application/json; encoding=utf-8", &body),
            Play::Status(status, body) => response(status, "text/html", &body),
            Play::Bytes(bytes) => {
                let _ = connection.write_all(&bytes).await;
                return;
            }
            Play::Hang => {
                // Until the client has had enough.
                let _ = connection.read(&mut [0; 64]).await;
                return;
            }
            Play::Close => return,
        };
        if connection.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn response(status: u16, kind: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

async fn read(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at;
        }
        if connection.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(|n| n.trim().to_owned()))
        .map_or(0, |n| n.parse::<usize>().expect("a length"));
    let whole = head_end + 4 + length;
    while buffer.len() < whole {
        if connection.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&buffer[head_end + 4..whole]).into_owned();
    buffer.drain(..whole);
    let target = head.split_whitespace().nth(1)?.to_owned();
    let (path, raw) = target.split_once('?').unwrap_or((&target, ""));
    let query = raw.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), percent_decode_str(value).decode_utf8().ok()?.into_owned()))
    });
    Some(Seen { path: path.to_owned(), query: query.collect(), raw: raw.to_owned(), head, body })
}

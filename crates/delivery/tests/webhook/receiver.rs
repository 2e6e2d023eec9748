//! An address on this computer that answers as it is told and remembers what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status, and lines of the head.
    Status(u16, &'static str),
    /// These bytes.
    Bytes(String),
    /// Nothing; the connection stays.
    Silence,
    /// Nothing; the connection ends.
    HangUp,
}

type Requests = Arc<Mutex<Vec<Request>>>;
type Answers = Arc<dyn Fn(usize) -> Answer + Send + Sync>;

/// Listens until it goes.
pub struct Receiver {
    pub url: String,
    requests: Requests,
    _listening: AbortOnDropHandle<()>,
}

impl Receiver {
    /// Answers by the number of the request, from 0.
    pub async fn start(answers: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/in", listener.local_addr().unwrap());
        let (requests, answers) = (Requests::default(), Arc::new(answers) as Answers);
        let kept = requests.clone();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone(), answers.clone()));
            }
        });
        Self { url, requests, _listening: AbortOnDropHandle::new(listening) }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, requests: Requests, answers: Answers) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let number = {
            let mut kept = requests.lock().unwrap();
            kept.push(request);
            kept.len() - 1
        };
        let answer = match answers(number) {
            Answer::Status(status, head) => {
                let more = if head.is_empty() { String::new() } else { format!("{head}\r\n") };
                format!("HTTP/1.1 {status} Said\r\n{more}content-length: 0\r\n\r\n")
            }
            Answer::Bytes(bytes) => bytes,
            Answer::Silence => std::future::pending().await,
            Answer::HangUp => return,
        };
        // The other side may have read enough.
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { line: line.trim_end().to_owned(), headers, body: String::from_utf8(body).ok()? })
}

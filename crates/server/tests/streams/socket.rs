//! WebSockets: an independent client for what a client does, bytes for what none should.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tocsin_protocol::{ClientFrame, Cursor, Message, ServerFrame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message as Wire, client::IntoClientRequest},
};

use crate::desk::{Person, soon};

pub struct Socket {
    pub inner: WebSocketStream<TcpStream>,
}

impl Socket {
    /// Shakes hands; `query` begins with `?` or is empty.
    pub async fn connect(address: SocketAddr, query: &str, person: &Person) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), query, person).await
    }

    pub async fn over(socket: TcpStream, query: &str, person: &Person) -> Self {
        let mut request = format!("ws://127.0.0.1/ws{query}").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {}", person.token).parse().unwrap());
        headers.insert("sec-websocket-protocol", "tocsin.v1".parse().unwrap());
        let (inner, answer) = soon("a handshake", client_async(request, socket)).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "tocsin.v1");
        Self { inner }
    }

    /// Connects, says where it is, and reads the hello.
    pub async fn resume(
        address: SocketAddr,
        query: &str,
        person: &Person,
        cursor: Option<Cursor>,
    ) -> (Self, Cursor) {
        let mut socket = Self::connect(address, query, person).await;
        socket.send(&ClientFrame::Resume { cursor }).await;
        let cursor = socket.hello().await;
        (socket, cursor)
    }

    pub async fn hello(&mut self) -> Cursor {
        match self.next().await {
            ServerFrame::Hello { cursor, .. } => cursor,
            other => panic!("not a hello: {other:?}"),
        }
    }

    pub async fn send(&mut self, frame: &ClientFrame) {
        self.try_send(frame).await.unwrap();
    }

    /// The other side may have gone.
    pub async fn try_send(&mut self, frame: &ClientFrame) -> Result<(), tungstenite::Error> {
        self.inner.send(Wire::text(serde_json::to_string(frame).unwrap())).await
    }

    pub async fn ack(&mut self, cursor: &Cursor) {
        self.send(&ClientFrame::Ack { cursor: cursor.clone(), shown: Vec::new() }).await;
    }

    /// The next frame of the protocol, or the close code.
    pub async fn next_or_close(&mut self) -> Result<ServerFrame, u16> {
        loop {
            match soon("a frame", self.inner.next()).await {
                Some(Ok(Wire::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Wire::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                other => panic!("no close frame came: {other:?}"),
            }
        }
    }

    pub async fn next(&mut self) -> ServerFrame {
        self.next_or_close().await.expect("closed")
    }

    /// The next message, whatever positions come before.
    pub async fn message(&mut self) -> Message {
        loop {
            match self.next().await {
                ServerFrame::Message(message) => return message,
                ServerFrame::Position { .. } => {}
                other => panic!("not a message: {other:?}"),
            }
        }
    }

    /// The close code, whatever comes before.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next_or_close().await {
                return code;
            }
        }
    }
}

/// A WebSocket after its handshake, as bytes.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn connect(address: SocketAddr, query: &str, person: &Person) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let headers = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let head = crate::http::head("GET", &format!("/ws{query}"), Some(person), &headers);
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(soon("a handshake", socket.read_u8()).await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 101"), "{answer}");
        assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
        Self(socket)
    }

    /// One frame: opcode and payload.
    pub async fn frame(&mut self) -> (u8, Vec<u8>) {
        let first = soon("a frame", self.0.read_u8()).await.unwrap();
        let length = match self.0.read_u8().await.unwrap() {
            126 => usize::from(self.0.read_u16().await.unwrap()),
            127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.unwrap();
        (first & 0x0F, payload)
    }

    /// The code of the next close frame.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            let (opcode, payload) = self.frame().await;
            if opcode == 0x8 {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}

//! One request to the resident, over a connection of its own: a local connect costs microseconds, and nothing has to
//! be said about a kept connection whose resident was restarted meanwhile.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tocsin_protocol::{
    ApiError, Code,
    control::{Hello, Status},
    error::ErrorBody,
};

use crate::{Error, Events, Paths, Result, connect::connect};

/// Largest answer taken: a page of 200 messages of 16 KiB is 3.3 MiB, JSON escapes may double it.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// How long an answer may take. The resident's own limit for its server is shorter, so that its words arrive.
const ANSWER_WAIT: Duration = Duration::from_secs(45);

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    target: String,
    headers: Vec<(header::HeaderName, String)>,
    body: Bytes,
    wait: Duration,
}

impl Request {
    /// `target` is path and query.
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), headers: Vec::new(), body: Bytes::new(), wait: ANSWER_WAIT }
    }

    /// A JSON body.
    pub fn json(self, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Protocol(error.to_string()))?;
        Ok(self.body(body))
    }

    /// A body that is JSON already.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// How long the answer may take.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Its body; JSON, or empty.
    pub body: Bytes,
}

impl Response {
    /// Whether it is a success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as `T`, or the error that the resident or its server answered with.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        self.check()?;
        serde_json::from_slice(&self.body).map_err(|error| Error::Protocol(error.to_string()))
    }

    /// An error unless it is a success.
    pub fn check(&self) -> Result<()> {
        if self.is_success() {
            return Ok(());
        }
        let error = serde_json::from_slice::<ErrorBody>(&self.body).map_or_else(
            |_| ApiError {
                code: Code::Unknown,
                message: format!("the answer was HTTP {}", self.status),
                hint: None,
            },
            |body| body.error,
        );
        Err(Error::Api { status: self.status, error })
    }
}

/// A client of one control socket. Cheap to clone; holds no connection.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the resident that listens on `socket`.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// Of the desktop's resident.
    pub fn resident(paths: &Paths) -> Self {
        Self::new(paths.control_socket())
    }

    /// Of a headless server on the same data directory.
    pub fn server(paths: &Paths) -> Self {
        Self::new(paths.server_socket())
    }

    /// Of whichever runs: the resident, or else the headless server.
    pub async fn find(paths: &Paths) -> Result<Self> {
        let resident = Self::resident(paths);
        match resident.hello().await {
            Ok(_) => Ok(resident),
            Err(error) if error.is_not_running() => {
                let server = Self::server(paths);
                // What people know is the resident's socket: an error names that one.
                server.hello().await.map_err(|other| if other.is_not_running() { error } else { other })?;
                Ok(server)
            }
            Err(error) => Err(error),
        }
    }

    /// The socket.
    pub fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: Request) -> Result<Response> {
        let wait = request.wait;
        let exchange = async {
            let response = self.open(request).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await.map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    Error::TooLarge(ANSWER_BYTES)
                } else {
                    Error::Protocol(error.to_string())
                }
            })?;
            Ok(Response { status, body: body.to_bytes() })
        };
        tokio::time::timeout(wait, exchange).await.map_err(|_| Error::Timeout(wait.as_secs()))?
    }

    /// Method, path with query, JSON body or nothing: what the window's bridge hands over.
    pub async fn request(&self, method: &str, target: &str, body: Option<Bytes>) -> Result<Response> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| Error::Protocol(format!("{method:?} is no method")))?;
        self.send(Request::new(method, target).body(body.unwrap_or_default())).await
    }

    /// `GET`, decoded.
    pub async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T> {
        self.send(Request::new(Method::GET, target)).await?.json()
    }

    /// `POST` of a JSON body, decoded.
    pub async fn post<T: DeserializeOwned>(&self, target: &str, body: &impl Serialize) -> Result<T> {
        self.send(Request::new(Method::POST, target).json(body)?).await?.json()
    }

    /// The handshake.
    pub async fn hello(&self) -> Result<Hello> {
        self.get("/native/hello").await
    }

    /// How things stand.
    pub async fn status(&self) -> Result<Status> {
        self.get("/native/status").await
    }

    /// Asks it to drain and end.
    pub async fn quit(&self) -> Result<()> {
        self.send(Request::new(Method::POST, "/native/quit")).await?.check()
    }

    /// What happens from now on; the first event is the status.
    pub async fn events(&self) -> Result<Events> {
        let request = Request::new(Method::GET, "/native/events").header(header::ACCEPT, "text/event-stream");
        let response = self.open(request).await?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER_BYTES)
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes);
            Response { status, body: body.unwrap_or_default() }.check()?;
            return Err(Error::Protocol(format!("the event stream answered HTTP {status}")));
        }
        Ok(Events::new(response.into_body()))
    }

    async fn open(&self, request: Request) -> Result<http::Response<Incoming>> {
        let stream = connect(&self.socket).await?;
        let broken = |error: hyper::Error| Error::Protocol(error.to_string());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends with the exchange; an error of the connection is told by the request or the body as well.
        tokio::spawn(connection);
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(request.target)
            .header(header::HOST, "localhost");
        if !request.body.is_empty() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let request =
            builder.body(Full::new(request.body)).map_err(|error| Error::Protocol(error.to_string()))?;
        sender.send_request(request).await.map_err(broken)
    }
}

//! The server's API as a thin typed client: shared by the subscriber, the resident's pass-through and the command
//! line. One TLS configuration with the streams, no redirects (they would carry the token elsewhere).

mod answer;
mod join;
mod publish;
mod unreachable;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
pub use http::{Method, StatusCode};
use reqwest::{RequestBuilder, header::AUTHORIZATION, redirect::Policy};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Endpoint, Error, Result, Secret, endpoint::Origin, tls};

pub use answer::Answer;
pub(crate) use answer::retry_after;
pub use join::redeem;
pub(crate) use unreachable::unreachable;

/// Name resolution, TCP and TLS: longer than a SYN retransmitted twice (3 s).
const CONNECT: Duration = Duration::from_secs(10);
/// Silence within one answer: above the longest heartbeat of a stream and the longest poll.
const READ: Duration = Duration::from_mins(1);
/// A whole API call. The server answers in milliseconds; the rest is the network.
const CALL: Duration = Duration::from_secs(30);
/// An idle connection is kept this long: shorter than the 60 s after which proxies drop one.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// What names this program in a server's log.
pub(crate) const USER_AGENT: &str = concat!("tocsin/", env!("CARGO_PKG_VERSION"));

/// A client of one server's API with one token.
#[derive(Clone, Debug)]
pub struct Api {
    pub(crate) origin: Origin,
    token: Secret,
    client: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
}

impl Api {
    /// A client for `endpoint`. Opens no connection yet.
    pub fn new(endpoint: &Endpoint) -> Result<Self> {
        let origin = Origin::parse(&endpoint.origin)?;
        let tls = tls::client_config(endpoint.ca_fingerprint.as_deref(), origin.is_tls())?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT)
            .read_timeout(READ)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(2)
            .redirect(Policy::none());
        if origin.is_loopback() {
            // A proxy would be asked for its own loopback.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| Error::Tls(e.to_string()))?;
        Ok(Self { origin, token: endpoint.token.clone(), client, tls: Arc::new(tls) })
    }

    /// A request with the token, if there is one. `path` begins with a slash and may hold a query.
    pub(crate) fn prepare(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder> {
        let request = self.client.request(method, self.origin.url(path, query)?);
        Ok(match self.bearer() {
            Some(bearer) => request.header(AUTHORIZATION, bearer),
            None => request,
        })
    }

    /// The `Authorization` header, marked so that it is never printed.
    pub(crate) fn bearer(&self) -> Option<http::HeaderValue> {
        let token = self.token.expose();
        let mut value =
            http::HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| !token.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The same TLS for a WebSocket.
    pub(crate) fn tls(&self) -> &Arc<rustls::ClientConfig> {
        &self.tls
    }

    /// Any call: the pass-through of the control socket. An error only if no answer came.
    pub async fn request(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer> {
        self.request_with(method, path, &[], body).await
    }

    /// The same with further headers (an idempotency key).
    pub async fn request_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Answer> {
        let mut request = self.prepare(method, path, &[])?.timeout(CALL);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header(http::header::CONTENT_TYPE, "application/json").body(body);
        }
        Answer::of(request).await
    }

    /// `GET`, and the answer's JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.request(Method::GET, path, None).await?.json()
    }

    /// A call with a JSON body, and the answer's JSON.
    pub async fn send<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T> {
        self.request(method, path, Some(json_body(body)?)).await?.json()
    }

    /// A call with a JSON body whose answer holds nothing of interest.
    pub async fn tell<B: Serialize + Sync>(&self, method: Method, path: &str, body: &B) -> Result<()> {
        self.request(method, path, Some(json_body(body)?)).await?.success().map(drop)
    }
}

fn json_body<B: Serialize>(body: &B) -> Result<Bytes> {
    let bytes = serde_json::to_vec(body).map_err(|e| Error::Answer { status: 0, detail: e.to_string() })?;
    Ok(bytes.into())
}

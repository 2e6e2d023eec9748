//! An answer of the server's, read whole within a bound.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use serde::de::DeserializeOwned;
use tocsin_protocol::error::ErrorBody;

use super::unreachable;
use crate::{Error, Result};

/// A page of 200 messages with bodies of 16 KiB, escaped; more is not an answer of this API.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Longest wait that a server may impose: beyond it a person would rather see a new attempt.
const RETRY_AFTER_MOST: Duration = Duration::from_mins(10);

/// An answer: whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// How long to wait before asking again, if the server said.
    pub retry_after: Option<Duration>,
    /// `X-Poll-Interval`.
    pub(crate) poll_interval: Option<Duration>,
    /// `Content-Type`, for a pass-through.
    pub content_type: Option<String>,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// Sends the request and reads the answer.
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Result<Self> {
        let mut response = request.send().await.map_err(|e| unreachable(&e))?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let poll_interval = seconds(response.headers(), "x-poll-interval");
        let content_type = response
            .headers()
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(ToOwned::to_owned);
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| unreachable(&e))? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err(Error::Answer {
                    status: status.as_u16(),
                    detail: "the answer is too large".into(),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { status, retry_after, poll_interval, content_type, body: body.freeze() })
    }

    /// The answer if it is a success; otherwise what the server said.
    pub fn success(self) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        let status = self.status.as_u16();
        Err(match serde_json::from_slice::<ErrorBody>(&self.body) {
            Ok(body) => Error::Refused { status, error: body.error },
            Err(_) => {
                Error::Answer { status, detail: self.status.canonical_reason().unwrap_or("no reason").into() }
            }
        })
    }

    /// The body of a successful answer.
    pub fn json<T: DeserializeOwned>(self) -> Result<T> {
        let status = self.status.as_u16();
        let answer = self.success()?;
        serde_json::from_slice(&answer.body).map_err(|e| Error::Answer { status, detail: e.to_string() })
    }
}

/// `Retry-After` in seconds. The date form is left out: clients' clocks are wrong too often.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    seconds(headers, RETRY_AFTER.as_str()).map(|asked| asked.min(RETRY_AFTER_MOST))
}

fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

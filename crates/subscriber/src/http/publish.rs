//! Publishing, tried again under one key: however often it is sent, the server stores it once.

use std::time::Duration;

use http::Method;
use tocsin_protocol::{Publish, Published};
use tokio::time::Instant;

use super::{Answer, Api, CALL, json_body};
use crate::{Error, Result, connection::Backoff};

/// First and longest upper bound of the random wait between tries: those of a stream's reconnects.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

impl Api {
    /// Publishes once. `key` makes a repetition harmless (for 24 h).
    pub async fn publish_once(&self, publish: &Publish, key: &str) -> Result<Published> {
        self.try_publish(publish, key).await?.json()
    }

    /// Publishes, and tries again with the same key for as long as `patience` lasts when the server is busy or cannot
    /// be reached. With no patience it is tried once.
    pub async fn publish(&self, publish: &Publish, key: &str, patience: Duration) -> Result<Published> {
        let until = Instant::now() + patience;
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1, rand::random());
        loop {
            let (failure, hint) = match self.try_publish(publish, key).await {
                Ok(answer) => {
                    let hint = answer.retry_after;
                    match answer.json() {
                        Ok(published) => return Ok(published),
                        Err(error) => (error, hint),
                    }
                }
                Err(error) => (error, None),
            };
            let next = Instant::now() + backoff.next(hint);
            if !failure.is_temporary() || next >= until {
                return Err(failure);
            }
            tokio::time::sleep_until(next).await;
        }
    }

    async fn try_publish(&self, publish: &Publish, key: &str) -> Result<Answer> {
        let key = http::HeaderValue::try_from(key).map_err(|_| Error::Answer {
            status: 0,
            detail: "the idempotency key is not plain text".into(),
        })?;
        let request = self
            .prepare(Method::POST, "/v1/messages", &[])?
            .timeout(CALL)
            .header("Idempotency-Key", key)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(json_body(publish)?);
        Answer::of(request).await
    }
}

//! One signed request, and what its answer means.
//!
//! | answer | meaning |
//! |---|---|
//! | 2xx | accepted |
//! | 429, 503 with `Retry-After` | busy: the channel waits for it |
//! | 408, 429, 5xx | it broke down: again with the courier's pauses until it is given up |
//! | 410, 3xx | the address is none any more: the channel is parked |
//! | 407 | the proxy wants another login: the channel is parked |
//! | any other | this delivery is refused for good |
//! | none | unknown: again under the same id, which the receiver recognises |
//! | no connection | not sent |
//!
//! The answer's body says nothing that is needed. It is read a little way, so that a connection can be used again, and
//! forgotten: nothing of it is kept, logged or shown, whatever stands at the address.

use std::error::Error as StdError;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use tocsin_protocol::Millis;
use tocsin_store::outbox::GIVE_UP_AFTER;
use tocsin_wechat::errcode::excerpt;
use url::Url;

use super::{failing::PROXY_LOGIN, sign::Key};
use crate::{Class, Outcome, Parcel, Refusal};

/// The shortest wait that is granted: one that asks for none, again and again, would be asked in a loop.
const WAIT_LEAST: Millis = 5_000;
/// The longest: what waits is given up then, and whatever comes later would be news of yesterday.
const WAIT_MOST: Millis = GIVE_UP_AFTER;
/// How much of an answer is read. Receivers say "ok".
const ANSWER_BYTES: usize = 64 * 1024;

/// The request of one try.
pub(super) fn signed(
    client: &Client,
    url: &Url,
    key: &Key,
    parcel: &Parcel<'_>,
    now: Millis,
) -> RequestBuilder {
    let at = now.div_euclid(1000);
    client
        .post(url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", parcel.key)
        .header("webhook-timestamp", at.to_string())
        .header("webhook-signature", key.sign(parcel.key, at, parcel.body))
        .body(parcel.body.to_owned())
}

/// What became of it.
pub(super) async fn outcome(request: RequestBuilder, now: Millis) -> Outcome {
    match request.send().await {
        Ok(response) => {
            let said = meaning(response.status(), response.headers(), now);
            drain(response).await;
            said
        }
        // Up to the established connection nothing was sent; after it nobody knows.
        Err(error) if error.is_connect() || error.is_builder() => Outcome::NotSent(words(error)),
        Err(error) => Outcome::Unknown(words(error)),
    }
}

/// The status is the whole answer: how reading the rest goes changes nothing.
async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > ANSWER_BYTES {
            return;
        }
    }
}

fn meaning(status: StatusCode, headers: &HeaderMap, now: Millis) -> Outcome {
    if status.is_success() {
        return Outcome::Accepted { msgid: None, refused: Vec::new() };
    }
    let (class, wait) = match status.as_u16() {
        429 | 503 => match retry_after(headers, now) {
            Some(wait) => (Class::Busy, Some(wait)),
            None => (Class::Trouble, None),
        },
        408 | 500..=599 => (Class::Trouble, None),
        300..=399 | 407 | 410 => (Class::Config, None),
        _ => (Class::Permanent, None),
    };
    let code = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => PROXY_LOGIN.into(),
        _ => status.as_str().to_owned(),
    };
    let message = format!("HTTP status {status}");
    Outcome::Refused(Refusal {
        class,
        code,
        message,
        retry_after_ms: wait,
        broken: false,
        flagged: false,
        once_more: false,
    })
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Millis) -> Option<Millis> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u32>() {
        Ok(seconds) => Millis::from(seconds) * 1000,
        Err(_) => DateTimeParser::new().parse_timestamp(text).ok()?.as_millisecond().saturating_sub(now),
    };
    Some(wait.clamp(WAIT_LEAST, WAIT_MOST))
}

/// The innermost cause: the outer ones repeat the address, whose path may be a secret of the receiver's.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut last: &dyn StdError = &error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    excerpt(&last.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wed, 25 Nov 2026 10:00:00 UTC.
    const NOW: Millis = 1_795_600_800_000;

    fn said(status: u16, retry_after: Option<&str>) -> (Class, Option<Millis>) {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, text.parse().unwrap());
        }
        match meaning(StatusCode::from_u16(status).unwrap(), &headers, NOW) {
            Outcome::Refused(refusal) => (refusal.class, refusal.retry_after_ms),
            other => panic!("{status}: {other:?}"),
        }
    }

    #[test]
    fn a_status_has_its_class() {
        for (statuses, class) in [
            (&[408, 429, 500, 502, 503, 504][..], Class::Trouble),
            (&[301, 302, 307, 308, 407, 410], Class::Config),
            (&[400, 401, 403, 404, 413, 422], Class::Permanent),
        ] {
            for status in statuses {
                assert_eq!(said(*status, None), (class, None), "{status}");
            }
        }
        for status in [200, 201, 202, 204] {
            let said = meaning(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), NOW);
            assert!(matches!(said, Outcome::Accepted { .. }), "{status}");
        }
    }

    #[test]
    fn a_wait_is_in_seconds_or_until_a_date_and_has_bounds() {
        let wait = |text| said(503, Some(text));
        assert_eq!(wait("120"), (Class::Busy, Some(120_000)));
        assert_eq!(wait("Wed, 25 Nov 2026 10:02:00 GMT"), (Class::Busy, Some(120_000)));
        assert_eq!(wait("0"), (Class::Busy, Some(WAIT_LEAST)));
        assert_eq!(wait("Wed, 25 Nov 2020 10:02:00 GMT"), (Class::Busy, Some(WAIT_LEAST)));
        assert_eq!(wait("4294967295"), (Class::Busy, Some(WAIT_MOST)));
        for nonsense in ["", "soon", "-5", "1e9"] {
            assert_eq!(wait(nonsense), (Class::Trouble, None), "{nonsense}");
        }
        assert_eq!(said(429, Some("60")), (Class::Busy, Some(60_000)));
        assert_eq!(said(500, Some("60")), (Class::Trouble, None));
    }
}

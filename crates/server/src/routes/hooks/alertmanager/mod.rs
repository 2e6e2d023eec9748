//! `POST /v1/hooks/alertmanager/{topic}`: Prometheus' Alertmanager as a sender.
//!
//! - A group of alerts is a thread: its key is the hash of `groupKey`, so that a later notification supersedes the
//!   earlier one and "resolved" changes the popup that is there.
//! - The same status and the same set of (fingerprint, startsAt, status) within five minutes is a retry, or the twin of a
//!   second Alertmanager in a cluster: it is answered with the id that is there. That is what idempotency keys do, so it
//!   is one. Each Alertmanager may have a token of its own: the group's thread is shared by all sender tokens of
//!   the topic. Later it is a new version; whether it pops up again is the rule of carried-over acknowledgements.
//! - Alertmanager drops what is answered 4xx and tries 5xx again: whatever may pass by itself answers 503.

mod payload;
mod words;

use std::fmt::Write;

use axum::{
    Json as Answer,
    extract::{FromRequest, Request, State},
    http::StatusCode,
};
use sha2::{Digest, Sha256};
use tocsin_locale::Locale;
use tocsin_protocol::{Action, Code, Format, Millis, Published};
use tocsin_store::{Idempotency, NewMessage, SecretHash, Sender};

pub use payload::{Alert, Notification, Status};

use crate::{
    AppState, Failure,
    auth::Identity,
    metrics::PublishResult,
    routes::{
        check,
        input::{Json, Path},
        publish::submit,
    },
};

/// The same notification within this long is a retry or a twin.
const SAME_MS: Millis = 5 * 60_000;
/// The version of the payload.
const VERSION: &str = "4";
/// Told with 503 where no better time is known, seconds: Alertmanager's own first retries come sooner.
const RETRY_AFTER_S: u64 = 5;

/// Takes a notification of Alertmanager (webhook, payload version 4).
#[utoipa::path(post, path = "/v1/hooks/alertmanager/{topic}", tag = "hooks", params(("topic" = String, Path)), request_body = Notification,
    responses((status = 200, body = Published), (status = 503, body = tocsin_protocol::error::ErrorBody)))]
pub async fn hook(
    State(state): State<AppState>,
    identity: Identity,
    Path(topic): Path<String>,
    request: Request,
) -> Result<(StatusCode, Answer<Published>), Failure> {
    let answer = take(&state, &identity, topic, request).await;
    answer.map(|(_, published)| (StatusCode::OK, published)).map_err(|failure| {
        state.metrics.published(PublishResult::Refused);
        again(failure)
    })
}

async fn take(
    state: &AppState,
    identity: &Identity,
    topic: String,
    request: Request,
) -> Result<(StatusCode, Answer<Published>), Failure> {
    state.pace.take(identity.principal.token, (state.clock)())?;
    check::name("topic", &topic)?;
    // Alertmanager sends `application/json`; whoever forwards its webhooks by hand is told the same as everybody.
    let Json(group) = Json::<Notification>::from_request(request, state).await?;
    if group.version != VERSION {
        return Err(Failure::new(
            Code::BadRequest,
            format!("payload version {:?} is not known", group.version),
        )
        .hint("this route takes Alertmanager's webhook payload, version 4"));
    }
    submit(state, message(identity.sender(), topic, &group, state.alerts.locale())).await
}

fn message(sender: Sender, topic: String, group: &Notification, locale: &Locale) -> NewMessage {
    let firing = group.status == Status::Firing;
    let same = same(&topic, group);
    NewMessage {
        sender,
        key: Some(format!("alertmanager:{}", &hex(&Sha256::digest(group.group_key.as_bytes()).into())[..32])),
        topic: Some(topic),
        to: Vec::new(),
        title: words::title(group, locale),
        body: words::body(group, locale),
        format: Format::Markdown,
        priority: words::priority(group),
        tags: vec!["alertmanager".into(), group.status.as_str().into()],
        click: words::click(group),
        actions: if firing { vec![Action::Acknowledge { label: None }] } else { Vec::new() },
        replaces: None,
        resolved: !firing,
        expires_in_ms: None,
        // A space can not stand in a client's own key, so the two never meet.
        idempotency: Some(Idempotency {
            key: format!("alertmanager {}", hex(&same)),
            request: same,
            keep_ms: SAME_MS,
        }),
        twins: true,
        policy: None,
        report: None,
    }
}

/// What makes two notifications the same: group, status, and the set of alerts with since when and how they are.
fn same(topic: &str, group: &Notification) -> SecretHash {
    let mut alerts: Vec<String> = group
        .alerts
        .iter()
        .map(|alert| format!("{:?} {:?} {}", alert.fingerprint, alert.starts_at, alert.status.as_str()))
        .collect();
    alerts.sort();
    alerts.dedup();
    let mut hash = Sha256::new();
    for part in [topic, group.group_key.as_str(), group.status.as_str()]
        .into_iter()
        .chain(alerts.iter().map(String::as_str))
    {
        // The length before each part: no two lists run together to the same text.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

fn hex(bytes: &SecretHash) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// What may pass by itself becomes 503, because Alertmanager drops every 4xx.
fn again(mut failure: Failure) -> Failure {
    if failure.error.code == Code::RateLimited {
        failure.error.code = Code::Busy;
    }
    if failure.status() == StatusCode::SERVICE_UNAVAILABLE && failure.retry_after_s.is_none() {
        failure.retry_after_s = Some(RETRY_AFTER_S);
    }
    failure
}

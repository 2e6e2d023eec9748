//! `POST /v1/messages`: stored durably, then answered.

use axum::{
    Json as Answer,
    extract::{FromRequest, Request, State},
    http::{HeaderValue, StatusCode},
};
use sha2::{Digest, Sha256};
use tocsin_protocol::{
    Action, Millis, Publish, Published,
    limits::{
        ACTIONS, BODY_BYTES, EXPIRES_IN_S, IDEMPOTENCY_KEY_BYTES, KEY_BYTES, LABEL_BYTES, RECIPIENTS,
        TAG_BYTES, TAGS, TITLE_BYTES,
    },
};
use tocsin_store::{Idempotency, NewMessage, Sender, escalation::SILENCE_KEY};

use super::{
    check::{self, invalid},
    input::Json,
};
use crate::{AppState, Failure, auth::Identity, metrics::PublishResult};

/// A repeated `Idempotency-Key` is recognised for this long: a day of retries.
const KEEP_KEYS_MS: Millis = 24 * 3600 * 1000;

/// Publishes a message.
///
/// Answers 201 only after the message is durable. Repeating a request with the same `Idempotency-Key` repeats the
/// original answer.
#[utoipa::path(post, path = "/v1/messages", tag = "messages", request_body = Publish,
    params(("Idempotency-Key" = Option<String>, Header, description = "Recognises a repetition for 24 h; up to 128 visible ASCII characters")),
    responses((status = 201, body = Published), (status = "4XX", body = tocsin_protocol::error::ErrorBody)))]
pub async fn publish(
    State(state): State<AppState>,
    identity: Identity,
    request: Request,
) -> Result<(StatusCode, Answer<Published>), Failure> {
    let answer = stored(&state, &identity, request).await;
    if answer.is_err() {
        state.metrics.published(PublishResult::Refused);
    }
    answer
}

async fn stored(
    state: &AppState,
    identity: &Identity,
    request: Request,
) -> Result<(StatusCode, Answer<Published>), Failure> {
    state.pace.take(identity.principal.token, (state.clock)())?;
    let key = request.headers().get("idempotency-key").cloned();
    let Json(publish) = Json::<Publish>::from_request(request, state).await?;
    check_fields(&publish)?;
    let idempotency = key.map(|key| idempotency(&key, &publish)).transpose()?;
    let message = message(identity.sender(), publish, idempotency);
    submit(state, message).await
}

/// Stores a message that was checked.
pub async fn submit(
    state: &AppState,
    message: NewMessage,
) -> Result<(StatusCode, Answer<Published>), Failure> {
    let publication = state.store.publish(message).await?;
    let result = if publication.repeated { PublishResult::Repeated } else { PublishResult::Stored };
    state.metrics.published(result);
    Ok((StatusCode::CREATED, Answer(publication.published)))
}

fn message(sender: Sender, publish: Publish, idempotency: Option<Idempotency>) -> NewMessage {
    NewMessage {
        sender,
        topic: publish.topic,
        to: publish.to,
        title: publish.title.unwrap_or_default(),
        body: publish.body.unwrap_or_default(),
        format: publish.format,
        priority: publish.priority,
        tags: publish.tags,
        click: publish.click,
        actions: publish.actions,
        key: publish.key,
        replaces: publish.replaces,
        resolved: publish.resolved,
        expires_in_ms: publish
            .expires_in
            .and_then(|seconds| Millis::try_from(seconds).ok())
            .map(|seconds| seconds * 1000),
        idempotency,
        twins: false,
        policy: publish.policy,
        report: publish.report,
    }
}

fn idempotency(key: &HeaderValue, publish: &Publish) -> Result<Idempotency, Failure> {
    let key = key.to_str().ok().filter(|key| {
        (1..=IDEMPOTENCY_KEY_BYTES).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    });
    let key = key.ok_or_else(|| {
        invalid("Idempotency-Key", format!("1 to {IDEMPOTENCY_KEY_BYTES} visible ASCII characters are taken"))
    })?;
    // Over the parsed request: a client that orders or spaces its JSON differently in a retry means the same message.
    let parsed = serde_json::to_vec(publish).map_err(|error| invalid("body", error))?;
    Ok(Idempotency { key: key.into(), request: Sha256::digest(parsed).into(), keep_ms: KEEP_KEYS_MS })
}

/// Everything that can be said about a message without looking at the store.
pub fn check_fields(publish: &Publish) -> Result<(), Failure> {
    address(publish)?;
    let title = publish.title.as_deref().unwrap_or_default();
    let body = publish.body.as_deref().unwrap_or_default();
    if title.trim().is_empty() && body.trim().is_empty() {
        return Err(invalid("body", "neither a title nor a body was given"));
    }
    check::text("title", title, TITLE_BYTES)?;
    check::text("body", body, BODY_BYTES)?;
    many("tags", publish.tags.len(), TAGS)?;
    for (at, tag) in publish.tags.iter().enumerate() {
        check::some_text(&format!("tags[{at}]"), tag, TAG_BYTES)?;
    }
    if let Some(click) = &publish.click {
        check::url("click", click)?;
    }
    if let Some(key) = &publish.key {
        check::some_text("key", key, KEY_BYTES)?;
        if key.starts_with(SILENCE_KEY) {
            return Err(invalid(
                "key",
                format!("{SILENCE_KEY:?} is what the server tells of silent topics with"),
            )
            .hint("take a key that begins otherwise"));
        }
    }
    if publish.key.is_some() && publish.replaces.is_some() {
        return Err(invalid("replaces", "contradicts `key`")
            .hint("`key` finds the older version by itself; give one of the two"));
    }
    check::span_s("expires_in", publish.expires_in, EXPIRES_IN_S)?;
    if let Some(policy) = &publish.policy {
        check::name("policy", policy)?;
    }
    if let Some(report) = &publish.report {
        check::name("report.channel", &report.channel)?;
        if report.on.is_empty() {
            return Err(
                invalid("report.on", "names nothing to report").hint("for example [\"acknowledged_by_any\"]")
            );
        }
    }
    many("actions", publish.actions.len(), ACTIONS)?;
    for (at, action) in publish.actions.iter().enumerate() {
        action_fields(at, action)?;
    }
    Ok(())
}

fn address(publish: &Publish) -> Result<(), Failure> {
    match (&publish.topic, publish.to.len()) {
        (None, 0) => Err(invalid("topic", "neither `topic` nor `to` was given")
            .hint("`topic` reaches its members, `to` a list of people")),
        (Some(_), 1..) => Err(invalid("to", "contradicts `topic`").hint("give one of the two")),
        (Some(topic), 0) => check::name("topic", topic),
        (None, people) => {
            many("to", people, RECIPIENTS)?;
            publish.to.iter().enumerate().try_for_each(|(at, user)| check::name(&format!("to[{at}]"), user))
        }
    }
}

fn action_fields(at: usize, action: &Action) -> Result<(), Failure> {
    let label = format!("actions[{at}].label");
    match action {
        Action::OpenUrl { label: text, url } => {
            check::some_text(&label, text, LABEL_BYTES)?;
            check::url(&format!("actions[{at}].url"), url)
        }
        Action::Acknowledge { label: Some(text) } => check::some_text(&label, text, LABEL_BYTES),
        Action::Acknowledge { label: None } => Ok(()),
    }
}

fn many(field: &str, count: usize, most: usize) -> Result<(), Failure> {
    if count > most {
        return Err(invalid(field, format!("{count} entries, at most {most} are taken")));
    }
    Ok(())
}

//! What a request carries, read with limits, and refused in the one shape of every error with the field named.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{
        HeaderMap,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
        request::Parts,
    },
};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use tocsin_protocol::{Code, limits::REQUEST_BYTES};

use crate::{AppState, Failure};

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        is_json(&parts.headers)?;
        let bytes = read(&parts.headers, body, state).await?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out.
pub struct MaybeJson<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<AppState> for MaybeJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        is_json(&parts.headers)?;
        parse(&bytes).map(Self)
    }
}

/// The query. Unknown parameters are refused where the type says so.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Failure> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|axum::extract::Query(query)| Self(query)).map_err(
            |error| {
                Failure::new(Code::BadRequest, format!("the query is not understood: {}", innermost(&error)))
            },
        )
    }
}

/// Segments of the path. What can not be read names nothing, so it is not found.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Failure> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(path)| Self(path))
            .map_err(|error| Failure::new(Code::NotFound, error.body_text()))
    }
}

fn is_json(headers: &HeaderMap) -> Result<(), Failure> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    let told = if kind.is_empty() { "a body without a Content-Type".to_owned() } else { format!("{kind:?}") };
    Err(Failure::new(Code::UnsupportedMediaType, format!("{told} is not taken here"))
        .hint("send JSON with `Content-Type: application/json`; files can not be uploaded, link to them with `click`"))
}

async fn read(headers: &HeaderMap, body: Body, state: &AppState) -> Result<Bytes, Failure> {
    let told = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|bytes| bytes > REQUEST_BYTES) {
        return Err(too_large());
    }
    let deadline = state.config.connections.body_timeout;
    match tokio::time::timeout(deadline, to_bytes(body, REQUEST_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_length_limit(&error) => Err(too_large()),
        Ok(Err(_)) => Err(Failure::new(Code::BadRequest, "the body ended early")),
        Err(_) => Err(Failure::new(
            Code::BadRequest,
            format!("the body did not arrive within {} s", deadline.as_secs()),
        )),
    }
}

fn is_length_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

fn too_large() -> Failure {
    Failure::new(Code::TooLarge, format!("the body is larger than {REQUEST_BYTES} bytes"))
        .hint("send a link to what is large, with `click`")
}

/// Reads JSON; says where it is wrong.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    // Keeping track of the path costs more than the reading itself, so it is only done to explain.
    serde_json::from_slice(bytes).or_else(|_| explained(bytes))
}

fn explained<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { String::new() } else { format!("{path}: ") };
        let inner = error.into_inner();
        let what = if inner.is_data() {
            "the body does not have the documented shape"
        } else {
            "the body is not JSON"
        };
        Failure::new(Code::BadRequest, format!("{what}: {at}{inner}"))
            .hint("the shape of every body is in /openapi.json")
    })?;
    json.end().map_err(|error| {
        Failure::new(Code::BadRequest, format!("the body is not one JSON value: {error}"))
    })?;
    Ok(value)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A yes in a query: `?unread`, `?unread=1`, `?unread=true`.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        other => Err(serde::de::Error::custom(format!("expected true or false, found {other:?}"))),
    }
}

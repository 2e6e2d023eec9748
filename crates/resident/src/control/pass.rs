//! Everything else of `/v1/…`: handed to the server with this device's token added. Only method, path, query, body and
//! the idempotency key go on; only status, content type and body come back. Redirects are not followed, answers are
//! bounded: `tocsin_subscriber::http::Api` sees to both.

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, Response, StatusCode, Uri, header},
};
use http_body_util::{BodyExt as _, Limited};
use tocsin_control::is_api_path;
use tocsin_protocol::{Code, control::Connection, limits::REQUEST_BYTES};
use tocsin_subscriber::Error;

use super::{Control, Fault};
use crate::{moment::Moment, tray::one_line};

/// Names a publish that may be sent twice.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(super) async fn any(
    State(control): State<Control>,
    uri: Uri,
    request: Request,
) -> Result<Response<Body>, Fault> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_BYTES).collect().await.map_err(|_| {
        Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooLarge,
            format!("the body is larger than {REQUEST_BYTES} bytes"),
        )
    })?;
    let body = Some(body.to_bytes()).filter(|body| !body.is_empty());
    on(&control, parts.method, &uri, body, idempotency_key(&parts.headers)).await
}

/// Hands a call to the server.
pub(super) async fn on(
    control: &Control,
    method: Method,
    uri: &Uri,
    body: Option<Bytes>,
    idempotency_key: Option<String>,
) -> Result<Response<Body>, Fault> {
    if !is_api_path(uri.path()) {
        return Err(Fault::new(StatusCode::NOT_FOUND, Code::NotFound, "no such route on the control socket"));
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let link = control.link()?;
    let api = link.api().ok_or_else(|| offline(control, None))?;
    let headers: Vec<(&str, &str)> =
        idempotency_key.iter().map(|key| (IDEMPOTENCY_KEY, key.as_str())).collect();
    let answer = match api.request_with(method, target, &headers, body.filter(|body| !body.is_empty())).await
    {
        Ok(answer) => answer,
        Err(error @ (Error::Unreachable(_) | Error::Certificate(_))) => {
            return Err(offline(control, Some(&error)));
        }
        Err(error) => return Err(error.into()),
    };
    let mut response = Response::builder().status(answer.status);
    if let Some(content_type) = answer.content_type {
        response = response.header(header::CONTENT_TYPE, content_type);
    }
    if let Some(wait) = answer.retry_after {
        response = response.header(header::RETRY_AFTER, wait.as_secs());
    }
    response.body(Body::from(answer.body)).map_err(|error| Fault::internal(error.to_string()))
}

/// `offline`, with since when and why.
pub(super) fn offline(control: &Control, error: Option<&Error>) -> Fault {
    match control.desk.status().connection {
        Connection::Offline { since, reason, .. } => {
            Fault::offline(format!("offline since {}: {reason}", Moment::from(since).short()))
        }
        Connection::Refused { reason, .. } => Fault::offline(reason),
        Connection::Idle => {
            Fault::offline("no server has been chosen yet").hint("host or join one in the window")
        }
        Connection::Connecting | Connection::Online { .. } => {
            let why = error.map_or_else(|| "connecting".into(), ToString::to_string);
            Fault::offline(one_line(&why, 200))
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Option<String> {
    headers.get(IDEMPOTENCY_KEY)?.to_str().ok().map(ToOwned::to_owned)
}

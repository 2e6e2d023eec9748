//! What every request passes before its route: Host, Origin, method, role; and what every answer gets.
//!
//! One layer over all routes, the fall-back included, so that none can be forgotten: the order is Host (421), Origin
//! (403), method (405), credential (401), role (403). A WebSocket upgrade is a GET like any other here.

mod host;
mod origin;
mod seen;
pub mod table;

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{
        HeaderValue, Method, StatusCode,
        header::{ALLOW, CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use tocsin_protocol::Code;

pub use host::{Names, origin_of};
pub use seen::{Peer, Seen};

use self::table::{Access, Rule};
use crate::{AppState, Failure, auth::Identity};

/// What the layer needs.
#[derive(Clone)]
pub struct Guard {
    state: AppState,
    names: Arc<Names>,
}

impl Guard {
    /// Guards the routes of `state`.
    pub fn new(state: AppState) -> Self {
        let names = Arc::new(Names::new(&state.config));
        Self { state, names }
    }

    async fn admit(&self, parts: &mut Parts) -> Result<Option<&'static Rule>, Failure> {
        let seen = Seen::of(parts, &self.state.config);
        self.names.check(seen.host)?;
        origin::check(parts, &seen, &self.names, self.state.store.instance())?;
        let here = seen.is_here();
        // No matched path: the fall-back (the page, or 404), which is public.
        let Some(path) = parts.extensions.get::<MatchedPath>() else { return Ok(None) };
        let Some(rule) = table::find(parts.method.as_str(), path.as_str()) else {
            return Err(wrong_method(&parts.method, path.as_str()));
        };
        if rule.access == Access::Public || (rule.access == Access::AdminOrHere && here) {
            return Ok(Some(rule));
        }
        let identity = Identity::from_request_parts(parts, &self.state).await?;
        match rule.access {
            Access::Person => _ = identity.user()?,
            Access::Admin | Access::AdminOrHere => identity.admin()?,
            Access::Public | Access::Anyone => {}
        }
        parts.extensions.insert(identity);
        Ok(Some(rule))
    }
}

fn wrong_method(method: &Method, path: &str) -> Failure {
    let allowed = table::methods(path);
    if allowed.is_empty() {
        return Failure::new(Code::Internal, format!("{path} has no line in the table of roles"));
    }
    let allowed = allowed.join(", ");
    Failure::new(Code::MethodNotAllowed, format!("{method} does not fit this route"))
        .hint(format!("it takes {allowed}"))
}

/// The layer.
pub async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let method = parts.method.clone();
    let api = parts.uri.path().starts_with("/v1/");
    let (rule, mut answer) = match guard.admit(&mut parts).await {
        Ok(rule) => (rule, next.run(Request::from_parts(parts, body)).await),
        Err(failure) => {
            let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
            let allow =
                (failure.error.code == Code::MethodNotAllowed).then(|| table::methods(path).join(", "));
            let mut answer = failure.into_response();
            if let Some(value) = allow.and_then(|methods| HeaderValue::from_str(&methods).ok()) {
                answer.headers_mut().insert(ALLOW, value);
            }
            (table::find(parts.method.as_str(), path), answer)
        }
    };
    // Only names from the table become labels: what a stranger writes must not make series.
    guard.state.metrics.request(rule.map_or("other", |rule| rule.path), &method, answer.status());
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        guard.state.ready.doubt();
    }
    let headers = answer.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if api && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    answer
}

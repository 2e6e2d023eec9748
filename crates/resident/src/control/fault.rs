//! What the control socket answers when it cannot do what it is asked, in the shape of the server's API. The window
//! speaks the person's language and learns of a [`Refusal`] by its name.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tocsin_protocol::{ApiError, Code, control::Refusal};
use tocsin_subscriber::Error;

/// An error answer.
#[derive(Clone, Debug)]
pub struct Fault {
    status: StatusCode,
    error: ApiError,
    reason: Option<Refusal>,
}

/// Its body.
#[derive(Serialize)]
struct Body {
    error: Told,
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    error: ApiError,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Refusal>,
}

impl Fault {
    /// An error with its HTTP status.
    pub fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, error: ApiError { code, message: message.into(), hint: None }, reason: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error.hint = Some(hint.into());
        self
    }

    /// Which refusal it is, for the window.
    #[must_use]
    pub fn because(mut self, reason: Refusal) -> Self {
        self.reason = Some(reason);
        self
    }

    /// There is no connection to the server.
    pub fn offline(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Offline, message)
    }

    /// What was asked makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidField, message)
    }

    /// A fault of this program's or the system's, which is in the log.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        tracing::error!(%message, "what was asked cannot be done");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, message)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let told = Told { error: self.error, reason: self.reason };
        (self.status, Json(Body { error: told })).into_response()
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if let Error::Refused { status, error } = error {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            return Self { status, error, reason: None };
        }
        let invite =
            matches!(error, Error::Invite(_) | Error::Fingerprint | Error::Origin(_) | Error::PlainHttp(_));
        let code = error.code();
        let status = match code {
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::InvalidField => StatusCode::BAD_REQUEST,
            Code::Offline | Code::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let fault = Self::new(status, code, error.to_string());
        if invite { fault.because(Refusal::Invite) } else { fault }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::json;
    use tocsin_protocol::invite::InviteText;

    use super::*;

    #[tokio::test]
    async fn a_refusal_is_named_beside_what_the_servers_api_says() {
        let said = async |fault: Fault| {
            let body = fault.into_response().into_body().collect().await.unwrap().to_bytes();
            serde_json::from_slice::<serde_json::Value>(&body).unwrap()
        };
        assert_eq!(
            said(Fault::invalid("no").hint("do").because(Refusal::QuietHours)).await,
            json!({ "error": { "code": "invalid_field", "message": "no", "hint": "do", "reason": "quiet_hours" } })
        );
        let told = said("not an invite".parse::<InviteText>().map_err(Error::from).unwrap_err().into()).await;
        assert_eq!(told["error"]["reason"], "invite", "{told}");
        assert_eq!(
            said(Fault::offline("away")).await,
            json!({ "error": { "code": "offline", "message": "away" } })
        );
    }
}

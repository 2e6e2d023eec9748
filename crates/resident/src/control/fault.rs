//! What the control socket answers when it cannot do what it is asked, in the shape of the server's API.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tocsin_protocol::{ApiError, Code, error::ErrorBody};

/// An error answer.
#[derive(Clone, Debug)]
pub struct Fault {
    status: StatusCode,
    error: ApiError,
}

impl Fault {
    /// An error with its HTTP status.
    pub fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, error: ApiError { code, message: message.into(), hint: None } }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error.hint = Some(hint.into());
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

    /// A fault of this program's or the system's.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, message)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorBody { error: self.error })).into_response()
    }
}

impl From<tocsin_subscriber::Error> for Fault {
    fn from(error: tocsin_subscriber::Error) -> Self {
        if let tocsin_subscriber::Error::Refused { status, error } = error {
            return Self { status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), error };
        }
        let code = error.code();
        let status = match code {
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::InvalidField => StatusCode::BAD_REQUEST,
            Code::Offline | Code::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, code, error.to_string())
    }
}

//! Every answer that is not a success: code, status, sentence and hint in one place.

use axum::{
    Json,
    http::{
        StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use tocsin_protocol::{ApiError, Code, error::ErrorBody};

/// A request that was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// What the client is told.
    pub error: ApiError,
    /// Seconds after which trying again makes sense.
    pub retry_after_s: Option<u64>,
}

impl Failure {
    /// A failure with a sentence for people.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { error: ApiError { code, message: message.into(), hint: None }, retry_after_s: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error.hint = Some(hint.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The HTTP status of a code.
    pub fn status(&self) -> StatusCode {
        match self.error.code {
            Code::BadRequest | Code::BadCursor => StatusCode::BAD_REQUEST,
            Code::InvalidField | Code::UnknownUser => StatusCode::UNPROCESSABLE_ENTITY,
            Code::UnknownTopic | Code::NotFound => StatusCode::NOT_FOUND,
            Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Code::Unauthorised => StatusCode::UNAUTHORIZED,
            Code::Forbidden | Code::WrongOrigin => StatusCode::FORBIDDEN,
            Code::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Code::IdempotencyConflict | Code::Conflict => StatusCode::CONFLICT,
            Code::Gone => StatusCode::GONE,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Code::StoreUnavailable | Code::Busy | Code::Offline | Code::Keyring => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Code::Internal | Code::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<tocsin_store::Error> for Failure {
    fn from(error: tocsin_store::Error) -> Self {
        use tocsin_store::Error as E;
        let text = error.to_string();
        match error {
            E::UnknownTopic(_) => Self::new(Code::UnknownTopic, text)
                .hint("create it first, or check the spelling: GET /v1/topics lists them"),
            E::UnknownUser(_) => Self::new(Code::UnknownUser, text)
                .hint("nothing was sent to anybody; GET /v1/users lists who can be named"),
            E::NotFound(_) => Self::new(Code::NotFound, text),
            E::Forbidden(_) => Self::new(Code::Forbidden, text),
            E::IdempotencyConflict => {
                Self::new(Code::IdempotencyConflict, text).hint("use a new key for a new message")
            }
            E::Invalid(_) => Self::new(Code::InvalidField, text),
            E::Conflict(_) => Self::new(Code::Conflict, text),
            E::TooManyDevices(_) => Self::new(Code::Conflict, text)
                .hint("remove one that is not used any more: GET /v1/devices lists them, DELETE /v1/devices/{name} removes one"),
            E::Gone => Self::new(Code::Gone, text).hint("ask for a new one"),
            E::Unavailable(_) => Self::new(Code::StoreUnavailable, text)
                .hint("free disk space or mend the directory's rights; it recovers by itself")
                .retry_after(5),
            E::Poisoned(_) => Self::new(Code::StoreUnavailable, text)
                .hint("check the disk, then restart the server")
                .retry_after(30),
            E::Newer { .. } | E::InUse(_) | E::Damaged(_) => Self::new(Code::StoreUnavailable, text),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self.error, "request failed");
        }
        let retry = self.retry_after_s.map(|s| [(RETRY_AFTER, s.to_string())]);
        let ask = (status == StatusCode::UNAUTHORIZED).then_some([(WWW_AUTHENTICATE, "Bearer")]);
        (status, retry, ask, Json(ErrorBody { error: self.error })).into_response()
    }
}

//! The one shape of every error answer: `{"error":{"code","message","hint"}}`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// What went wrong, for programs. Codes are stable; messages are for people and may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not JSON, or not of the documented shape.
    BadRequest,
    /// A field is too long, out of range or contradicts another.
    InvalidField,
    /// Not `epoch-seq`.
    BadCursor,
    /// No such topic.
    UnknownTopic,
    /// No such user.
    UnknownUser,
    /// No such message, token, device or route.
    NotFound,
    /// The method does not fit the route.
    MethodNotAllowed,
    /// No token, or one that is unknown, expired or revoked.
    Unauthorised,
    /// The token is good, but not for this.
    Forbidden,
    /// The `Host` names none of this server's names.
    WrongHost,
    /// The `Origin` is not this page.
    WrongOrigin,
    /// The `Idempotency-Key` was used for another request.
    IdempotencyConflict,
    /// The name is taken, or the last admin would go.
    Conflict,
    /// The code was used, or its time is over.
    Gone,
    /// The body is larger than allowed.
    TooLarge,
    /// Uploads and other content types are not taken.
    UnsupportedMediaType,
    /// Slow down; `Retry-After` tells how long.
    RateLimited,
    /// Nothing can be stored now; try again.
    StoreUnavailable,
    /// The server is shutting down or full; try again.
    Busy,
    /// The resident has no connection to its server.
    Offline,
    /// The OS keyring is locked, missing or failed.
    Keyring,
    /// A fault of the server's; it is in its log.
    Internal,
    /// A code that this client is too old to know.
    #[serde(other)]
    Unknown,
}

/// The error itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema, thiserror::Error)]
#[error("{message}")]
#[ts(optional_fields)]
pub struct ApiError {
    /// For programs.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The body of an error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ApiError,
}

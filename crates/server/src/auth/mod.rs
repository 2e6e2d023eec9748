//! Who asks.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use tocsin_protocol::Code;
use tocsin_store::{Principal, SecretHash, Store};

use crate::{AppState, Failure};

/// Who presents which secret, remembered until the log says otherwise.
pub struct Credentials {
    store: Arc<dyn Store>,
}

impl Credentials {
    /// Nothing remembered yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

/// Who asks, and how they proved it. An extractor: a route that takes it needs a valid credential.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The person or program.
    pub principal: Arc<Principal>,
    /// How it was proved.
    pub via: Via,
}

/// How an identity was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// `Authorization: Bearer`.
    Bearer,
    /// The session cookie; names the session so that its end closes streams.
    Cookie(SecretHash),
    /// A one-time ticket (streams only).
    Ticket,
}

impl FromRequestParts<AppState> for Identity {
    type Rejection = Failure;

    async fn from_request_parts(_parts: &mut Parts, state: &AppState) -> Result<Self, Failure> {
        let _ = &state.credentials.store;
        Err(Failure::new(Code::Unauthorised, "a token is needed"))
    }
}

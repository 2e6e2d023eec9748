//! What a client asks for when it opens a stream.

use std::sync::Arc;

use axum::{
    RequestPartsExt,
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::Deserialize;
use tocsin_protocol::{Code, Cursor, limits};
use tocsin_store::{DeviceId, UserId};
use tokio::time::Instant;

use super::{
    feed::{CatchUp, Feed},
    start::Start,
};
use crate::{
    AppState, Failure,
    auth::Identity,
    hub::{Refused, Who},
    listen::Wire,
    metrics::Transport,
};

/// Longest `instance`: a UUID with room to spare.
const INSTANCE_BYTES: usize = 64;

#[derive(Debug, Deserialize)]
struct Asked {
    cursor: Option<String>,
    device: Option<String>,
    instance: Option<String>,
}

/// What a client asks for when it opens a stream; credentials, names and cursor are checked.
#[derive(Debug)]
pub struct Opening {
    /// Who asks. Kept as long as the stream, so that a ticket knows when it is over.
    pub identity: Identity,
    /// Whose stream it is.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// The device that acknowledgements are booked on.
    pub device: String,
    /// Replaces an older stream of the same person and instance.
    pub instance: Option<Box<str>>,
    /// Continue after this.
    pub cursor: Option<Cursor>,
    /// The connection underneath; `None` without a socket.
    pub wire: Option<Arc<Wire>>,
}

impl FromRequestParts<AppState> for Opening {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Failure> {
        let identity = Identity::from_request_parts(parts, state).await?;
        let (user, name) = identity.user().map(|(id, name, _)| (id, name.to_owned()))?;
        let Query(asked) = parts
            .extract::<Query<Asked>>()
            .await
            .map_err(|error| Failure::new(Code::BadRequest, error.body_text()))?;
        let device = device_name(&identity, asked.device.as_deref())?;
        if asked.instance.as_ref().is_some_and(|instance| instance.len() > INSTANCE_BYTES) {
            return Err(Failure::new(
                Code::InvalidField,
                format!("instance is longer than {INSTANCE_BYTES} bytes"),
            ));
        }
        let cursor = asked.cursor.as_deref().filter(|text| !text.is_empty()).map(cursor).transpose()?;
        let wire = parts.extensions.get::<Arc<Wire>>().cloned();
        Ok(Self { identity, user, name, device, instance: asked.instance.map(Into::into), cursor, wire })
    }
}

/// Reads a cursor.
pub fn cursor(text: &str) -> Result<Cursor, Failure> {
    text.parse().map_err(|error: tocsin_protocol::cursor::BadCursor| {
        Failure::new(Code::BadCursor, error.to_string())
            .hint("leave the cursor out to begin where this device last acknowledged")
    })
}

/// The device that a stream of `identity` is booked on: the one it names, its token's own, or one named after the token.
pub fn device_name(identity: &Identity, named: Option<&str>) -> Result<String, Failure> {
    let name = match (named, &identity.principal.device) {
        (Some(named), _) => named.to_owned(),
        (None, Some(own)) => own.clone(),
        (None, None) => format!("token-{}", identity.principal.token.0.unsigned_abs()),
    };
    if limits::is_name(&name) {
        return Ok(name);
    }
    Err(Failure::new(
        Code::InvalidField,
        "a device name has 1 to 64 of the characters A-Z a-z 0-9 . _ - and begins with a letter or digit",
    ))
}

/// Why a stream was not opened.
#[derive(Debug)]
pub enum NotNow {
    /// See [`Refused`].
    Hub(Refused),
    /// The store did not answer.
    Store(tocsin_store::Error),
    /// The credential ended meanwhile.
    Ended(Failure),
}

impl From<tocsin_store::Error> for NotNow {
    fn from(error: tocsin_store::Error) -> Self {
        Self::Store(error)
    }
}

impl Opening {
    /// Enters the hub and begins to read. `wire` only for transports whose task waits for the socket alone.
    pub async fn feed(&self, state: &AppState, start: &Start, transport: Transport) -> Result<Feed, NotNow> {
        let wire = self.wire.clone().filter(|_| transport == Transport::Sse);
        let link =
            state.hub.enter(self.who(start.device.id, transport), start.at, wire).map_err(NotNow::Hub)?;
        // A revocation between the check of the credential and the line above would be missed by both.
        self.identity.recheck(state).await.map_err(NotNow::Ended)?;
        let catch_up = CatchUp {
            store: state.store.clone(),
            gate: link.gate(),
            device: start.device.id,
            at: start.at,
            page: state.config.streams.page,
            looked_up_at: start.head,
            filter: start.device.filter.clone(),
            upto: None,
            began: start.at,
            lost: start.lost,
        };
        Ok(Feed::new(link, catch_up))
    }

    /// Whose connection it is.
    pub fn who(&self, device: DeviceId, transport: Transport) -> Who {
        Who {
            user: self.user,
            device,
            token: self.identity.principal.token,
            session: self.identity.session(),
            instance: self.instance.clone(),
            transport,
        }
    }

    /// When the credential expires.
    pub fn expires(&self, state: &AppState) -> Option<Instant> {
        let left = self.identity.principal.expires_at? - (state.clock)();
        Some(Instant::now() + std::time::Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }
}

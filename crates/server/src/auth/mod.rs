//! Who asks: by `Authorization: Bearer`, by the session cookie, or, for streams only, by a ticket.
//!
//! A request that sends a credential is judged by that one alone: a bad bearer token is not saved by a good cookie.
//! Coming from loopback proves nothing.

mod attempts;
mod codes;
pub mod cookie;
mod credentials;
pub mod secret;
mod tickets;

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{header::AUTHORIZATION, request::Parts},
};
use tocsin_protocol::{Code, Role, TokenKind, account::TicketFor};
use tocsin_store::{Authority, Principal, SecretHash, Sender, TokenId, UserId, Viewer};

pub use attempts::Attempts;
pub use codes::{CODE_MS, Grant, LoginCodes};
pub use credentials::Credentials;
pub use secret::Secret;
pub use tickets::{FIRST_USE_MS, RETURN_MS, Tickets};

use crate::{AppState, Failure, guard::Seen};

/// Who asks, and how they proved it. An extractor: a route that takes it needs a valid credential.
///
/// A stream keeps it for as long as it lives (a ticket's time to come back begins when it is dropped), and calls
/// [`Identity::recheck`] once it is registered with the hub, so that a revocation in between is not missed.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The person or program.
    pub principal: Arc<Principal>,
    /// How it was proved.
    pub via: Via,
    proof: Proof,
    _pass: Option<Arc<tickets::Pass>>,
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

/// Hash of the secret behind an identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Of a token.
    Token(SecretHash),
    /// Of a browser session.
    Session(SecretHash),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::Session(_) => "Session(…)",
        })
    }
}

impl Identity {
    /// The person; a sender token has none.
    pub fn user(&self) -> Result<(UserId, &str, Role), Failure> {
        let (id, name, role) = self.principal.user.as_ref().ok_or_else(|| {
            Failure::new(Code::Forbidden, "a sender token has no inbox and no rights besides publishing")
                .hint("use a client token: `tocsin token add --user NAME`")
        })?;
        Ok((*id, name, *role))
    }

    /// Whether it is an administrator.
    pub fn is_admin(&self) -> bool {
        matches!(self.principal.user, Some((_, _, Role::Admin))) && self.principal.kind == TokenKind::Client
    }

    /// Refuses everybody but administrators.
    pub fn admin(&self) -> Result<(), Failure> {
        if self.is_admin() {
            Ok(())
        } else {
            Err(Failure::new(Code::Forbidden, "only an administrator may do this"))
        }
    }

    /// The token behind it, if there is one: neither the embedding host nor a session by login code has one.
    pub fn token(&self) -> Option<TokenId> {
        Some(self.principal.token).filter(|token| token.0 > 0)
    }

    /// The browser session behind it.
    pub fn session(&self) -> Option<SecretHash> {
        match self.proof {
            Proof::Session(hash) => Some(hash),
            Proof::Token(_) => None,
        }
    }

    /// What it is made of, for a ticket.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// What it may look at.
    pub fn viewer(&self) -> Viewer {
        match &self.principal.user {
            Some((id, _, Role::Admin)) => Viewer::Admin(Some(*id)),
            Some((id, _, Role::Member)) => Viewer::Member(*id),
            None => Viewer::Sender(self.principal.token),
        }
    }

    /// What it may publish as.
    pub fn sender(&self) -> Sender {
        let (user, name, authority) = match &self.principal.user {
            Some((id, name, Role::Admin)) => (Some(*id), name, Authority::All),
            Some((id, name, Role::Member)) => (Some(*id), name, Authority::Member(*id)),
            None => (None, &self.principal.name, Authority::Topics(self.principal.topics.clone())),
        };
        Sender { token: self.principal.token, user, name: name.clone(), authority }
    }

    /// Whether it is still good.
    pub async fn recheck(&self, state: &AppState) -> Result<(), Failure> {
        match state.credentials.check(&self.proof).await? {
            Some(principal) if principal.token == self.principal.token => Ok(()),
            _ => Err(refused("the token or session has ended")),
        }
    }

    async fn find(parts: &Parts, state: &AppState) -> Result<Self, Failure> {
        let (proof, via, pass) = presented(parts, state)?;
        let Some(principal) = state.credentials.check(&proof).await? else {
            let what = match via {
                Via::Cookie(_) => "the session has ended; sign in again",
                Via::Bearer | Via::Ticket => "the token is unknown, expired or revoked",
            };
            return Err(failed(parts, state, what));
        };
        Ok(Self { principal, via, proof, _pass: pass.map(Arc::new) })
    }
}

impl FromRequestParts<AppState> for Identity {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Failure> {
        // Found already by the guard, which decides by role before any route runs.
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        Self::find(parts, state).await
    }
}

/// The credential in a request.
fn presented(parts: &Parts, state: &AppState) -> Result<(Proof, Via, Option<tickets::Pass>), Failure> {
    if let Some(header) = parts.headers.get(AUTHORIZATION) {
        let bearer = header.to_str().ok().and_then(|text| text.split_once(' '));
        let Some((_, token)) = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return Err(failed(parts, state, "the Authorization header is not of the form `Bearer <token>`"));
        };
        return Ok((Proof::Token(secret::hash(token.trim())), Via::Bearer, None));
    }
    if let Some(value) = cookie::find(&parts.headers, state.store.instance()) {
        let hash = secret::hash(value);
        return Ok((Proof::Session(hash), Via::Cookie(hash), None));
    }
    let transport = match parts.uri.path() {
        "/ws" => Some(TicketFor::Ws),
        "/events" => Some(TicketFor::Sse),
        _ => None,
    };
    if let (Some(transport), Some(ticket)) = (transport, ticket(parts)) {
        let entered = state.credentials.tickets.enter(&secret::hash(ticket), transport);
        let (proof, pass) = entered.ok_or_else(|| {
            failed(parts, state, "the ticket was used, is too old, or is for another transport")
        })?;
        return Ok((proof, Via::Ticket, Some(pass)));
    }
    Err(refused("a token is needed"))
}

fn ticket(parts: &Parts) -> Option<&str> {
    parts.uri.query()?.split('&').find_map(|pair| pair.strip_prefix("ticket="))
}

fn refused(message: &str) -> Failure {
    Failure::new(Code::Unauthorised, message)
        .hint("send `Authorization: Bearer tcs_…`; an administrator makes tokens with `tocsin token add`")
}

/// A credential was presented and is bad: counted, and slowed down when there are too many.
pub fn failed(parts: &Parts, state: &AppState, message: &str) -> Failure {
    let seen = Seen::of(parts, &state.config);
    match state.credentials.attempts.failed(seen.address, (state.clock)()) {
        None => refused(message),
        Some(seconds) => Failure::new(Code::RateLimited, "too many failed attempts from this address")
            .hint("a valid token is let in at any time")
            .retry_after(seconds),
    }
}

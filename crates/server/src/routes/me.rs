//! Who one is, and where.

use axum::{Json as Answer, extract::State};
use tocsin_protocol::{Me, account::ServerInfo};

use crate::{AppState, Failure, auth::Identity, stream::device_name};

/// Who the credential belongs to, and what server this is.
#[utoipa::path(get, path = "/v1/me", tag = "people", responses((status = 200, body = Me)))]
pub async fn me(State(state): State<AppState>, identity: Identity) -> Result<Answer<Me>, Failure> {
    let (user, unread) = state.store.me(&identity.principal).await?;
    Ok(Answer(Me {
        device: user.is_some().then(|| device_name(&identity, None)).transpose()?,
        user,
        kind: identity.principal.kind,
        unread,
        server: ServerInfo {
            name: state.config.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            instance: state.store.instance().into(),
            epoch: state.store.epoch(),
        },
    }))
}

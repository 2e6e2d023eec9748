//! Redeeming an invite.

use http::Method;
use tocsin_protocol::account::{Join, Joined};
use tocsin_protocol::invite::InviteText;

use super::Api;
use crate::{Endpoint, Result, Secret};

/// Exchanges the invite's one-time code for this device's own token. `user` is needed when the invite names none.
///
/// Not repeated by itself: the code is good once, and an answer that was lost on the way has spent it.
pub async fn redeem(invite: &str, device: &str, user: Option<&str>) -> Result<(Endpoint, Joined)> {
    let invite: InviteText = invite.parse()?;
    let mut endpoint = Endpoint::of_invite(&invite);
    let join = Join {
        code: invite.code,
        device: device.into(),
        user: user.map(ToOwned::to_owned),
        display_name: None,
    };
    let joined: Joined = Api::new(&endpoint)?.send(Method::POST, "/v1/join", &join).await?;
    endpoint.token = Secret::new(joined.secret.clone());
    Ok((endpoint, joined))
}

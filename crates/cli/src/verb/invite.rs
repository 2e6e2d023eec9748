//! An invite for another computer.

use http::Method;
use tocsin_protocol::{Invite, account::NewInvite};

use crate::{
    args::admin::Invite as Args,
    context::Context,
    exit::{Exit, Failure},
    output::{note, time},
};

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let order = NewInvite {
        user: args.user,
        role: args.role.into(),
        topics: args.topics,
        expires_in: args.expires.map(|time| time.as_secs()),
    };
    let invite: Invite = context.link().await?.send(Method::POST, "/v1/invites", &order).await?;
    if !context.out.json {
        note(&context.say("invite_once", &[("time", &time(invite.expires_at))]));
    }
    context.out.show(&invite, || invite.invite.clone())?;
    Ok(Exit::Ok)
}

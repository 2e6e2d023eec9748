//! Sending again, and stopping.

use http::Method;
use tocsin_protocol::{
    Receipt,
    escalation::{Cancelled, ResendMessage, ResentMessage},
};

use crate::{
    args::escalation::{Cancel, Resend},
    context::Context,
    exit::{Exit, Failure},
};

pub(super) async fn resend(context: &Context, args: Resend) -> Result<Exit, Failure> {
    let link = context.link().await?;
    let message = format!("/v1/messages/{}", args.id);
    // By the server's clock: what is sent from here on is not sent twice, whatever this computer's clock says.
    let receipt: Receipt = link.get(&format!("{message}/receipt?limit=1")).await?;
    let people = Some(args.to).filter(|people| !people.is_empty());
    let order = ResendMessage { people, via: args.via, until: receipt.as_of_ms };
    let done: ResentMessage = link.send(Method::POST, &format!("{message}/resend"), &order).await?;
    context.out.show(&done, || {
        let numbers = [("reminded", done.reminded.to_string()), ("queued", done.queued.to_string())];
        let numbers = numbers.each_ref().map(|(name, number)| (*name, number.as_str()));
        let mut text = context.say("resent", &numbers);
        if !done.unreachable.is_empty() {
            text.push('\n');
            text.push_str(&context.say("resend_unreachable", &[("names", &done.unreachable.join(", "))]));
        }
        text
    })?;
    // With nobody left to tell, or a delivery that waits already, there was nothing to do; without an address it was
    // not done.
    let is_told = done.reminded + done.queued + done.already > 0;
    Ok(if is_told || done.unreachable.is_empty() { Exit::Ok } else { Exit::Failed })
}

pub(super) async fn cancel(context: &Context, args: &Cancel) -> Result<Exit, Failure> {
    let link = context.link().await?;
    let path = format!("/v1/messages/{}/cancel", args.id);
    let done: Cancelled = link.send(Method::POST, &path, &serde_json::json!({})).await?;
    context.out.show(&done, || {
        let key = if done.escalation { "cancelled_steps" } else { "cancelled" };
        context.say(key, &[("count", &done.deliveries.to_string())])
    })?;
    Ok(Exit::Ok)
}

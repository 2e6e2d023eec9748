//! Notifications stop for a while; messages still arrive.

use http::Method;
use tocsin_control::Request;
use tocsin_protocol::{Millis, control::Pause};

use crate::{
    args::local::Pause as Args,
    context::Context,
    exit::{Exit, Failure},
    output::time,
};

pub(super) async fn pause(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let length = Millis::try_from(args.duration.as_millis()).unwrap_or(Millis::MAX);
    let until = tocsin_store::sqlite::system_clock().saturating_add(length);
    tell(context, Pause { until: Some(until) }).await?;
    let text = context.say("paused", &[("time", &time(until))]);
    context.out.show(&serde_json::json!({ "paused_until": until }), || text)?;
    Ok(Exit::Ok)
}

pub(super) async fn resume(context: &Context) -> Result<Exit, Failure> {
    tell(context, Pause { until: None }).await?;
    context.out.show(&serde_json::json!({ "paused_until": null }), || context.say("resumed", &[]))?;
    Ok(Exit::Ok)
}

async fn tell(context: &Context, pause: Pause) -> Result<(), Failure> {
    let request = Request::new(Method::POST, "/native/pause").json(&pause)?;
    let resident = super::resident(context, "shows no notifications").await?;
    resident.send(request).await?.check().map_err(Into::into)
}

//! A one-time way into the page.

use http::Method;
use tocsin_protocol::account::LoginCode;

use crate::{
    context::Context,
    exit::{Exit, Failure},
    output::{note, time},
};

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let code: LoginCode =
        context.link().await?.send(Method::POST, "/v1/login-codes", &serde_json::json!({})).await?;
    if !context.out.json {
        note(&context.say("login_once", &[("time", &time(code.expires_at))]));
    }
    context.out.show(&code, || code.url.clone())?;
    Ok(Exit::Ok)
}

//! `/openapi.json`: made from the routes and the wire types, so that it cannot tell anything else.

use axum::{Json as Answer, response::IntoResponse};
use tocsin_protocol::{
    MessageView, ReceiptSummary, Reset, Seq, StateChange,
    error::ErrorBody,
    stream::{Poll, ShownReport},
};
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{
    ack, bindings, channels, deliveries, devices, escalations, health,
    hooks::{alertmanager, platform},
    invites, me, messages, publish, receipts, routing, session, tickets, tokens, topics, users,
};

/// One page of the inbox, newest first.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "only its shape is used: utoipa takes no generic `Page` whose type is not its own"
)]
pub struct MessagePage {
    /// The rows.
    items: Vec<MessageView>,
    /// Pass as `before` to get the next page; absent on the last.
    next: Option<Seq>,
}

/// One page of receipts, newest first.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as for the page of the inbox")]
pub struct ReceiptPage {
    /// The rows.
    items: Vec<ReceiptSummary>,
    /// Pass as `before` to get the next page; absent on the last.
    next: Option<Seq>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Tocsin", description = "Push messages with receipts. Errors are `{\"error\":{\"code\",\"message\",\"hint\"}}`; codes are stable."),
    paths(
        publish::publish, messages::list, messages::one, receipts::receipt, receipts::list, messages::read, messages::acknowledge, ack::ack,
        escalations::list, escalations::put, escalations::remove, escalations::dry_run, escalations::cancel, escalations::resend,
        me::me, users::list, users::add, users::change, users::remove,
        topics::list, topics::add, topics::change, topics::remove, topics::members, topics::join, topics::leave,
        tokens::list, tokens::add, tokens::revoke, devices::list, devices::remove, devices::filter,
        tickets::make, invites::make, invites::join, session::code, session::open, session::close,
        channels::list, channels::one, channels::put, channels::remove, channels::set_secret, channels::delete_secret,
        channels::test, channels::reopen, channels::templates, channels::quota,
        bindings::candidates, bindings::qr, bindings::list, bindings::bind, bindings::unbind, bindings::send_code, bindings::confirm,
        routing::list, routing::set, routing::remove, deliveries::list, deliveries::one, deliveries::resend,
        platform::verify_wechat, platform::wechat, platform::verify_wecom, platform::wecom,
        alertmanager::hook, health::alive, health::ready, health::metrics, described, poll, events, ws
    ),
    components(schemas(ErrorBody, Reset, StateChange, ShownReport, tocsin_protocol::receipt::ReportBody)),
    modifiers(&Security),
    security(("token" = []), ("session" = []))
)]
struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("tcs_…").build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let session = ApiKeyValue::with_description("tocsin_<instance>", "the page's session");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    }
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, description = "OpenAPI 3.1")), security(()))]
pub async fn described() -> impl IntoResponse {
    Answer(document())
}

/// The description.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Description::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").into();
    document
}

/// The transports are written for themselves; here stands only how they are asked.
#[utoipa::path(get, path = "/poll", tag = "streams", params(
        ("cursor" = Option<String>, Query, description = "Continue after this position; acknowledges everything up to it. Without one the batch is handed out once."),
        ("device" = Option<String>, Query), ("wait" = Option<u64>, Query, description = "Seconds to wait for a message"),
        ("user_id" = Option<String>, Query, description = "One's own name; an administrator who names somebody else looks and takes nothing")),
    responses((status = 200, body = Poll), (status = 304, description = "Nothing new, to If-None-Match with a cursor")))]
#[expect(dead_code, reason = "describes a route")]
fn poll() {}

#[utoipa::path(get, path = "/events", tag = "streams", params(
        ("cursor" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header), ("device" = Option<String>, Query),
        ("instance" = Option<String>, Query, description = "Replaces an open stream of the same person and instance"),
        ("ticket" = Option<String>, Query)),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
#[expect(dead_code, reason = "describes a route")]
fn events() {}

#[utoipa::path(get, path = "/ws", tag = "streams", params(
        ("cursor" = Option<String>, Query), ("device" = Option<String>, Query),
        ("instance" = Option<String>, Query, description = "Replaces an open stream of the same person and instance"),
        ("ticket" = Option<String>, Query)),
    responses((status = 101, description = "WebSocket, subprotocol tocsin.v1")))]
#[expect(dead_code, reason = "describes a route")]
fn ws() {}

//! Every route, a file per noun. Who may use which is in [`crate::guard::table`].

mod ack;
mod bindings;
mod channels;
pub mod check;
mod deliveries;
mod devices;
mod escalations;
mod health;
pub mod hooks;
mod input;
mod invites;
mod me;
mod messages;
pub mod openapi;
mod pace;
mod publish;
mod receipts;
mod routing;
mod session;
mod tickets;
mod tokens;
mod topics;
mod users;

use axum::{
    Router,
    http::{HeaderMap, Method, Uri},
    middleware::from_fn_with_state,
    response::Response,
    routing::{delete, get, patch, post, put},
};
use tocsin_protocol::Code;

pub use health::Ready;
pub use pace::Pace;

use crate::{
    AppState, Failure,
    guard::{Guard, guard},
    page, stream,
};

/// All routes, with their guards.
pub fn router(state: AppState) -> Router {
    Router::new()
        .merge(stream::router())
        .merge(of_messages())
        .merge(of_people())
        .merge(of_access())
        .merge(of_channels())
        .merge(of_operation())
        .fallback(page_or_nothing)
        .layer(from_fn_with_state(Guard::new(state.clone()), guard))
        .with_state(state)
}

fn of_messages() -> Router<AppState> {
    Router::new()
        .route("/v1/messages", post(publish::publish).get(messages::list))
        .route("/v1/messages/{id}", get(messages::one))
        .route("/v1/messages/{id}/receipt", get(receipts::receipt))
        .route("/v1/messages/{id}/read", post(messages::read))
        .route("/v1/messages/{id}/acknowledge", post(messages::acknowledge))
        .route("/v1/messages/{id}/cancel", post(escalations::cancel))
        .route("/v1/messages/{id}/resend", post(escalations::resend))
        .route("/v1/receipts", get(receipts::list))
        .route("/v1/policies", get(escalations::list))
        .route("/v1/policies/dry-run", post(escalations::dry_run))
        .route("/v1/policies/{name}", put(escalations::put).delete(escalations::remove))
        .route("/v1/ack", post(ack::ack))
        .route("/v1/hooks/alertmanager/{topic}", post(hooks::alertmanager::hook))
}

fn of_people() -> Router<AppState> {
    Router::new()
        .route("/v1/me", get(me::me))
        .route("/v1/users", get(users::list).post(users::add))
        .route("/v1/users/{name}", patch(users::change).delete(users::remove))
        .route("/v1/topics", get(topics::list).post(topics::add))
        .route("/v1/topics/{name}", patch(topics::change).delete(topics::remove))
        .route("/v1/topics/{name}/members", get(topics::members))
        .route("/v1/topics/{name}/members/{user}", put(topics::join).delete(topics::leave))
        .route("/v1/devices", get(devices::list))
        .route("/v1/devices/{name}", delete(devices::remove))
        .route("/v1/devices/{name}/filter", put(devices::filter))
}

fn of_access() -> Router<AppState> {
    Router::new()
        .route("/v1/tokens", get(tokens::list).post(tokens::add))
        .route("/v1/tokens/{id}", delete(tokens::revoke))
        .route("/v1/tickets", post(tickets::make))
        .route("/v1/invites", post(invites::make))
        .route("/v1/join", post(invites::join))
        .route("/v1/login-codes", post(session::code))
        .route("/v1/session", post(session::open).delete(session::close))
}

fn of_channels() -> Router<AppState> {
    let channel = get(channels::one).put(channels::put).delete(channels::remove);
    let secret = put(channels::set_secret).delete(channels::delete_secret);
    let routing = get(routing::list).put(routing::set).delete(routing::remove);
    Router::new()
        .route("/v1/channels", get(channels::list))
        .route("/v1/channels/{name}", channel)
        .route("/v1/channels/{name}/secrets/{part}", secret)
        .route("/v1/channels/{name}/test", post(channels::test))
        .route("/v1/channels/{name}/reopen", post(channels::reopen))
        .route("/v1/channels/{name}/candidates", get(bindings::candidates))
        .route("/v1/channels/{name}/templates", get(channels::templates))
        .route("/v1/channels/{name}/quota", get(channels::quota))
        .route("/v1/channels/{name}/qr", post(bindings::qr))
        .route("/v1/channels/{name}/bindings", get(bindings::list))
        .route("/v1/channels/{name}/bindings/{user}", put(bindings::bind).delete(bindings::unbind))
        .route("/v1/channels/{name}/bindings/{user}/code", post(bindings::send_code))
        .route("/v1/channels/{name}/bindings/{user}/confirm", post(bindings::confirm))
        .route("/v1/routes", routing)
        .route("/v1/deliveries", get(deliveries::list))
        .route("/v1/deliveries/{id}", get(deliveries::one))
        .route("/v1/deliveries/resend", post(deliveries::resend))
        .route(
            "/v1/hooks/wechat/{channel}",
            get(hooks::platform::verify_wechat).post(hooks::platform::wechat),
        )
        .route("/v1/hooks/wecom/{channel}", get(hooks::platform::verify_wecom).post(hooks::platform::wecom))
}

fn of_operation() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::described))
}

/// The page, or nothing.
async fn page_or_nothing(method: Method, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    page::find(&method, uri.path(), &headers).ok_or_else(|| nothing(&method, &uri))
}

fn nothing(method: &Method, uri: &Uri) -> Failure {
    Failure::new(Code::NotFound, format!("there is nothing at {method} {}", uri.path()))
        .hint("/openapi.json lists every route")
}

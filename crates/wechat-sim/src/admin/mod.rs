//! The control plane: `/sim/…` on either port (`/__sim/…` too).
//!
//! Only on loopback, only for tests and people who try things out: it asks for no password and shows every simulated
//! credential. Bodies are JSON or a web form; answers are JSON, and `{"error": …}` with a 4xx says what is wrong.

mod accounts;
mod callbacks;
mod page;
mod time;
mod views;

pub(crate) use accounts::show as accounts;

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    body::{Body, full, typed},
    phone,
    shared::Shared,
};

const BODY_BYTES: usize = 4 * 1024 * 1024;

/// A request to the control plane.
struct Ask {
    method: String,
    /// After `/sim/`.
    path: String,
    query: Map<String, Value>,
    body: Value,
    /// A form of the page: it wants to see the page again.
    from_page: bool,
}

/// What is wrong with it.
struct Wrong(StatusCode, String);

type Told = Result<Value, Wrong>;

#[expect(clippy::needless_pass_by_value, reason = "so that it can be handed to `or_else` as it is")]
fn wrong<T>(message: impl ToString) -> Result<T, Wrong> {
    Err(Wrong(StatusCode::BAD_REQUEST, message.to_string()))
}

impl Ask {
    fn read<T: DeserializeOwned>(&self) -> Result<T, Wrong> {
        serde_path_to_error::deserialize(&self.body).or_else(wrong)
    }

    /// A string of the body.
    fn text(&self, name: &str) -> Result<&str, Wrong> {
        self.body[name].as_str().map_or_else(|| wrong(format!("`{name}` is missing")), Ok)
    }

    fn flag(&self, name: &str) -> bool {
        let set = |value: Option<&Value>| match value {
            Some(Value::Bool(set)) => *set,
            Some(Value::String(text)) => text != "false" && text != "0",
            _ => false,
        };
        set(self.query.get(name)) || set(self.body.get(name))
    }
}

/// Answers a request to the control plane.
pub(crate) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let wants_page =
        request.method() == "GET" && matches!(request.uri().path(), "/" | "/sim" | "/sim/" | "/__sim/");
    if wants_page {
        return typed(full(page::draw(shared)), "text/html; charset=utf-8");
    }
    let ask = match read(request).await {
        Ok(ask) => ask,
        Err(wrong) => return refused(wrong),
    };
    let told = route(shared, &ask).await;
    shared.touch();
    match told {
        Ok(_) if ask.from_page => back_to_page(),
        Ok(value) => typed(full(format!("{value:#}\n")), "application/json"),
        Err(wrong) => refused(wrong),
    }
}

fn refused(Wrong(status, message): Wrong) -> Response<Body> {
    let mut response = typed(full(format!("{}\n", json!({"error": message}))), "application/json");
    *response.status_mut() = status;
    response
}

fn back_to_page() -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert("location", http::HeaderValue::from_static("/sim/"));
    response
}

async fn read(request: Request<Incoming>) -> Result<Ask, Wrong> {
    let (head, incoming) = request.into_parts();
    let path =
        head.uri.path().trim_start_matches("/__sim").trim_start_matches("/sim").trim_matches('/').to_owned();
    let bytes = match Limited::new(incoming, BODY_BYTES).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => return wrong(error),
    };
    let kind = head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let from_page =
        kind.starts_with("application/x-www-form-urlencoded") && head.headers.contains_key("referer");
    let body = if bytes.is_empty() {
        json!({})
    } else if let Ok(value) = serde_json::from_slice(&bytes) {
        value
    } else if kind.starts_with("application/x-www-form-urlencoded") {
        Value::Object(form(&bytes))
    } else {
        return wrong("the body is neither JSON nor a form");
    };
    let query = form(head.uri.query().unwrap_or_default().as_bytes());
    Ok(Ask { method: head.method.to_string(), path, query, body, from_page })
}

fn form(bytes: &[u8]) -> Map<String, Value> {
    form_urlencoded::parse(bytes)
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect()
}

async fn route(shared: &Arc<Shared>, ask: &Ask) -> Told {
    match (ask.method.as_str(), ask.path.as_str()) {
        ("GET", "inbox") => Ok(views::inbox(shared, ask)),
        ("DELETE", "inbox") => Ok(views::clear_inbox(shared)),
        ("GET", "journal") => Ok(views::journal(shared, ask)),
        ("DELETE", "journal") => Ok(views::clear_journal(shared)),
        ("GET", "stats") => Ok(views::stats(shared)),
        ("POST", "leaks") => views::leaks(shared, ask),
        ("GET", "accounts") => Ok(accounts::show(shared)),
        ("POST", "followers") => accounts::put_follower(shared, ask),
        ("POST", "templates") => accounts::put_template(shared, ask),
        ("POST", "members") => accounts::put_member(shared, ask),
        ("POST", "robots") => accounts::put_robot(shared, ask),
        ("GET", "config") => Ok(shared.world(|world| json!(world.behaviour))),
        ("PATCH" | "POST", "config") => accounts::patch(shared, ask),
        ("POST", "reset") => Ok(accounts::reset(shared)),
        ("GET", "clock") => Ok(time::show(shared)),
        ("POST", "clock") => time::change(shared, ask),
        ("POST", "tokens/expire") => Ok(time::expire_tokens(shared)),
        ("POST", "tokens/steal") => Ok(time::steal_tokens(shared)),
        ("GET", "faults") => Ok(shared.world(|world| json!(world.faults.list()))),
        ("POST", "faults") => accounts::put_fault(shared, ask),
        ("DELETE", "faults") => Ok(accounts::heal(shared)),
        ("POST", "press") => press(shared, ask),
        ("POST", "follow" | "unfollow" | "scan" | "say") => person(shared, ask),
        ("GET", "callbacks") => Ok(views::callbacks(shared)),
        ("POST", "callback/oa" | "callback/wecom") => callbacks::set(shared, ask).await,
        ("DELETE", "callback/oa" | "callback/wecom") => Ok(callbacks::forget(shared, ask)),
        ("POST", "callback/verify/oa" | "callback/verify/wecom") => callbacks::verify(shared, ask).await,
        ("POST", "callback/push") => callbacks::push(shared, ask).await,
        ("POST", "callback/replay") => callbacks::replay(shared, ask).await,
        ("POST", "callback/hold") => Ok(callbacks::hold(shared)),
        ("POST", "callback/release") => Ok(callbacks::release(shared, ask).await),
        (method, path) => Err(Wrong(
            StatusCode::NOT_FOUND,
            format!("there is no {method} /sim/{path}; see /sim/ or --help"),
        )),
    }
}

/// `{"item": 3, "key": "ack"}`: the person on whose phone the item is presses the button.
fn press(shared: &Shared, ask: &Ask) -> Told {
    let number = &ask.body["item"];
    let item = number.as_u64().or_else(|| number.as_str().and_then(|text| text.parse().ok()));
    let Some(item) = item else { return wrong("`item` is missing: the number of one in /sim/inbox") };
    let key = ask.text("key")?;
    let now = shared.clock.now_ms();
    shared.world(|world| phone::press(world, item, key, now)).or_else(wrong)?;
    Ok(json!({"pressed": item, "key": key}))
}

/// `{"openid": "…"}` follows, unfollows, scans (`"code"`: a ticket or a scene) or says (`"text"`).
fn person(shared: &Shared, ask: &Ask) -> Told {
    let openid = ask.text("openid")?;
    let now = shared.clock.now_ms();
    let done = shared.world(|world| match ask.path.as_str() {
        "follow" => {
            phone::follow(world, openid, now);
            Ok(Ok(()))
        }
        "unfollow" => Ok(phone::unfollow(world, openid, now)),
        "scan" => ask.text("code").map(|code| phone::scan(world, openid, code, now)),
        _ => ask.text("text").map(|words| phone::say(world, openid, words, now)),
    })?;
    done.or_else(wrong)?;
    Ok(json!({"openid": openid, "did": ask.path}))
}

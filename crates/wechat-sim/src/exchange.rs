//! One request to a platform: faults, handler, callbacks that come first, and an answer that may be bent.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::{
    answer::{Host, Outcome, Refusal, ok, refusal},
    body::{self, Body},
    call::Call,
    callback::send,
    fault::{Fault, Hits, Kind, Stage},
    oa,
    shared::Shared,
    wecom,
    world::World,
};

/// The largest upload is 20 MiB.
const REQUEST_BYTES: usize = 24 * 1024 * 1024;
/// A client that waits longer than this has no timeout at all.
const FOREVER: Duration = Duration::from_mins(10);
/// Defaults of the faults that have a measure.
const SLOW: u64 = 30_000;
const DRIP: u64 = 200;
const HUGE: usize = 16 * 1024 * 1024;

/// Why no answer is sent at all.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub(crate) struct Cut {
    /// With a reset rather than a proper end.
    pub(crate) reset: bool,
}

/// Answers a request to a platform.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    host: Host,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let Some(call) = read(shared, host, peer, request).await else {
        return Ok(html(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let _flight = Flight::enter(shared, &call.path);
    let (id, hits) = shared.world(|world| {
        let hits = world.faults.take(&call, &mut world.random);
        (world.journal.begin(&call, &hits), hits)
    });
    shared.touch();
    let result = run(shared, &call, id, hits).await;
    shared.touch();
    result
}

/// A request in flight; left however it ends, a client that hangs up included.
struct Flight {
    shared: Arc<Shared>,
    path: String,
}

impl Flight {
    fn enter(shared: &Arc<Shared>, path: &str) -> Self {
        shared.world(|world| world.journal.enter(path));
        Self { shared: Arc::clone(shared), path: path.to_owned() }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.shared.world(|world| world.journal.leave(&self.path));
        self.shared.touch();
    }
}

async fn run(shared: &Arc<Shared>, call: &Call, id: u64, hits: Hits) -> Result<Response<Body>, Cut> {
    let fault = hits.answer.clone();
    if let Some(fault) = fault.as_ref().filter(|fault| fault.strikes() == Stage::Before)
        && let Some(early) = before(shared, call, id, fault).await?
    {
        return Ok(early);
    }
    // Time may have passed in a slow fault.
    let call = Call { now: shared.clock.now_ms(), ..call.clone() };
    let (answer, first) = shared.world(|world| {
        bend_tokens(world, &call, &hits.state);
        world.bends = hits.state;
        let outcome = handle(world, &call);
        world.bends.clear();
        let answer = outcome.map(|outcome| written(world, &call, outcome));
        (answer, std::mem::take(&mut world.first))
    });
    shared.touch();
    for push in first {
        send::push(shared, push).await;
    }
    let Some(answer) = answer else {
        return Ok(html(StatusCode::NOT_FOUND));
    };
    let after = fault.filter(|fault| fault.strikes() == Stage::After);
    let (response, noted) = match after {
        Some(fault) => bent(shared, &call, &fault, answer).await?,
        None => (body::json(call.host, &answer), answer),
    };
    shared.world(|world| world.journal.answered(id, &noted));
    Ok(response)
}

async fn read(shared: &Shared, host: Host, peer: IpAddr, request: Request<Incoming>) -> Option<Call> {
    let (head, incoming) = request.into_parts();
    let body = Limited::new(incoming, REQUEST_BYTES).collect().await.ok()?.to_bytes().to_vec();
    let query =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok());
    Some(Call {
        host,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query,
        content_type: content_type.unwrap_or_default().to_owned(),
        body,
        ip: shared.world(|world| world.behaviour.seen_ip).unwrap_or(peer),
        now: shared.clock.now_ms(),
    })
}

fn handle(world: &mut World, call: &Call) -> Option<Outcome> {
    match call.host {
        Host::Oa => oa::answer(world, call),
        Host::WeCom => wecom::answer(world, call),
    }
}

fn written(world: &mut World, call: &Call, outcome: Outcome) -> Value {
    outcome.unwrap_or_else(|refused| refusal(call, &mut world.random, &refused))
}

/// Faults that end the token that this very call carries.
fn bend_tokens(world: &mut World, call: &Call, faults: &[Fault]) {
    let Ok(owner) = world.tokens.check(call.param("access_token"), call.now) else { return };
    for fault in faults {
        match fault.fault {
            Kind::TokenExpire => world.tokens.expire(&owner, call.now),
            Kind::TokenStolen => world.steal(&owner, call.now),
            _ => {}
        }
    }
}

/// A fault instead of the platform's work. `None`: the work is done after all (it was only slow).
async fn before(shared: &Shared, call: &Call, id: u64, fault: &Fault) -> Result<Option<Response<Body>>, Cut> {
    if fault.fault == Kind::Slow {
        wait(fault.delay_ms.unwrap_or(SLOW)).await;
        return Ok(None);
    }
    let (response, noted) = bent(shared, call, fault, ok()).await?;
    shared.world(|world| world.journal.answered(id, &noted));
    Ok(Some(response))
}

/// An answer as the fault makes it, and what the journal notes.
async fn bent(
    shared: &Shared,
    call: &Call,
    fault: &Fault,
    answer: Value,
) -> Result<(Response<Body>, Value), Cut> {
    let host = call.host;
    let text = answer.to_string();
    let response = match fault.fault {
        Kind::Errcode => {
            let code = fault.code.unwrap_or(-1);
            let text = fault.errmsg.clone().unwrap_or_else(|| usual_words(host, code, call.ip));
            let refused = shared.world(|world| refusal(call, &mut world.random, &Refusal { code, text }));
            return Ok((body::json(host, &refused), refused));
        }
        Kind::Http => html(
            fault.status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::BAD_GATEWAY),
        ),
        Kind::Timeout => {
            tokio::time::sleep(FOREVER).await;
            return Err(Cut { reset: false });
        }
        Kind::Reset => return Err(Cut { reset: true }),
        Kind::HalfBody => body::half(host, &text),
        Kind::Drip => body::drip(host, &text, Duration::from_millis(fault.delay_ms.unwrap_or(DRIP))),
        Kind::Slow => {
            wait(fault.delay_ms.unwrap_or(SLOW)).await;
            body::json(host, &answer)
        }
        Kind::Malformed => body::raw(host, text[..text.len() - text.len() / 3].to_owned()),
        Kind::ErrcodeString => {
            let mut answer = answer.clone();
            answer["errcode"] = answer["errcode"].as_i64().unwrap_or(0).to_string().into();
            body::json(host, &answer)
        }
        Kind::NoErrcode => {
            let mut answer = answer.clone();
            if let Some(fields) = answer.as_object_mut() {
                fields.retain(|name, _| name != "errcode" && name != "errmsg");
            }
            body::json(host, &answer)
        }
        Kind::ControlChars => body::raw(host, text.replacen('{', "{\"note\":\"a\tb\u{1}\u{b}c\",", 1)),
        Kind::HugeBody => {
            let padding = "x".repeat(fault.bytes.unwrap_or(HUGE));
            body::raw(host, text.replacen('{', &format!("{{\"padding\":\"{padding}\","), 1))
        }
        Kind::EmptyBody => body::raw(host, String::new()),
        Kind::TokenExpire
        | Kind::TokenStolen
        | Kind::SameToken
        | Kind::InvalidUser
        | Kind::UnlicensedUser => body::json(host, &answer),
    };
    Ok((response, json!({"errcode": answer["errcode"], "errmsg": "bent by a fault"})))
}

/// Real time: it is the client's patience that is tried.
async fn wait(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// What the platforms usually say with a code that is injected.
fn usual_words(host: Host, code: i64, ip: IpAddr) -> String {
    match code {
        -1 => "system error".into(),
        40_001 => "invalid credential, access_token is invalid or not latest".into(),
        40_003 => "invalid openid".into(),
        40_014 => "invalid access_token".into(),
        40_164 => format!("invalid ip {ip} ipv6 ::ffff:{ip}, not in whitelist"),
        42_001 => "access_token expired".into(),
        43_004 => "require subscribe".into(),
        43_101 => "user refuse to accept the msg".into(),
        45_009 if host == Host::Oa => "reach max api daily quota limit".into(),
        45_009 => "api freq out of limit".into(),
        45_011 => "api minute-quota reach limit, must slower, retry next minute".into(),
        48_002 => "user block receive message".into(),
        60_020 => "not allow to access from your ip".into(),
        81_013 => "user & party & tag all invalid".into(),
        93_000 => "invalid webhook url".into(),
        _ => "refused".into(),
    }
}

/// What a gateway in front of the platform answers.
fn html(status: StatusCode) -> Response<Body> {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body><center><h1>{status}</h1></center></body>\r\n</html>\r\n"
    );
    let mut response = Response::new(body::full(Bytes::from(page)));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/html"));
    response
}

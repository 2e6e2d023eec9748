//! Sending a callback with the platforms' patience, and asking an address whether it is the application's.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{
    Push, Whose,
    history::{Record, Try},
    reply::{FAULT_NOTICE, Judgement, judge, obey},
    seal::{Sealed, question, seal},
    target::Target,
};
use crate::{shared::Shared, world::World};

/// No reply to a callback is longer.
const REPLY_BYTES: usize = 64 * 1024;

/// Sends one event to whom it belongs; without an address there is nowhere to send it. Held back if the switch says so.
pub(crate) async fn push(shared: &Shared, push: Push) {
    let now = shared.clock.now_ms();
    let ready = shared.world(|world| {
        if world.behaviour.callback_hold {
            world.callbacks.held.push(push.clone());
            return None;
        }
        let target = target_of(world, &push.whose)?;
        let copies = if push.bend.copies == 0 { world.behaviour.callback_copies } else { push.bend.copies };
        match seal(&target, &push.whose, &push.event, &push.bend, now, &mut world.random) {
            Ok(sealed) => Some((target, sealed, copies)),
            Err(error) => {
                tracing::warn!(%error, "a callback cannot be sent");
                None
            }
        }
    });
    let Some((target, sealed, copies)) = ready else {
        // Whoever waits for it to be held back.
        shared.touch();
        return;
    };
    for _ in 0..copies {
        deliver(shared, &push, &target, &sealed).await;
    }
}

/// Sends a callback that went out before again, byte for byte. `None`: there is no such callback.
pub(crate) async fn replay(shared: &Shared, id: u64) -> Option<()> {
    let (record, target, push) = shared.world(|world| {
        let record = world.callbacks.records.iter().find(|record| record.id == id)?.clone();
        let whose = match record.account.split_once('/') {
            Some((corpid, agentid)) => Whose::App(corpid.into(), agentid.parse().ok()?),
            None => Whose::Oa(record.account.clone()),
        };
        let target = target_of(world, &whose)?;
        let event =
            super::event::Event(vec![("Event".into(), super::event::Node::Text(record.event.clone()))]);
        Some((record, target, Push { whose, event, bend: super::Bend::default() }))
    })?;
    let content_type =
        if record.content_type == "application/json" { "application/json" } else { "text/xml" };
    let sealed = Sealed { url: record.url, body: record.body, content_type };
    deliver(shared, &push, &target, &sealed).await;
    Some(())
}

async fn deliver(shared: &Shared, push: &Push, target: &Target, sealed: &Sealed) {
    let now = shared.clock.now_ms();
    let (id, tries, patience) = shared.world(|world| {
        let id = world.callbacks.number();
        world.callbacks.records.push(record(id, now, push, sealed));
        let behaviour = &world.behaviour;
        (id, behaviour.callback_tries, Duration::from_millis(behaviour.callback_timeout_ms))
    });
    for _ in 0..tries.max(1) {
        let started = Instant::now();
        let came = exchange(&sealed.url, Some(sealed), patience).await;
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let judgement = match &came {
            Ok((status, body)) => judge(target, &push.whose, *status, body),
            Err(_) => Judgement::Again,
        };
        let done = shared.world(|world| {
            if let (Ok((200, body)), Judgement::Taken) = (&came, judgement) {
                obey(world, target, push, body);
            }
            let Some(record) = world.callbacks.records.iter_mut().find(|record| record.id == id) else {
                return true;
            };
            record.tries.push(attempt(came, took_ms));
            record.taken = judgement == Judgement::Taken;
            let faulty = matches!(push.whose, Whose::Oa(_)) && judgement != Judgement::Taken;
            record.user_sees = faulty.then(|| FAULT_NOTICE.to_owned());
            judgement != Judgement::Again
        });
        shared.touch();
        if done {
            return;
        }
    }
}

fn record(id: u64, now: i64, push: &Push, sealed: &Sealed) -> Record {
    Record {
        id,
        at_ms: now,
        account: match &push.whose {
            Whose::Oa(appid) => appid.clone(),
            Whose::App(corpid, agentid) => format!("{corpid}/{agentid}"),
        },
        event: push.event.name().into(),
        plain: push.event.to_xml(),
        url: sealed.url.clone(),
        body: sealed.body.clone(),
        content_type: sealed.content_type.into(),
        tries: Vec::new(),
        taken: false,
        user_sees: None,
    }
}

fn attempt(came: Result<(u16, String), String>, took_ms: u64) -> Try {
    match came {
        Ok((status, reply)) => Try { status: Some(status), reply, error: None, took_ms },
        Err(error) => Try { status: None, reply: String::new(), error: Some(error), took_ms },
    }
}

/// Asks an address as the console does before it saves one: the answer must be right to the byte, and quick.
pub(crate) async fn verify(shared: &Shared, whose: &Whose, target: &Target) -> Result<(), String> {
    let now = shared.clock.now_ms();
    let (asked, patience) = shared.world(|world| {
        let patience = Duration::from_millis(world.behaviour.verify_timeout_ms);
        (question(target, whose, now, &mut world.random), patience)
    });
    let (url, expected) = asked.map_err(|error| error.to_string())?;
    let (status, body) = exchange(&url, None, patience).await?;
    if status == 200 && body == expected {
        return Ok(());
    }
    Err(format!("openapi回调地址请求不通过: HTTP {status}, the answer was not the echostr"))
}

fn target_of(world: &World, whose: &Whose) -> Option<Target> {
    match whose {
        Whose::Oa(appid) => world.oa.get(appid)?.callback.clone(),
        Whose::App(corpid, agentid) => world.corps.get(corpid)?.apps.get(agentid)?.callback.clone(),
    }
}

/// One request on a connection of its own: POST with a body, GET without.
async fn exchange(url: &str, sealed: Option<&Sealed>, patience: Duration) -> Result<(u16, String), String> {
    match timeout(patience, talk(url, sealed)).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} ms", patience.as_millis())),
    }
}

async fn talk(url: &str, sealed: Option<&Sealed>) -> Result<(u16, String), String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| said(&error))?;
    if uri.scheme_str() != Some("http") {
        return Err("the simulator calls http:// addresses only".into());
    }
    let host = uri.host().unwrap_or_default();
    let stream =
        TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await.map_err(|error| said(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| said(&error))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(if sealed.is_some() { "POST" } else { "GET" })
        .uri(path)
        .header("host", uri.authority().map_or(host, |authority| authority.as_str()))
        .header("user-agent", "Mozilla/4.0")
        .header("content-type", sealed.map_or("text/plain", |sealed| sealed.content_type))
        .body(Full::new(sealed.map_or_else(Bytes::new, |sealed| Bytes::from(sealed.body.clone()))))
        .map_err(|error| said(&error))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| said(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), REPLY_BYTES)
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    // Both in this one future: when patience ends, the connection is cut with it.
    tokio::pin!(answer, connection);
    tokio::select! {
        biased;
        came = &mut answer => came,
        _ = &mut connection => answer.await,
    }
}

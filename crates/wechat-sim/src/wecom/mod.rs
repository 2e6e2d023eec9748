//! `qyapi.weixin.qq.com`: a corp's apps. Robots are in a module of their own: they have no token.

pub(crate) mod card;
mod content;
mod members;
mod message;
mod recipients;
mod token;
mod update;

use crate::{
    answer::{Outcome, Refusal, refuse},
    call::Call,
    limit::MINUTE_MS,
    token::{Dead, Owner},
    world::World,
};

pub(crate) use content::news;
pub(crate) use update::{issue as issue_response_code, replace as replace_buttons};

/// Answers a call; `None` if there is no such interface.
pub(crate) fn answer(world: &mut World, call: &Call) -> Option<Outcome> {
    let (method, handler): (&str, fn(&mut World, &Call) -> Outcome) = match call.path.as_str() {
        "/cgi-bin/gettoken" => ("GET", token::get),
        "/cgi-bin/message/send" => ("POST", message::send),
        "/cgi-bin/message/recall" => ("POST", update::recall),
        "/cgi-bin/message/update_template_card" => ("POST", update::update),
        "/cgi-bin/user/simplelist" => ("GET", members::simple_list),
        "/cgi-bin/user/list_id" => ("POST", members::list_id),
        "/cgi-bin/user/get" => ("GET", members::read),
        "/cgi-bin/department/list" => ("GET", members::departments),
        "/cgi-bin/department/simplelist" => ("GET", members::department_ids),
        "/cgi-bin/agent/get" => ("GET", members::agent),
        "/cgi-bin/webhook/send" => ("POST", crate::robot::send),
        "/cgi-bin/webhook/upload_media" => ("POST", crate::robot::upload),
        _ => return None,
    };
    if call.method != method {
        let code = if method == "GET" { 43_001 } else { 43_002 };
        return Some(refuse(code, format!("require {method} method")));
    }
    Some(handler(world, call))
}

/// Who calls: the corp, and the app unless it is the contact-sync secret.
struct Caller {
    corpid: String,
    agentid: Option<i64>,
}

/// Opens the door of a business call: token, trusted address, the interface's own rate.
fn opened(world: &mut World, call: &Call) -> Result<Caller, Refusal> {
    let (corpid, agentid) = match world.tokens.check(call.param("access_token"), call.now) {
        Ok(Owner::App(corpid, agentid)) => (corpid, Some(agentid)),
        Ok(Owner::Contacts(corpid)) => (corpid, None),
        Ok(_) | Err(Dead::Unknown | Dead::Superseded) => return refuse(40_014, "invalid access_token"),
        Err(Dead::Missing) => return refuse(41_001, "access_token missing"),
        Err(Dead::Expired) => return refuse(42_001, "access_token expired"),
    };
    let trusted = world.behaviour.wecom_allow_list.as_ref().is_none_or(|list| list.contains(&call.ip));
    if !trusted {
        return refuse(60_020, "not allow to access from your ip");
    }
    let limit = world.behaviour.wecom_calls_per_minute;
    let Some(corp) = world.corps.get_mut(&corpid) else { return refuse(40_013, "invalid corpid") };
    if agentid.and_then(|agentid| corp.apps.get(&agentid)).is_some_and(|app| app.disabled) {
        return refuse(50_003, "app disabled");
    }
    // Sends have limits of their own and do not count here.
    let counts = call.path != "/cgi-bin/message/send";
    if counts && !corp.calls.entry(call.path.clone()).or_default().take(limit, MINUTE_MS, call.now) {
        return refuse(45_009, "api freq out of limit");
    }
    Ok(Caller { corpid, agentid })
}

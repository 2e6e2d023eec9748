//! `message/send`: errcode 0 may be a partial failure, and beyond a member's limit nothing is said at all.

use serde_json::{Value, json};

use super::{
    Caller, card, content, opened,
    recipients::{Recipients, resolve},
};
use crate::{
    answer::{Outcome, Refusal, ok_with, refuse},
    behaviour::DuplicateBy,
    call::{Call, canonical, text},
    fault::Kind,
    inbox::{Channel, Item, State},
    limit::{HOUR_MS, MINUTE_MS},
    people::{App, Seen},
    world::World,
};

/// Documented bounds of `duplicate_check_interval`, seconds.
const DUPLICATE_SECONDS: (i64, i64) = (1_800, 14_400);

pub(super) fn send(world: &mut World, call: &Call) -> Outcome {
    let caller = opened(world, call)?;
    let body = call.json()?;
    let agentid = agent(world, &caller, &body)?;
    let kind = text(&body, "msgtype").unwrap_or_default().to_owned();
    let (invalid, unlicensed) = (world.bent_names(Kind::InvalidUser), world.bent_names(Kind::UnlicensedUser));
    let taken = world.behaviour.task_id_taken_code;
    let per_day = world.behaviour.wecom_per_day;
    let Some(corp) = world.corps.get_mut(&caller.corpid) else { return refuse(40_013, "invalid corpid") };
    let mut item =
        Item::new(Channel::WeCom, &format!("{}/{agentid}", caller.corpid), "", &kind, &body, call.now);
    content::fill(&mut item, &body)?;
    let recipients = resolve(corp, &body, &invalid, &unlicensed)?;
    let Some(app) = corp.apps.get_mut(&agentid) else { return refuse(40_056, "invalid agentid") };
    if let Some(first) = duplicate_of(app, &body, call, world.behaviour.wecom_duplicate_by) {
        item.state = State::Suppressed;
        for name in &recipients.reached {
            world.inbox.put(Item { to: name.clone(), ..item.clone() });
        }
        return Ok(first);
    }
    let interactive = kind == "template_card" && card::is_interactive(&item.kind);
    if interactive && app.callback.is_none() {
        return refuse(43_012, "app needs a callback url to send this card");
    }
    let wanted = u64::try_from(recipients.reached.len()).unwrap_or(u64::MAX);
    if app.daily.used(call.now) + wanted > per_day {
        return refuse(45_009, "api freq out of limit");
    }
    if let Some(task) = &item.task_id
        && !app.tasks.insert(task.clone())
    {
        return refuse(taken, "invalid task_id: used before");
    }
    let mut answer = partial(&recipients);
    let msgid = world.random.word(60);
    answer["msgid"] = msgid.clone().into();
    corp.sent.insert(msgid.clone(), (agentid, call.now));
    if interactive && let Some(task) = &item.task_id {
        let code = super::issue_response_code(corp, agentid, task, call.now, &mut world.random);
        answer["response_code"] = code.into();
    }
    item.msgid = Some(msgid);
    deliver(world, &caller.corpid, agentid, &item, &recipients, call);
    remember(world, &caller.corpid, agentid, &body, call, &answer);
    Ok(answer)
}

/// The app that the body names: an integer, of this corp, the token's own.
fn agent(world: &World, caller: &Caller, body: &Value) -> Result<i64, Refusal> {
    if body["agentid"].is_null() {
        return refuse(41_011, "missing agentid");
    }
    let known = |id: &i64| world.corps.get(&caller.corpid).is_some_and(|corp| corp.apps.contains_key(id));
    let Some(agentid) = body["agentid"].as_i64().filter(known) else {
        return refuse(40_056, "invalid agentid");
    };
    if caller.agentid != Some(agentid) {
        return refuse(301_002, "access_token has no privilege to this agentid");
    }
    Ok(agentid)
}

fn partial(recipients: &Recipients) -> Value {
    let mut answer = ok_with(json!({}));
    for (name, list) in [
        ("invaliduser", &recipients.invalid_users),
        ("invalidparty", &recipients.invalid_parties),
        ("invalidtag", &recipients.invalid_tags),
        ("unlicenseduser", &recipients.unlicensed),
    ] {
        if !list.is_empty() {
            answer[name] = list.join("|").into();
        }
    }
    answer
}

/// One item on each phone; over a member's limit it is dropped and the sender never learns of it.
fn deliver(world: &mut World, corpid: &str, agentid: i64, item: &Item, recipients: &Recipients, call: &Call) {
    let behaviour = &world.behaviour;
    let Some(app) = world.corps.get_mut(corpid).and_then(|corp| corp.apps.get_mut(&agentid)) else { return };
    for name in &recipients.reached {
        app.daily.take(behaviour.wecom_per_day, call.now);
        let (minute, hour) =
            (app.minute.entry(name.clone()).or_default(), app.hour.entry(name.clone()).or_default());
        let room = minute.count(MINUTE_MS, call.now) < behaviour.member_per_minute
            && hour.count(HOUR_MS, call.now) < behaviour.member_per_hour;
        let state = if room { State::Shown } else { State::Dropped };
        if room {
            minute.push(call.now);
            hour.push(call.now);
        }
        world.inbox.put(Item { to: name.clone(), state, ..item.clone() });
    }
}

fn remember(world: &mut World, corpid: &str, agentid: i64, body: &Value, call: &Call, answer: &Value) {
    let by = world.behaviour.wecom_duplicate_by;
    let app = world.corps.get_mut(corpid).and_then(|corp| corp.apps.get_mut(&agentid));
    if let Some(app) = app {
        app.seen.insert(likeness(body, call, by), Seen { at: call.now, answer: answer.clone() });
    }
}

/// The answer of the send that this one repeats, if its sender asked for the check.
fn duplicate_of(app: &mut App, body: &Value, call: &Call, by: DuplicateBy) -> Option<Value> {
    if body["enable_duplicate_check"].as_i64() != Some(1) {
        return None;
    }
    let (usual, most) = DUPLICATE_SECONDS;
    app.seen.retain(|_, seen| call.now - seen.at < most * 1_000);
    let seconds = body["duplicate_check_interval"].as_i64().unwrap_or(usual).clamp(1, most);
    let seen = app.seen.get(&likeness(body, call, by))?;
    (call.now - seen.at < seconds * 1_000).then(|| seen.answer.clone())
}

fn likeness(body: &Value, call: &Call, by: DuplicateBy) -> Vec<u8> {
    match by {
        DuplicateBy::Canonical => canonical(body).into_bytes(),
        DuplicateBy::Bytes => call.body.clone(),
    }
}

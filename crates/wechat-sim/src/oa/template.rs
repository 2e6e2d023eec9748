//! `message/template/send`: checks in the platform's order, one message per (openid, `client_msg_id`), and an event
//! later that tells what became of it. Accepted is not delivered.

use serde_json::{Value, json};

use super::{account, field, opened, reachable, take_quota};
use crate::{
    answer::{Outcome, Refusal, ok_with, refuse},
    behaviour::TemplateDuplicate,
    call::{Call, has_unicode_escape, text},
    callback::{Push, event::template_finished},
    inbox::{Channel, Item, State},
    limit::MINUTE_MS,
    people::{OaAccount, Template, TemplateFate},
    world::World,
};

/// A `client_msg_id` is remembered so long.
const DEDUPE_MS: i64 = 10 * MINUTE_MS;
const PATH: &str = "/cgi-bin/message/template/send";

pub(super) fn send(world: &mut World, call: &Call) -> Outcome {
    let appid = opened(world, call)?;
    let body = call.json()?;
    if world.behaviour.refuse_unicode_escapes && has_unicode_escape(&call.body) {
        return refuse(
            40_033,
            "invalid charset. please check your request, if include \\uxxxx will create fail!",
        );
    }
    let msgid = world.msgid();
    let behaviour = world.behaviour.clone();
    let account = account(world, &appid)?;
    let openid = text(&body, "touser").unwrap_or_default().to_owned();
    let fate = reachable(account, Some(&openid))?.fate.clone();
    let template = template(account, &body)?.clone();
    let shown = values(&template, &body["data"])?;
    take_quota(account, PATH, behaviour.template_per_day, call.now)?;
    if !account.minute.take(behaviour.template_per_minute, MINUTE_MS, call.now) {
        return refuse(45_011, "api minute-quota reach limit, must slower, retry next minute");
    }
    let mut item = item(&appid, &openid, &template, shown, &body, call.now);
    let key = text(&body, "client_msg_id").map(|client| (openid.clone(), client.to_owned()));
    if let Some(first) = key.as_ref().and_then(|key| sent_before(account, key, call.now)) {
        item.state = State::Suppressed;
        world.inbox.put(item);
        return match behaviour.template_duplicate {
            TemplateDuplicate::SameMsgid => Ok(ok_with(json!({"msgid": first}))),
            TemplateDuplicate::Refused => duplicate(),
        };
    }
    if behaviour.identical_content_rule {
        refuse_identical(account, &openid, &body, call.now)?;
    }
    let named = if behaviour.finish_msgid_zero && key.is_some() { 0 } else { msgid };
    let event = template_finished(&account.original_id, &openid, named, fate.status(), call.now);
    account.sent.extend(key.map(|key| (key, (call.now, msgid))));
    item.msgid = Some(msgid.to_string());
    if fate != TemplateFate::Success {
        item.state = State::Undelivered;
    }
    world.inbox.put(item);
    tell(world, Push::oa(&appid, event), call.now);
    Ok(ok_with(json!({"msgid": msgid})))
}

/// The message that went out under this key less than ten minutes ago.
fn sent_before(account: &OaAccount, key: &(String, String), now: i64) -> Option<u64> {
    account.sent.get(key).filter(|(at, _)| now - at < DEDUPE_MS).map(|(_, msgid)| *msgid)
}

/// Tells what became of it: before the answer, after a while or never, as the switches say.
fn tell(world: &mut World, push: Push, now: i64) {
    if !world.behaviour.finish_events {
        return;
    }
    if world.behaviour.finish_before_response {
        world.first.push(push);
    } else {
        world.later(now + world.behaviour.finish_delay_ms, push);
    }
}

/// `get_all_private_template`.
pub(super) fn list(world: &mut World, call: &Call) -> Outcome {
    let appid = opened(world, call)?;
    let templates = account(world, &appid)?.templates.values().map(|template| {
        json!({
            "template_id": template.template_id,
            "title": template.title,
            "primary_industry": template.primary_industry,
            "deputy_industry": template.deputy_industry,
            "content": template.content,
            "example": template.example,
        })
    });
    let templates: Vec<Value> = templates.collect();
    // Like the real list, without errcode.
    Ok(json!({"template_list": templates}))
}

/// The template that a body names.
pub(super) fn template<'a>(account: &'a OaAccount, body: &Value) -> Result<&'a Template, Refusal> {
    let Some(template) = text(body, "template_id").and_then(|id| account.templates.get(id)) else {
        return refuse(40_037, "invalid template_id");
    };
    if template.banned {
        return refuse(43_116, "This template_id is banned");
    }
    Ok(template)
}

/// Each field's value, checked against its kind; 47003 names the one that is wrong.
pub(super) fn values(template: &Template, data: &Value) -> Result<Vec<(String, String)>, Refusal> {
    let mut shown = Vec::new();
    for key in template.keys() {
        let typed = key.ends_with(|end: char| end.is_ascii_digit()) && !key.starts_with("keyword");
        let value = data[key]["value"].as_str().unwrap_or_default();
        if typed && value.trim().is_empty() {
            // The platform's own spelling.
            return refuse(47_003, format!("argument invalid! data.{key}.value is emtpy"));
        }
        if !field::fits(key, value) {
            return refuse(47_003, format!("argument invalid! data.{key}.value invalid"));
        }
        shown.push((key.to_owned(), value.to_owned()));
    }
    Ok(shown)
}

fn refuse_identical(account: &mut OaAccount, openid: &str, body: &Value, now: i64) -> Result<(), Refusal> {
    let Some(follower) = account.followers.get_mut(openid) else { return Ok(()) };
    let content = format!("{} {}", body["template_id"], body["data"]);
    if follower.recent.get(&content).is_some_and(|at| now - at < MINUTE_MS) {
        duplicate()?;
    }
    follower.recent.insert(content, now);
    Ok(())
}

fn duplicate() -> Outcome {
    refuse(40_241, "The message is duplicate in 60 seconds")
}

fn item(
    appid: &str,
    openid: &str,
    template: &Template,
    shown: Vec<(String, String)>,
    body: &Value,
    now: i64,
) -> Item {
    let mut item = Item::new(Channel::OaTemplate, appid, openid, "template", body, now);
    item.title.clone_from(&template.title);
    item.text.clone_from(&template.content);
    for (key, value) in shown {
        item.text = item.text.replace(&format!("{{{{{key}.DATA}}}}"), &value);
    }
    item.url = text(body, "url").map(str::to_owned);
    item
}

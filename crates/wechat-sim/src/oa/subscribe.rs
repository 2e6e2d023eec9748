//! `message/subscribe/bizsend`: one message for each time the person said yes.

use super::{account, opened, reachable, take_quota, template};
use crate::{
    answer::{Outcome, ok, refuse},
    call::{Call, text},
    callback::{Push, event::subscribe_sent},
    inbox::{Channel, Item},
    world::World,
};

const PATH: &str = "/cgi-bin/message/subscribe/bizsend";
/// Calls a day; the real figure is the account's own.
const PER_DAY: u64 = 100_000;

pub(super) fn send(world: &mut World, call: &Call) -> Outcome {
    let appid = opened(world, call)?;
    let body = call.json()?;
    let delay = world.behaviour.finish_delay_ms;
    let msgid = world.msgid();
    let account = account(world, &appid)?;
    let openid = text(&body, "touser").unwrap_or_default().to_owned();
    reachable(account, Some(&openid))?;
    let template = template::template(account, &body)?.clone();
    let shown = template::values(&template, &body["data"])?;
    take_quota(account, PATH, PER_DAY, call.now)?;
    let grants = account
        .followers
        .get_mut(&openid)
        .and_then(|follower| follower.grants.get_mut(&template.template_id));
    match grants {
        Some(left) if *left > 0 => *left -= 1,
        _ => return refuse(43_101, "user refuse to accept the msg"),
    }
    let event = subscribe_sent(&account.original_id, &openid, &template.template_id, msgid, call.now);
    let mut item = Item::new(Channel::OaSubscribe, &appid, &openid, "subscribe", &body, call.now);
    item.title.clone_from(&template.title);
    item.text = shown.into_iter().map(|(_, value)| value).collect::<Vec<_>>().join("\n");
    item.url = text(&body, "page").map(str::to_owned);
    world.inbox.put(item);
    world.later(call.now + delay, Push::oa(&appid, event));
    Ok(ok())
}

//! What people do on their phones: press, follow, leave, scan, write. `Err` is why they cannot.

use crate::{
    callback::{
        Push,
        event::{Press, said},
    },
    inbox::Channel,
    oa, wecom,
    world::World,
};

/// Presses a button of what is on somebody's phone.
pub fn press(world: &mut World, item: u64, key: &str, now: i64) -> Result<(), &'static str> {
    let Some(item) = world.inbox.item(item).cloned() else { return Err("there is no such item") };
    if !item.is_shown() {
        return Err("no phone shows this item");
    }
    let Some(button) = item.buttons.iter().find(|button| button.key == key) else {
        return Err("it has no such button (any more)");
    };
    if item.channel == Channel::OaCustom {
        return say(world, &item.to, &button.text, now);
    }
    let Some((corpid, agentid)) = item.account.split_once('/') else { return Err("its buttons do nothing") };
    let agentid: i64 = agentid.parse().map_err(|_| "its account is no app")?;
    let Some(corp) = world.corps.get_mut(corpid) else { return Err("its corp is gone") };
    let task_id = item.task_id.as_deref().unwrap_or_default();
    let code = wecom::issue_response_code(corp, agentid, task_id, now, &mut world.random);
    // The event spells the id as the member list does.
    let userid = corp.member(&item.to).map_or(item.to.clone(), |member| member.userid.clone());
    let press =
        Press { corpid, agentid, userid: &userid, key, task_id, card_type: &item.kind, response_code: &code };
    let event = press.event(now);
    world.later(now, Push::app(corpid, agentid, event));
    Ok(())
}

/// Follows the first official account.
pub fn follow(world: &mut World, openid: &str, now: i64) {
    oa::follow(world, openid, None, now);
}

/// Stops following it.
pub fn unfollow(world: &mut World, openid: &str, now: i64) -> Result<(), &'static str> {
    if oa::unfollow(world, openid, now) { Ok(()) } else { Err("nobody who follows has this openid") }
}

/// Scans a code, named by its ticket or its scene.
pub fn scan(world: &mut World, openid: &str, code: &str, now: i64) -> Result<(), &'static str> {
    oa::scan(world, openid, code, now)
}

/// Writes to the first official account, which opens 48 hours for answers.
pub fn say(world: &mut World, openid: &str, words: &str, now: i64) -> Result<(), &'static str> {
    let msgid = world.msgid();
    let Some(account) = world.account_mut() else { return Err("there is no official account") };
    let Some(follower) = account.followers.get_mut(openid).filter(|follower| follower.follows) else {
        return Err("nobody who follows has this openid");
    };
    oa::open_window(follower, oa::SAY_WINDOW, now);
    let event = said(&account.original_id, openid, words, msgid, now);
    let appid = account.appid.clone();
    world.later(now, Push::oa(&appid, event));
    Ok(())
}

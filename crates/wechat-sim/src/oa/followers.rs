//! `user/get` and `user/info`, and people who come and go.

use serde_json::{Value, json};

use super::{TOUCH_WINDOW, account, open_window, opened};
use crate::{
    answer::{Outcome, refuse},
    call::Call,
    callback::{Push, event},
    people::Follower,
    world::World,
};

/// A page of openids after `next_openid`. The last page may name a next one; the page after it has no `data`.
pub(super) fn list(world: &mut World, call: &Call) -> Outcome {
    let appid = opened(world, call)?;
    let page = world.behaviour.follower_page;
    let account = account(world, &appid)?;
    let all: Vec<&str> =
        account.followers.values().filter(|one| one.follows).map(|one| one.openid.as_str()).collect();
    let start = match call.param("next_openid") {
        None => 0,
        Some(after) => match all.iter().position(|openid| *openid == after) {
            Some(position) => position + 1,
            None => return refuse(40_003, "invalid openid"),
        },
    };
    let slice: Vec<&str> = all[start..].iter().take(page).copied().collect();
    let mut answer = json!({
        "total": all.len(),
        "count": slice.len(),
        "next_openid": slice.last().copied().unwrap_or_default(),
    });
    if !slice.is_empty() {
        answer["data"] = json!({"openid": slice});
    }
    Ok(answer)
}

/// What the platform still tells: no name, no picture.
pub(super) fn info(world: &mut World, call: &Call) -> Outcome {
    let appid = opened(world, call)?;
    let account = account(world, &appid)?;
    let Some(follower) = call.param("openid").and_then(|openid| account.followers.get(openid)) else {
        return refuse(40_003, "invalid openid");
    };
    if !follower.follows {
        return Ok(json!({"subscribe": 0, "openid": follower.openid}));
    }
    let scene = if follower.qr_scene_str.is_empty() { "ADD_SCENE_SEARCH" } else { "ADD_SCENE_QR_CODE" };
    Ok(json!({
        "subscribe": 1,
        "openid": follower.openid,
        "nickname": "",
        "sex": 0,
        "language": "zh_CN",
        "city": "",
        "province": "",
        "country": "",
        "headimgurl": "",
        "subscribe_time": follower.subscribe_time,
        "remark": follower.remark,
        "groupid": 0,
        "tagid_list": Value::Array(Vec::new()),
        "subscribe_scene": scene,
        "qr_scene": 0,
        "qr_scene_str": follower.qr_scene_str,
    }))
}

/// Somebody follows, perhaps by a code; the account is told. `ticket` only with a code.
pub(crate) fn follow(world: &mut World, openid: &str, code: Option<(&str, &str)>, now: i64) {
    let Some(account) = world.account_mut() else { return };
    let follower = account.followers.entry(openid.to_owned()).or_insert_with(|| Follower::new(openid, ""));
    follower.follows = true;
    follower.subscribe_time = now / 1_000;
    follower.qr_scene_str = code.map_or_else(String::new, |(scene, _)| scene.to_owned());
    open_window(follower, TOUCH_WINDOW, now);
    let code = code.map(|(scene, ticket)| (format!("qrscene_{scene}"), ticket.to_owned()));
    let event = event::follow(&account.original_id, openid, "subscribe", code, now);
    let appid = account.appid.clone();
    world.later(now, Push::oa(&appid, event));
}

/// Somebody leaves; the account is told.
pub(crate) fn unfollow(world: &mut World, openid: &str, now: i64) -> bool {
    let Some(account) = world.account_mut() else { return false };
    let Some(follower) = account.followers.get_mut(openid).filter(|follower| follower.follows) else {
        return false;
    };
    follower.follows = false;
    follower.windows.clear();
    let event = event::follow(&account.original_id, openid, "unsubscribe", None, now);
    let appid = account.appid.clone();
    world.later(now, Push::oa(&appid, event));
    true
}

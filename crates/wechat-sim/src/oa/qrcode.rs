//! `qrcode/create`, and a person who scans one: how an openid is learnt.

use serde_json::json;

use super::{TOUCH_WINDOW, account, follow, open_window, opened};
use crate::{
    answer::{Outcome, refuse},
    call::{Call, text},
    callback::{Push, event},
    people::QrCode,
    world::World,
};

/// Without `expire_seconds` a code dies so soon that nobody can scan it.
const DEFAULT_SECONDS: i64 = 60;
/// Thirty days.
const MOST_SECONDS: i64 = 2_592_000;
/// Of `scene_str`, in characters.
const SCENE_CHARS: usize = 64;

pub(super) fn create(world: &mut World, call: &Call) -> Outcome {
    let appid = opened(world, call)?;
    let body = call.json()?;
    let scene = &body["action_info"]["scene"];
    let (scene, temporary) = match text(&body, "action_name").unwrap_or_default() {
        "QR_STR_SCENE" => (text(scene, "scene_str").map(str::to_owned), true),
        "QR_LIMIT_STR_SCENE" => (text(scene, "scene_str").map(str::to_owned), false),
        "QR_SCENE" => (scene["scene_id"].as_u64().map(|id| id.to_string()), true),
        "QR_LIMIT_SCENE" => (scene["scene_id"].as_u64().map(|id| id.to_string()), false),
        _ => return refuse(40_050, "invalid action name"),
    };
    let Some(scene) = scene.filter(|scene| scene.chars().count() <= SCENE_CHARS) else {
        return refuse(40_053, "invalid action info");
    };
    let seconds = body["expire_seconds"].as_i64().unwrap_or(DEFAULT_SECONDS);
    if temporary && !(1..=MOST_SECONDS).contains(&seconds) {
        return refuse(40_052, "invalid expire seconds");
    }
    let ticket = format!("gQ{}==", world.random.word(94));
    let url = format!("http://weixin.qq.com/q/{}", world.random.word(22));
    let expires = temporary.then_some(call.now + seconds * 1_000);
    account(world, &appid)?.codes.insert(ticket.clone(), QrCode { scene, expires });
    Ok(if temporary {
        json!({"ticket": ticket, "expire_seconds": seconds, "url": url})
    } else {
        json!({"ticket": ticket, "url": url})
    })
}

/// A person scans a code, named by its ticket or its scene: who does not follow yet does then. `Err`: what the phone
/// says.
pub(crate) fn scan(world: &mut World, openid: &str, code: &str, now: i64) -> Result<(), &'static str> {
    let Some(account) = world.account_mut() else { return Err("there is no official account") };
    let found = account.codes.iter().find(|(ticket, made)| ticket.as_str() == code || made.scene == code);
    let Some((ticket, made)) = found.map(|(ticket, made)| (ticket.clone(), made.clone())) else {
        return Err("there is no such code");
    };
    if made.expires.is_some_and(|end| now >= end) {
        return Err("the code has expired");
    }
    let Some(follower) = account.followers.get_mut(openid).filter(|follower| follower.follows) else {
        follow(world, openid, Some((&made.scene, &ticket)), now);
        return Ok(());
    };
    open_window(follower, TOUCH_WINDOW, now);
    let event = event::follow(&account.original_id, openid, "SCAN", Some((made.scene, ticket)), now);
    let appid = account.appid.clone();
    world.later(now, Push::oa(&appid, event));
    Ok(())
}

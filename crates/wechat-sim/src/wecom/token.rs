//! `gettoken`: one token for each app; wrong secrets block the address for an hour.

use serde_json::json;

use crate::{
    answer::{Outcome, ok_with, refuse},
    call::Call,
    limit::HOUR_MS,
    token::Owner,
    world::World,
};

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    let ip = call.ip.to_string();
    if world.blocked_ips.get(&ip).is_some_and(|until| call.now < *until) {
        return refuse(45_009, "api freq out of limit");
    }
    let Some(corpid) = call.param("corpid") else { return refuse(41_002, "corpid missing") };
    let Some(secret) = call.param("corpsecret") else { return refuse(41_004, "corpsecret missing") };
    let Some(corp) = world.corps.get(corpid) else { return refuse(40_013, "invalid corpid") };
    let app = corp.apps.values().find(|app| app.secret == secret);
    let owner = match app {
        Some(app) if app.disabled => return refuse(40_001, "invalid credential"),
        Some(app) => Owner::App(corpid.into(), app.agentid),
        None if corp.contact_secret == secret => Owner::Contacts(corpid.into()),
        None => {
            let limit = world.behaviour.bad_secret_limit;
            let wrong = world.wrong_secrets.entry(ip.clone()).or_default();
            wrong.push(call.now);
            if wrong.count(HOUR_MS, call.now) >= limit {
                world.blocked_ips.insert(ip, call.now + HOUR_MS);
            }
            return refuse(40_001, "invalid credential");
        }
    };
    let life = world.behaviour.wecom_token_s;
    let (token, left) = if world.behaviour.wecom_new_token {
        (world.tokens.mint_beside(&owner, life * 1_000, call.now, &mut world.random), life)
    } else {
        world.tokens.keep(&owner, life * 1_000, 0, call.now, &mut world.random)
    };
    Ok(ok_with(json!({"access_token": token, "expires_in": left})))
}

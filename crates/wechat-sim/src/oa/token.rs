//! `token` and `stable_token`: the two ways to a token, with the allow-list that guards only them.

use serde_json::{Value, json};

use crate::{
    answer::{Outcome, Refusal, refuse},
    call::{Call, text},
    fault::Kind,
    token::{OVERLAP_MS, Owner},
    world::World,
};

/// `GET /cgi-bin/token`: each call mints and lets the one before live five minutes.
pub(super) fn classic(world: &mut World, call: &Call) -> Outcome {
    let behaviour = &world.behaviour;
    let (life, limit) = (behaviour.oa_token_s, behaviour.classic_tokens_per_day);
    let appid = admit(world, call, call.param("grant_type"), call.param("appid"), call.param("secret"))?;
    take(world, &format!("classic {appid}"), limit, call.now)?;
    let token = world.tokens.mint(&Owner::Classic(appid), life * 1_000, call.now, &mut world.random);
    Ok(json!({"access_token": token, "expires_in": life}))
}

/// `POST /cgi-bin/stable_token`: the same one until its last five minutes, unless forced.
pub(super) fn stable(world: &mut World, call: &Call) -> Outcome {
    let body = call.json()?;
    let life = world.behaviour.oa_token_s;
    let appid = admit(world, call, text(&body, "grant_type"), text(&body, "appid"), text(&body, "secret"))?;
    take(world, &format!("stable {appid}"), world.behaviour.stable_tokens_per_day, call.now)?;
    let owner = Owner::Stable(appid.clone());
    if body["force_refresh"] == Value::Bool(true) && world.tokens.may_force(&owner, call.now) {
        take(world, &format!("forced {appid}"), world.behaviour.forced_tokens_per_day, call.now)?;
        let token = world.tokens.force(&owner, life * 1_000, call.now, &mut world.random);
        return Ok(json!({"access_token": token, "expires_in": life}));
    }
    // The fault of the same name turns the renewal off.
    let margin = if world.bent(Kind::SameToken) { 0 } else { OVERLAP_MS };
    let (token, left) = world.tokens.keep(&owner, life * 1_000, margin, call.now, &mut world.random);
    Ok(json!({"access_token": token, "expires_in": left}))
}

/// Whether this caller may have a token of this account.
fn admit(
    world: &mut World,
    call: &Call,
    grant_type: Option<&str>,
    appid: Option<&str>,
    secret: Option<&str>,
) -> Result<String, Refusal> {
    if grant_type != Some("client_credential") {
        return refuse(40_002, "invalid grant_type");
    }
    let Some(appid) = appid else { return refuse(41_002, "appid missing") };
    let Some(secret) = secret else { return refuse(41_004, "appsecret missing") };
    let Some(account) = world.oa.get(appid) else { return refuse(40_013, "invalid appid") };
    if account.secret != secret {
        return match world.behaviour.oa_bad_secret_code {
            40_125 => refuse(40_125, "invalid appsecret, view more at http://t.cn/RAEkdVq"),
            code => refuse(code, "invalid credential, access_token is invalid or not latest"),
        };
    }
    let listed = world.behaviour.oa_allow_list.as_ref().is_none_or(|list| list.contains(&call.ip));
    if !listed {
        let ip = call.ip;
        return refuse(40_164, format!("invalid ip {ip} ipv6 ::ffff:{ip}, not in whitelist"));
    }
    Ok(appid.to_owned())
}

fn take(world: &mut World, what: &str, limit: u64, now: i64) -> Result<(), Refusal> {
    if world.token_quota.entry(what.into()).or_default().take(limit, now) {
        Ok(())
    } else {
        refuse(45_009, "reach max api daily quota limit")
    }
}

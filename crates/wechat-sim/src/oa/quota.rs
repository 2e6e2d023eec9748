//! `openapi/quota/get` and the ways to clear a quota: ten a month, so never automatically.

use serde_json::json;

use super::{account, opened};
use crate::{
    answer::{Outcome, Refusal, ok, ok_with, refuse},
    call::{Call, text},
    limit::{DAY_MS, MINUTE_MS},
    people::OaAccount,
    world::World,
};

/// So many clears in what stands for a month.
const CLEARS: usize = 10;
const MONTH_MS: i64 = 30 * DAY_MS;
/// Daily calls of an interface that has no limit of its own here.
const USUAL: u64 = 100_000;

pub(super) fn get(world: &mut World, call: &Call) -> Outcome {
    let appid = opened(world, call)?;
    let body = call.json()?;
    let path = text(&body, "cgi_path").unwrap_or_default().to_owned();
    if !path.starts_with("/cgi-bin/") {
        return refuse(76_021, "cgi_path not found");
    }
    let per_minute = world.behaviour.template_per_minute;
    let limit = match path.as_str() {
        "/cgi-bin/message/template/send" => world.behaviour.template_per_day,
        "/cgi-bin/message/custom/send" => 500_000,
        _ => USUAL,
    };
    let account = account(world, &appid)?;
    let used = account.daily.entry(path).or_default().used(call.now);
    Ok(ok_with(json!({
        "quota": {"daily_limit": limit, "used": used, "remain": limit.saturating_sub(used)},
        "rate_limit": {"call_count": per_minute, "refresh_second": MINUTE_MS / 1_000},
    })))
}

/// `clear_quota`: everything of one account.
pub(super) fn clear(world: &mut World, call: &Call) -> Outcome {
    let appid = opened(world, call)?;
    let body = call.json()?;
    if text(&body, "appid") != Some(&appid) {
        return refuse(40_013, "invalid appid");
    }
    let account = account(world, &appid)?;
    take_clear(account, call.now)?;
    account.daily.clear();
    Ok(ok())
}

/// `clear_quota/v2`: needs no token, so it works when the token quota is gone.
pub(super) fn clear_with_secret(world: &mut World, call: &Call) -> Outcome {
    let body = call.json()?;
    let appid = text(&body, "appid").unwrap_or_default().to_owned();
    let account = account(world, &appid)?;
    if text(&body, "appsecret") != Some(&account.secret) {
        return refuse(40_125, "invalid appsecret");
    }
    take_clear(account, call.now)?;
    account.daily.clear();
    for (_, quota) in world.token_quota.iter_mut().filter(|(what, _)| what.ends_with(&appid)) {
        quota.clear();
    }
    Ok(ok())
}

/// `openapi/quota/clear`: one interface.
pub(super) fn clear_one(world: &mut World, call: &Call) -> Outcome {
    let appid = opened(world, call)?;
    let body = call.json()?;
    let account = account(world, &appid)?;
    take_clear(account, call.now)?;
    if let Some(quota) = account.daily.get_mut(text(&body, "cgi_path").unwrap_or_default()) {
        quota.clear();
    }
    Ok(ok())
}

fn take_clear(account: &mut OaAccount, now: i64) -> Result<(), Refusal> {
    account.clears.retain(|at| now - at < MONTH_MS);
    if account.clears.len() >= CLEARS {
        return refuse(48_006, "forbid to clear quota because of reaching the limit");
    }
    account.clears.push(now);
    Ok(())
}

//! `api.weixin.qq.com`: official accounts.

mod custom;
mod field;
mod followers;
mod qrcode;
mod quota;
mod subscribe;
mod template;
mod token;

pub(crate) use custom::open_window;
pub(crate) use followers::{follow, unfollow};
pub(crate) use qrcode::scan;

use serde_json::json;

use crate::{
    answer::{Outcome, Refusal, ok_with, refuse},
    call::Call,
    limit::MINUTE_MS,
    people::{Follower, OaAccount},
    token::{Dead, Owner},
    world::World,
};

/// A message of the person opens 48 hours for so many messages.
pub(crate) const SAY_WINDOW: (i64, u32) = (48 * 60 * MINUTE_MS, 5);
/// Following, scanning or a menu click opens a minute for so many.
pub(crate) const TOUCH_WINDOW: (i64, u32) = (MINUTE_MS, 3);

/// Answers a call; `None` if there is no such interface.
pub(crate) fn answer(world: &mut World, call: &Call) -> Option<Outcome> {
    let (method, handler): (&str, fn(&mut World, &Call) -> Outcome) = match call.path.as_str() {
        "/cgi-bin/token" => ("GET", token::classic),
        "/cgi-bin/stable_token" => ("POST", token::stable),
        "/cgi-bin/message/template/send" => ("POST", template::send),
        "/cgi-bin/template/get_all_private_template" => ("GET", template::list),
        "/cgi-bin/message/custom/send" => ("POST", custom::send),
        "/cgi-bin/message/subscribe/bizsend" => ("POST", subscribe::send),
        "/cgi-bin/get_api_domain_ip" => ("GET", domain_ip),
        "/cgi-bin/user/get" => ("GET", followers::list),
        "/cgi-bin/user/info" => ("GET", followers::info),
        "/cgi-bin/qrcode/create" => ("POST", qrcode::create),
        "/cgi-bin/openapi/quota/get" => ("POST", quota::get),
        "/cgi-bin/openapi/quota/clear" => ("POST", quota::clear_one),
        "/cgi-bin/clear_quota" => ("POST", quota::clear),
        "/cgi-bin/clear_quota/v2" => ("POST", quota::clear_with_secret),
        _ => return None,
    };
    if call.method != method {
        let code = if method == "GET" { 43_001 } else { 43_002 };
        return Some(refuse(code, format!("require {method} method hint")));
    }
    Some(handler(world, call))
}

/// The addresses of the platform: what a token is tried with where nothing shall happen.
fn domain_ip(world: &mut World, call: &Call) -> Outcome {
    opened(world, call)?;
    Ok(ok_with(json!({"ip_list": ["203.0.113.1", "203.0.113.2"]})))
}

/// The account that the call's token opens.
fn opened(world: &World, call: &Call) -> Result<String, Refusal> {
    const NOT_LATEST: &str = "invalid credential, access_token is invalid or not latest, could get access_token by \
                              getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r";
    let code = match world.tokens.check(call.param("access_token"), call.now) {
        Ok(Owner::Classic(appid) | Owner::Stable(appid)) => return Ok(appid),
        // A token of the other platform is unknown here.
        Ok(_) | Err(Dead::Unknown) => 40_014,
        Err(Dead::Missing) => 41_001,
        Err(Dead::Expired) => world.behaviour.oa_expired_code,
        Err(Dead::Superseded) => 40_001,
    };
    refuse(
        code,
        match code {
            40_001 => NOT_LATEST,
            41_001 => "access_token missing",
            42_001 => "access_token expired",
            _ => "invalid access_token",
        },
    )
}

/// An account that was opened a moment ago.
fn account<'a>(world: &'a mut World, appid: &str) -> Result<&'a mut OaAccount, Refusal> {
    world.oa.get_mut(appid).ok_or_else(|| Refusal { code: 40_013, text: "invalid appid".into() })
}

/// Somebody who can get messages, or why not: never seen, left, shut out.
fn reachable<'a>(account: &'a mut OaAccount, openid: Option<&str>) -> Result<&'a mut Follower, Refusal> {
    let Some(follower) = openid.and_then(|openid| account.followers.get_mut(openid)) else {
        return refuse(40_003, "invalid openid");
    };
    match () {
        () if !follower.follows => refuse(43_004, "require subscribe"),
        () if follower.blacklisted => refuse(43_019, "require remove blacklist"),
        () if !follower.receives => refuse(48_002, "user block receive message"),
        () => Ok(follower),
    }
}

/// One call of an interface with a day's quota.
fn take_quota(account: &mut OaAccount, path: &str, limit: u64, now: i64) -> Result<(), Refusal> {
    if account.daily.entry(path.into()).or_default().take(limit, now) {
        Ok(())
    } else {
        refuse(45_009, "reach max api daily quota limit")
    }
}

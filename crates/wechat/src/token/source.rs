//! Where tokens come from.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde::Serialize;

use crate::{
    Secret,
    errcode::{self, Call, Platform},
    http::{Answer, Ask, Http},
    outcome::{Cause, Failure, NotSent, Refused},
};

/// Classic requests that this program allows itself a day. The platform allows 2000, and each one kills a token that
/// another program may be using.
pub const CLASSIC_A_DAY: u32 = 100;
/// Forced refreshes that this program allows itself a day. The platform allows 20, which people need, too.
pub const MAY_FORCE_A_DAY: u32 = 5;

/// How an official account's tokens are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenMode {
    /// `stable_token`; the classic call if the account or a gateway in between does not know it.
    #[default]
    StableFirst,
    /// The classic call only.
    Classic,
}

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct How {
    /// Make the platform issue a new token although it believes the old one to be good.
    pub force: bool,
    /// The classic call is within its budget.
    pub may_use_classic: bool,
}

/// A token as it was handed out.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub token: Secret,
    /// Seconds.
    pub expires_in: i64,
}

/// What a request brought and what it cost.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub result: Result<Fetched, Failure>,
    pub used_classic: bool,
    pub used_force: bool,
}

/// Fetches tokens of one credential.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    async fn fetch(&self, how: How) -> Fetch;

    /// A request that is not forced hands out the token again that is good, and ends none.
    fn hands_out_again(&self) -> bool;
}

/// An official account's.
pub(crate) struct OfficialSource {
    http: Http,
    app_id: String,
    secret: Secret,
    /// Learnt once a run: asking every time would double the requests.
    knows_stable: AtomicBool,
}

#[derive(Serialize)]
struct StableBody<'a> {
    grant_type: &'a str,
    appid: &'a str,
    secret: &'a str,
    force_refresh: bool,
}

impl OfficialSource {
    pub fn new(http: Http, app_id: String, secret: Secret, mode: TokenMode) -> Self {
        Self { http, app_id, secret, knows_stable: AtomicBool::new(mode != TokenMode::Classic) }
    }

    async fn stable(&self, force: bool) -> Result<Fetched, Failure> {
        let secret = self.secret.expose();
        let body =
            StableBody { grant_type: "client_credential", appid: &self.app_id, secret, force_refresh: force };
        let body = serde_json::to_string(&body).map_err(unusable)?;
        let ask =
            Ask { path: "/cgi-bin/stable_token", query: vec![], body: Some(body), secrets: vec![secret] };
        read(Platform::Official, self.http.ask(ask).await)
    }

    async fn classic(&self) -> Result<Fetched, Failure> {
        let secret = self.secret.expose();
        let query =
            vec![("grant_type", "client_credential"), ("appid", self.app_id.as_str()), ("secret", secret)];
        let ask = Ask { path: "/cgi-bin/token", query, body: None, secrets: vec![secret] };
        read(Platform::Official, self.http.ask(ask).await)
    }
}

#[async_trait]
impl Source for OfficialSource {
    async fn fetch(&self, how: How) -> Fetch {
        if self.knows_stable.load(Ordering::Relaxed) {
            let result = self.stable(how.force).await;
            let unknown_there = result.as_ref().err().is_some_and(is_unknown_call);
            if !unknown_there {
                return Fetch { result, used_classic: false, used_force: how.force };
            }
            tracing::info!("stable_token is not known here; the classic token call is used from now on");
            self.knows_stable.store(false, Ordering::Relaxed);
        }
        if !how.may_use_classic {
            let detail = format!(
                "{CLASSIC_A_DAY} classic token requests today: another program takes the tokens away"
            );
            let result = Err(Failure::NotSent(NotSent::of(Cause::TokenBudget, detail)));
            return Fetch { result, used_classic: false, used_force: false };
        }
        Fetch { result: self.classic().await, used_classic: true, used_force: false }
    }

    fn hands_out_again(&self) -> bool {
        self.knows_stable.load(Ordering::Relaxed)
    }
}

/// Whether `stable_token` itself is what is missing. Nothing else is a reason to fall back: a classic token takes the
/// one of every other program away.
fn is_unknown_call(failure: &Failure) -> bool {
    match failure {
        // 40066: no such URL; 45103 and 45109: no such API for this account; 48001 and 50001: not authorised.
        Failure::Refused(refused) => matches!(refused.errcode, 40066 | 45103 | 45109 | 48001 | 50001),
        Failure::NotSent(not_sent) => matches!(not_sent.cause, Cause::Status(404 | 405 | 501)),
        Failure::Unknown(_) => false,
    }
}

/// A WeCom app's.
pub(crate) struct WecomSource {
    http: Http,
    corp_id: String,
    secret: Secret,
}

impl WecomSource {
    pub fn new(http: Http, corp_id: String, secret: Secret) -> Self {
        Self { http, corp_id, secret }
    }
}

#[async_trait]
impl Source for WecomSource {
    async fn fetch(&self, _how: How) -> Fetch {
        let secret = self.secret.expose();
        let query = vec![("corpid", self.corp_id.as_str()), ("corpsecret", secret)];
        let ask = Ask { path: "/cgi-bin/gettoken", query, body: None, secrets: vec![secret] };
        let result = read(Platform::Wecom, self.http.ask(ask).await);
        Fetch { result, used_classic: false, used_force: false }
    }

    fn hands_out_again(&self) -> bool {
        true
    }
}

fn read(platform: Platform, answer: Result<Answer, Failure>) -> Result<Fetched, Failure> {
    let answer = answer.map_err(Failure::before_sending)?;
    if answer.errcode != 0 {
        let verdict = errcode::classify(platform, Call::Token, answer.errcode, &answer.errmsg);
        let refused = Refused::of(platform, Call::Token, answer.errcode, answer.errmsg, verdict);
        return Err(Failure::Refused(refused));
    }
    let lacks = |what: &str| {
        let detail = format!("the answer to a token request has no {what}");
        Failure::NotSent(NotSent::of(Cause::Unreadable, detail))
    };
    let token = answer.text("access_token").ok_or_else(|| lacks("access_token"))?;
    let expires_in = answer.number("expires_in").ok_or_else(|| lacks("expires_in"))?;
    Ok(Fetched { token: Secret::new(token), expires_in })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unusable(error: serde_json::Error) -> Failure {
    Failure::NotSent(NotSent::of(Cause::Unusable, error.to_string()))
}

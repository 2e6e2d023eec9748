//! The client of one official account.

use serde::Serialize;

use super::{Follower, FollowerPage, Qr, Scene, Template};
use crate::{
    Accepted, Api, BadEndpoint, Cause, Endpoint, Failure, NotSent, Outcome, Prepared, Secret, TokenMode,
    errcode::Platform,
    http::{Answer, Http},
    session::{Account, Parts, Plain, Session},
    token::OfficialSource,
};

/// Pages of followers that are read at most: the platform's 10 000 each make a million.
const FOLLOWER_PAGES: usize = 100;

/// What opens an official account.
#[derive(Clone, Debug)]
pub struct Credential {
    /// `AppID`.
    pub app_id: String,
    /// `AppSecret`.
    pub secret: Secret,
    /// How tokens are fetched.
    pub token_mode: TokenMode,
}

/// The client of one official account.
#[derive(Clone, Debug)]
pub struct OfficialAccount {
    session: Session,
}

/// What is left of an API's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// Calls a day.
    pub daily_limit: i64,
    /// Used today.
    pub used: i64,
    /// Left today.
    pub remain: i64,
}

impl OfficialAccount {
    /// A client; nothing is asked yet.
    pub fn new(credential: Credential, endpoint: &Endpoint, parts: &Parts) -> Result<Self, BadEndpoint> {
        let Credential { app_id, secret, token_mode } = credential;
        let http = Http::new(endpoint)?;
        let account = Account { kind: "official", id: &app_id, base: &endpoint.base, secret: &secret };
        let source = OfficialSource::new(http.clone(), app_id.clone(), secret.clone(), token_mode);
        let session = Session::new(Platform::Official, http, Box::new(source), &account, parts);
        Ok(Self { session })
    }

    /// Whether id, secret and the address of this computer are right **now**: asks for a token although one is held. A
    /// classic one is not asked for; a call that changes nothing tells whether the one held is still taken.
    pub async fn check(&self) -> Result<(), Failure> {
        if self.session.check().await? {
            return Ok(());
        }
        self.read("/cgi-bin/get_api_domain_ip", vec![]).await.map(drop)
    }

    /// Forgets the token, in memory and in the cache: the credential is being deleted.
    pub async fn forget_token(&self) {
        self.session.forget().await;
    }

    /// Sends a prepared message.
    pub async fn send(&self, message: &Prepared) -> Outcome {
        if !matches!(message.api, Api::Template | Api::CustomerService) {
            return Outcome::NotSent(NotSent::of(
                Cause::Unusable,
                "not an official account's message".into(),
            ));
        }
        let plain = Plain { path: message.api.path(), query: vec![], body: Some(&message.body) };
        match self.session.call(plain).await {
            Ok(answer) if !answer.takes_message() => Answer::says_nothing().into(),
            Ok(answer) => Outcome::Accepted(Accepted { msgid: answer.text("msgid"), ..Accepted::default() }),
            Err(failure) => failure.into(),
        }
    }

    async fn read(&self, path: &str, query: Vec<(&'static str, &str)>) -> Result<Answer, Failure> {
        self.session.call(Plain { path, query, body: None }).await.map_err(Failure::before_sending)
    }

    async fn write(&self, path: &str, body: &impl Serialize) -> Result<Answer, Failure> {
        let body = serde_json::to_string(body).map_err(|e| unreadable(e.to_string()))?;
        self.session
            .call(Plain { path, query: vec![], body: Some(&body) })
            .await
            .map_err(Failure::before_sending)
    }

    /// A page of followers, after the openid with which the last page ended.
    pub async fn followers(&self, after: Option<&str>) -> Result<FollowerPage, Failure> {
        let query = after.map(|openid| ("next_openid", openid)).into_iter().collect();
        let answer = self.read("/cgi-bin/user/get", query).await?;
        Ok(FollowerPage::of(&answer, after))
    }

    /// All followers, up to a million.
    pub async fn all_followers(&self) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        let mut after = None;
        for _ in 0..FOLLOWER_PAGES {
            let page = self.followers(after.as_deref()).await?;
            all.extend(page.openids);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(all)
    }

    /// What is known about somebody. Names and pictures are not, since 2021.
    pub async fn follower(&self, openid: &str) -> Result<Follower, Failure> {
        let query = vec![("openid", openid), ("lang", "zh_CN")];
        let answer = self.read("/cgi-bin/user/info", query).await?;
        Ok(Follower::of(openid, &answer))
    }

    /// A QR code for binding: whoever scans it sends an event with the scene.
    pub async fn create_qr(&self, scene: &Scene, expire_seconds: u32) -> Result<Qr, Failure> {
        let answer = self.write("/cgi-bin/qrcode/create", &scene.request(expire_seconds)).await?;
        Qr::of(&answer).ok_or_else(|| unreadable("the answer has no ticket".into()))
    }

    /// The account's templates.
    pub async fn templates(&self) -> Result<Vec<Template>, Failure> {
        #[derive(serde::Deserialize)]
        struct List {
            #[serde(default)]
            template_list: Vec<Template>,
        }
        let answer = self.read("/cgi-bin/template/get_all_private_template", vec![]).await?;
        Ok(answer.read::<List>().map_err(unreadable)?.template_list)
    }

    /// What is left of the quota of sending templates.
    pub async fn template_quota(&self) -> Result<Quota, Failure> {
        let body = serde_json::json!({ "cgi_path": Api::Template.path() });
        let answer = self.write("/cgi-bin/openapi/quota/get", &body).await?;
        let quota = answer.field("quota").cloned().unwrap_or_default();
        let number = |name: &str| quota.get(name).and_then(crate::http::number).unwrap_or_default();
        Ok(Quota { daily_limit: number("daily_limit"), used: number("used"), remain: number("remain") })
    }
}

fn unreadable(detail: String) -> Failure {
    Failure::NotSent(NotSent::of(Cause::Unreadable, detail))
}

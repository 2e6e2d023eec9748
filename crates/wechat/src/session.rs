//! Calls that carry an access token: the one place that refreshes it and tries again.

use std::{fmt::Write as _, sync::Arc};

use sha2::{Digest as _, Sha256};

use crate::{
    Clock, Secret,
    errcode::{self, Call, Class, Platform},
    http::{Answer, Ask, Http},
    outcome::{Failure, Refused},
    token::{Source, Token, TokenCache, Tokens, hardened, refused_pause},
};

/// What a client is given from outside.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where sealed tokens are kept.
    pub cache: Arc<dyn TokenCache>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
}

/// A call before its token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plain<'a> {
    pub path: &'a str,
    pub query: Vec<(&'static str, &'a str)>,
    pub body: Option<&'a str>,
}

/// One credential's way to its platform.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    platform: Platform,
    http: Http,
    tokens: Tokens,
}

impl Session {
    pub fn new(
        platform: Platform,
        http: Http,
        source: Box<dyn Source>,
        account: &Account<'_>,
        parts: &Parts,
    ) -> Self {
        let tokens = Tokens::new(
            source,
            parts.cache.clone(),
            account.cache_name(),
            account.secret,
            parts.clock.clone(),
        );
        Self { platform, http, tokens }
    }

    /// Calls; a token that is refused is replaced, once. Retrying is safe here: the platform did nothing.
    pub async fn call(&self, plain: Plain<'_>) -> Result<Answer, Failure> {
        let token = self.tokens.get().await?;
        let refusal = match self.call_with(&token, &plain).await {
            Err(Failure::Refused(refused)) if refused.class == Class::Token => refused,
            other => return other,
        };
        self.tokens.expire(&token, &refusal);
        let token = self.tokens.get().await?;
        match self.call_with(&token, &plain).await {
            Err(Failure::Refused(refused)) if refused.class == Class::Token => {
                let in_a_row = self.tokens.expire(&token, &refused);
                Err(Failure::Refused(hardened(&refused, in_a_row, refused_pause(in_a_row))))
            }
            other => other,
        }
    }

    async fn call_with(&self, token: &Token, plain: &Plain<'_>) -> Result<Answer, Failure> {
        let mut query = vec![("access_token", token.expose())];
        query.extend(&plain.query);
        let ask = Ask {
            path: plain.path,
            query,
            body: plain.body.map(ToOwned::to_owned),
            secrets: vec![token.expose()],
        };
        let answer = self.http.ask(ask).await?;
        if answer.errcode == 0 {
            self.tokens.confirm(token);
            return Ok(answer);
        }
        let verdict = errcode::classify(self.platform, Call::Business, answer.errcode, &answer.errmsg);
        let refused = Refused::of(self.platform, Call::Business, answer.errcode, answer.errmsg, verdict);
        if refused.class == Class::Permanent {
            // The platform looked at the recipient: it had taken the token.
            self.tokens.confirm(token);
        }
        Err(Failure::Refused(refused))
    }

    /// Asks the platform for a token, whatever is held and whatever failed before. `false`: it was not asked, because that
    /// would end the token of every other program.
    pub async fn check(&self) -> Result<bool, Failure> {
        if self.tokens.may_ask_again() {
            return self.tokens.ask().await.map(|_| true);
        }
        self.tokens.retry_now();
        Ok(false)
    }

    pub async fn forget(&self) {
        self.tokens.forget().await;
    }
}

/// What a credential is known by.
pub(crate) struct Account<'a> {
    pub kind: &'static str,
    pub id: &'a str,
    pub base: &'a crate::BaseUrl,
    pub secret: &'a Secret,
}

impl Account<'_> {
    /// Names the account in the cache without saying which it is. The secret is not in it: a changed one unseals
    /// nothing, and its token takes the old one's place.
    pub fn cache_name(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.kind, self.id, &self.base.to_string()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let hash = hash.finalize();
        let hex = hash.iter().take(16).fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        format!("{}-{hex}", self.kind)
    }
}

//! Tokens, sessions, invites.

use tocsin_protocol::{Millis, NewUser, Token, TokenKind, User};

use super::facts::{Facts, SessionFact, TokenFact, next_id};
use crate::{
    Entry, Error, JoinOrder, Joined, Principal, Result, SecretHash, SessionOrder, SessionRecord, TokenId,
    TokenOrder, UserId,
};

impl Facts {
    fn good(&self, token: &TokenFact) -> bool {
        !token.revoked && token.expires_at.is_none_or(|at| at > self.now)
    }

    pub(super) fn authenticate(&self, secret: &SecretHash) -> Option<Principal> {
        let token = self.tokens.iter().find(|token| token.secret == *secret && self.good(token))?;
        let user = match token.user {
            Some(id) => {
                let user = self.live_user(id).ok()?;
                Some((id, user.name.clone(), user.role))
            }
            None => None,
        };
        Some(Principal {
            token: token.id,
            kind: token.kind,
            name: token.name.clone(),
            user,
            topics: token.topics.clone().into(),
            device: token.device.clone(),
            expires_at: token.expires_at,
        })
    }

    pub(super) fn add_token(&mut self, order: TokenOrder) -> Result<Token> {
        let new = order.token;
        let user = match (new.kind, &new.user) {
            (TokenKind::Client, Some(name)) => Some(self.user_named(name)?.id),
            (TokenKind::Client, None) => return Err(Error::UnknownUser(String::new())),
            (TokenKind::Sender, _) => None,
        };
        let mut topics = Vec::new();
        if new.kind == TokenKind::Sender {
            for name in &new.topics {
                topics.push(self.topic_named(name)?.id);
            }
        }
        let span = new
            .expires_in
            .map(|seconds| Millis::try_from(seconds).unwrap_or(Millis::MAX).saturating_mul(1000));
        self.insert_token(TokenFact {
            id: TokenId(next_id(&self.tokens)),
            secret: order.secret,
            kind: new.kind,
            name: new.name,
            user,
            topics,
            device: order.device,
            created_at: self.now,
            expires_at: span.map(|span| self.now.saturating_add(span)),
            last_used_at: None,
            revoked: false,
        })
    }

    fn insert_token(&mut self, token: TokenFact) -> Result<Token> {
        if self.tokens.iter().any(|known| known.secret == token.secret) {
            return Err(Error::Conflict("there is a token with this secret already".into()));
        }
        let listed = self.listed_token(&token);
        self.tokens.push(token);
        Ok(listed)
    }

    fn listed_token(&self, token: &TokenFact) -> Token {
        let user = token.user.and_then(|id| self.users.iter().find(|user| user.id == id));
        let name = |id: &crate::TopicId| {
            self.topics.iter().find(|topic| topic.id == *id && !topic.removed).map(|topic| topic.name.clone())
        };
        Token {
            id: token.id.0.to_string(),
            kind: token.kind,
            name: token.name.clone(),
            user: user.map(|user| user.name.clone()),
            topics: token.topics.iter().filter_map(name).collect(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }

    pub(super) fn tokens(&self, user: Option<UserId>) -> Vec<Token> {
        let listed =
            self.tokens.iter().filter(|token| !token.revoked && (user.is_none() || token.user == user));
        listed.map(|token| self.listed_token(token)).collect()
    }

    pub(super) fn revoke_token(&mut self, id: &str, user: Option<UserId>) -> Result<()> {
        let found = self.tokens.iter().find(|token| token.id.0.to_string() == id && !token.revoked);
        let found =
            found.filter(|token| user.is_none() || token.user == user).ok_or(Error::NotFound("token"))?;
        self.end_token(found.id);
        Ok(())
    }

    pub(super) fn end_token(&mut self, id: TokenId) {
        self.tokens.iter_mut().filter(|token| token.id == id).for_each(|token| token.revoked = true);
        self.append(Entry::Revoked { token: id });
        let opened = self.sessions.iter().filter(|(_, session)| session.token == Some(id));
        let opened: Vec<SecretHash> = opened.map(|(secret, _)| *secret).collect();
        for secret in opened {
            self.end_session(&secret);
        }
    }

    pub(super) fn add_session(&mut self, order: &SessionOrder) -> Result<()> {
        self.live_user(order.user)?;
        let expires_at = self.now.saturating_add(order.idle_ms);
        let session =
            SessionFact { user: order.user, token: order.token, idle_ms: order.idle_ms, expires_at };
        self.sessions.insert(order.secret, session);
        Ok(())
    }

    pub(super) fn session(&mut self, secret: &SecretHash) -> Option<SessionRecord> {
        let session = self.sessions.get(secret)?.clone();
        let token = session.token.and_then(|id| self.tokens.iter().find(|token| token.id == id));
        let token_expires_at = token.and_then(|token| token.expires_at);
        if token.is_some_and(|token| !self.good(token)) || session.expires_at <= self.now {
            return None;
        }
        let user = self.live_user(session.user).ok()?;
        let record = SessionRecord {
            user: (user.id, user.name.clone(), user.role),
            token: session.token,
            expires_at: token_expires_at,
        };
        let extended = self.now.saturating_add(session.idle_ms);
        // To the minute.
        if extended >= session.expires_at.saturating_add(60_000) {
            self.sessions.insert(*secret, SessionFact { expires_at: extended, ..session });
        }
        Some(record)
    }

    pub(super) fn end_session(&mut self, secret: &SecretHash) {
        if self.sessions.remove(secret).is_some() {
            self.append(Entry::SessionEnded { session: *secret });
        }
    }

    pub(super) fn add_invite(&mut self, code: SecretHash, order: JoinOrder) -> Result<()> {
        for topic in &order.topics {
            self.topic_named(topic)?;
        }
        self.invites.insert(code, Some(order));
        Ok(())
    }

    pub(super) fn redeem_invite(
        &mut self,
        code: &SecretHash,
        device: &str,
        joining: Option<NewUser>,
        secret: SecretHash,
    ) -> Result<Joined> {
        let order = self.invites.get(code).cloned().flatten().filter(|order| order.expires_at > self.now);
        let order = order.ok_or(Error::Gone)?;
        let (id, user) = self.joining_person(&order, joining)?;
        self.invites.insert(*code, None);
        for name in &order.topics {
            if let Ok(topic) = self.topic_named(name) {
                let topic = topic.id;
                self.join(topic, id);
            }
        }
        let device = self.open_device(id, device)?.name;
        let token = self.insert_token(TokenFact {
            id: TokenId(next_id(&self.tokens)),
            secret,
            kind: TokenKind::Client,
            name: device.clone(),
            user: Some(id),
            topics: Vec::new(),
            device: Some(device.clone()),
            created_at: self.now,
            expires_at: None,
            last_used_at: None,
            revoked: false,
        })?;
        Ok(Joined { user, token, device })
    }

    fn joining_person(&mut self, order: &JoinOrder, joining: Option<NewUser>) -> Result<(UserId, User)> {
        if let Some(known) = order.user.as_ref().and_then(|name| self.user_named(name).ok()) {
            return Ok((known.id, known.listed()));
        }
        let display_name = joining.as_ref().and_then(|joining| joining.display_name.clone());
        let name = order.user.clone().or(joining.map(|joining| joining.name));
        let name = name.ok_or_else(|| Error::UnknownUser(String::new()))?;
        self.add_user(NewUser { name, display_name, role: order.role })
    }
}

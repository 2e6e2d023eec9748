//! People, topics, members.

use tocsin_protocol::{
    NewTopic, NewUser, Role, Topic, User,
    account::{TopicChange, UserChange},
    limits::{ALERTS_TOPIC, is_name},
};

use super::facts::{Facts, TopicFact, UserFact, next_id};
use crate::{Entry, Error, Result, TopicId, UserId, rules};

impl UserFact {
    pub(super) fn listed(&self) -> User {
        User {
            name: self.name.clone(),
            display_name: self.display_name.clone(),
            role: self.role,
            created_at: self.created_at,
        }
    }
}

impl Facts {
    pub(super) fn users(&self) -> Vec<User> {
        let mut users: Vec<User> =
            self.users.iter().filter(|user| !user.removed).map(UserFact::listed).collect();
        users.sort_by_key(|user| user.name.to_ascii_lowercase());
        users
    }

    pub(super) fn add_user(&mut self, new: NewUser) -> Result<(UserId, User)> {
        if !is_name(&new.name) {
            return Err(Error::Conflict(format!(
                "{:?} cannot name a person: use letters, digits, . _ -",
                new.name
            )));
        }
        if self.user_named(&new.name).is_ok() {
            return Err(Error::Conflict(format!("there is a user named {:?} already", new.name)));
        }
        let id = UserId(next_id(&self.users));
        let user = UserFact {
            id,
            display_name: new.display_name.unwrap_or_else(|| new.name.clone()),
            name: new.name,
            role: new.role,
            created_at: self.now,
            removed: false,
        };
        self.users.push(user.clone());
        Ok((id, user.listed()))
    }

    fn not_the_last_admin(&self, user: &UserFact) -> Result<()> {
        let admins = self.users.iter().filter(|user| user.role == Role::Admin && !user.removed).count();
        if user.role == Role::Admin && admins <= 1 {
            return Err(Error::Conflict(format!("{} is the last admin; make another one first", user.name)));
        }
        Ok(())
    }

    pub(super) fn change_user(&mut self, name: &str, change: UserChange) -> Result<User> {
        let known = self.user_named(name)?.clone();
        if change.role == Some(Role::Member) {
            self.not_the_last_admin(&known)?;
        }
        let mut changed = known.clone();
        changed.role = change.role.unwrap_or(known.role);
        changed.display_name = change.display_name.unwrap_or(known.display_name);
        let listed = changed.listed();
        self.users.iter_mut().filter(|user| user.id == known.id).for_each(|user| *user = changed.clone());
        self.append(Entry::AccountsChanged);
        Ok(listed)
    }

    pub(super) fn remove_user(&mut self, name: &str) -> Result<()> {
        let user = self.user_named(name)?.clone();
        self.not_the_last_admin(&user)?;
        let topics: Vec<TopicId> = self.topics.iter().map(|topic| topic.id).collect();
        for topic in topics {
            self.leave(topic, user.id);
        }
        let tokens: Vec<_> = self
            .tokens
            .iter()
            .filter(|token| token.user == Some(user.id) && !token.revoked)
            .map(|t| t.id)
            .collect();
        for token in tokens {
            self.end_token(token);
        }
        let theirs = self.sessions.iter().filter(|(_, session)| session.user == user.id);
        let sessions: Vec<_> = theirs.map(|(secret, _)| *secret).collect();
        for secret in sessions {
            self.end_session(&secret);
        }
        let seq = self.append(Entry::UserRemoved { user: user.id });
        self.withdraw(user.id, None, seq);
        self.somebody_left(user.id, None);
        self.users.iter_mut().filter(|known| known.id == user.id).for_each(|known| known.removed = true);
        self.invites.retain(|_, order| {
            let named = order.as_ref().and_then(|order| order.user.as_ref());
            named.is_none_or(|name| !name.eq_ignore_ascii_case(&user.name))
        });
        self.devices
            .iter_mut()
            .filter(|device| device.user == user.id)
            .for_each(|device| device.removed = true);
        Ok(())
    }

    pub(super) fn listed_topic(&self, topic: &TopicFact, asking: Option<UserId>) -> Topic {
        Topic {
            name: topic.name.clone(),
            description: topic.description.clone(),
            members: self.users.iter().filter(|user| self.is_member(topic.id, user.id)).count() as u64,
            member: asking.is_some_and(|user| self.is_member(topic.id, user)),
            retention_days: topic.retention_days,
            policy: topic.policy.and_then(|id| self.policy_name(id)),
            expect_every_s: topic.expect_ms.map(|every| every.unsigned_abs() / 1000),
            silent_since: topic.silent_since,
            created_at: topic.created_at,
        }
    }

    pub(super) fn topics(&self, asking: Option<UserId>) -> Vec<Topic> {
        let live = self.topics.iter().filter(|topic| !topic.removed);
        let mut topics: Vec<Topic> = live.map(|topic| self.listed_topic(topic, asking)).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    pub(super) fn add_topic(&mut self, new: NewTopic) -> Result<(TopicId, Topic)> {
        if !is_name(&new.name) && new.name != ALERTS_TOPIC {
            return Err(Error::Conflict(format!(
                "{:?} cannot name a topic: use letters, digits, . _ -",
                new.name
            )));
        }
        if self.topic_named(&new.name).is_ok() {
            return Err(Error::Conflict(format!("there is a topic named {:?} already", new.name)));
        }
        let id = TopicId(next_id(&self.topics));
        let topic = TopicFact {
            description: new.description.unwrap_or_default(),
            retention_days: new.retention_days.filter(|days| *days > 0),
            ..TopicFact::new(id, new.name, self.now)
        };
        self.topics.push(topic.clone());
        for member in &new.members {
            let user = self.user_named(member)?.id;
            self.join(id, user);
        }
        Ok((id, self.listed_topic(&topic, None)))
    }

    pub(super) fn change_topic(&mut self, name: &str, change: TopicChange) -> Result<Topic> {
        let mut topic = self.topic_named(name)?.clone();
        topic.description = change.description.unwrap_or(topic.description);
        topic.retention_days = match change.retention_days {
            Some(0) => None,
            Some(days) => Some(days),
            None => topic.retention_days,
        };
        if let Some(policy) = &change.policy {
            topic.policy = if policy.is_empty() { None } else { Some(self.policy_named(policy)?.id) };
        }
        if let Some(every_s) = change.expect_every_s {
            let every = rules::expectation(name, every_s)?;
            if every != topic.expect_ms {
                topic.expect_ms = every;
                // A silence that was told of stays until a message comes, or nothing is expected any more.
                topic.silent_since = topic.silent_since.filter(|_| every.is_some());
                let is_silent = topic.silent_since.is_some();
                topic.expected_by = every.filter(|_| !is_silent).map(|every| self.now + every);
            }
        }
        let listed = self.listed_topic(&topic, None);
        self.topics.iter_mut().filter(|known| known.id == topic.id).for_each(|known| *known = topic.clone());
        self.append(Entry::AccountsChanged);
        Ok(listed)
    }

    pub(super) fn remove_topic(&mut self, name: &str) -> Result<()> {
        let id = self.topic_named(name)?.id;
        let users: Vec<UserId> = self.users.iter().map(|user| user.id).collect();
        for user in users {
            self.leave(id, user);
        }
        self.topics.iter_mut().filter(|topic| topic.id == id).for_each(|topic| {
            topic.removed = true;
            topic.expected_by = None;
            topic.silent_since = None;
            topic.silence = false;
        });
        self.append(Entry::AccountsChanged);
        Ok(())
    }

    pub(super) fn members(&self, topic: &str) -> Result<Vec<User>> {
        let topic = self.topic_named(topic)?.id;
        let members = self.users.iter().filter(|user| self.is_member(topic, user.id));
        let mut members: Vec<User> = members.map(UserFact::listed).collect();
        members.sort_by_key(|user| user.name.to_ascii_lowercase());
        Ok(members)
    }

    pub(super) fn join(&mut self, topic: TopicId, user: UserId) {
        if !self.is_member(topic, user) {
            self.append(Entry::Joined { topic, user });
        }
    }

    pub(super) fn leave(&mut self, topic: TopicId, user: UserId) {
        if self.is_member(topic, user) {
            let seq = self.append(Entry::Left { topic, user });
            self.withdraw(user, Some(topic), seq);
            self.somebody_left(user, Some(topic));
        }
    }
}

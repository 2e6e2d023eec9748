//! Policies.

use tocsin_protocol::{
    Policy,
    delivery::ChannelKind,
    escalation::{DryRun, PolicySettings, Timeline},
    receipt::Report,
};

use super::{super::facts::Facts, PolicyFact};
use crate::{
    Entry, Error, Result,
    escalation::{
        check::{self, Known},
        dry_run::{self, Desk},
    },
    outbox::ChannelId,
};

impl Known for Facts {
    fn person(&self, name: &str) -> Result<String> {
        self.user_named(name).map(|user| user.name.clone())
    }

    fn channel(&self, name: &str) -> Result<bool> {
        Ok(self.channel_at(name).is_ok())
    }
}

impl Facts {
    pub(in crate::model) fn policy_named(&self, name: &str) -> Result<&PolicyFact> {
        let found = self.escalated.policies.iter().find(|policy| policy.name == name && !policy.removed);
        found.ok_or(Error::NotFound("policy"))
    }

    pub(in crate::model) fn policy_name(&self, id: i64) -> Option<String> {
        let found = self.escalated.policies.iter().find(|policy| policy.id == id && !policy.removed);
        found.map(|policy| policy.name.clone())
    }

    pub(super) fn webhook(&self, report: &Report) -> Result<(ChannelId, Report)> {
        let (id, kind, _) = self.channel_at(&report.channel)?;
        if kind != ChannelKind::Webhook {
            return Err(Error::Invalid(format!("{:?} is no webhook", report.channel)));
        }
        Ok((id, report.clone()))
    }

    fn listed_policy(&self, policy: &PolicyFact) -> Policy {
        let attached = self.topics.iter().filter(|topic| topic.policy == Some(policy.id) && !topic.removed);
        let mut topics: Vec<String> = attached.map(|topic| topic.name.clone()).collect();
        topics.sort();
        Policy {
            name: policy.name.clone(),
            display_name: policy.display_name.clone(),
            steps: policy.config.steps.clone(),
            quiet: policy.config.quiet.clone(),
            topics,
            created_at: policy.created_at,
        }
    }

    pub(super) fn policies(&self) -> Vec<Policy> {
        let live = self.escalated.policies.iter().filter(|policy| !policy.removed);
        let mut listed: Vec<Policy> = live.map(|policy| self.listed_policy(policy)).collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        listed
    }

    pub(super) fn policy(&self, name: &str) -> Result<Policy> {
        self.policy_named(name).map(|policy| self.listed_policy(policy))
    }

    pub(super) fn put_policy(&mut self, name: &str, settings: PolicySettings) -> Result<Policy> {
        check::name(name)?;
        let settings = check::policy(settings, self)?;
        let config = PolicySettings { display_name: None, ..settings.clone() };
        if self.policy_named(name).is_err() {
            self.escalated.policies.push(PolicyFact {
                id: crate::model::facts::next_id(&self.escalated.policies),
                name: name.into(),
                display_name: name.into(),
                config: config.clone(),
                created_at: self.now,
                removed: false,
            });
        }
        let mut live = self.escalated.policies.iter_mut().filter(|policy| !policy.removed);
        if let Some(policy) = live.find(|policy| policy.name == name) {
            policy.config = config;
            if let Some(display) = settings.display_name {
                policy.display_name = display;
            }
        }
        self.policy(name)
    }

    pub(super) fn remove_policy(&mut self, name: &str) -> Result<()> {
        let id = self.policy_named(name)?.id;
        self.escalated
            .policies
            .iter_mut()
            .filter(|policy| policy.id == id)
            .for_each(|policy| policy.removed = true);
        let attached = self.topics.iter_mut().filter(|topic| topic.policy == Some(id));
        if attached.map(|topic| topic.policy = None).count() > 0 {
            self.append(Entry::AccountsChanged);
        }
        Ok(())
    }

    pub(super) fn dry_run(&self, what: &DryRun) -> Result<Timeline> {
        let policy = check::policy(what.policy.clone(), self)?;
        let mut desk = Desk::default();
        if let Some(topic) = &what.topic {
            let mut names: Vec<String> = self.members(topic)?.into_iter().map(|user| user.name).collect();
            names.sort();
            desk.audience = Some(names);
        }
        for (name, enabled, kind) in self.channel_names() {
            desk.channels.insert(name, (enabled, kind.is_group()));
        }
        desk.bound = self.addresses().into_iter().collect();
        Ok(dry_run::timeline(what, &policy, &desk, self.now))
    }

    fn channel_names(&self) -> Vec<(String, bool, ChannelKind)> {
        let listed = self.list_channels().into_iter();
        listed.map(|channel| (channel.name, channel.enabled, channel.kind)).collect()
    }
}

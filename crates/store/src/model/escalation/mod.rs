//! Escalation on plain lists: what is due is looked for among all of them, each time.

mod policy;
mod report;
mod run;
mod settle;
mod store;

use std::collections::BTreeMap;

use tocsin_protocol::{
    Escalation, EscalationState, Millis, Seq,
    escalation::{PolicySettings, StepRun},
};

use super::facts::{Facts, MessageFact};
use crate::{
    Address, Authority, Error, NewMessage, Result, UserId,
    escalation::{
        self, copy,
        plan::{Progress, Rules, settles},
    },
    outbox::ChannelId,
};

#[derive(Clone)]
pub(super) struct PolicyFact {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) config: PolicySettings,
    pub(super) created_at: Millis,
    pub(super) removed: bool,
}

#[derive(Clone)]
struct EscalationFact {
    policy: String,
    config: PolicySettings,
    progress: Progress,
    state: EscalationState,
    ended_at: Option<Millis>,
    ended_by: Option<UserId>,
    runs: Vec<StepRun>,
}

impl EscalationFact {
    fn rules(&self, fact: &MessageFact) -> Rules<'_> {
        Rules::new(&self.config, fact.message.priority, fact.message.expires_at)
    }

    fn end(&mut self, state: EscalationState, at: Millis, by: Option<UserId>) {
        self.state = state;
        self.ended_at = Some(at);
        self.ended_by = by;
        self.progress.due_at = None;
    }

    fn is_open(&self) -> bool {
        matches!(self.state, EscalationState::Running | EscalationState::Exhausted)
    }
}

#[derive(Clone)]
struct ReportFact {
    channel: ChannelId,
    due_at: Option<Millis>,
    done: bool,
}

/// Everything about escalation.
#[derive(Clone, Default)]
pub(super) struct Escalated {
    policies: Vec<PolicyFact>,
    /// By the position of their message.
    of: BTreeMap<Seq, EscalationFact>,
    /// By message, person and way.
    reminders: BTreeMap<(Seq, UserId, String), Millis>,
    /// By message and milestone.
    reports: BTreeMap<(Seq, i64), ReportFact>,
}

impl Escalated {
    pub(super) fn reminded(&self, seq: Seq, user: UserId) -> Option<Millis> {
        let of = self.reminders.iter().filter(|((known, whose, _), _)| (*known, *whose) == (seq, user));
        of.map(|(_, at)| *at).max()
    }

    pub(super) fn forget(&mut self, seq: Seq) {
        self.of.remove(&seq);
        self.reminders.retain(|(known, ..), _| *known != seq);
        self.reports.retain(|(known, _), _| *known != seq);
    }
}

/// What a message sets going.
pub(super) struct Sets {
    policy: Option<PolicyFact>,
    report: Option<(ChannelId, tocsin_protocol::receipt::Report)>,
}

impl Facts {
    pub(super) fn sets(&self, new: &NewMessage, address: &Address) -> Result<Sets> {
        let topic = match address {
            Address::Topic(topic) => self.topics.iter().find(|known| known.id == *topic),
            Address::People(_) => None,
        };
        let may_choose = matches!(new.sender.authority, Authority::All);
        let id = topic.and_then(|topic| topic.policy);
        let own = self.escalated.policies.iter().find(|policy| Some(policy.id) == id && !policy.removed);
        let policy = match &new.policy {
            Some(name) => {
                let named = self.policy_named(name)?;
                if !may_choose && own.is_none_or(|own| own.id != named.id) {
                    return Err(Error::Forbidden(escalation::NOT_ITS_POLICY));
                }
                Some(named.clone())
            }
            None => own.cloned(),
        };
        let report = new.report.as_ref().map(|report| self.webhook(report)).transpose()?;
        if let Some((channel, _)) = &report
            && !may_choose
            && !self.routing().carries(*channel, topic.map_or(0, |topic| topic.id.0), true)
        {
            return Err(Error::Forbidden(escalation::NO_ROUTE));
        }
        Ok(Sets { policy, report })
    }

    pub(super) fn published(
        &mut self,
        new: &NewMessage,
        sets: Sets,
        fact: &MessageFact,
        older: Option<&MessageFact>,
    ) -> Result<()> {
        let may_choose = matches!(new.sender.authority, Authority::All);
        let before = match older {
            Some(older) => {
                let goes_along = may_choose || older.address == fact.address;
                self.superseded(older.seq, fact, goes_along)?.filter(|_| goes_along)
            }
            None => None,
        };
        self.escalate(fact, older, before, sets.policy);
        if let Some((channel, report)) = sets.report {
            self.watch(fact, channel, &report);
        }
        self.heard(new, fact);
        Ok(())
    }

    /// What the older version set going goes on if the newer one says nothing worse; else steps begin anew: of its own
    /// policy, or of the older one's.
    fn escalate(
        &mut self,
        fact: &MessageFact,
        older: Option<&MessageFact>,
        before: Option<EscalationFact>,
        policy: Option<PolicyFact>,
    ) {
        if fact.message.resolved {
            return;
        }
        let stands = older.is_some_and(|older| Self::stands(fact, older));
        let own = policy.map(|policy| (policy.name, policy.config));
        let begins = match (before, own) {
            // What somebody took care of stays so.
            (Some(known), _) if stands && known.state == EscalationState::Acknowledged => {
                self.escalated.of.insert(fact.seq, EscalationFact { runs: Vec::new(), ..known });
                if let Some(settled) = self.settled(fact) {
                    self.tell_settled(fact, &settled);
                }
                return;
            }
            (Some(known), own)
                if stands
                    && known.state == EscalationState::Running
                    && own.as_ref().is_none_or(|(name, _)| *name == known.policy) =>
            {
                let mut progress = known.progress.clone();
                progress.go_on(&known.rules(fact));
                EscalationFact { progress, runs: Vec::new(), ..known }
            }
            (_, Some((policy, config))) => self.anew(fact, policy, config),
            (Some(known), None) => self.anew(fact, known.policy, known.config),
            (None, None) => return,
        };
        let enough = stands && settles(&begins.config, &Self::counts_of(&self.rows(fact)));
        if !enough {
            self.escalated.of.insert(fact.seq, begins);
        }
    }

    fn anew(&self, fact: &MessageFact, policy: String, config: PolicySettings) -> EscalationFact {
        let rules = Rules::new(&config, fact.message.priority, fact.message.expires_at);
        EscalationFact {
            policy,
            progress: Progress::begin(&rules, fact.message.created_at, self.now),
            state: EscalationState::Running,
            ended_at: None,
            ended_by: None,
            runs: Vec::new(),
            config,
        }
    }

    /// Whether what was acknowledged of the older version stays so.
    fn stands(fact: &MessageFact, older: &MessageFact) -> bool {
        fact.message.keeps_acknowledgement((older.message.priority, older.message.resolved))
    }

    /// A topic that is expected to speak has.
    fn heard(&mut self, new: &NewMessage, fact: &MessageFact) {
        if !copy::is_server(&new.sender)
            && let Some(id) = fact.topic()
        {
            let now = self.now;
            let expecting =
                |topic: &&mut super::facts::TopicFact| topic.id == id && topic.expect_ms.is_some();
            for topic in self.topics.iter_mut().filter(expecting) {
                topic.expected_by = topic.expect_ms.map(|every| now.saturating_add(every));
                topic.silent_since = None;
            }
        }
    }

    /// A newer version came. The older one's escalation, as it was.
    fn superseded(
        &mut self,
        older: Seq,
        newer: &MessageFact,
        goes_along: bool,
    ) -> Result<Option<EscalationFact>> {
        self.tell_missed(older);
        let now = self.now;
        let before = self.escalated.of.get(&older).cloned();
        if let Some(known) = self.escalated.of.get_mut(&older).filter(|known| known.is_open()) {
            known.end(EscalationState::Superseded, now, None);
        }
        for known in self.copies(older) {
            let Address::People(people) = &known.address else { continue };
            if known.newer.is_some() || !known.kept() {
                continue;
            }
            for person in people.iter() {
                if !goes_along || self.owed(*person, newer) {
                    self.supersede(&known, newer);
                    continue;
                }
                let Ok(user) = self.live_user(*person) else { continue };
                let base = copy::of(&newer.message, &user.name.clone(), now);
                self.publish_copy(&NewMessage { replaces: Some(known.message.id), ..base }, newer)?;
            }
        }
        Ok(before)
    }

    pub(super) fn escalation_state(&self, seq: Seq) -> Option<EscalationState> {
        self.escalated.of.get(&seq).map(|escalation| escalation.state)
    }

    /// As a receipt tells it.
    pub(super) fn escalation_told(&self, fact: &MessageFact) -> Option<Escalation> {
        let escalation = self.escalated.of.get(&fact.seq)?;
        let by = self.users.iter().find(|user| Some(user.id) == escalation.ended_by);
        Some(Escalation {
            policy: escalation.policy.clone(),
            state: escalation.state,
            ended_at: escalation.ended_at,
            by: by.map(|user| user.name.clone()),
            next: escalation.progress.next(&escalation.rules(fact)),
            steps: escalation.runs.clone(),
        })
    }
}

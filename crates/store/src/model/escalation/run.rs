//! Steps whose time has come.

use tocsin_protocol::{
    Cursor, EscalationState, Millis, Priority, Seq, State, StateChange,
    escalation::{Notify, Step, StepOutcome, StepRun, VIA_DESKTOP},
    receipt::NAMES_MOST,
};

use super::super::{
    facts::{Facts, MessageFact},
    outbox::Asked,
};
use crate::{
    Entry, NewMessage, Result, UserId,
    escalation::{
        BACK_MS, GRACE_MS, Ran, RanStep, RunOrder, SILENCE_KEY, Silence, Words, copy,
        plan::{number, settles},
    },
    rules,
};

/// What telling people came to.
#[derive(Default)]
pub(super) struct Told {
    people: Vec<UserId>,
    pub(super) reminded: u64,
    pub(super) queued: u64,
    pub(super) anew: Vec<UserId>,
    pub(super) unreachable: Vec<UserId>,
    via: Vec<String>,
}

impl Facts {
    pub(super) fn run_due(&mut self, order: &RunOrder) -> Result<Ran> {
        self.set_back();
        let mut ran = Ran::default();
        let due =
            |escalation: &super::EscalationFact| escalation.progress.due_at.filter(|at| *at <= self.now);
        let mut seqs: Vec<(Millis, Seq)> =
            self.escalated.of.iter().filter_map(|(seq, known)| due(known).map(|at| (at, *seq))).collect();
        seqs.sort_unstable();
        for (_, seq) in seqs.into_iter().take(order.most) {
            self.run_one(seq, &mut ran)?;
        }
        ran.missed = self.expire_reports(order.most);
        if let Some(words) = &order.words {
            if order.woke {
                self.wait_for_topics();
            }
            ran.silences = self.look_for_silence(words, order.most)?;
        }
        let steps = self.escalated.of.values().filter_map(|known| known.progress.due_at);
        let reports = self.escalated.reports.values().filter(|report| !report.done);
        let reports = reports.filter_map(|report| report.due_at);
        let silences = self.topics.iter().filter_map(|topic| topic.expected_by);
        let silences = silences.filter(|_| order.words.is_some());
        let speaks = |topic: &super::super::facts::TopicFact| topic.silence && topic.silent_since.is_none();
        let speaks = order.words.is_some() && self.topics.iter().any(speaks);
        ran.next = steps.chain(reports).chain(silences).chain(speaks.then_some(self.now)).min();
        Ok(ran)
    }

    fn wait_for_topics(&mut self) {
        let now = self.now;
        for topic in &mut self.topics {
            if let (Some(by), Some(every)) = (topic.expected_by, topic.expect_ms) {
                topic.expected_by = Some(by.max(now + every.min(GRACE_MS)));
            }
        }
    }

    fn set_back(&mut self) {
        let now = self.now;
        let running: Vec<Seq> = self.escalated.of.keys().copied().collect();
        for seq in running {
            let Some(fact) = self.message_at(seq).cloned() else { continue };
            if let Some(known) = self.escalated.of.get_mut(&seq) {
                let mut progress = known.progress.clone();
                if progress.set_back(&known.rules(&fact), now) {
                    known.progress = progress;
                }
            }
        }
        for topic in &mut self.topics {
            let latest = topic.expect_ms.map(|every| now + every);
            if topic.expected_by.is_some_and(|by| latest.is_some_and(|latest| by > latest + BACK_MS)) {
                topic.expected_by = latest;
            }
        }
    }

    fn run_one(&mut self, seq: Seq, ran: &mut Ran) -> Result<()> {
        let now = self.now;
        let fact = self.message_at(seq).filter(|fact| fact.kept()).cloned();
        let expired = fact.as_ref().and_then(|fact| fact.message.expires_at).filter(|at| *at <= now);
        let Some(fact) = fact.filter(|_| expired.is_none()) else {
            self.end_unanswered(seq, EscalationState::Expired, expired.unwrap_or(now), ran);
            return Ok(());
        };
        let counts = Self::counts_of(&self.rows(&fact));
        let Some(known) = self.escalated.of.get(&seq) else { return Ok(()) };
        if settles(&known.config, &counts) {
            self.end_settled(seq, now, None);
            return Ok(());
        }
        let (place, repeat) = (known.progress.step, known.progress.repeat);
        let planned = known.progress.planned(&known.rules(&fact));
        let Some(step) = known.config.steps.get(place).cloned() else {
            self.end_unanswered(seq, EscalationState::Exhausted, now, ran);
            return Ok(());
        };
        let (outcome, told) = if counts.reached(step.unless) {
            (StepOutcome::Held, Told::default())
        } else {
            let (targets, new) = self.targets(&fact, &step)?;
            let ways: Vec<_> = step.via.iter().map(|way| (way.clone(), targets.clone())).collect();
            let told = self.tell_people(&fact, &ways, new, false);
            let nobody = told.people.is_empty();
            (if nobody { StepOutcome::Nobody } else { StepOutcome::Notified }, told)
        };
        let name = |id: &UserId| self.users.iter().find(|user| user.id == *id).map(|user| user.name.clone());
        let mut people: Vec<String> = told.people.iter().filter_map(name).collect();
        people.sort();
        let count = people.len() as u64;
        people.truncate(NAMES_MOST);
        let run = StepRun {
            step: number(place),
            repeat,
            due_at: planned,
            at: now,
            outcome,
            people,
            told: count,
            via: told.via,
        };
        if let Some(known) = self.escalated.of.get_mut(&seq) {
            known.runs.push(run);
            let mut progress = known.progress.clone();
            progress.ran(&known.rules(&fact), now);
            known.progress = progress;
        }
        let late_ms = now.saturating_sub(planned);
        ran.steps.push(RanStep { message: fact.message.id, step: number(place), repeat, outcome, late_ms });
        Ok(())
    }

    fn end_unanswered(&mut self, seq: Seq, state: EscalationState, at: Millis, ran: &mut Ran) {
        if let Some(known) = self.escalated.of.get_mut(&seq) {
            known.end(state, at, None);
            ran.ended += 1;
        }
        self.tell_missed(seq);
    }

    /// Whom a step tells, and whether what they have is made for it.
    fn targets(&mut self, fact: &MessageFact, step: &Step) -> Result<(Vec<(UserId, MessageFact)>, bool)> {
        let people = self.people(fact);
        let wanted = step.unless.state();
        let Notify::Next { people: list } = &step.notify else {
            let lack =
                |(user, theirs): &(UserId, MessageFact)| rules::lacks(self.state(*user, theirs), wanted);
            return Ok((people.into_iter().filter(lack).collect(), false));
        };
        for _ in 0..list.len() {
            let Some(known) = self.escalated.of.get_mut(&fact.seq) else { break };
            let told = known.progress.told_of(&known.config.steps);
            let name = &list[*told % list.len()];
            *told += 1;
            let Ok(user) = self.user_named(name).map(|user| user.id) else { continue };
            let there = people.iter().find(|(known, _)| *known == user);
            match there.map(|(user, theirs)| (theirs, self.state(*user, theirs))) {
                Some((_, state)) if state != State::Withdrawn && state >= wanted => {}
                Some((theirs, state)) if state != State::Withdrawn => {
                    return Ok((vec![(user, theirs.clone())], false));
                }
                _ => {
                    let new = copy::of(&fact.message, &self.live_user(user)?.name.clone(), self.now);
                    return Ok((vec![(user, self.publish_copy(&new, fact)?)], true));
                }
            }
        }
        Ok((Vec::new(), false))
    }

    pub(super) fn tell_people(
        &mut self,
        root: &MessageFact,
        ways: &[(String, Vec<(UserId, MessageFact)>)],
        new: bool,
        by_hand: bool,
    ) -> Told {
        let mut told = Told::default();
        for (way, targets) in ways {
            let mut reached = Vec::new();
            if way == VIA_DESKTOP {
                for (user, theirs) in targets {
                    if !new {
                        self.say_again(*user, theirs);
                        told.reminded += 1;
                        told.anew.push(*user);
                    }
                    reached.push(*user);
                }
            } else if let Ok((channel, kind, true)) = self.channel_at(way) {
                let users: Vec<UserId> = targets.iter().map(|(user, _)| *user).collect();
                let named = matches!(root.address, crate::Address::People(_));
                if kind.is_group() && !users.is_empty() && !named {
                    let asked = self.again_to(root, (channel, true), &users, by_hand);
                    if asked == Asked::Queued {
                        told.queued += 1;
                        told.anew.extend(&users);
                    }
                    if asked != Asked::Nowhere {
                        reached = users;
                    }
                } else if !kind.is_group() {
                    for (user, theirs) in targets {
                        match self.again_to(theirs, (channel, false), &[*user], by_hand) {
                            Asked::Queued => {
                                told.queued += 1;
                                told.anew.push(*user);
                                reached.push(*user);
                            }
                            Asked::Waits => reached.push(*user),
                            Asked::Nowhere => told.unreachable.push(*user),
                        }
                    }
                }
            }
            if !reached.is_empty() {
                told.via.push(way.clone());
            }
            for (user, theirs) in targets.iter().filter(|(user, _)| reached.contains(user)) {
                self.escalated.reminders.insert((theirs.seq, *user, way.clone()), self.now);
            }
            told.people.extend(reached);
        }
        told.people.sort_unstable();
        told.people.dedup();
        told.unreachable.sort_unstable();
        told.unreachable.dedup();
        told
    }

    fn say_again(&mut self, user: UserId, fact: &MessageFact) {
        let cursor = Cursor::new(self.epoch.clone(), self.head() + 1);
        let remind_at = Some(self.now);
        let id = fact.message.id;
        let change =
            StateChange { cursor, id, read_at: None, acknowledged_at: None, remind_at, settled: None };
        self.append(Entry::State { user, change });
    }

    fn look_for_silence(&mut self, words: &Words, most: usize) -> Result<u64> {
        let spoke = self.topics.iter().filter(|topic| topic.silence && topic.silent_since.is_none());
        let spoke: Vec<_> = spoke.map(|topic| (topic.id, None)).take(most).collect();
        let silent = |at: &Millis| *at <= self.now;
        let mut fell: Vec<_> = self
            .topics
            .iter()
            .filter_map(|topic| topic.expected_by.filter(silent).map(|at| (at, topic.id)))
            .collect();
        fell.sort_unstable();
        let fell = fell.into_iter().take(most).map(|(at, id)| (id, Some(at)));
        let all: Vec<_> = spoke.into_iter().chain(fell).collect();
        for (id, since) in &all {
            let Some(topic) = self.topics.iter().find(|topic| topic.id == *id) else { continue };
            let every_ms = topic.expect_ms.unwrap_or_default();
            let silence = Silence { topic: topic.name.clone(), every_ms, since: *since };
            self.say_silence(words, &silence)?;
            for topic in self.topics.iter_mut().filter(|topic| topic.id == *id) {
                topic.silence = since.is_some();
                topic.silent_since = *since;
                if since.is_some() {
                    topic.expected_by = None;
                }
            }
        }
        Ok(all.len() as u64)
    }

    fn say_silence(&mut self, words: &Words, silence: &Silence) -> Result<()> {
        let message = words(silence);
        self.publish(&NewMessage {
            sender: copy::server(&message.sender.name),
            topic: Some(silence.topic.clone()),
            to: Vec::new(),
            key: Some(SILENCE_KEY.to_owned()),
            priority: Priority::HIGH,
            resolved: silence.since.is_none(),
            replaces: None,
            idempotency: None,
            policy: None,
            report: None,
            ..message
        })?;
        Ok(())
    }
}

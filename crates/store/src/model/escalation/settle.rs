//! How escalations end, and what is done by hand.

use tocsin_protocol::{
    Cursor, EscalationState, MessageId, Millis, Seq, State, StateChange,
    escalation::{Cancelled, ResendMessage, ResentMessage, Settled, VIA_DESKTOP},
};

use super::{
    super::facts::{Facts, MessageFact},
    EscalationFact,
};
use crate::{
    Address, Entry, Error, Result, TopicId, UserId, Viewer,
    escalation::{self, plan::settles},
};

impl Facts {
    /// Somebody read or acknowledged a message, or a copy.
    pub(in crate::model) fn escalation_pressed(
        &mut self,
        pressed: &MessageFact,
        user: UserId,
        at: Option<Millis>,
    ) {
        let root = pressed.root();
        if let Some(at) = at {
            self.settle_at(root, user, at);
        }
        self.tell_report(root);
    }

    fn settle_at(&mut self, root: Seq, user: UserId, at: Millis) {
        let Some(fact) = self.message_at(root).cloned() else { return };
        let rows = self.rows(&fact);
        let known = self.escalated.of.get(&root).filter(|known| known.is_open());
        if !known.is_some_and(|known| settles(&known.config, &Self::counts_of(&rows))) {
            return;
        }
        self.end_settled(root, at, Some(user));
        let by = self.users.iter().find(|known| known.id == user).map(|known| known.name.clone());
        self.tell_settled(&fact, &Settled { by: by.unwrap_or_default(), at });
    }

    /// It is taken care of: nothing more of it is asked or told.
    pub(super) fn end_settled(&mut self, root: Seq, at: Millis, by: Option<UserId>) {
        if let Some(known) = self.escalated.of.get_mut(&root) {
            known.end(EscalationState::Acknowledged, at, by);
        }
        self.stop(&self.all_of(root), true);
        self.tell_missed(root);
    }

    /// Somebody left a topic, or everything that names them: those who stay may all have acknowledged.
    pub(in crate::model) fn somebody_left(&mut self, user: UserId, topic: Option<TopicId>) {
        let running = self.escalated.of.iter().filter(|(_, known)| known.progress.due_at.is_some());
        let running: Vec<Seq> = running.map(|(seq, _)| *seq).collect();
        let names =
            |fact: &MessageFact| matches!(&fact.address, Address::People(people) if people.contains(&user));
        for seq in running {
            let Some(fact) = self.message_at(seq).cloned() else { continue };
            let theirs = match topic {
                Some(topic) => fact.topic() == Some(topic),
                None => names(&fact) || self.copies(seq).iter().any(&names),
            };
            let settled =
                |known: &EscalationFact| settles(&known.config, &Self::counts_of(&self.rows(&fact)));
            if theirs && self.escalated.of.get(&seq).is_some_and(settled) {
                self.end_settled(seq, self.now, None);
            }
        }
        self.tell_reached();
    }

    /// Tells everybody who did not acknowledge it themselves.
    pub(super) fn tell_settled(&mut self, fact: &MessageFact, settled: &Settled) {
        let mut people = self.people(fact);
        people.sort_by_key(|(user, _)| *user);
        for (user, theirs) in people {
            let done = self.presses(user, theirs.seq).1.is_some();
            if !done && self.state(user, &theirs) != State::Withdrawn {
                self.say_settled(user, theirs.message.id, settled);
            }
        }
    }

    fn say_settled(&mut self, user: UserId, id: MessageId, settled: &Settled) {
        let cursor = Cursor::new(self.epoch.clone(), self.head() + 1);
        let settled = Some(settled.clone());
        let change =
            StateChange { cursor, id, read_at: None, acknowledged_at: None, remind_at: None, settled };
        self.append(Entry::State { user, change });
    }

    fn all_of(&self, root: Seq) -> Vec<Seq> {
        let copies = self.copies(root);
        std::iter::once(root).chain(copies.iter().map(|copy| copy.seq)).collect()
    }

    /// Who took care of it for all.
    pub(in crate::model) fn settled(&self, fact: &MessageFact) -> Option<Settled> {
        let escalation = self.escalated.of.get(&fact.root())?;
        let by = self.users.iter().find(|user| Some(user.id) == escalation.ended_by)?;
        let acknowledged = escalation.state == EscalationState::Acknowledged;
        let at = escalation.ended_at.filter(|_| acknowledged)?;
        Some(Settled { by: by.name.clone(), at })
    }

    fn owned(&self, viewer: Viewer, id: MessageId) -> Result<&MessageFact> {
        let fact = self.message_of(id)?;
        if Self::sees_whole(viewer, fact) {
            return Ok(fact);
        }
        Err(Error::Forbidden("only its sender and admins may do this"))
    }

    pub(super) fn cancel_escalation(&mut self, viewer: Viewer, id: MessageId) -> Result<Cancelled> {
        let root = self.owned(viewer, id)?.root();
        let now = self.now;
        let running = |state| state == EscalationState::Running;
        let known = self.escalated.of.get_mut(&root).filter(|known| running(known.state));
        let escalation = known.is_some();
        if let Some(known) = known {
            let by = match viewer {
                Viewer::Admin(user) => user,
                Viewer::Member(user) => Some(user),
                Viewer::Sender(_) => None,
            };
            known.end(EscalationState::Cancelled, now, by);
            self.tell_missed(root);
        }
        Ok(Cancelled { escalation, deliveries: self.stop(&self.all_of(root), false) })
    }

    pub(super) fn resend_message(
        &mut self,
        viewer: Viewer,
        id: MessageId,
        what: &ResendMessage,
    ) -> Result<ResentMessage> {
        let root = self.owned(viewer, id)?.root();
        let fact =
            self.message_at(root).filter(|fact| fact.kept()).ok_or(Error::NotFound("message"))?.clone();
        if fact.newer.is_some() {
            return Err(Error::Conflict("the message was replaced already".into()));
        }
        if what.via.is_empty() {
            return Err(Error::Invalid("name a way at least".into()));
        }
        self.check_ways(viewer, &fact, &what.via)?;
        let desktop = what.via.iter().any(|way| way == VIA_DESKTOP);
        if let Some(why) = escalation::not_shown_again(&fact.message, self.settled(&fact).as_ref(), self.now)
            .filter(|_| desktop)
        {
            return Err(Error::Conflict(why));
        }
        let people = self.asked_again(&fact, what.people.as_deref())?;
        let mut ways: Vec<(String, Vec<(UserId, MessageFact)>)> = Vec::new();
        for way in &what.via {
            if ways.iter().any(|(known, _)| known == way) {
                continue;
            }
            let due = |(user, theirs): &&(UserId, MessageFact)| {
                let at = self.escalated.reminders.get(&(theirs.seq, *user, way.clone()));
                // Later than this: a clock that was set back since said so.
                let latest = self.now.saturating_add(escalation::BACK_MS);
                at.is_none_or(|at| *at < what.until || *at > latest)
            };
            ways.push((way.clone(), people.iter().filter(due).cloned().collect()));
        }
        let told = self.tell_people(&fact, &ways, false, true);
        let already = |(user, _): &&(UserId, MessageFact)| {
            !told.anew.contains(user) && !told.unreachable.contains(user)
        };
        let already = people.iter().filter(already).count() as u64;
        let name = |id: &UserId| self.users.iter().find(|user| user.id == *id).map(|user| user.name.clone());
        let mut unreachable: Vec<String> = told.unreachable.iter().filter_map(name).collect();
        unreachable.sort();
        Ok(ResentMessage { reminded: told.reminded, queued: told.queued, already, unreachable })
    }

    /// The ways are there, and the viewer may use them.
    fn check_ways(&self, viewer: Viewer, fact: &MessageFact, ways: &[String]) -> Result<()> {
        for way in ways.iter().filter(|way| *way != VIA_DESKTOP) {
            let (channel, kind, enabled) = self.channel_at(way)?;
            if !enabled {
                return Err(Error::Conflict(format!("the channel {way:?} is switched off")));
            }
            if kind.is_group() && matches!(fact.address, Address::People(_)) {
                return Err(Error::Invalid(escalation::not_for_a_group(way)));
            }
            let topic = fact.topic().map_or(0, |topic| topic.0);
            if !matches!(viewer, Viewer::Admin(_)) && !self.routing().carries(channel, topic, kind.is_group())
            {
                return Err(Error::Forbidden(escalation::NO_ROUTE));
            }
        }
        Ok(())
    }

    /// Those who are named, or all who are missing.
    fn asked_again(
        &self,
        fact: &MessageFact,
        names: Option<&[String]>,
    ) -> Result<Vec<(UserId, MessageFact)>> {
        let mut people = self.people(fact);
        match names {
            None => people.retain(|(user, theirs)| {
                matches!(self.state(*user, theirs), State::Missing | State::Expired)
            }),
            Some(names) => {
                let mut wanted = Vec::new();
                for name in names {
                    let user = self.user_named(name)?.id;
                    let owed = people.iter().any(|(known, theirs)| {
                        *known == user && self.state(user, theirs) != State::Withdrawn
                    });
                    if !owed {
                        return Err(Error::Invalid(format!("the message is not owed to {name}")));
                    }
                    wanted.push(user);
                }
                people.retain(|(user, _)| wanted.contains(user));
            }
        }
        Ok(people)
    }
}

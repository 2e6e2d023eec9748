//! What people see and do.

use tocsin_protocol::{
    Delivery, DeliveryState, MessageId, Millis,
    delivery::{Attempt, DeliveryDetail, Resend},
};

use super::{super::facts::Facts, DeliveryFact};
use crate::{
    Error, Result, UserId,
    outbox::{DeliveryId, DeliveryQuery, RESEND_MOST, codes, give_up_at},
};

impl Facts {
    pub(super) fn list_deliveries(&self, query: &DeliveryQuery) -> Vec<Delivery> {
        let all = self.post.deliveries.iter().rev().map(|fact| self.listed_delivery(fact));
        let is = |asked: &Option<String>, has: Option<&str>| asked.as_deref().is_none_or(|a| Some(a) == has);
        all.filter(|row| query.before.is_none_or(|before| row.id < before.0.unsigned_abs()))
            .filter(|row| query.states.is_empty() || query.states.contains(&row.state))
            .filter(|row| is(&query.channel, Some(&row.channel)) && is(&query.user, row.user.as_deref()))
            .filter(|row| is(&query.topic, row.topic.as_deref()))
            .filter(|row| query.message.is_none_or(|id| row.message == Some(id)))
            .filter(|row| query.since.is_none_or(|since| row.created_at >= since))
            .filter(|row| query.until.is_none_or(|until| row.created_at < until))
            .take(query.limit)
            .collect()
    }

    pub(super) fn ways(&self, messages: &[MessageId], people: &[UserId]) -> Vec<(Option<UserId>, Delivery)> {
        let all = self.post.deliveries.iter().filter(|fact| fact.what == 0);
        all.map(|fact| ((fact.user != 0).then_some(UserId(fact.user)), self.listed_delivery(fact)))
            .filter(|(_, row)| row.message.is_some_and(|id| messages.contains(&id)))
            .filter(|(user, _)| user.is_none_or(|user| people.contains(&user)))
            .collect()
    }

    pub(super) fn one_delivery(&self, id: DeliveryId) -> Result<DeliveryDetail> {
        let fact = self.parcel(id)?;
        let of =
            |attempt: &&super::AttemptFact| attempt.delivery == id || Some(attempt.delivery) == fact.digest;
        let attempts = self.post.attempts.iter().filter(of).map(|attempt| {
            let lane = self.post.lanes.iter().find(|lane| lane.id == attempt.lane);
            Attempt {
                address: lane.map(|lane| lane.address.clone()).unwrap_or_default(),
                started_at: attempt.started_at,
                ended_at: attempt.ended_at,
                result: attempt.result,
                code: attempt.code.clone(),
                reason: attempt.reason.clone(),
                msgid: attempt.msgid.clone(),
            }
        });
        let carries = self.post.deliveries.iter().filter(|known| known.digest == Some(id));
        Ok(DeliveryDetail {
            delivery: self.listed_delivery(fact),
            attempts: attempts.collect(),
            carries: carries.map(|known| self.listed_delivery(known)).collect(),
        })
    }

    pub(super) fn resend(&mut self, what: &Resend) -> Result<u64> {
        match what {
            Resend::One { id, round } => {
                let row = self.parcel(DeliveryId(i64::try_from(*id).unwrap_or(i64::MAX)))?.clone();
                self.resend_one(&row, *round)
            }
            Resend::Failed { until, channel, message, unknown } => {
                let channel = channel.as_deref().map(|name| self.channel(name)).transpose()?.map(|c| c.id);
                let seq = message.map(|id| self.message_of(id)).transpose()?.map(|fact| fact.seq);
                let chosen = |fact: &&DeliveryFact| {
                    let state = match fact.state {
                        DeliveryState::Failed | DeliveryState::Expired => true,
                        DeliveryState::Unknown => *unknown,
                        _ => false,
                    };
                    let fits = channel.is_none_or(|id| fact.channel == id);
                    state
                        && fact.since <= *until
                        && fact.seq > 0
                        && fits
                        && seq.is_none_or(|seq| fact.seq == seq)
                };
                let rows: Vec<_> = self.post.deliveries.iter().filter(chosen).cloned().collect();
                Ok(rows.iter().filter(|row| self.again(row, 0, None)).take(RESEND_MOST).count() as u64)
            }
        }
    }

    fn resend_one(&mut self, row: &DeliveryFact, round: u32) -> Result<u64> {
        if row.seq == 0 {
            return Err(Error::Conflict("a digest is sent again message by message".into()));
        }
        if row.round != round {
            return Ok(0);
        }
        let intent = match row.state {
            DeliveryState::Failed | DeliveryState::Unknown | DeliveryState::Expired => 0,
            DeliveryState::Accepted | DeliveryState::Confirmed => 1,
            DeliveryState::Cancelled => {
                return Err(Error::Conflict("what was cancelled is not sent".into()));
            }
            DeliveryState::Queued | DeliveryState::Sending | DeliveryState::Merged => return Ok(0),
        };
        if !self.again(row, intent, None) {
            return Err(Error::Conflict("its message or its address is no more".into()));
        }
        Ok(1)
    }

    /// Queues it again; until when, if not as long as anything is tried.
    pub(super) fn again(&mut self, row: &DeliveryFact, intent: i64, until: Option<Millis>) -> bool {
        let kept = self.messages.iter().any(|fact| fact.seq == row.seq && fact.kept());
        let channel = self.post.channels.iter().any(|channel| channel.id == row.channel && !channel.removed);
        let theirs = self.post.bindings.iter().find(|binding| {
            binding.channel == row.channel && binding.user.0 == row.user && binding.broken.is_none()
        });
        let lane = if row.user == 0 { Some(row.lane) } else { theirs.and_then(|binding| binding.lane) };
        let (Some(lane), true, true) = (lane, kept, channel) else { return false };
        let now = self.now;
        self.change(row.id, |fact| {
            fact.history.unsure_at = None;
            fact.history.resent = true;
            fact.state = DeliveryState::Queued;
            fact.lane = lane;
            fact.due_at = now;
            (fact.give_up_at, fact.expires) = give_up_at(now, until);
            fact.since = now;
            fact.history.busy = 0;
            fact.history.duplicates = 0;
            fact.round += 1;
            fact.intent += intent;
            if intent > 0 {
                fact.also.clear();
            }
            if fact.what == 0 {
                fact.body = None;
            }
            fact.msgid = None;
            fact.code = None;
            fact.reason = None;
        });
        true
    }

    pub(super) fn cancel_message(&mut self, id: MessageId) -> Result<u64> {
        let seq = self.message_of(id)?.seq;
        self.mention_nobody_else(&[seq]);
        Ok(self.cancel(codes::STOPPED, |_, fact| fact.seq == seq && fact.what == 0))
    }
}

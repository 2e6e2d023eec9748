//! The platform says more of a message later.

use tocsin_protocol::{DeliveryState, Millis, delivery::AttemptResult};

use super::{super::facts::Facts, AttemptFact, DeliveryFact, End, Word};
use crate::{
    Result,
    outbox::{CONFIRM_WITHIN, Confirmation, DeliveryId, EARLY_KEEP, Herald, codes, cut, same_address},
};

impl Facts {
    pub(super) fn confirm(&mut self, said: &Confirmation, herald: Option<&Herald>) -> Result<bool> {
        let (channel, kind) = self.channel(&said.channel).map(|channel| (channel.id, channel.kind))?;
        let msgid = said.msgid.as_deref().filter(|msgid| !msgid.is_empty() && *msgid != "0");
        let of = |id: DeliveryId| self.parcel(id).is_ok_and(|fact| fact.channel == channel);
        let found = if let Some(msgid) = msgid {
            let named = |a: &&AttemptFact| {
                a.msgid.as_deref() == Some(msgid) && a.result != AttemptResult::Refused && of(a.delivery)
            };
            self.post.attempts.iter().filter(named).map(|a| a.delivery).max()
        } else {
            let theirs = |lane: &&super::LaneFact| {
                lane.channel == channel && same_address(kind, &lane.address, &said.address)
            };
            let lane = self.post.lanes.iter().find(theirs);
            let since = self.now.saturating_sub(CONFIRM_WITHIN);
            let recent = |a: &&AttemptFact| {
                lane.is_some_and(|lane| lane.id == a.lane) && a.ended_at.is_some_and(|at| at > since)
            };
            let open = |id: &DeliveryId| {
                self.parcel(*id)
                    .is_ok_and(|fact| matches!(fact.state, DeliveryState::Accepted | DeliveryState::Unknown))
            };
            let mut ids: Vec<_> =
                self.post.attempts.iter().filter(recent).map(|a| a.delivery).filter(open).collect();
            ids.sort_unstable();
            ids.dedup();
            (ids.len() == 1).then(|| ids[0])
        };
        match (found, msgid) {
            (Some(id), _) => {
                let word = Word { failed: said.failed.clone(), again: said.again };
                self.book_word(id, word, msgid, herald)?;
                Ok(true)
            }
            (None, Some(msgid)) => {
                let since = self.now.saturating_sub(EARLY_KEEP);
                self.post.early.retain(|_, (at, _)| *at > since);
                let word = Word { failed: said.failed.clone().map(cut), again: said.again };
                self.post.early.insert((channel, msgid.into()), (self.now, word));
                Ok(false)
            }
            (None, None) => Ok(false),
        }
    }

    pub(super) fn book_word(
        &mut self,
        id: DeliveryId,
        word: Word,
        msgid: Option<&str>,
        herald: Option<&Herald>,
    ) -> Result<bool> {
        let row = self.parcel(id)?.clone();
        if !matches!(row.state, DeliveryState::Accepted | DeliveryState::Unknown) {
            return Ok(false);
        }
        let reason = word.failed.map(cut);
        if let (Some(why), Some(at)) = (&reason, word.again)
            && self.once_more(&row, why, at)
        {
            return Ok(false);
        }
        let state = if reason.is_some() { DeliveryState::Failed } else { DeliveryState::Confirmed };
        let end = End {
            state,
            code: reason.as_ref().map(|_| codes::NOT_DELIVERED.into()),
            reason,
            msgid: msgid.map(str::to_owned).or_else(|| row.msgid.clone()),
        };
        self.end(id, &end);
        if state == DeliveryState::Confirmed {
            self.tell_reached();
        }
        self.tell(&row, &end, herald)
    }

    /// Queues what the platform took and lost, once, under another key.
    fn once_more(&mut self, row: &DeliveryFact, why: &str, at: Millis) -> bool {
        let of_round = |a: &AttemptFact| (a.delivery, a.round) == (row.id, row.round);
        let lost = |a: &AttemptFact| of_round(a) && a.code.as_deref() == Some(codes::NOT_DELIVERED);
        let wanted = self.messages.iter().any(|m| m.seq == row.seq && m.kept() && m.newer.is_none());
        let bound = self.post.bindings.iter().any(|binding| {
            (binding.channel, binding.user.0, binding.lane) == (row.channel, row.user, Some(row.lane))
                && binding.broken.is_none()
        });
        let once = !self.post.attempts.iter().any(lost);
        if row.seq == 0 || row.user == 0 || !once || !wanted || !bound || row.give_up_at <= at {
            return false;
        }
        for attempt in self.post.attempts.iter_mut().filter(|attempt| of_round(attempt)) {
            attempt.result = AttemptResult::Refused;
            attempt.code = Some(codes::NOT_DELIVERED.into());
            attempt.reason = Some(why.to_owned());
        }
        let now = self.now;
        self.change(row.id, |fact| {
            fact.state = DeliveryState::Queued;
            fact.due_at = at;
            fact.since = now;
            fact.intent += 1;
            fact.body = None;
            fact.msgid = None;
            fact.history.busy = 0;
            fact.history.duplicates = 0;
            fact.history.unsure_at = None;
            fact.code = Some(codes::NOT_DELIVERED.into());
            fact.reason = Some(why.to_owned());
        });
        true
    }
}

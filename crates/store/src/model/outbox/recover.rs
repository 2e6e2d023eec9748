//! Leases that are over, of every channel.

use tocsin_protocol::{DeliveryState, delivery::AttemptResult};

use super::{super::facts::Facts, DeliveryFact, End};
use crate::{
    Result,
    outbox::{ChannelId, ClaimOrder, LaneId, Noticed, codes, not_wanted},
};

impl Facts {
    pub(super) fn recover(&mut self, order: &ClaimOrder, noticed: &mut Noticed) -> Result<()> {
        let over = self.post.lanes.iter().filter(|lane| lane.lease.is_some_and(|until| until <= self.now));
        let mut lanes: Vec<(ChannelId, LaneId)> = over.map(|lane| (lane.channel, lane.id)).collect();
        lanes.sort_unstable();
        for (channel, lane) in lanes {
            let mut on_its_way = self.post.deliveries.iter();
            let sending = on_its_way.find(|fact| fact.lane == lane && fact.state == DeliveryState::Sending);
            if let Some(row) = sending.cloned() {
                self.lose(&row, order, noticed)?;
            }
            if let Some(health) = self.health(channel) {
                health.probe_until = 0;
            }
            if let Some(fact) = self.lane(lane) {
                fact.lease = None;
            }
        }
        Ok(())
    }

    fn lose(&mut self, row: &DeliveryFact, order: &ClaimOrder, noticed: &mut Noticed) -> Result<()> {
        let now = self.now;
        let last = self.post.attempts.iter_mut().find(|a| Some(a.id) == row.last_attempt);
        let started = last.map(|attempt| {
            attempt.ended_at = Some(now);
            attempt.result = AttemptResult::Lost;
            attempt.started_at
        });
        let unsure_at = row.history.unsure_at.or(started).unwrap_or(now);
        self.change(row.id, |fact| fact.history.unsure_at = Some(unsure_at));
        let name = self.post.channels.iter().find(|channel| channel.id == row.channel).map(|c| &c.name);
        let limits = order.channels.iter().find(|(served, _)| Some(served) == name).map(|(_, limits)| limits);
        let safe = limits.is_none_or(|limits| now < unsure_at.saturating_add(limits.repeat_safe_ms));
        if safe && !row.history.resent && not_wanted(row.code.as_deref()).is_none() {
            self.change(row.id, |fact| {
                fact.state = DeliveryState::Queued;
                fact.due_at = now;
                fact.since = now;
            });
            noticed.repeated += 1;
            return Ok(());
        }
        let end = End::of(DeliveryState::Unknown, codes::LOST);
        self.end(row.id, &end);
        noticed.unknown += 1;
        noticed.alerts += u64::from(self.tell(row, &end, order.herald.as_ref())?);
        Ok(())
    }
}

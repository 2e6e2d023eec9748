//! What of a receipt is told to a webhook.

use tocsin_protocol::{Seq, State, receipt::Report};

use super::{
    super::facts::{Facts, MessageFact},
    ReportFact,
};
use crate::{
    escalation::report::{self, Said},
    outbox::ChannelId,
    rules,
};

impl Facts {
    pub(super) fn watch(&mut self, fact: &MessageFact, channel: ChannelId, wanted: &Report) {
        let due_at = fact.message.expires_at;
        for milestone in &wanted.on {
            let place = (fact.seq, report::number(*milestone));
            self.escalated.reports.entry(place).or_insert(ReportFact { channel, due_at, done: false });
        }
        self.tell_report(fact.seq);
    }

    fn open_reports(&self) -> Vec<Seq> {
        let open = self.escalated.reports.iter().filter(|(_, report)| !report.done);
        let mut seqs: Vec<Seq> = open.map(|((seq, _), _)| *seq).collect();
        seqs.dedup();
        seqs
    }

    /// Tells whatever is reached and was not told yet.
    pub(in crate::model) fn tell_reached(&mut self) {
        for seq in self.open_reports() {
            let over = |fact: &MessageFact| {
                !fact.kept()
                    || fact.newer.is_some()
                    || fact.message.expires_at.is_some_and(|at| at <= self.now)
            };
            if !self.message_at(seq).is_some_and(over) {
                self.tell_webhook(seq, false);
            }
        }
    }

    /// The same for one message, of which nothing is reached any more once it is over.
    pub(super) fn tell_report(&mut self, seq: Seq) {
        let over = self.message_at(seq).is_some_and(|fact| {
            !fact.kept() || fact.newer.is_some() || fact.message.expires_at.is_some_and(|at| at <= self.now)
        });
        self.tell_webhook(seq, over);
    }

    pub(in crate::model) fn tell_missed(&mut self, seq: Seq) {
        self.tell_webhook(seq, true);
    }

    fn tell_webhook(&mut self, seq: Seq, give_up: bool) {
        let open: Vec<(i64, ChannelId)> = self
            .escalated
            .reports
            .iter()
            .filter(|((known, _), report)| *known == seq && !report.done)
            .map(|((_, number), report)| (*number, report.channel))
            .collect();
        if open.is_empty() {
            return;
        }
        let Some(fact) = self.message_at(seq).cloned() else { return };
        let rows = self.rows(&fact);
        let said = Said {
            counts: Self::counts_of(&rows),
            missing: Self::lacking(&rows, |state| state == State::Missing || rules::is_too_late(state)),
            unacknowledged: Self::lacking(&rows, |state| {
                rules::lacks(state, State::Acknowledged) || rules::is_too_late(state)
            }),
        };
        for (number, channel) in open {
            let Some(milestone) = report::milestone(number) else { continue };
            let reached = said.counts.reached(milestone);
            if give_up || reached {
                let body = report::body(&fact.message, milestone, reached, &said, self.now);
                self.put_report(seq, channel, number, body);
                if let Some(report) = self.escalated.reports.get_mut(&(seq, number)) {
                    report.done = true;
                }
            }
        }
    }

    /// Messages that expired with something open. How many.
    pub(super) fn expire_reports(&mut self, most: usize) -> u64 {
        let mut due: Vec<_> = self
            .escalated
            .reports
            .iter()
            .filter(|(_, report)| !report.done && report.due_at.is_some_and(|at| at <= self.now))
            .map(|((seq, _), report)| (report.due_at, *seq))
            .collect();
        due.sort_unstable();
        due.dedup();
        due.truncate(most);
        for (_, seq) in &due {
            self.tell_missed(*seq);
        }
        due.len() as u64
    }
}

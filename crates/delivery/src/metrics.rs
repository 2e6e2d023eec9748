//! Counters for `/metrics`. Labels are kinds and results, never a name or an address.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use tocsin_protocol::delivery::{AttemptResult, ChannelHealth, ChannelKind, Flow};
use tocsin_store::outbox::{Again, Next, Noticed, Settled};

use crate::Verdict;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Kind {
    Wechat,
    Wecom,
    WecomRobot,
    Webhook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Tried {
    Accepted,
    Refused,
    Unknown,
    NotSent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Became {
    Accepted,
    Failed,
    Unknown,
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Why {
    NotSent,
    Busy,
    Paused,
    Duplicate,
    Unsure,
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    kind: Kind,
    result: Tried,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct End {
    state: Became,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Retry {
    why: Why,
}

/// Counters for `/metrics`. Cheap to clone; all clones count together.
#[derive(Clone, Default)]
pub struct Metrics {
    attempts: Family<Attempt, Counter>,
    ended: Family<End, Counter>,
    retries: Family<Retry, Counter>,
    digests: Counter,
    merged: Counter,
    alerts: Counter,
    opened: Counter,
    late: Counter,
    queued: Gauge,
    failed: Gauge,
    unknown: Gauge,
    parked: Gauge,
}

impl Metrics {
    /// Adds them under `outbox_…`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("outbox");
        registry.register("attempts", "Requests to platforms by kind and result", self.attempts.clone());
        registry.register("ended", "Deliveries by how they ended", self.ended.clone());
        registry.register("retries", "Deliveries that are tried again, by reason", self.retries.clone());
        registry.register("digests", "Digests that platforms took", self.digests.clone());
        registry.register("merged", "Messages carried by digests", self.merged.clone());
        registry.register("alerts", "Alerts about deliveries", self.alerts.clone());
        registry.register("breaker_opened", "Times that a channel was parked", self.opened.clone());
        registry.register("late_answers", "Answers that came after their lease", self.late.clone());
        registry.register("queued", "Deliveries that wait", self.queued.clone());
        registry.register("failed", "Deliveries that failed and were not sent again", self.failed.clone());
        registry.register("unknown", "Deliveries of which nobody knows", self.unknown.clone());
        registry.register("parked_channels", "Channels that are not sent over now", self.parked.clone());
    }

    /// Sets the gauges, when somebody asks for them.
    pub fn observe(&self, health: &[ChannelHealth]) {
        let sum = |which: fn(&ChannelHealth) -> u64| {
            i64::try_from(health.iter().map(which).sum::<u64>()).unwrap_or(i64::MAX)
        };
        self.queued.set(sum(|channel| channel.queued));
        self.failed.set(sum(|channel| channel.failed));
        self.unknown.set(sum(|channel| channel.unknown));
        self.parked.set(sum(|channel| u64::from(channel.flow == Flow::Parked)));
    }

    pub(crate) fn noticed(&self, noticed: Noticed) {
        self.end(Became::Expired, noticed.expired);
        self.end(Became::Failed, noticed.given_up + noticed.unbound);
        self.end(Became::Unknown, noticed.unknown);
        self.retries.get_or_create(&Retry { why: Why::Lost }).inc_by(noticed.repeated);
        self.alerts.inc_by(noticed.alerts);
    }

    pub(crate) fn settled(&self, kind: ChannelKind, digest: bool, verdict: &Verdict, settled: &Settled) {
        let kind = match kind {
            ChannelKind::Wechat => Kind::Wechat,
            ChannelKind::Wecom => Kind::Wecom,
            ChannelKind::WecomRobot => Kind::WecomRobot,
            ChannelKind::Webhook => Kind::Webhook,
        };
        let result = match verdict.result {
            AttemptResult::Accepted => Tried::Accepted,
            AttemptResult::Refused => Tried::Refused,
            AttemptResult::NotSent => Tried::NotSent,
            AttemptResult::Unknown | AttemptResult::Running | AttemptResult::Lost => Tried::Unknown,
        };
        self.attempts.get_or_create(&Attempt { kind, result }).inc();
        match verdict.next {
            Next::Accepted => self.end(Became::Accepted, settled.carried),
            Next::Failed => self.end(Became::Failed, settled.carried),
            Next::Unknown => self.end(Became::Unknown, settled.carried),
            Next::Retry { why, .. } => {
                let why = match why {
                    Again::NotSent => Why::NotSent,
                    Again::Busy => Why::Busy,
                    Again::Paused => Why::Paused,
                    Again::Duplicate => Why::Duplicate,
                    Again::Unsure => Why::Unsure,
                };
                self.retries.get_or_create(&Retry { why }).inc();
            }
        }
        if digest && verdict.next == Next::Accepted {
            self.digests.inc();
            self.merged.inc_by(settled.carried);
        }
        self.alerts.inc_by(u64::from(settled.alerted));
        self.opened.inc_by(u64::from(settled.opened));
        self.late.inc_by(u64::from(settled.late));
    }

    fn end(&self, state: Became, count: u64) {
        if count > 0 {
            self.ended.get_or_create(&End { state }).inc_by(count);
        }
    }
}

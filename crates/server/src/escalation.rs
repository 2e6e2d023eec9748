//! The clock of escalations: wakes when a step, a missed milestone or a silent topic is due, and lets the store run it.
//!
//! What is due, and that it runs once, is the store's to decide in one transaction; here is only when to ask. Times are
//! wall clock, and tokio's timers stand still in suspend, so no sleep is longer than [`NAP`]: that is how late a wake of
//! the computer is noticed. While nothing waits nothing wakes.

use std::{sync::Arc, time::Duration};

use tocsin_locale::Locale;
use tocsin_protocol::{Format, Millis};
use tocsin_store::{
    Authority, Clock, NewMessage, Sender, TokenId,
    escalation::{Escalations, LATE_MS, RanStep, RunOrder, Silence, Words},
};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// The longest sleep.
const NAP: Duration = Duration::from_secs(15);
/// Between two looks: nobody could be heard in between.
const LONG_MS: Millis = 30_000;
/// After the store failed.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// Run in one transaction: publishes wait no longer than for one of these.
const AT_ONCE: usize = 50;
/// Shown as the sender.
const SENDER: &str = "Tocsin";

/// Runs what is due of one store.
pub struct Escalator {
    /// What is run.
    pub escalations: Arc<dyn Escalations>,
    /// The store's clock.
    pub clock: Clock,
    /// The language of what is said about silent topics.
    pub locale: Arc<Locale>,
    /// Counts it.
    pub metrics: Metrics,
}

impl Escalator {
    /// Goes on until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut changed = self.escalations.escalations_changed();
        let words = words(self.locale.clone());
        let mut looked: Option<Millis> = None;
        loop {
            changed.mark_unchanged();
            let now = (self.clock)();
            // Longer than any nap: the computer slept, or the store failed meanwhile.
            let woke = looked.is_none_or(|at| now.saturating_sub(at) > LONG_MS);
            let order = RunOrder { most: AT_ONCE, woke, words: Some(words.clone()) };
            let next = match self.escalations.run_due(order).await {
                Ok(ran) => {
                    looked = Some(now);
                    ran.steps.iter().for_each(tell);
                    self.metrics.escalated(&ran);
                    ran.next
                }
                Err(error) => {
                    tracing::warn!(%error, "escalations cannot be run now");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(TROUBLE_PAUSE) => {}
                    }
                    Some((self.clock)())
                }
            };
            let nap = self.nap(next);
            tokio::select! {
                () = stop.cancelled() => return,
                _ = changed.changed() => {}
                () = nap => {}
            }
        }
    }

    async fn nap(&self, next: Option<Millis>) {
        match next {
            Some(at) => {
                let wait = u64::try_from(at.saturating_sub((self.clock)())).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(wait).min(NAP)).await;
            }
            None => std::future::pending().await,
        }
    }
}

fn tell(ran: &RanStep) {
    if ran.late_ms > LATE_MS {
        tracing::warn!(message = %ran.message, step = ran.step, repeat = ran.repeat, late_s = ran.late_ms / 1000,
            "a step ran late: the computer slept, or the server was down");
    } else {
        tracing::info!(message = %ran.message, step = ran.step, repeat = ran.repeat, outcome = ?ran.outcome, "a step ran");
    }
}

/// What members of a silent topic read.
fn words(locale: Arc<Locale>) -> Words {
    Arc::new(move |silence| {
        let every = span(&locale, silence.every_ms);
        let values = [("topic", silence.topic.as_str()), ("every", &every)];
        let (title, body) = match silence {
            Silence { since: Some(_), .. } => ("silence.title", "silence.body"),
            Silence { every_ms: 0, .. } => ("silence.back_title", "silence.off_body"),
            _ => ("silence.back_title", "silence.back_body"),
        };
        NewMessage {
            sender: Sender { token: TokenId(0), user: None, name: SENDER.into(), authority: Authority::All },
            topic: None,
            to: Vec::new(),
            title: locale.t(title, &values),
            body: locale.t(body, &values),
            format: Format::Text,
            priority: tocsin_protocol::Priority::HIGH,
            tags: Vec::new(),
            click: None,
            actions: Vec::new(),
            key: None,
            replaces: None,
            resolved: silence.since.is_none(),
            expires_in_ms: None,
            idempotency: None,
            twins: false,
            policy: None,
            report: None,
        }
    })
}

/// A span as people say it, rounded down to what matters.
fn span(locale: &Locale, ms: Millis) -> String {
    let seconds = ms / 1000;
    let (key, count) = match seconds {
        ..120 => ("silence.seconds", seconds),
        120..7200 => ("silence.minutes", seconds / 60),
        _ => ("silence.hours", seconds / 3600),
    };
    locale.t(key, &[("count", &count.to_string())])
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::control::Language;
    use tocsin_store::{
        Store as _,
        sqlite::{Options, SqliteStore},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_in_trouble_does_not_hold_up_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(Options::new(dir.path())).unwrap());
        store.close().await;
        let locale = Arc::new(Locale::new(Language::En, ""));
        let clock: Clock = Arc::new(|| 0);
        let escalator = Escalator { escalations: store, clock, locale, metrics: Metrics::default() };
        let stop = CancellationToken::new();
        let running = tokio::spawn(escalator.run(stop.clone()));
        // In paused time this is over when the other waits too.
        tokio::time::sleep(TROUBLE_PAUSE / 10).await;
        stop.cancel();
        tokio::time::timeout(TROUBLE_PAUSE / 2, running).await.expect("it still waits").unwrap();
    }

    #[test]
    fn silence_is_told_in_the_servers_language() {
        for (language, title, every) in
            [(Language::En, "ops is silent", "15 min"), (Language::ZhCn, "ops 长时间没有消息", "15 分钟")]
        {
            let words = words(Arc::new(Locale::new(language, "")));
            let silence = Silence { topic: "ops".into(), every_ms: 900_000, since: Some(1) };
            let said = words(&silence);
            assert_eq!(said.title, title);
            assert!(said.body.contains(every), "{}", said.body);
            let back = words(&Silence { since: None, ..silence });
            assert!(back.resolved && !back.title.contains("silence."), "{}", back.title);
        }
    }
}

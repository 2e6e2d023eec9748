//! The presenter in paused time: repetitions, updates, what is pressed. The daemon only writes down what it is told;
//! what real ones do is in `tests/notify.rs`.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use tocsin_protocol::control::Language;

use super::*;
use crate::notify::{KEY_OPEN, policy::REPEAT_EVERY};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Show { id: u32, title: String, urgency: Urgency, replaces: Option<u32> },
    Close(u32),
}

#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<Told>>>, Arc<AtomicU32>);

impl Record {
    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Notifier for Record {
    async fn show(&self, popup: &Popup, replaces: Option<u32>) -> Result<u32, ShowError> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = replaces.unwrap_or_else(|| self.1.fetch_add(1, Ordering::Relaxed) + 1);
        told.push(Told::Show { id, title: popup.title.clone(), urgency: popup.urgency, replaces });
        Ok(id)
    }

    async fn close(&self, id: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Told::Close(id));
    }
}

struct Bench {
    record: Record,
    asks: mpsc::Sender<Ask>,
    signals: mpsc::Sender<Signal>,
    outcomes: mpsc::Receiver<Outcome>,
    wishes: watch::Sender<Wishes>,
}

fn bench() -> Bench {
    let record = Record::default();
    let (asks, asked) = mpsc::channel(16);
    let (signals, signalled) = mpsc::channel(16);
    let (outcomes_tx, outcomes) = mpsc::channel(256);
    let wishes = Wishes {
        notifications: Notifications::default(),
        paused_until: None,
        locale: Arc::new(Locale::new(Language::En, "")),
    };
    let (wishes_tx, wishes) = watch::channel(wishes);
    let start = Instant::now();
    let clock: Clock =
        Arc::new(move || 1_700_000_000_000 + i64::try_from(start.elapsed().as_millis()).unwrap());
    tokio::spawn(Presenter::new(Box::new(record.clone()), outcomes_tx, wishes, clock).run(asked, signalled));
    signals.try_send(Signal::Up).unwrap();
    Bench { record, asks, signals, outcomes, wishes: wishes_tx }
}

impl Bench {
    async fn message(&self, id: &str, priority: u8, extra: serde_json::Value) {
        let mut value = serde_json::json!({
            "cursor": "k3v9x0ab-1", "id": id, "seq": 1, "topic": "ops", "sender": "ci", "title": "fire",
            "priority": priority, "thread": "AAAAAAAAAAAA", "created_at": 0,
        });
        if let (Some(fields), serde_json::Value::Object(extra)) = (value.as_object_mut(), extra) {
            fields.extend(extra);
        }
        let message = serde_json::from_value(value).unwrap();
        self.asks.send(Ask::Message { message, arrival: Arrival::Live, acknowledged: false }).await.unwrap();
    }

    /// The next outcome that is not about the daemon.
    async fn outcome(&mut self) -> Outcome {
        loop {
            match self.outcomes.recv().await.unwrap() {
                Outcome::Daemon(_) => {}
                outcome => return outcome,
            }
        }
    }

    async fn shown(&mut self, id: &str) -> u32 {
        let recorded = self.outcome().await;
        assert!(
            matches!(&recorded, Outcome::Recorded { id: of, shown: Shown::Shown, .. } if of.as_str() == id),
            "{recorded:?}"
        );
        match self.record.take().last() {
            Some(Told::Show { id, .. }) => *id,
            other => panic!("{other:?}"),
        }
    }
}

fn minutes(count: u64) -> Duration {
    Duration::from_millis(REPEAT_EVERY.unsigned_abs()) * u32::try_from(count).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_critical_message_comes_up_each_minute_until_it_is_acknowledged() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 5, serde_json::json!({})).await;
    let first = bench.shown("AAAAAAAAAAAA").await;
    tokio::time::sleep(minutes(1) + Duration::from_secs(1)).await;
    let told = bench.record.take();
    assert_eq!(told[0], Told::Close(first));
    let Told::Show { id: second, replaces: None, .. } = &told[1] else { panic!("{told:?}") };
    // Dismissing is reading, not acknowledging: it comes again.
    bench.signals.send(Signal::Closed { id: *second, dismissed: true }).await.unwrap();
    assert_eq!(bench.outcome().await, Outcome::Read("AAAAAAAAAAAA".parse().unwrap()));
    tokio::time::sleep(minutes(1)).await;
    let told = bench.record.take();
    let Some(Told::Show { id: third, .. }) = told.last() else { panic!("{told:?}") };
    bench
        .signals
        .send(Signal::Action { id: *third, key: KEY_ACKNOWLEDGE.into(), token: None })
        .await
        .unwrap();
    assert_eq!(bench.outcome().await, Outcome::Acknowledge("AAAAAAAAAAAA".parse().unwrap()));
    tokio::time::sleep(minutes(10)).await;
    assert_eq!(bench.record.take(), [Told::Close(*third)], "acknowledged: it goes, and does not come again");
}

#[tokio::test(start_paused = true)]
async fn repetitions_end_after_an_hour() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 5, serde_json::json!({})).await;
    bench.shown("AAAAAAAAAAAA").await;
    tokio::time::sleep(minutes(200)).await;
    let shows = bench.record.take().iter().filter(|told| matches!(told, Told::Show { .. })).count();
    assert_eq!(shows, 60);
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_takes_the_place_of_the_older_and_ends_its_repetition() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 5, serde_json::json!({})).await;
    let popup = bench.shown("AAAAAAAAAAAA").await;
    bench.message("BBBBBBBBBBBB", 5, serde_json::json!({ "resolved": true })).await;
    let recorded = bench.outcome().await;
    assert!(matches!(recorded, Outcome::Recorded { shown: Shown::Shown, .. }), "{recorded:?}");
    assert_eq!(
        bench.record.take(),
        [Told::Show {
            id: popup,
            title: "Resolved: fire".into(),
            urgency: Urgency::Low,
            replaces: Some(popup)
        }]
    );
    tokio::time::sleep(minutes(5)).await;
    assert_eq!(bench.record.take(), []);
}

#[tokio::test(start_paused = true)]
async fn while_nothing_may_come_up_a_newer_version_takes_the_place_of_the_older_quietly() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 5, serde_json::json!({})).await;
    let popup = bench.shown("AAAAAAAAAAAA").await;
    bench.wishes.send_modify(|wishes| wishes.paused_until = Some(Millis::MAX));
    bench.message("BBBBBBBBBBBB", 4, serde_json::json!({ "title": "smoke" })).await;
    assert!(matches!(bench.outcome().await, Outcome::Recorded { shown: Shown::Shown, .. }));
    let quiet = Told::Show { id: popup, title: "smoke".into(), urgency: Urgency::Low, replaces: Some(popup) };
    assert_eq!(bench.record.take(), [quiet]);
    tokio::time::sleep(minutes(5)).await;
    assert_eq!(bench.record.take(), []);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_to_be_shown_takes_the_older_off_the_screen() {
    for (expired, muted) in [(true, false), (false, true)] {
        let mut bench = bench();
        bench.message("AAAAAAAAAAAA", 5, serde_json::json!({})).await;
        let popup = bench.shown("AAAAAAAAAAAA").await;
        if muted {
            bench.wishes.send_modify(|wishes| wishes.notifications.muted_topics.push("ops".into()));
        }
        bench.message("BBBBBBBBBBBB", 5, serde_json::json!({ "expired": expired })).await;
        assert!(matches!(bench.outcome().await, Outcome::Recorded { shown: Shown::Suppressed, .. }));
        assert_eq!(bench.record.take(), [Told::Close(popup)], "expired {expired}, muted {muted}");
    }
}

#[tokio::test(start_paused = true)]
async fn handled_elsewhere_takes_the_popup_away() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 4, serde_json::json!({})).await;
    let popup = bench.shown("AAAAAAAAAAAA").await;
    let id = "AAAAAAAAAAAA".parse().unwrap();
    bench.asks.send(Ask::Handled { id, acknowledged: true }).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.record.take(), [Told::Close(popup)]);
}

#[tokio::test(start_paused = true)]
async fn open_reads_and_opens_with_the_token_that_brings_the_window_to_the_front() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 3, serde_json::json!({})).await;
    let popup = bench.shown("AAAAAAAAAAAA").await;
    let id: MessageId = "AAAAAAAAAAAA".parse().unwrap();
    bench
        .signals
        .send(Signal::Action { id: popup, key: KEY_OPEN.into(), token: Some("t".into()) })
        .await
        .unwrap();
    assert_eq!(bench.outcome().await, Outcome::Read(id));
    assert_eq!(bench.outcome().await, Outcome::Open { view: View::Message { id }, token: Some("t".into()) });
}

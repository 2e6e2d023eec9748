//! The presenter in paused time: repetitions, updates, what is pressed. The daemon only writes down what it is told;
//! what real ones do is in `tests/notify.rs`.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use tocsin_protocol::control::Language;

use super::*;
use crate::notify::{
    KEY_ACKNOWLEDGE, KEY_OPEN,
    policy::{REPEAT_EVERY, STORM},
};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Show { id: u32, title: String, urgency: Urgency, replaces: Option<u32> },
    Close(u32),
}

#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<Told>>>, Arc<AtomicU32>, &'static str);

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

    async fn owner(&self) -> Option<String> {
        Some(self.2.to_owned())
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
    started(":1.7", None)
}

/// Before a daemon with this name on the bus, with the file of the start before.
fn started(owner: &'static str, file: Option<&std::path::Path>) -> Bench {
    let record = Record(Arc::default(), Arc::default(), owner);
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
    let mut presenter = Presenter::new(Box::new(record.clone()), outcomes_tx, wishes, clock);
    if let Some(file) = file {
        presenter = presenter.remembering(file.to_owned());
    }
    tokio::spawn(presenter.run(asked, signalled));
    signals.try_send(Signal::Up).unwrap();
    Bench { record, asks, signals, outcomes, wishes: wishes_tx }
}

/// What the presenter was asked is done: in paused time the clock moves only then.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn message(id: &str, priority: u8, extra: serde_json::Value) -> Message {
    let mut value = serde_json::json!({
        "cursor": "k3v9x0ab-1", "id": id, "seq": 1, "topic": "ops", "sender": "ci", "title": "fire",
        "priority": priority, "thread": id, "created_at": 0,
    });
    if let (Some(fields), serde_json::Value::Object(extra)) = (value.as_object_mut(), extra) {
        fields.extend(extra);
    }
    serde_json::from_value(value).unwrap()
}

impl Bench {
    async fn message(&self, id: &str, priority: u8, extra: serde_json::Value) {
        let message = Box::new(message(id, priority, extra));
        self.asks.send(Ask::Message { message, arrival: Arrival::Live, acknowledged: false }).await.unwrap();
    }

    async fn remind(&self, id: &str, priority: u8, arrival: Arrival, extra: serde_json::Value) {
        let message = Box::new(message(id, priority, extra));
        self.asks.send(Ask::Remind { message, arrival }).await.unwrap();
    }

    async fn handled(&self, id: &str, over: bool) {
        self.asks.send(Ask::Handled { id: id.parse().unwrap(), over }).await.unwrap();
        settle().await;
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
async fn what_expired_goes_instead_of_coming_up_again() {
    let mut bench = bench();
    let expires = serde_json::json!({ "expires_at": 1_700_000_090_000_i64 });
    bench.message("AAAAAAAAAAAA", 5, expires).await;
    bench.shown("AAAAAAAAAAAA").await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    let again = bench.record.take();
    let [Told::Close(_), Told::Show { id, .. }] = &again[..] else { panic!("{again:?}") };
    tokio::time::sleep(minutes(10)).await;
    assert_eq!(bench.record.take(), [Told::Close(*id)]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_takes_the_place_of_the_older_and_ends_its_repetition() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 5, serde_json::json!({})).await;
    let popup = bench.shown("AAAAAAAAAAAA").await;
    let newer = serde_json::json!({ "thread": "AAAAAAAAAAAA", "resolved": true });
    bench.message("BBBBBBBBBBBB", 5, newer).await;
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
    let newer = serde_json::json!({ "thread": "AAAAAAAAAAAA", "title": "smoke" });
    bench.message("BBBBBBBBBBBB", 4, newer).await;
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
        let newer = serde_json::json!({ "thread": "AAAAAAAAAAAA", "expired": expired });
        bench.message("BBBBBBBBBBBB", 5, newer).await;
        assert!(matches!(bench.outcome().await, Outcome::Recorded { shown: Shown::Suppressed, .. }));
        assert_eq!(bench.record.take(), [Told::Close(popup)], "expired {expired}, muted {muted}");
    }
}

#[tokio::test(start_paused = true)]
async fn handled_elsewhere_takes_the_popup_away() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 4, serde_json::json!({})).await;
    let popup = bench.shown("AAAAAAAAAAAA").await;
    bench.handled("AAAAAAAAAAAA", true).await;
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

fn none() -> serde_json::Value {
    serde_json::json!({})
}

/// Sent when the bench's clock began.
fn young() -> serde_json::Value {
    serde_json::json!({ "created_at": 1_700_000_000_000_i64 })
}

fn shows(told: &[Told]) -> usize {
    told.iter().filter(|told| matches!(told, Told::Show { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn a_reminder_comes_up_anew_beside_nothing_of_the_old_popup() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 4, none()).await;
    let first = bench.shown("AAAAAAAAAAAA").await;
    bench.remind("AAAAAAAAAAAA", 4, Arrival::Live, none()).await;
    let recorded = bench.outcome().await;
    assert!(matches!(recorded, Outcome::Recorded { shown: Shown::Shown, .. }), "{recorded:?}");
    let told = bench.record.take();
    let [Told::Close(old), Told::Show { id: second, replaces: None, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(*old, first);
    bench.handled("AAAAAAAAAAAA", true).await;
    assert_eq!(bench.record.take(), [Told::Close(*second)]);
    // One that is gone from the screen comes up, too.
    bench.remind("AAAAAAAAAAAA", 4, Arrival::Live, none()).await;
    settle().await;
    assert!(matches!(bench.record.take()[..], [Told::Show { replaces: None, .. }]));
}

#[tokio::test(start_paused = true)]
async fn a_reminder_puts_the_repetition_off_and_its_hour_stays_the_same() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 5, young()).await;
    bench.shown("AAAAAAAAAAAA").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    bench.remind("AAAAAAAAAAAA", 5, Arrival::Live, young()).await;
    bench.shown("AAAAAAAAAAAA").await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(bench.record.take(), [], "a minute after the reminder, not after the first");
    tokio::time::sleep(minutes(200)).await;
    assert_eq!(shows(&bench.record.take()), 59);
    // Its hour is over: a reminder is one popup.
    bench.remind("AAAAAAAAAAAA", 5, Arrival::Live, young()).await;
    tokio::time::sleep(minutes(200)).await;
    assert_eq!(shows(&bench.record.take()), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_shown_before_presses_from_its_reminder_on_until_it_is_settled() {
    let bench = bench();
    bench.remind("AAAAAAAAAAAA", 5, Arrival::Live, young()).await;
    tokio::time::sleep(minutes(9) + Duration::from_secs(30)).await;
    assert_eq!(shows(&bench.record.take()), 10);
    bench.handled("AAAAAAAAAAAA", true).await;
    assert!(matches!(bench.record.take()[..], [Told::Close(_)]));
    tokio::time::sleep(minutes(10)).await;
    assert_eq!(bench.record.take(), []);
}

#[tokio::test(start_paused = true)]
async fn reminders_that_were_missed_are_one_summary() {
    let mut bench = bench();
    bench.message("AAAAAAAAAAAA", 4, none()).await;
    let popup = bench.shown("AAAAAAAAAAAA").await;
    for _ in 0..3 {
        bench.remind("AAAAAAAAAAAA", 4, Arrival::Away, none()).await;
    }
    bench.asks.send(Ask::CaughtUp).await.unwrap();
    settle().await;
    let told = bench.record.take();
    assert!(
        matches!(&told[..], [Told::Close(old), Told::Show { replaces: None, .. }] if *old == popup),
        "a single one is shown as itself: {told:?}"
    );
    for id in ["AAAAAAAAAAAA", "BBBBBBBBBBBB"] {
        bench.remind(id, 4, Arrival::Away, none()).await;
    }
    bench.asks.send(Ask::CaughtUp).await.unwrap();
    settle().await;
    let told = bench.record.take();
    assert!(
        matches!(&told[..], [Told::Show { title, .. }] if title == "2 messages while you were away"),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reminder_waits_for_a_daemon_once() {
    let mut bench = bench();
    bench.signals.send(Signal::Down(Absence::Ended)).await.unwrap();
    settle().await;
    for _ in 0..3 {
        bench.remind("AAAAAAAAAAAA", 4, Arrival::Live, none()).await;
        let recorded = bench.outcome().await;
        assert!(matches!(recorded, Outcome::Recorded { shown: Shown::Failed, .. }), "{recorded:?}");
    }
    bench.signals.send(Signal::Up).await.unwrap();
    settle().await;
    assert!(matches!(&bench.record.take()[..], [Told::Show { title, .. }] if title == "fire"));
}

#[tokio::test(start_paused = true)]
async fn a_summary_goes_with_the_last_of_its_messages() {
    let bench = bench();
    let ids = ["AAAAAAAAAAAA", "BBBBBBBBBBBB"];
    for id in ids {
        bench.remind(id, 4, Arrival::Away, none()).await;
    }
    bench.asks.send(Ask::CaughtUp).await.unwrap();
    settle().await;
    assert_eq!(bench.record.take().len(), 1);
    bench.handled(ids[0], false).await;
    assert_eq!(bench.record.take(), []);
    bench.handled(ids[1], false).await;
    assert!(matches!(bench.record.take()[..], [Told::Close(_)]));
}

#[tokio::test(start_paused = true)]
async fn the_summary_of_a_storm_stands_until_nobody_is_expected_to_do_anything() {
    let bench = bench();
    let id = |n: usize| format!("AAAAAAAAAA{n:02}");
    for n in 0..=STORM {
        bench.message(&id(n), 5, none()).await;
        settle().await;
    }
    let told = bench.record.take();
    let Some(Told::Show { id: storm, title, .. }) = told.last() else { panic!("{told:?}") };
    assert!(title.contains("1 more critical"), "{title}");
    bench.handled(&id(STORM), false).await;
    assert_eq!(bench.record.take(), [], "only read");
    bench.handled(&id(STORM), true).await;
    assert_eq!(bench.record.take(), [Told::Close(*storm)]);
}

#[tokio::test(start_paused = true)]
async fn a_start_after_a_kill_takes_over_what_the_same_daemon_shows() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("popups.json");
    let mut killed = started(":1.7", Some(&file));
    killed.message("AAAAAAAAAAAA", 5, serde_json::json!({})).await;
    let popup = killed.shown("AAAAAAAAAAAA").await;
    killed.message("BBBBBBBBBBBB", 3, serde_json::json!({})).await;
    killed.shown("BBBBBBBBBBBB").await;
    settle().await;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "others read it: {mode:o}");
    }
    let left = std::fs::read(&file).unwrap();
    drop(killed);

    let mut next = started(":1.7", Some(&file));
    settle().await;
    let again =
        Told::Show { id: popup, title: "fire".into(), urgency: Urgency::Critical, replaces: Some(popup) };
    assert_eq!(next.record.take(), [again], "the critical one alone");
    let (to, mut pressing) = mpsc::channel(1);
    next.asks.send(Ask::Pressing { to }).await.unwrap();
    assert_eq!(pressing.recv().await.unwrap(), ["AAAAAAAAAAAA".parse().unwrap()]);
    tokio::time::sleep(Duration::from_millis(REPEAT_EVERY.unsigned_abs())).await;
    settle().await;
    let told = next.record.take();
    let [Told::Close(_), Told::Show { id: now, .. }] = told[..] else { panic!("it presses on: {told:?}") };
    let press = Signal::Action { id: now, key: KEY_ACKNOWLEDGE.into(), token: None };
    next.signals.send(press).await.unwrap();
    let id = "AAAAAAAAAAAA".parse().unwrap();
    while next.outcome().await != Outcome::Acknowledge(id) {}
    settle().await;
    assert!(!std::fs::read_to_string(&file).unwrap().contains("AAAAAAAAAAAA"), "it is over");

    std::fs::write(&file, left).unwrap();
    let other = started(":1.8", Some(&file));
    settle().await;
    assert_eq!(other.record.take(), [], "those popups are gone with their daemon");
    tokio::time::sleep(Duration::from_millis(REPEAT_EVERY.unsigned_abs())).await;
    settle().await;
    assert!(
        matches!(other.record.take()[..], [Told::Show { replaces: None, .. }]),
        "what is critical presses on"
    );
}

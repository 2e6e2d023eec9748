//! The inbox on a real file.

mod file;
mod remind;
mod settle;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use rand::{SeedableRng as _, rngs::StdRng};
use rusqlite::Connection;
use tempfile::TempDir;
use tocsin_protocol::{
    Action, Cursor, Message, MessageId, MessageView, Millis, Priority, Publish, Shown, StateChange,
};

use super::{Entry, Inbox, InboxQuery, Outcome, Owner};
use crate::{Arrival, Clock, Error, Silent, Stored};

/// A clock that is moved by hand.
#[derive(Debug)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

const START: Millis = 1_800_000_000_000;

struct Desk {
    dir: TempDir,
    clock: Arc<HandClock>,
    inbox: Inbox,
}

fn owner(user: &str) -> Owner {
    Owner { server: "https://10.0.0.5:8723".into(), user: user.into() }
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock(AtomicI64::new(START)));
        let inbox = Inbox::open(dir.path(), owner("ana"), clock.clone()).unwrap();
        Self { dir, clock, inbox }
    }

    /// As after a kill: nothing is closed, the file is opened anew once the thread let it go.
    async fn reopened(self) -> Self {
        let Self { dir, clock, inbox } = self;
        inbox.close().await.unwrap();
        let inbox = Inbox::open(dir.path(), owner("ana"), clock.clone()).unwrap();
        Self { dir, clock, inbox }
    }

    async fn take(&self, message: Message) -> Outcome {
        let position = message.cursor.clone();
        let entry = Entry::Message(Box::new(message), Arrival::Live);
        self.inbox.store(vec![entry], Some(position), Some(cursor(0))).await.unwrap().remove(0)
    }

    async fn stored(&self, message: Message) -> Stored {
        match self.take(message).await {
            Outcome::Stored(stored) => *stored,
            other => panic!("{other:?}"),
        }
    }

    async fn ids(&self, query: InboxQuery) -> Vec<u64> {
        let page = self.inbox.list(query).await.unwrap();
        page.items.iter().map(|view| view.message.cursor.seq).collect()
    }

    fn unread(&self) -> u64 {
        *self.inbox.unread().borrow()
    }
}

fn cursor(seq: u64) -> Cursor {
    Cursor::new("k3v9x0ab".parse().unwrap(), seq)
}

fn id(seq: u64) -> MessageId {
    MessageId::random(&mut StdRng::seed_from_u64(seq))
}

fn message(seq: u64) -> Message {
    serde_json::from_value(serde_json::json!({
        "id": id(seq), "cursor": cursor(seq), "topic": "ops", "sender": "ci", "title": format!("title {seq}"),
        "body": format!("body {seq}"), "priority": 3, "thread": id(seq), "created_at": START,
    }))
    .unwrap()
}

/// The next version of the thread that `of` began.
fn version(seq: u64, of: u64, supersedes: u64) -> Message {
    Message { thread: id(of), supersedes: Some(id(supersedes)), ..message(seq) }
}

/// Nothing about the message that came at `of` yet, at `seq`.
fn change(seq: u64, of: u64) -> StateChange {
    StateChange {
        cursor: cursor(seq),
        id: id(of),
        read_at: None,
        acknowledged_at: None,
        remind_at: None,
        settled: None,
    }
}

fn view(seq: u64) -> MessageView {
    MessageView { message: message(seq), read_at: None, acknowledged_at: None, settled: None }
}

fn priority(n: u8) -> Priority {
    Priority::try_from(n).unwrap()
}

#[tokio::test]
async fn a_message_has_one_row_however_often_it_comes() {
    let desk = Desk::new();
    assert_eq!(desk.stored(message(1)).await.silent, None);
    assert!(matches!(desk.take(message(1)).await, Outcome::Known));
    assert_eq!(desk.ids(InboxQuery::default()).await, [1]);
    assert_eq!(desk.unread(), 1);
}

#[tokio::test]
async fn message_and_position_survive_together() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.take(message(5)).await;
    let desk = desk.reopened().await;
    assert_eq!(desk.inbox.position().await.unwrap(), Some(cursor(5)));
    assert_eq!(desk.inbox.stream_from().await.unwrap(), Some(cursor(0)));
    assert_eq!(desk.ids(InboxQuery::default()).await, [5, 1]);
    assert_eq!(desk.unread(), 2);
}

#[tokio::test]
async fn what_is_stored_is_told_of_even_if_old_messages_cannot_be_removed() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.inbox.set_shown(vec![(id(1), Shown::Shown)]).await.unwrap();
    desk.clock.0.fetch_add(super::retention::KEPT_MS + 1, Ordering::SeqCst);
    let refuse = "CREATE TRIGGER full BEFORE DELETE ON message BEGIN SELECT RAISE(ABORT, 'full'); END";
    desk.inbox
        .run(|file| {
            file.since_pruning = 10_000;
            file.on_connection(|connection| connection.execute_batch(refuse))
        })
        .await
        .unwrap();
    desk.stored(message(2)).await;
    let desk = desk.reopened().await;
    assert_eq!(desk.ids(InboxQuery::default()).await, [2, 1], "it opens, too");
}

#[tokio::test]
async fn a_position_that_covers_nothing_is_written_seldom_and_at_the_end() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    let written = || fs::read(desk.dir.path().join("inbox.db-wal")).unwrap();
    let before = written();
    for seq in 2..50 {
        desk.inbox.note_position(cursor(seq)).await.unwrap();
    }
    assert_eq!(written(), before, "a heartbeat is no reason to write");
    desk.clock.0.fetch_add(6 * 60 * 1000, Ordering::SeqCst);
    desk.inbox.note_position(cursor(50)).await.unwrap();
    assert_ne!(written(), before);
    desk.inbox.note_position(cursor(60)).await.unwrap();
    let desk = desk.reopened().await;
    assert_eq!(desk.inbox.position().await.unwrap(), Some(cursor(60)));
}

#[tokio::test]
async fn the_position_never_goes_back_within_an_epoch() {
    let desk = Desk::new();
    desk.take(message(5)).await;
    desk.take(message(3)).await;
    assert_eq!(desk.inbox.position().await.unwrap(), Some(cursor(5)));
    let restored = Cursor::new("zzzzzzzz".parse().unwrap(), 2);
    desk.inbox.note_position(restored.clone()).await.unwrap();
    assert_eq!(desk.inbox.position().await.unwrap(), Some(restored));
}

#[tokio::test]
async fn pending_until_shown_and_only_forward() {
    let desk = Desk::new();
    for seq in 1..=3 {
        desk.take(message(seq)).await;
    }
    desk.inbox.set_shown(vec![(id(1), Shown::Failed), (id(2), Shown::Shown)]).await.unwrap();
    let desk = desk.reopened().await;
    let pending = desk.inbox.pending().await.unwrap();
    assert_eq!(pending.iter().map(|p| p.message.id).collect::<Vec<_>>(), [id(3)]);
    assert!(pending[0].is_shown_singly(START + 60_000));
    assert!(!pending[0].is_shown_singly(START + 6 * 60_000));
    // Shown after all; but what was shown stays so.
    desk.inbox.set_shown(vec![(id(1), Shown::Shown), (id(2), Shown::Suppressed)]).await.unwrap();
    let reports = desk.inbox.take_reports(10).await.unwrap();
    assert_eq!(
        reports.iter().map(|r| (r.id, r.shown)).collect::<Vec<_>>(),
        [(id(1), Shown::Shown), (id(2), Shown::Shown)]
    );
}

#[tokio::test]
async fn critical_pending_is_shown_singly_however_old() {
    let desk = Desk::new();
    desk.take(Message { priority: Priority::MAX, ..message(1) }).await;
    assert!(desk.inbox.pending().await.unwrap()[0].is_shown_singly(START + 3_600_000));
}

#[tokio::test]
async fn reports_are_sent_until_they_arrived() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    assert!(desk.inbox.take_reports(10).await.unwrap().is_empty(), "pending is no news");
    desk.inbox.set_shown(vec![(id(1), Shown::Failed)]).await.unwrap();
    assert_eq!(desk.inbox.take_reports(10).await.unwrap().len(), 1);
    assert!(desk.inbox.take_reports(10).await.unwrap().is_empty(), "under way");
    desk.inbox.settle_reports(vec![id(1)], false).await.unwrap();
    assert_eq!(desk.inbox.take_reports(10).await.unwrap().len(), 1, "lost on the way");
    // Shown while the report is under way: that it failed is old news.
    desk.inbox.set_shown(vec![(id(1), Shown::Shown)]).await.unwrap();
    desk.inbox.settle_reports(vec![id(1)], true).await.unwrap();
    assert_eq!(desk.inbox.take_reports(10).await.unwrap()[0].shown, Shown::Shown);
    desk.inbox.settle_reports(vec![id(1)], true).await.unwrap();
    assert!(desk.inbox.take_reports(10).await.unwrap().is_empty());
    let desk = desk.reopened().await;
    assert!(desk.inbox.take_reports(10).await.unwrap().is_empty(), "that it arrived was written");
}

#[tokio::test]
async fn a_report_of_before_does_not_settle_a_newer_one() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.inbox.set_shown(vec![(id(1), Shown::Failed)]).await.unwrap();
    desk.inbox.take_reports(10).await.unwrap();
    // That it arrived is written with the next write, which is that of the newer state.
    desk.inbox.settle_reports(vec![id(1)], true).await.unwrap();
    desk.inbox.set_shown(vec![(id(1), Shown::Shown)]).await.unwrap();
    let reports = desk.inbox.take_reports(10).await.unwrap();
    assert_eq!(reports.iter().map(|r| (r.id, r.shown)).collect::<Vec<_>>(), [(id(1), Shown::Shown)]);
}

#[tokio::test]
async fn presses_are_queued_with_their_time_and_once() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    let change = desk.inbox.read(id(1)).await.unwrap();
    assert_eq!((change.read_at, change.acknowledged_at), (Some(START), None));
    desk.clock.0.fetch_add(1000, Ordering::SeqCst);
    let change = desk.inbox.acknowledge(id(1)).await.unwrap();
    assert_eq!((change.read_at, change.acknowledged_at), (Some(START), Some(START + 1000)));
    desk.inbox.acknowledge(id(1)).await.unwrap();
    assert_eq!(desk.unread(), 0);
    let desk = desk.reopened().await;
    let first = desk.inbox.next_press().await.unwrap().unwrap();
    assert_eq!((first.press, first.at), (super::Press::Read, START));
    desk.inbox.settle_press(first).await.unwrap();
    let second = desk.inbox.next_press().await.unwrap().unwrap();
    assert_eq!((second.press, second.at), (super::Press::Acknowledge, START + 1000));
    desk.inbox.settle_press(second).await.unwrap();
    assert_eq!(desk.inbox.next_press().await.unwrap(), None);
    assert!(matches!(desk.inbox.read(id(9)).await, Err(Error::UnknownMessage(_))));
}

#[tokio::test]
async fn read_all_reads_what_is_unread() {
    let desk = Desk::new();
    for seq in 1..=3 {
        desk.take(message(seq)).await;
    }
    desk.inbox.read(id(2)).await.unwrap();
    assert_eq!(desk.inbox.read_all().await.unwrap().len(), 2);
    assert_eq!(desk.unread(), 0);
    assert!(desk.inbox.pending().await.unwrap().is_empty(), "whoever read it needs no popup");
}

#[tokio::test]
async fn presses_elsewhere_count_here_and_echoes_change_nothing() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    let elsewhere = StateChange { acknowledged_at: Some(START), ..change(2, 1) };
    let batch = || vec![Entry::State(elsewhere.clone(), Arrival::Live)];
    let outcomes = desk.inbox.store(batch(), Some(cursor(2)), None).await.unwrap();
    assert!(matches!(&outcomes[..], [Outcome::State(change)] if change.read_at == Some(START)));
    assert!(matches!(desk.inbox.store(batch(), Some(cursor(2)), None).await.unwrap()[..], [Outcome::Known]));
    assert_eq!(desk.inbox.message(id(1)).await.unwrap().acknowledged_at, Some(START));
    assert_eq!(desk.inbox.next_press().await.unwrap(), None, "the server knows already");
    assert!(desk.inbox.pending().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_acknowledgement_carries_over_unless_it_got_worse_or_came_back() {
    struct Case {
        name: &'static str,
        older: Message,
        newer: Message,
        stands: bool,
    }
    let cases = [
        Case { name: "same", older: message(1), newer: version(2, 1, 1), stands: true },
        Case {
            name: "lower",
            older: message(1),
            newer: Message { priority: priority(2), ..version(2, 1, 1) },
            stands: true,
        },
        Case {
            name: "raised",
            older: message(1),
            newer: Message { priority: priority(4), ..version(2, 1, 1) },
            stands: false,
        },
        Case {
            name: "resolved",
            older: message(1),
            newer: Message { resolved: true, ..version(2, 1, 1) },
            stands: true,
        },
        Case {
            name: "resolved, though raised",
            older: message(1),
            newer: Message { resolved: true, priority: priority(5), ..version(2, 1, 1) },
            stands: true,
        },
        Case {
            name: "reopened",
            older: Message { resolved: true, ..message(1) },
            newer: version(2, 1, 1),
            stands: false,
        },
    ];
    for case in cases {
        let desk = Desk::new();
        desk.take(case.older).await;
        desk.inbox.acknowledge(id(1)).await.unwrap();
        let stored = desk.stored(case.newer).await;
        assert_eq!(stored.acknowledged_at.is_some(), case.stands, "{}", case.name);
        assert_eq!(stored.silent, case.stands.then_some(Silent::Handled), "{}", case.name);
        assert_eq!(desk.unread(), u64::from(!case.stands), "{}", case.name);
        let older = desk.inbox.message(id(1)).await.unwrap();
        assert_eq!(older.message.superseded_by, Some(id(2)), "{}", case.name);
    }
}

#[tokio::test]
async fn a_newer_version_supersedes_all_older_ones() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    // Version 2 never came to this device.
    desk.take(version(3, 1, 2)).await;
    assert_eq!(desk.unread(), 1);
    assert_eq!(desk.inbox.pending().await.unwrap().len(), 1);
    assert_eq!(desk.inbox.message(id(1)).await.unwrap().message.superseded_by, Some(id(3)));
    // An old version that is replayed after the newer one is only for the inbox.
    let late = Message { superseded_by: Some(id(3)), ..version(2, 1, 1) };
    assert_eq!(desk.stored(late).await.silent, Some(Silent::Superseded));
    assert_eq!(desk.inbox.message(id(3)).await.unwrap().message.superseded_by, None);
    assert_eq!(desk.unread(), 1);
}

#[tokio::test]
async fn expired_ones_are_for_the_inbox_only() {
    let desk = Desk::new();
    let expired = Message { expired: true, expires_at: Some(START - 1), ..message(1) };
    assert_eq!(desk.stored(expired).await.silent, Some(Silent::Expired));
    assert_eq!(desk.unread(), 0);
    desk.take(Message { expires_at: Some(START + 1000), ..message(2) }).await;
    assert_eq!(desk.unread(), 1);
    desk.clock.0.fetch_add(2000, Ordering::SeqCst);
    assert!(desk.inbox.message(id(2)).await.unwrap().message.expired);
    assert_eq!(desk.ids(InboxQuery { unread: true, ..InboxQuery::default() }).await, [0; 0]);
}

#[tokio::test]
async fn listing_pages_filters_and_searches() {
    let desk = Desk::new();
    let mut batch: Vec<Message> = (1..=10).map(message).collect();
    batch[2].topic = Some("db".into());
    batch[3].body = "Straße GESPERRT 警钟".into();
    batch[4].priority = priority(4);
    batch[5].actions = vec![Action::Acknowledge { label: None }];
    for message in batch {
        desk.take(message).await;
    }
    desk.inbox.acknowledge(id(5)).await.unwrap();
    let query = InboxQuery::default;
    let first = desk.inbox.list(InboxQuery { limit: Some(4), ..query() }).await.unwrap();
    assert_eq!(first.items.iter().map(|v| v.message.cursor.seq).collect::<Vec<_>>(), [10, 9, 8, 7]);
    let second = desk.inbox.list(InboxQuery { limit: Some(6), before: first.next, ..query() }).await.unwrap();
    assert_eq!(second.items.iter().map(|v| v.message.cursor.seq).collect::<Vec<_>>(), [6, 5, 4, 3, 2, 1]);
    assert_eq!(second.next, None);
    assert_eq!(desk.ids(InboxQuery { topic: Some("db".into()), ..query() }).await, [3]);
    assert_eq!(desk.ids(InboxQuery { unread: true, limit: Some(6), ..query() }).await, [10, 9, 8, 7, 6, 4]);
    assert_eq!(desk.ids(InboxQuery { unacknowledged: true, ..query() }).await, [6]);
    for needle in ["straße", "STRASSE", "gesperrt", "警钟", "%", "TITLE 4"] {
        let found = desk.ids(InboxQuery { q: Some(needle.into()), ..query() }).await;
        let expected: &[u64] = if matches!(needle, "STRASSE" | "%") { &[] } else { &[4] };
        assert_eq!(found, expected, "{needle}");
    }
}

#[tokio::test]
async fn what_is_listed_after_a_reset_keeps_its_state_and_is_marked() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    assert_eq!(desk.inbox.unknown(vec![id(1), id(2)]).await.unwrap(), [id(2)]);
    let listed = |seq, read_at| Entry::Listed(Box::new(MessageView { read_at, ..view(seq) }));
    desk.inbox.store(vec![listed(2, None), listed(3, Some(START))], Some(cursor(3)), None).await.unwrap();
    assert_eq!(desk.unread(), 2);
    let pending = desk.inbox.pending().await.unwrap();
    assert_eq!(
        pending.iter().map(|p| (p.message.id, p.restored)).collect::<Vec<_>>(),
        [(id(1), false), (id(2), true)]
    );
    assert!(!pending[1].is_shown_singly(START));
}

#[tokio::test]
async fn the_spool_keeps_order_and_takes_a_key_once() {
    let desk = Desk::new();
    let publish =
        |title: &str| Publish { topic: Some("ops".into()), title: Some(title.into()), ..Publish::default() };
    desk.inbox.spool("a".into(), publish("one")).await.unwrap();
    desk.inbox.spool("b".into(), publish("two")).await.unwrap();
    desk.inbox.spool("a".into(), publish("one")).await.unwrap();
    let desk = desk.reopened().await;
    let waiting = desk.inbox.spooled().await.unwrap();
    assert_eq!(waiting.iter().map(|s| s.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(desk.inbox.next_spooled().await.unwrap().unwrap().publish, publish("one"));
    desk.inbox.settle_spooled("a".into()).await.unwrap();
    assert_eq!(desk.inbox.next_spooled().await.unwrap().unwrap().key, "b");
}

#[tokio::test]
async fn old_rows_go_but_never_what_waits_to_be_shown() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.take(message(2)).await;
    desk.inbox.set_shown(vec![(id(1), Shown::Shown)]).await.unwrap();
    desk.clock.0.fetch_add(31 * 24 * 3600 * 1000, Ordering::SeqCst);
    let desk = desk.reopened().await;
    assert_eq!(desk.ids(InboxQuery::default()).await, [2]);
}

#[tokio::test]
async fn the_number_of_rows_is_bounded() {
    let desk = Desk::new();
    let batch = |range: std::ops::Range<u64>| {
        range
            .map(|seq| Entry::Message(Box::new(Message { expired: true, ..message(seq) }), Arrival::Missed))
            .collect::<Vec<_>>()
    };
    for start in (0..10_600).step_by(200) {
        desk.inbox.store(batch(start..start + 200), Some(cursor(start + 199)), None).await.unwrap();
    }
    let desk = desk.reopened().await;
    let count = |path: &Path| -> i64 {
        let connection = Connection::open(path).unwrap();
        connection.query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap()
    };
    desk.inbox.close().await.unwrap();
    assert_eq!(count(&desk.dir.path().join("inbox.db")), 10_000);
}

//! The file itself: versions, damage, owners, other processes.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use rusqlite::Connection;
use tocsin_protocol::StateChange;

use super::{Desk, HandClock, START, change, cursor, message, owner};
use crate::{Arrival, Error, Inbox, InboxQuery, inbox::Entry};

#[tokio::test]
async fn a_newer_file_is_refused_and_left_alone() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.inbox.close().await.unwrap();
    let path = desk.dir.path().join("inbox.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    let error = Inbox::open(desk.dir.path(), owner("ana"), desk.clock.clone()).unwrap_err();
    assert!(matches!(error, Error::InboxNewer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("newer Tocsin"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// A file as the first version left it.
const OF_VERSION_1: &str = include_str!("schema-1.sql");

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_with_all_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    Connection::open(dir.path().join("inbox.db")).unwrap().execute_batch(OF_VERSION_1).unwrap();
    let clock = Arc::new(HandClock(AtomicI64::new(START)));
    let inbox = Inbox::open(dir.path(), owner("ana"), clock).unwrap();
    let page = inbox.list(InboxQuery::default()).await.unwrap();
    let seen: Vec<_> =
        page.items.iter().map(|v| (v.message.title.as_str(), v.read_at, v.settled.clone())).collect();
    assert_eq!(seen, [("pending", None, None), ("read", Some(START), None)]);
    assert_eq!(inbox.position().await.unwrap(), Some(cursor(2)));
    assert_eq!(inbox.pending().await.unwrap().len(), 1);
    assert!(inbox.next_press().await.unwrap().is_some());
    assert_eq!(inbox.spooled().await.unwrap().len(), 1);
    // And what is new works on what is old.
    let id = "AAAAAAAAAAAA".parse().unwrap();
    let again = StateChange { id, remind_at: Some(START), ..change(3, 1) };
    inbox.store(vec![Entry::State(again, Arrival::Live)], Some(cursor(3)), None).await.unwrap();
    assert_eq!(inbox.pending().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_said_so() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.inbox.close().await.unwrap();
    let path = desk.dir.path().join("inbox.db");
    for damage in ["head", "middle"] {
        let mut bytes = fs::read(&path).unwrap();
        if damage == "head" {
            bytes[..64].fill(b'x');
        } else {
            let page = bytes.len() - 4096;
            bytes[page..].fill(0xA5);
        }
        fs::write(&path, &bytes).unwrap();
        desk.clock.0.fetch_add(1, Ordering::SeqCst);
        let inbox = Inbox::open(desk.dir.path(), owner("ana"), desk.clock.clone()).unwrap();
        let aside = inbox.damaged().unwrap_or_else(|| panic!("{damage}: not noticed")).to_owned();
        assert_eq!(fs::read(&aside).unwrap(), bytes, "{damage}");
        assert!(inbox.list(InboxQuery::default()).await.unwrap().items.is_empty());
        assert_eq!(
            inbox.position().await.unwrap(),
            None,
            "it begins anew, so that the server sends what it has"
        );
        inbox.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_inbox_belongs_to_one_server_and_person() {
    let desk = Desk::new();
    desk.take(message(1)).await;
    desk.inbox.close().await.unwrap();
    let open = |user: &str| Inbox::open(desk.dir.path(), owner(user), desk.clock.clone()).unwrap();
    let other = open("bob");
    assert!(other.list(InboxQuery::default()).await.unwrap().items.is_empty());
    assert_eq!(other.position().await.unwrap(), None);
    other.close().await.unwrap();
    let back = open("ana");
    assert_eq!(back.list(InboxQuery::default()).await.unwrap().items.len(), 1);
    assert_eq!(back.damaged(), None);
}

#[tokio::test]
async fn a_second_process_is_told_that_it_is_in_use() {
    let desk = Desk::new();
    let error = Inbox::open(desk.dir.path(), owner("ana"), desk.clock.clone()).unwrap_err();
    assert!(matches!(error, Error::Inbox { .. }), "{error}");
    desk.take(message(1)).await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_directory_is_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    let _inbox = Inbox::open(&path, owner("ana"), Arc::new(HandClock(AtomicI64::new(START)))).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

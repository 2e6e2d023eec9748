//! What goes wrong on disk, and what a caller is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests are test code too")]

use std::{fs, path::Path, sync::Arc};

use tocsin_protocol::{MessageId, NewTopic, NewUser, Role, Seq};
use tocsin_store::{
    EpochReason, Error, NewMessage, PeoplePage, Store, Viewer,
    conformance::{repeatable, to_people, to_topic},
    sqlite::{Options, SqliteStore, reset, restore},
};

fn open(dir: &Path) -> Result<SqliteStore, Error> {
    SqliteStore::open(Options::new(dir))
}

async fn team(store: &dyn Store) {
    let ann = NewUser { name: "ann".into(), display_name: None, role: Role::Admin };
    store.add_user(ann).await.unwrap();
    let members = vec!["ann".into()];
    let ops = NewTopic { name: "ops".into(), description: None, retention_days: None, members };
    store.add_topic(ops).await.unwrap();
}

async fn publish(store: &dyn Store, n: usize) -> (MessageId, Seq) {
    let message = NewMessage { title: format!("message {n}"), ..to_topic("ops") };
    let published = store.publish(message).await.unwrap().published;
    (published.id, published.seq)
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(Error::InUse(_))));
    assert!(matches!(restore(dir.path(), dir.path(), 0), Err(Error::InUse(_))));
    assert!(matches!(reset(dir.path()), Err(Error::InUse(_))));
    drop(store);
    open(dir.path()).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("deep/data");
    let store = open(&dir).unwrap();
    team(&store).await;
    store.backup(&dir.join("copy")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// The files as they are at one moment, without any goodbye: what a kill -9 leaves.
#[tokio::test]
async fn a_kill_loses_nothing_that_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).unwrap());
    team(&*store).await;
    let mut answered = Vec::new();
    for round in 0..5 {
        let mut tasks = Vec::new();
        for n in 0..20 {
            let store = Arc::clone(&store);
            tasks.push(tokio::spawn(async move { publish(&*store, round * 20 + n).await }));
        }
        for task in tasks {
            answered.push(task.await.unwrap());
        }
        let killed = dir.path().join(format!("killed-{round}"));
        fs::create_dir_all(&killed).unwrap();
        for name in ["tocsin.db", "tocsin.db-wal", "boot-id"] {
            fs::copy(dir.path().join(name), killed.join(name)).unwrap();
        }
        let again = open(&killed).unwrap();
        assert_eq!(again.epoch(), store.epoch(), "the same life goes on");
        assert_eq!(*again.head().borrow(), *store.head().borrow());
        for (id, seq) in &answered {
            assert_eq!(
                again.receipt(Viewer::Admin(None), *id, PeoplePage::default()).await.unwrap().seq,
                *seq
            );
        }
    }
}

#[tokio::test]
async fn a_clean_start_keeps_the_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let (epoch, instance) = (store.epoch(), store.instance().to_owned());
    store.close().await;
    drop(store);
    for _ in 0..2 {
        let store = open(dir.path()).unwrap();
        assert_eq!((store.epoch(), store.instance()), (epoch.clone(), instance.as_str()));
    }
    let store = open(dir.path()).unwrap();
    let asked = store.new_epoch(EpochReason::Asked).await.unwrap();
    drop(store);
    assert_eq!(open(dir.path()).unwrap().epoch(), asked);
}

#[tokio::test]
async fn an_old_copy_put_back_begins_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data).unwrap();
    team(&store).await;
    publish(&store, 1).await;
    let epoch = store.epoch();
    // Copied in the middle of the very run that then ends.
    let copy = dir.path().join("copy");
    copy_dir(&data, &copy);
    publish(&store, 2).await;
    store.close().await;
    drop(store);
    for name in ["tocsin.db", "tocsin.db-wal"] {
        fs::copy(copy.join(name), data.join(name)).unwrap();
    }
    let store = open(&data).unwrap();
    assert_ne!(store.epoch(), epoch);
    let new = store.epoch();
    drop(store);
    assert_eq!(open(&data).unwrap().epoch(), new, "noticed once");
}

#[tokio::test]
async fn a_stop_between_the_two_writes_of_the_boot_id_is_no_old_copy() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let epoch = store.epoch();
    store.close().await;
    drop(store);
    let before = fs::read(dir.path().join("boot-id")).unwrap();
    let store = open(dir.path()).unwrap();
    drop(store);
    let written = fs::read(dir.path().join("boot-id")).unwrap();
    assert_ne!(before, written);
    // As if the start had come as far as the database only: that one has the id, and the one before it.
    let conn = rusqlite::Connection::open(dir.path().join("tocsin.db")).unwrap();
    conn.execute("UPDATE meta SET boot_before = boot, boot = 'never-written'", []).unwrap();
    drop(conn);
    assert_eq!(open(dir.path()).unwrap().epoch(), epoch);
}

#[tokio::test]
async fn a_missing_boot_id_begins_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let epoch = store.epoch();
    drop(store);
    fs::remove_file(dir.path().join("boot-id")).unwrap();
    assert_ne!(open(dir.path()).unwrap().epoch(), epoch);
}

#[tokio::test]
async fn a_newer_database_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    let file = dir.path().join("tocsin.db");
    let conn = rusqlite::Connection::open(&file).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let before = fs::read(&file).unwrap();
    assert!(matches!(open(dir.path()), Err(Error::Newer { found: 99, .. })));
    assert_eq!(fs::read(&file).unwrap(), before);
    let other = tempfile::tempdir().unwrap();
    assert!(matches!(restore(&file, other.path(), 0), Err(Error::Newer { .. })));
}

#[tokio::test]
async fn what_is_no_database_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tocsin.db");
    fs::write(&file, vec![7; 8192]).unwrap();
    assert!(matches!(open(dir.path()), Err(Error::Damaged(_))));
    assert_eq!(fs::read(&file).unwrap(), vec![7; 8192], "left as it was, for whoever can mend it");
    fs::remove_file(&file).unwrap();
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE notes (x)").unwrap();
    assert!(matches!(open(dir.path()), Err(Error::Damaged(_))), "another program's");
}

#[tokio::test]
async fn a_damaged_page_is_told_and_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    team(&store).await;
    for n in 0..200 {
        publish(&store, n).await;
    }
    store.close().await;
    drop(store);
    let file = dir.path().join("tocsin.db");
    let mut bytes = fs::read(&file).unwrap();
    // Everything but the first pages, which a start reads.
    let length = bytes.len();
    bytes[length / 2..].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let told = match open(dir.path()) {
        Err(error) => error,
        Ok(store) => {
            let log = store.log(0, 1000).await;
            log.expect_err("half of the file is gone")
        }
    };
    assert!(matches!(told, Error::Damaged(_)), "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_cannot_be_made_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(open(&file.join("data")), Err(Error::Unavailable(_))));
    assert!(matches!(open(Path::new("/proc/tocsin")), Err(Error::Unavailable(_))));
}

/// Full is what SQLite says it is: the same error that a full disk gives, at a size the test chooses.
#[tokio::test]
async fn a_full_disk_is_unavailable_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    team(&store).await;
    let (first, _) = publish(&store, 0).await;
    store.limit_pages(Some(100)).await.unwrap();
    let big = || NewMessage { body: "x".repeat(16_000), ..to_topic("ops") };
    let mut stored = 0;
    let refused = loop {
        match store.publish(big()).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Unavailable(_)), "{refused}");
    assert!(stored > 0);
    let head = *store.head().borrow();
    assert!(matches!(store.publish(big()).await, Err(Error::Unavailable(_))));
    assert_eq!(*store.head().borrow(), head, "no position was given out");
    assert!(
        store.receipt(Viewer::Admin(None), first, PeoplePage::default()).await.is_ok(),
        "what is stored can be read"
    );
    store.limit_pages(None).await.unwrap();
    assert_eq!(store.publish(big()).await.unwrap().published.seq, head + 1);
}

#[tokio::test]
async fn one_bad_item_does_not_fail_its_batch() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).unwrap());
    team(&*store).await;
    let before = store.stats().await.unwrap();
    let mut tasks = Vec::new();
    for n in 0..60_u8 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let members = vec!["ann".into(), if n % 2 == 0 { "ann" } else { "nobody" }.into()];
            let topic = NewTopic { name: format!("t{n}"), description: None, retention_days: None, members };
            let message = match n % 3 {
                0 => to_topic("nowhere"),
                1 => to_people(&["ann", "nobody"]),
                _ => repeatable(&format!("k{n}"), n, to_topic("ops")),
            };
            let (topic, message) = tokio::join!(store.add_topic(topic), store.publish(message));
            (n, topic.map(|_| ()), message.map(|publication| publication.published))
        }));
    }
    let mut seqs = Vec::new();
    for task in tasks {
        let (n, topic, message) = task.await.unwrap();
        match topic {
            Ok(()) => assert_eq!(n % 2, 0),
            Err(error) => assert!(n % 2 == 1 && matches!(error, Error::UnknownUser(_)), "{n}: {error}"),
        }
        match message {
            Ok(published) => seqs.push((n, published)),
            Err(Error::UnknownTopic(_)) => assert_eq!(n % 3, 0),
            Err(Error::UnknownUser(_)) => assert_eq!(n % 3, 1),
            Err(error) => panic!("{n}: {error}"),
        }
    }
    assert_eq!(seqs.len(), 20);
    for (n, published) in seqs {
        let again = store.publish(repeatable(&format!("k{n}"), n, to_topic("ops"))).await.unwrap();
        assert_eq!(again.published, published, "each was told its own");
    }
    assert_eq!(store.topics(None).await.unwrap().len(), 31, "refused ones left nothing");
    let log = store.log(0, 1000).await.unwrap();
    assert!(log.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
    let after = store.stats().await.unwrap();
    assert!(after.commits - before.commits < after.operations - before.operations, "commits are shared");
}

#[tokio::test]
async fn batches_of_one_are_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(Options { batch_most: 1, ..Options::new(dir.path()) }).unwrap());
    team(&*store).await;
    let before = store.stats().await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { publish(&*store, n).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let after = store.stats().await.unwrap();
    assert_eq!((after.commits - before.commits, after.operations - before.operations), (20, 20));
}

#[tokio::test]
async fn a_backup_made_while_writing_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Arc::new(open(&data).unwrap());
    team(&*store).await;
    let mut before = Vec::new();
    for n in 0..50 {
        before.push(publish(&*store, n).await);
    }
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for n in 0..100 {
                publish(&*store, n).await;
            }
        }
    });
    let copy = dir.path().join("backup.db");
    store.backup(&copy).await.unwrap();
    assert!(matches!(store.backup(&copy).await, Err(Error::Conflict(_))), "nothing is overwritten");
    writing.await.unwrap();
    let epoch = store.epoch();
    let (late, _) = publish(&*store, 999).await;
    assert!(matches!(restore(&copy, &data, 1), Err(Error::InUse(_))));
    store.close().await;
    drop(store);
    let kept = restore(&copy, &data, 1).unwrap().expect("there was a database");
    assert!(kept.exists());
    let store = open(&data).unwrap();
    assert_ne!(store.epoch(), epoch, "clients must not take it for what it was");
    for (id, seq) in before {
        assert_eq!(store.receipt(Viewer::Admin(None), id, PeoplePage::default()).await.unwrap().seq, seq);
    }
    assert!(matches!(
        store.receipt(Viewer::Admin(None), late, PeoplePage::default()).await,
        Err(Error::NotFound(_))
    ));
    publish(&store, 1000).await;
}

#[tokio::test]
async fn what_is_no_backup_is_not_restored() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data).unwrap();
    team(&store).await;
    let epoch = store.epoch();
    store.close().await;
    drop(store);
    let junk = dir.path().join("junk");
    fs::write(&junk, "not a database, but long enough to be looked at as one".repeat(50)).unwrap();
    let empty = dir.path().join("empty");
    fs::write(&empty, "").unwrap();
    assert!(matches!(restore(&junk, &data, 1), Err(Error::Damaged(_))));
    assert!(matches!(restore(&empty, &data, 1), Err(Error::Damaged(_))));
    assert!(matches!(restore(&dir.path().join("none"), &data, 1), Err(Error::Unavailable(_))));
    let store = open(&data).unwrap();
    assert_eq!((store.epoch(), store.users().await.unwrap().len()), (epoch, 1), "what was there is there");
}

#[tokio::test]
async fn a_reset_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    team(&store).await;
    let instance = store.instance().to_owned();
    drop(store);
    // Copies of this program's go, a person's own copy stays.
    let copies = ["tocsin.db.v3", "tocsin.db.before-1760000000000", "tocsin.db.restoring"];
    for name in copies.iter().chain(&["tocsin.db.bak"]) {
        fs::copy(dir.path().join("tocsin.db"), dir.path().join(name)).unwrap();
    }
    reset(dir.path()).unwrap();
    assert!(dir.path().join("tocsin.db.bak").exists());
    assert!(copies.iter().all(|name| !dir.path().join(name).exists()));
    let store = open(dir.path()).unwrap();
    assert!(store.users().await.unwrap().is_empty());
    assert_ne!(store.instance(), instance);
}

#[tokio::test]
async fn the_oldest_bodies_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let keep_bytes = 1024 * 1024;
    let store = SqliteStore::open(Options { keep_bytes, ..Options::new(dir.path()) }).unwrap();
    team(&store).await;
    let mut sent = Vec::new();
    for _ in 0..150 {
        let message = NewMessage { body: "x".repeat(16_000), ..to_topic("ops") };
        sent.push(store.publish(message).await.unwrap().published.id);
    }
    while store.prune().await.unwrap().more {}
    let left = store.stats().await.unwrap().messages;
    assert!((40..=70).contains(&left), "{left}");
    assert!(store.message(Viewer::Admin(None), sent[149]).await.is_ok());
    assert!(matches!(store.message(Viewer::Admin(None), sent[0]).await, Err(Error::NotFound(_))));
}

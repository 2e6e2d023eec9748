//! A first walk through the whole line.
use std::sync::Arc;
use tocsin_protocol::*;
use tocsin_store::{sqlite::*, *};

fn message(topic: &str, token: i64) -> NewMessage {
    NewMessage {
        sender: Sender { token: TokenId(token), user: None, name: "ci".into(), authority: Authority::All },
        topic: Some(topic.into()), to: vec![], title: "t".into(), body: "b".into(), format: Format::Text,
        priority: Priority::DEFAULT, tags: vec!["x".into()], click: None, actions: vec![], key: None, replaces: None,
        resolved: false, expires_in_ms: None, idempotency: None,
    }
}

#[tokio::test]
async fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(Options::new(dir.path())).unwrap());
    let (ann, _) = store.add_user(NewUser { name: "ann".into(), display_name: None, role: Role::Admin }).await.unwrap();
    store.add_topic(NewTopic { name: "ops".into(), description: None, retention_days: None, members: vec!["ann".into()] }).await.unwrap();
    let p = store.publish(message("ops", 1)).await.unwrap();
    assert_eq!(p.published.audience, 1);
    assert_eq!(*store.head().borrow(), p.published.seq);
    let d = store.open_device(ann, "desk").await.unwrap();
    assert!(d.new);
    assert_eq!(d.start, p.published.seq - 1);
    assert_eq!(store.unread(ann).await.unwrap(), 1);
    let r = store.replay(d.id, d.start, u64::MAX >> 1, 10).await.unwrap();
    assert_eq!(r.items.len(), 1);
    store.acknowledge(vec![AckRange { device: d.id, from: d.start, to: p.published.seq, at: system_clock() }]).await.unwrap();
    let receipt = store.receipt(Viewer::Admin(None), p.published.id).await.unwrap();
    assert_eq!(receipt.counts.received, 1);
    let view = store.press(Press { user: ann, message: p.published.id, pressed: Pressed::Acknowledge, at: system_clock() }).await.unwrap();
    assert!(view.acknowledged_at.is_some());
    assert_eq!(store.unread(ann).await.unwrap(), 0);
    assert_eq!(store.inbox(ann, InboxQuery { limit: 10, ..Default::default() }).await.unwrap().items.len(), 1);
    assert!(store.log(0, 100).await.unwrap().len() >= 3);
    let (k, b) = ([1; 32], [2; 32]);
    store.add_token(TokenOrder { token: NewToken { kind: TokenKind::Client, name: "x".into(), user: Some("ann".into()), topics: vec![], expires_in: None }, secret: k, device: None }).await.unwrap();
    assert!(store.authenticate(&k).await.unwrap().is_some());
    assert!(store.authenticate(&b).await.unwrap().is_none());
    assert_eq!(store.stats().await.unwrap().messages, 1);
    store.probe().await.unwrap();
    store.backup(&dir.path().join("copy")).await.unwrap();
    store.prune().await.unwrap();
    let claim = store.claim(d.id, 10).await.unwrap();
    assert!(claim.messages.is_empty());
    let epoch = store.epoch();
    store.close().await;
    drop(store);
    let store = SqliteStore::open(Options::new(dir.path())).unwrap();
    assert_eq!(store.epoch(), epoch);
    assert!(matches!(SqliteStore::open(Options::new(dir.path())), Err(Error::InUse(_))));
    assert_eq!(store.log(0, 100).await.unwrap().last().unwrap().seq, *store.head().borrow());
}

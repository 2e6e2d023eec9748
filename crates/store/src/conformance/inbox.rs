//! What a person sees, and who sees what.

use std::sync::Arc;

use tocsin_protocol::{Action, MessageId, Millis};

use super::{Bench, MINUTE, START, keyed, to_people, to_topic, urgent};
use crate::{
    Authority, Error, InboxQuery, NewMessage, PeoplePage, Press, Pressed, Sender, TokenId, UserId, Viewer,
};

async fn listed(bench: &Bench, user: UserId, query: InboxQuery) -> Vec<MessageId> {
    let page = bench.store.inbox(user, InboxQuery { limit: 100, ..query }).await.unwrap();
    assert_eq!(page.next, None);
    page.items.into_iter().map(|row| row.message.id).collect()
}

/// `next` leads to the next page, and is absent on the last.
pub async fn the_inbox_is_newest_first_in_pages(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let mut all = Vec::new();
    for round in 0..7 {
        let message = if round % 3 == 0 { to_people(&["ann"]) } else { to_topic("ops") };
        all.insert(0, bench.publish(message).await.0);
    }
    let (mut before, mut found, mut pages) = (None, Vec::new(), 0);
    loop {
        let query = InboxQuery { before, limit: 3, ..Default::default() };
        let page = bench.store.inbox(ann, query).await.unwrap();
        found.extend(page.items.into_iter().map(|row| row.message.id));
        pages += 1;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (all, 3));
}

/// By topic and by text, whatever the case.
pub async fn the_inbox_finds(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.topic("dev", &["ann"]).await;
    let (disk, _) = bench.publish(NewMessage { title: "Disk FULL".into(), ..to_topic("ops") }).await;
    let (other, _) =
        bench.publish(NewMessage { body: "the dIsk ist GRÖßer".into(), ..to_topic("dev") }).await;
    bench.publish(to_people(&["ann"])).await;
    let by = |text: &str| InboxQuery { search: Some(text.into()), ..Default::default() };
    assert_eq!(listed(&bench, ann, by("disk")).await, [other, disk]);
    assert_eq!(listed(&bench, ann, by("größer")).await, [other]);
    assert!(listed(&bench, ann, by("100%")).await.is_empty());
    let topic = InboxQuery { topic: Some("ops".into()), ..Default::default() };
    assert_eq!(listed(&bench, ann, topic).await, [disk]);
    let unknown = InboxQuery { topic: Some("nope".into()), limit: 1, ..Default::default() };
    assert!(matches!(bench.store.inbox(ann, unknown).await, Err(Error::UnknownTopic(_))));
}

/// Not what expired or was superseded; the list agrees.
pub async fn unread_counts_what_waits(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.publish(NewMessage { expires_in_ms: Some(MINUTE), ..to_topic("ops") }).await;
    bench.publish(keyed("ops", "k")).await;
    let (newest, _) = bench.publish(keyed("ops", "k")).await;
    let (read, _) = bench.publish(to_topic("ops")).await;
    let (direct, _) = bench.publish(to_people(&["ann"])).await;
    assert_eq!(bench.store.unread(ann).await.unwrap(), 4);
    bench.hand.step(MINUTE);
    bench.press(ann, read, Pressed::Read).await;
    assert_eq!(bench.store.unread(ann).await.unwrap(), 2);
    let unread = InboxQuery { unread: true, ..Default::default() };
    assert_eq!(listed(&bench, ann, unread).await, [direct, newest]);
    assert_eq!(listed(&bench, ann, InboxQuery::default()).await.len(), 5);
}

/// What asks for it: an acknowledge button, or priority 4 and up.
pub async fn unacknowledged_asks_for_something(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.publish(to_topic("ops")).await;
    let button = vec![Action::Acknowledge { label: None }];
    let (asks, _) = bench.publish(NewMessage { actions: button, ..to_topic("ops") }).await;
    let (high, _) = bench.publish(urgent(4, to_topic("ops"))).await;
    let (done, _) = bench.publish(urgent(5, to_topic("ops"))).await;
    bench.press(ann, done, Pressed::Acknowledge).await;
    let query = InboxQuery { unacknowledged: true, ..Default::default() };
    assert_eq!(listed(&bench, ann, query).await, [high, asks]);
}

/// The first time stands, and only what changed is in the log.
pub async fn pressing_twice_is_pressing_once(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (id, seq) = bench.publish(to_topic("ops")).await;
    bench.press(ann, id, Pressed::Read).await;
    bench.hand.step(MINUTE);
    bench.press(ann, id, Pressed::Read).await;
    assert_eq!(bench.head(), seq + 1);
    bench.press(ann, id, Pressed::Acknowledge).await;
    assert_eq!(bench.head(), seq + 2);
    bench.hand.step(MINUTE);
    bench.press(ann, id, Pressed::Acknowledge).await;
    bench.press(ann, id, Pressed::Read).await;
    assert_eq!(bench.head(), seq + 2);
    let row = bench.row(id, "ann").await;
    assert_eq!((row.read_at, row.acknowledged_at), (Some(START), Some(START + MINUTE)));
    let counts = bench.receipt(id).await.counts;
    assert_eq!((counts.received, counts.read, counts.acknowledged, counts.missing), (1, 1, 1, 0));
}

/// Nobody else, and nobody from whom it was withdrawn.
pub async fn only_the_audience_presses(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    bench.topic("ops", &["ann"]).await;
    let (id, _) = bench.publish(to_topic("ops")).await;
    let head = bench.head();
    let press = |user, message| Press { user, message, pressed: Pressed::Read, at: START };
    assert!(matches!(bench.store.press(press(bob, id)).await, Err(Error::Forbidden(_))));
    let unknown = MessageId::random(&mut rand::rng());
    assert!(matches!(bench.store.press(press(ann, unknown)).await, Err(Error::NotFound(_))));
    assert_eq!(bench.head(), head);
    bench.store.leave_topic("ops", "ann").await.unwrap();
    assert!(matches!(bench.store.press(press(ann, id)).await, Err(Error::Forbidden(_))));
}

/// The future is now, and nothing is pressed before it was sent.
pub async fn pressing_times_are_clamped(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    let cy = bench.user("cy").await;
    bench.topic("ops", &["ann", "bob", "cy"]).await;
    let (message, _) = bench.publish(to_topic("ops")).await;
    bench.hand.step(MINUTE);
    let mut times = Vec::<Option<Millis>>::new();
    for (user, at) in [(ann, START + 10 * MINUTE), (bob, START - MINUTE), (cy, START + 5)] {
        let view =
            bench.store.press(Press { user, message, pressed: Pressed::Acknowledge, at }).await.unwrap();
        assert_eq!(view.read_at, view.acknowledged_at);
        times.push(view.read_at);
    }
    assert_eq!(times, [Some(START + MINUTE), Some(START), Some(START + 5)]);
}

/// The sender, the audience, admins.
pub async fn who_sees_what(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    let cy = bench.user("cy").await;
    bench.topic("ops", &["ann", "bob"]).await;
    let sender =
        Sender { token: TokenId(3), user: Some(ann), name: "ann".into(), authority: Authority::Member(ann) };
    let (id, _) = bench.publish(NewMessage { sender, ..to_people(&["bob"]) }).await;
    bench.press(bob, id, Pressed::Read).await;
    let sees = async |viewer| bench.store.message(viewer, id).await.map(|view| view.read_at);
    assert_eq!(sees(Viewer::Member(bob)).await.unwrap(), Some(START));
    assert_eq!(sees(Viewer::Member(ann)).await.unwrap(), None);
    assert_eq!(sees(Viewer::Admin(None)).await.unwrap(), None);
    assert_eq!(sees(Viewer::Admin(Some(bob))).await.unwrap(), Some(START));
    assert_eq!(sees(Viewer::Sender(TokenId(3))).await.unwrap(), None);
    assert!(matches!(sees(Viewer::Member(cy)).await, Err(Error::Forbidden(_))));
    assert!(matches!(sees(Viewer::Sender(TokenId(4))).await, Err(Error::Forbidden(_))));
    let unknown = MessageId::random(&mut rand::rng());
    assert!(matches!(bench.store.message(Viewer::Admin(None), unknown).await, Err(Error::NotFound(_))));
}

/// The whole for sender and admins, their own row for the rest of the audience.
pub async fn who_sees_whose_receipt(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    let cy = bench.user("cy").await;
    bench.topic("ops", &["ann", "bob"]).await;
    let (ops, _) = bench.store.topic("ops", None).await.unwrap();
    let authority = Authority::Topics(Arc::from([ops]));
    let sender = Sender { token: TokenId(3), user: None, name: "ci".into(), authority };
    let (id, _) = bench.publish(NewMessage { sender, ..to_topic("ops") }).await;
    let rows = async |viewer| {
        bench.store.receipt(viewer, id, PeoplePage::default()).await.map(|receipt| receipt.people.len())
    };
    assert_eq!(rows(Viewer::Admin(Some(cy))).await.unwrap(), 2);
    assert_eq!(rows(Viewer::Sender(TokenId(3))).await.unwrap(), 2);
    assert!(matches!(rows(Viewer::Sender(TokenId(9))).await, Err(Error::Forbidden(_))));
    assert!(matches!(rows(Viewer::Member(cy)).await, Err(Error::Forbidden(_))));
    let own = bench.store.receipt(Viewer::Member(bob), id, PeoplePage::default()).await.unwrap();
    assert_eq!((own.people.len(), own.people[0].user.as_str()), (1, "bob"));
    assert_eq!((own.missing, own.counts.owed), (vec!["bob".to_owned()], 1), "nothing of others");
    let _ = ann;
}

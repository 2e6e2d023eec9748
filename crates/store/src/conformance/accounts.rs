//! People, topics, members.

use tocsin_protocol::{
    NewTopic, NewUser, Role, State,
    account::{TopicChange, UserChange},
    limits::DEVICES,
};

use super::{Bench, to_people, to_topic};
use crate::{Entry, Error};

fn new_user(name: &str, role: Role) -> NewUser {
    NewUser { name: name.into(), display_name: Some("Somebody".into()), role }
}

/// A name is taken in every spelling, and finds its person in every spelling.
pub async fn names_are_unique_whatever_the_case(bench: Bench) {
    let ann = bench.user("ann").await;
    assert!(matches!(bench.store.add_user(new_user("ANN", Role::Member)).await, Err(Error::Conflict(_))));
    assert_eq!(bench.store.user("Ann").await.unwrap().0, ann);
    bench.topic("ops", &["ann"]).await;
    let again = NewTopic { name: "ops".into(), description: None, retention_days: None, members: vec![] };
    assert!(matches!(bench.store.add_topic(again).await, Err(Error::Conflict(_))));
}

/// The id of a removed person is not used again.
pub async fn a_user_added_again_is_another(bench: Bench) {
    let first = bench.user("ann").await;
    bench.store.remove_user("ann").await.unwrap();
    assert!(matches!(bench.store.user("ann").await, Err(Error::UnknownUser(_))));
    assert_ne!(bench.user("ann").await, first);
}

/// There is always an admin once there was one.
pub async fn the_last_admin_stays(bench: Bench) {
    bench.store.add_user(new_user("root", Role::Admin)).await.unwrap();
    let demote = UserChange { display_name: None, role: Some(Role::Member) };
    assert!(matches!(bench.store.change_user("root", demote.clone()).await, Err(Error::Conflict(_))));
    assert!(matches!(bench.store.remove_user("root").await, Err(Error::Conflict(_))));
    bench.store.add_user(new_user("other", Role::Admin)).await.unwrap();
    assert_eq!(bench.store.change_user("root", demote).await.unwrap().role, Role::Member);
    bench.store.remove_user("root").await.unwrap();
    assert!(matches!(bench.store.remove_user("other").await, Err(Error::Conflict(_))));
}

/// The audience is who was a member when the message got its position.
pub async fn members_are_those_of_the_position(bench: Bench) {
    bench.user("ann").await;
    bench.user("bob").await;
    bench.topic("ops", &["ann"]).await;
    let (first, _) = bench.publish(to_topic("ops")).await;
    bench.store.join_topic("ops", "bob").await.unwrap();
    let (second, _) = bench.publish(to_topic("ops")).await;
    bench.store.leave_topic("ops", "ann").await.unwrap();
    let (third, _) = bench.publish(to_topic("ops")).await;
    let mut audiences = Vec::new();
    for id in [first, second, third] {
        let people = bench.receipt(id).await.people;
        audiences.push(people.into_iter().map(|person| person.user).collect::<Vec<_>>());
    }
    assert_eq!(audiences, [vec!["ann"], vec!["ann", "bob"], vec!["bob"]]);
}

/// For the hub to start from.
pub async fn the_snapshot_has_who_is_a_member(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.user("bob").await;
    bench.topic("ops", &["ann", "bob"]).await;
    bench.store.leave_topic("ops", "bob").await.unwrap();
    let (ops, topic) = bench.store.topic("ops", Some(ann)).await.unwrap();
    assert_eq!((topic.members, topic.member), (1, true));
    let snapshot = bench.store.snapshot().await.unwrap();
    assert_eq!(snapshot.seq, bench.head());
    assert_eq!(snapshot.members, [(ops, ann)]);
}

/// Neither joining nor leaving again takes a position.
pub async fn joining_twice_is_joining_once(bench: Bench) {
    bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let head = bench.head();
    bench.store.join_topic("ops", "ann").await.unwrap();
    assert_eq!(bench.head(), head);
    bench.store.leave_topic("ops", "ann").await.unwrap();
    let head = bench.head();
    bench.store.leave_topic("ops", "ann").await.unwrap();
    assert_eq!(bench.head(), head);
    assert!(matches!(bench.store.join_topic("nope", "ann").await, Err(Error::UnknownTopic(_))));
    assert!(matches!(bench.store.leave_topic("ops", "nope").await, Err(Error::UnknownUser(_))));
}

/// Its name is free again, and another topic.
pub async fn a_removed_topic_is_left_by_all(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let (id, _) = bench.publish(to_topic("ops")).await;
    let (first, _) = bench.store.topic("ops", None).await.unwrap();
    bench.store.remove_topic("ops").await.unwrap();
    assert!(matches!(bench.store.publish(to_topic("ops")).await, Err(Error::UnknownTopic(_))));
    assert_eq!(bench.receipt(id).await.counts.withdrawn, 1);
    assert_eq!(bench.receipt(id).await.topic.as_deref(), Some("ops"));
    bench.topic("ops", &[]).await;
    let (second, topic) = bench.store.topic("ops", Some(ann)).await.unwrap();
    assert_ne!(first, second);
    assert!(!topic.member);
}

/// Names end up in paths and cursors of clients.
pub async fn what_cannot_be_a_name_is_refused(bench: Bench) {
    for bad in ["", "a b", ".hidden", "ünï"] {
        assert!(bench.store.add_user(new_user(bad, Role::Member)).await.is_err(), "{bad}");
        let topic = NewTopic { name: bad.into(), description: None, retention_days: None, members: vec![] };
        assert!(bench.store.add_topic(topic).await.is_err(), "{bad}");
    }
}

/// Changes are listed, and said to those who cache them.
pub async fn lists_are_by_name(bench: Bench) {
    bench.user("bob").await;
    bench.user("ann").await;
    bench.topic("z", &["bob", "ann"]).await;
    bench.topic("a", &[]).await;
    let names: Vec<String> = bench.store.users().await.unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["ann", "bob"]);
    let names: Vec<String> =
        bench.store.members("z").await.unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["ann", "bob"]);
    let change =
        TopicChange { description: Some("what".into()), retention_days: Some(3), ..TopicChange::default() };
    bench.store.change_topic("a", change).await.unwrap();
    let last = bench.store.log(bench.head() - 1, 1).await.unwrap().remove(0);
    assert_eq!(last.entry, Entry::AccountsChanged);
    let topics = bench.store.topics(None).await.unwrap();
    assert_eq!((topics[0].name.as_str(), topics[0].description.as_str()), ("a", "what"));
    assert_eq!(topics[0].retention_days, Some(3));
    bench
        .store
        .change_topic("a", TopicChange { retention_days: Some(0), ..TopicChange::default() })
        .await
        .unwrap();
    assert_eq!(bench.store.topic("a", None).await.unwrap().1.retention_days, None);
}

/// An operation that is refused half-way, here by its last member, is undone as a whole.
pub async fn what_is_refused_leaves_nothing(bench: Bench) {
    bench.user("ann").await;
    let head = bench.head();
    let members = vec!["ann".into(), "nobody".into()];
    let topic = NewTopic { name: "ops".into(), description: None, retention_days: None, members };
    assert!(matches!(bench.store.add_topic(topic).await, Err(Error::UnknownUser(_))));
    assert!(matches!(bench.store.topic("ops", None).await, Err(Error::UnknownTopic(_))));
    assert_eq!(bench.head(), head);
    let (_, seq) = bench.publish(to_people(&["ann"])).await;
    assert_eq!(seq, head + 1);
}

/// Its past stays, its name is free, and what its person is owed does not change.
pub async fn a_device_is_removed(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    let desk = bench.device(ann, "desk").await;
    let (received, seq) = bench.publish(to_topic("ops")).await;
    bench.ack(desk, seq - 1, seq).await;
    let (waiting, _) = bench.publish(to_topic("ops")).await;
    assert_eq!(bench.store.remove_device(ann, "desk").await.unwrap(), desk);
    assert!(matches!(bench.store.remove_device(ann, "desk").await, Err(Error::NotFound(_))));
    assert!(bench.store.devices(Some(ann)).await.unwrap().is_empty());
    // Late, from a device that is no more.
    bench.ack(desk, seq, bench.head()).await;
    assert_eq!(bench.state(received, "ann").await, State::Received);
    assert_eq!(bench.receipt(received).await.people[0].device.as_deref(), Some("desk"));
    assert_eq!(bench.state(waiting, "ann").await, State::Missing);
    let again = bench.store.open_device(ann, "desk").await.unwrap();
    assert!(again.new && again.id != desk && again.position.is_none());
    assert_eq!(bench.replayed(again.id, again.start).await, [waiting]);
}

/// Names are made up by clients: there is an end to it, and room again when one goes.
pub async fn devices_have_a_limit(bench: Bench) {
    let (ann, bob) = (bench.user("ann").await, bench.user("bob").await);
    for n in 0..DEVICES {
        bench.device(ann, &format!("d{n}")).await;
    }
    let refused = bench.store.open_device(ann, "more").await;
    assert!(matches!(refused, Err(Error::TooManyDevices(name)) if name == "ann"));
    assert!(!bench.store.open_device(ann, "d7").await.unwrap().new, "what is there is let in");
    bench.device(bob, "d0").await;
    bench.store.remove_device(ann, "d7").await.unwrap();
    assert!(bench.store.open_device(ann, "more").await.unwrap().new);
}

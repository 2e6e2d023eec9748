//! Who is sent what, over which channel.

use tocsin_protocol::delivery::Route;

use super::{
    super::{repeatable, to_people, to_topic, urgent},
    Post, free, item, publish,
};
use crate::Error;

/// The most particular rule counts.
pub async fn routes_choose_by_person_then_topic(post: Post) {
    post.desk(&["ann", "bob", "cid"]).await;
    post.bench.topic("dev", &["ann", "bob", "cid"]).await;
    post.route("app", None, None, 5).await;
    post.route("app", Some("dev"), None, 2).await;
    post.route("app", None, Some("bob"), 4).await;
    post.route("app", Some("dev"), Some("cid"), 0).await;
    publish(&post, urgent(3, to_topic("dev"))).await;
    publish(&post, urgent(4, to_topic("ops"))).await;
    publish(&post, urgent(5, to_people(&["ann", "cid"]))).await;
    let who: Vec<_> = post.all().await.into_iter().map(|row| row.user.unwrap()).collect();
    assert_eq!(who, ["ann", "bob", "ann", "cid"]);
    assert_eq!(post.outbox.routes().await.unwrap().len(), 4);
    post.outbox.remove_route("app", Some("dev"), Some("cid")).await.unwrap();
    assert!(post.outbox.remove_route("app", Some("dev"), Some("cid")).await.is_err());
}

/// Rows stand with the message: not more for a repetition, none for who has no address or left.
pub async fn only_the_audience_with_an_address(post: Post) {
    post.desk(&["ann", "bob"]).await;
    post.bench.user("cid").await;
    post.bench.store.join_topic("ops", "cid").await.unwrap();
    post.bench.store.leave_topic("ops", "bob").await.unwrap();
    let again = repeatable("k", 1, to_topic("ops"));
    publish(&post, again.clone()).await;
    publish(&post, again).await;
    assert_eq!(post.only().await.user.as_deref(), Some("ann"));
}

/// What names people is not told to a group, and a group has no person.
pub async fn a_group_takes_topics_only(post: Post) {
    post.robot().await;
    publish(&post, to_people(&["ann"])).await;
    assert!(post.all().await.is_empty());
    publish(&post, to_topic("ops")).await;
    assert_eq!(post.only().await.user, None);
    for (topic, user) in [(None, None), (Some("ops"), Some("ann"))] {
        let route = Route {
            channel: "robot".into(),
            topic: topic.map(str::to_owned),
            user: user.map(str::to_owned),
            from_priority: None,
        };
        assert!(matches!(post.outbox.put_route(route).await, Err(Error::Conflict(_))));
    }
    post.outbox.bind("robot", "ann", "ann-id").await.unwrap();
    assert_eq!(item(&post.job("robot", free()).await).mentions, ["ann-id"]);
}

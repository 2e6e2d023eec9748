//! What ends before it is sent.

use tocsin_protocol::{DeliveryState as S, delivery::Resend};

use super::{
    super::{MINUTE, keyed, to_people, to_topic},
    LEASE, Post, admin, free, herald, item, publish, said,
};
use crate::{
    Error, NewMessage,
    outbox::{Bound, ClaimOrder, GIVE_UP_AFTER, Next, Settlement, codes, health::Omen},
};

/// Expired before it was sent, and given up.
pub async fn what_waits_too_long_ends(post: Post) {
    post.desk(&["ann"]).await;
    admin(&post).await;
    publish(&post, NewMessage { expires_in_ms: Some(MINUTE), ..to_topic("ops") }).await;
    publish(&post, to_topic("ops")).await;
    let nothing = ClaimOrder { channels: Vec::new(), most: 1, lease_ms: LEASE, herald: Some(herald()) };
    let next = post.outbox.claim_lanes(nothing.clone()).await.unwrap().next.unwrap();
    assert_eq!(next, post.bench.hand.now() + MINUTE);
    post.bench.hand.step(MINUTE);
    assert_eq!(post.outbox.claim_lanes(nothing.clone()).await.unwrap().noticed.expired, 1);
    post.bench.hand.step(GIVE_UP_AFTER);
    let changed = post.outbox.outbox_changed();
    let before = *changed.borrow();
    let noticed = post.outbox.claim_lanes(nothing).await.unwrap().noticed;
    assert_eq!((noticed.given_up, noticed.alerts), (1, 1));
    assert_ne!(*changed.borrow(), before, "who shows what failed hears of it");
    let states: Vec<_> = post.all().await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, [S::Expired, S::Failed]);
    assert_eq!(post.alerts().await, ["app given_up"]);
}

/// A newer version, leaving, stopping: nothing more is sent.
pub async fn what_is_over_is_not_sent(post: Post) {
    post.desk(&["ann", "bob"]).await;
    publish(&post, keyed("ops", "k")).await;
    publish(&post, keyed("ops", "k")).await;
    post.bench.store.leave_topic("ops", "bob").await.unwrap();
    let id = publish(&post, to_topic("ops")).await;
    assert_eq!(post.outbox.cancel_deliveries(id).await.unwrap(), 1);
    let ends: Vec<_> = post.all().await.into_iter().map(|row| (row.state, row.code)).collect();
    let because = |code: &str| (S::Cancelled, Some(code.to_owned()));
    assert_eq!(
        ends,
        [
            because(codes::SUPERSEDED),
            because(codes::SUPERSEDED),
            (S::Queued, None),
            because(codes::WITHDRAWN),
            because(codes::STOPPED)
        ]
    );
    let job = post.job("app", free()).await;
    let last = item(&job).message.id;
    post.outbox.cancel_deliveries(last).await.unwrap();
    assert!(matches!(post.begin(&job).await, Err(Error::Gone)), "stopped between claim and begin");
    publish(&post, to_topic("ops")).await;
    post.job("app", free()).await;
    post.bench.store.remove_user("ann").await.unwrap();
    assert!(post.outbox.bindings("app").await.unwrap().iter().all(|binding| binding.user != "ann"));
}

/// The platform does not know somebody any more.
pub async fn a_broken_address_is_not_sent_to(post: Post) {
    post.desk(&["ann"]).await;
    publish(&post, to_topic("ops")).await;
    publish(&post, to_topic("ops")).await;
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    let broken = Some("unsubscribed".to_owned());
    let end = Settlement { broken, ..said(&job, &started, Next::Failed, Omen::Good) };
    post.outbox.settle(end).await.unwrap();
    publish(&post, to_topic("ops")).await;
    assert!(post.claim("app", free()).await.jobs.is_empty(), "nothing is sent there");
    let rows = post.all().await;
    let ends: Vec<_> = rows.iter().map(|row| (row.state, row.code.as_deref().unwrap())).collect();
    assert_eq!(ends, [(S::Failed, "40003"), (S::Failed, codes::UNBOUND), (S::Failed, codes::UNBOUND)]);
    assert_eq!(post.outbox.bindings("app").await.unwrap()[0].broken.as_deref(), Some("unsubscribed"));
    let resend = Resend::One { id: rows[2].id, round: 0 };
    assert!(matches!(post.outbox.resend(resend.clone()).await, Err(Error::Conflict(_))));
    post.outbox.bind("app", "ann", "id-new").await.unwrap();
    assert_eq!(post.outbox.resend(resend).await.unwrap(), 1);
    assert_eq!(post.job("app", free()).await.address, "id-new");
}

/// Addresses are one person's, move with what waits, and end.
pub async fn addresses_are_one_persons(post: Post) {
    post.desk(&["ann", "bob"]).await;
    assert!(matches!(post.outbox.bind("app", "ann", "id-bob").await, Err(Error::Conflict(_))));
    publish(&post, to_people(&["ann"])).await;
    post.outbox.bind("app", "ann", "id-2").await.unwrap();
    assert_eq!(post.job("app", free()).await.address, "id-2");
    publish(&post, to_people(&["bob"])).await;
    let gone = post.outbox.unbind("app", Bound::Address("id-bob".into())).await.unwrap().unwrap();
    assert_eq!(gone.user, "bob");
    assert!(post.outbox.unbind("app", Bound::User("bob".into())).await.unwrap().is_none());
    assert_eq!(post.claim("app", free()).await.noticed.unbound, 1);
    assert_eq!(post.all().await[1].code.as_deref(), Some(codes::UNBOUND));
    post.outbox.remove_channel("app").await.unwrap();
    assert_eq!(post.all().await[0].code.as_deref(), Some(codes::REMOVED));
    assert!(post.outbox.channels().await.unwrap().is_empty());
    assert!(post.outbox.routes().await.unwrap().is_empty());
    publish(&post, to_people(&["ann"])).await;
    assert_eq!(post.all().await.len(), 2);
}

//! Whether a channel reaches a person: what every implementation of [`Outbox`](crate::outbox::Outbox) keeps of it.

use tocsin_protocol::{
    DeliveryState as S, Millis,
    delivery::{AttemptResult, ChannelKind},
};

use super::{
    DAY, MINUTE, keyed,
    outbox::{Post, free, herald, said},
    to_topic,
};
use crate::outbox::{
    Again, Bound, Confirmation, DeliveryId, Limits, Next, Settlement, Work, codes, health::Omen,
};

async fn flag(post: &Post) -> Option<String> {
    post.outbox.bindings("app").await.unwrap().remove(0).flagged
}

/// A person who is not reached is shown so, is sent to nevertheless, and is shown so no more once they are reached.
pub async fn who_is_not_reached_is_shown_until_they_are(post: Post) {
    post.desk(&["ann", "bob"]).await;
    post.bench.publish(to_topic("ops")).await;
    for job in post.claim("app", free()).await.jobs {
        let started = post.begin(&job).await.unwrap();
        let flagged = (job.address == "id-ann").then(|| "refuses messages".to_owned());
        let next = if flagged.is_some() { Next::Failed } else { Next::Accepted };
        let end = Settlement { flagged, ..said(&job, &started, next, Omen::Good) };
        post.outbox.settle(end).await.unwrap();
    }
    assert_eq!(flag(&post).await.as_deref(), Some("refuses messages"));
    assert_eq!(post.outbox.bindings("app").await.unwrap()[1].flagged, None, "it is about one person");
    post.bench.publish(to_topic("ops")).await;
    assert_eq!(post.all().await[2].state, S::Queued, "what comes is tried");
    let jobs = post.claim("app", free()).await.jobs;
    let ann = jobs.iter().find(|job| job.address == "id-ann").unwrap();
    let started = post.begin(ann).await.unwrap();
    let busy = Next::Retry { at: post.bench.hand.now(), why: Again::Busy };
    post.settle(ann, &started, busy, Omen::Fault).await;
    assert!(flag(&post).await.is_some(), "a busy platform says nothing about the person");
    let ann = post.job("app", free()).await;
    post.run(&ann, Next::Accepted).await;
    assert_eq!(flag(&post).await, None);
}

/// A new address begins anew.
pub async fn a_new_address_is_not_flagged(post: Post) {
    post.desk(&["ann"]).await;
    post.bench.publish(to_topic("ops")).await;
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    let flagged = Some("refuses messages".to_owned());
    let end = Settlement { flagged, ..said(&job, &started, Next::Failed, Omen::Good) };
    post.outbox.settle(end).await.unwrap();
    post.outbox.bind("app", "ann", "id-new").await.unwrap();
    assert_eq!(flag(&post).await, None);
}

/// The platform took a message, and says that it lost it.
fn lost(msgid: Option<String>, again: Option<Millis>) -> Confirmation {
    let failed = Some("failed: system failed".to_owned());
    Confirmation { channel: "app".into(), msgid, address: "id-ann".into(), failed, again }
}

/// Sends what is due; its key, and the platform's name for it.
async fn sent(post: &Post) -> (String, Option<String>) {
    let job = post.job("app", free()).await;
    let Work::One(item) = &job.work else { panic!("{job:?}") };
    assert_eq!(item.body, None, "what is rendered has the key in it");
    post.run(&job, Next::Accepted).await;
    (item.key.clone(), post.all().await.remove(0).msgid)
}

/// What the platform took and lost is sent once more, later, under another key; then it fails.
pub async fn what_the_platform_lost_is_sent_once_more(post: Post) {
    post.desk(&["ann"]).await;
    post.bench.publish(to_topic("ops")).await;
    let (first, msgid) = sent(&post).await;
    let at = post.bench.hand.now() + MINUTE;
    let word = lost(msgid, Some(at));
    assert!(post.outbox.confirm(word.clone(), Some(herald())).await.unwrap());
    let row = post.only().await;
    assert_eq!(
        (row.state, row.due_at, row.code.as_deref()),
        (S::Queued, Some(at), Some(codes::NOT_DELIVERED))
    );
    assert_eq!(post.alerts().await, Vec::<String>::new(), "nothing has failed yet");
    assert!(post.claim("app", free()).await.jobs.is_empty(), "not before its time");
    post.bench.hand.step(MINUTE);
    let (second, msgid) = sent(&post).await;
    assert_ne!(first, second);
    assert_eq!(post.only().await.state, S::Accepted);
    post.outbox.confirm(word, None).await.unwrap();
    assert_eq!(post.only().await.state, S::Accepted, "a repeated word is about the lost one");
    let again = Some(post.bench.hand.now() + MINUTE);
    assert!(post.outbox.confirm(lost(msgid, again), None).await.unwrap());
    let row = post.only().await;
    assert_eq!((row.state, row.attempts), (S::Failed, 2));
    let tries = post.outbox.delivery(DeliveryId(1)).await.unwrap().attempts;
    assert_eq!(tries[0].result, AttemptResult::Refused, "what was lost did not arrive");
}

/// The word may come before the answer; and nothing is sent once more that would come too late or reach nobody.
pub async fn what_is_not_wanted_any_more_is_not_sent_once_more(post: Post) {
    post.desk(&["ann"]).await;
    post.bench.publish(to_topic("ops")).await;
    let job = post.job("app", free()).await;
    let started = post.begin(&job).await.unwrap();
    let at = post.bench.hand.now() + MINUTE;
    let early = lost(Some(format!("m{}", started.attempt.0)), Some(at));
    assert!(!post.outbox.confirm(early, None).await.unwrap());
    post.settle(&job, &started, Next::Accepted, Omen::Good).await;
    assert_eq!((post.only().await.state, post.only().await.due_at), (S::Queued, Some(at)));
    post.outbox.cancel_deliveries(post.only().await.message.unwrap()).await.unwrap();

    post.bench.publish(keyed("ops", "disk")).await;
    let job = post.job("app", free()).await;
    post.run(&job, Next::Accepted).await;
    let msgid = post.all().await.remove(1).msgid;
    post.bench.publish(keyed("ops", "disk")).await;
    post.outbox.confirm(lost(msgid, Some(at)), None).await.unwrap();
    assert_eq!(post.all().await.remove(1).state, S::Failed, "a newer version is on its way");
    let job = post.job("app", free()).await;
    post.run(&job, Next::Accepted).await;
    let msgid = post.all().await.remove(2).msgid;
    post.outbox.unbind("app", Bound::User("ann".into())).await.unwrap();
    post.outbox.confirm(lost(msgid, Some(at)), None).await.unwrap();
    assert_eq!(post.all().await.remove(2).state, S::Failed);
}

/// A userid of WeCom is one person's and one lane's however it is spelled; an openid is as it is written.
pub async fn a_userid_is_one_however_it_is_spelled(post: Post) {
    post.desk(&["ann", "bob"]).await;
    let once = Limits { windows: vec![(1, DAY)], ..free() };
    post.outbox.bind("app", "ann", "ZhangSan").await.unwrap();
    assert!(post.outbox.bind("app", "bob", "zhangsan").await.is_err(), "it is ann's");
    post.bench.publish(to_topic("ops")).await;
    for job in post.claim("app", once.clone()).await.jobs {
        post.run(&job, Next::Accepted).await;
    }
    let bound = post.outbox.bind("app", "ann", "zhangsan").await.unwrap();
    assert_eq!(bound.address, "zhangsan", "shown as it was given");
    post.bench.publish(to_topic("ops")).await;
    assert!(post.claim("app", once).await.jobs.is_empty(), "what she was sent counts");
    let gone = post.outbox.unbind("app", Bound::Address("ZHANGSAN".into())).await.unwrap();
    assert_eq!(gone.map(|binding| binding.user).as_deref(), Some("ann"));

    post.channel("account", ChannelKind::Wechat).await;
    post.outbox.bind("account", "ann", "oAb").await.unwrap();
    post.outbox.bind("account", "bob", "oaB").await.unwrap();
    let other = post.outbox.unbind("account", Bound::Address("oaB".into())).await.unwrap();
    assert_eq!(other.map(|binding| binding.user).as_deref(), Some("bob"));
}

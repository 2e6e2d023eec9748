//! Topics that are expected to speak.

use tocsin_protocol::{Priority, account::TopicChange, escalation::Milestone as M};

use super::{SECOND, Watch, step, to_topic};
use crate::{
    Error, NewMessage,
    escalation::{RunOrder, SILENCE_KEY, copy},
    outbox::ALERTS,
};

async fn expect(watch: &Watch, every_s: u64) {
    let change = TopicChange { expect_every_s: Some(every_s), ..TopicChange::default() };
    watch.bench().store.change_topic("ops", change).await.unwrap();
}

/// Messages about silence: the title that says so, and whether it is over.
async fn said(watch: &Watch) -> Vec<(String, bool)> {
    let log = watch.log().await;
    let about = log.iter().filter(|stored| stored.message.key.as_deref() == Some(SILENCE_KEY));
    about.map(|stored| (stored.message.title.clone(), stored.message.resolved)).collect()
}

/// Nothing spoke: it stays silent until something does.
pub async fn another_expectation_does_not_end_the_silence(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    expect(&watch, 30).await;
    watch.bench().hand.step(30 * SECOND);
    assert_eq!(watch.run().await.silences, 1);
    expect(&watch, 600).await;
    let ran = watch.run().await;
    assert_eq!((ran.silences, ran.next), (0, None));
    let topic = async || watch.bench().store.topic("ops", None).await.unwrap().1;
    assert!(topic().await.silent_since.is_some());
    watch.bench().publish(to_topic("ops")).await;
    assert_eq!(watch.run().await.silences, 1, "it speaks again");
    assert_eq!(topic().await.silent_since, None);
    watch.bench().hand.step(599 * SECOND);
    assert_eq!(watch.run().await.silences, 0);
    watch.bench().hand.step(SECOND);
    assert_eq!(watch.run().await.silences, 1);
}

/// One message, however long it lasts; the topic's own policy counts for it.
pub async fn silence_is_told_once_and_when_it_ends(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    watch.policy(vec![step(60, M::AcknowledgedByAny)]).await;
    let attach = TopicChange { policy: Some("night".into()), ..TopicChange::default() };
    watch.bench().store.change_topic("ops", attach).await.unwrap();
    expect(&watch, 30).await;
    watch.bench().hand.step(20 * SECOND);
    watch.bench().publish(to_topic("ops")).await;
    let due = watch.bench().hand.now() + 30 * SECOND;
    assert_eq!(watch.run().await.next, Some(due), "counted from the last message");
    watch.bench().hand.step(29 * SECOND);
    assert_eq!(watch.run().await.silences, 0);
    watch.bench().hand.step(SECOND);
    let blind = watch.escalations.run_due(RunOrder { most: 100, woke: false, words: None }).await.unwrap();
    assert_eq!(blind.silences, 0, "nobody has the words");
    assert_eq!(watch.run().await.silences, 1);
    assert_eq!(watch.run().await.silences, 0);
    let topic = watch.bench().store.topic("ops", None).await.unwrap().1;
    assert_eq!((topic.silent_since, topic.expect_every_s), (Some(due), Some(30)));
    let log = watch.log().await;
    let alarm = &log.last().unwrap().message;
    assert_eq!((alarm.priority, alarm.topic.as_deref()), (Priority::HIGH, Some("ops")));
    assert_eq!(watch.escalation(alarm.id).await.policy, "night");
    watch.bench().hand.step(600 * SECOND);
    assert_eq!(watch.run().await.silences, 0, "it was told");
    watch.bench().publish(to_topic("ops")).await;
    assert_eq!(watch.bench().store.topic("ops", None).await.unwrap().1.silent_since, None);
    assert_eq!(watch.run().await.silences, 1);
    let over = watch.bench().receipt(alarm.id).await;
    assert!(over.superseded_by.is_some());
    assert_eq!(
        said(&watch).await,
        [(format!("ops Some({due}) 30000"), false), ("ops None 30000".into(), true)]
    );
    watch.bench().hand.step(30 * SECOND);
    assert_eq!(watch.run().await.silences, 1, "the next silence is another");
    assert_eq!(said(&watch).await.len(), 3);
}

/// Nor does it keep a topic alive.
pub async fn the_server_itself_does_not_count(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    expect(&watch, 30).await;
    watch.bench().hand.step(29 * SECOND);
    watch.bench().publish(NewMessage { sender: copy::server("Tocsin"), ..to_topic("ops") }).await;
    watch.bench().hand.step(SECOND);
    assert_eq!(watch.run().await.silences, 1);
}

/// Whoever expects nothing more is told that it is over.
pub async fn expecting_nothing_ends_the_silence(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    expect(&watch, 30).await;
    watch.bench().hand.step(30 * SECOND);
    assert_eq!(watch.run().await.silences, 1);
    expect(&watch, 0).await;
    let ran = watch.run().await;
    assert_eq!((ran.silences, ran.next), (1, None));
    assert_eq!(said(&watch).await[1], ("ops None 0".to_owned(), true));
    expect(&watch, 30).await;
    watch.bench().store.remove_topic("ops").await.unwrap();
    assert_eq!(watch.run().await.next, None, "nobody waits for a topic that is gone");
}

/// A server that slept over many of them tells of one.
pub async fn a_sleep_is_one_silence(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    expect(&watch, 30).await;
    watch.bench().hand.step(86_400 * SECOND);
    assert_eq!(watch.run().await.silences, 1);
    watch.bench().hand.step(86_400 * SECOND);
    assert_eq!(watch.run().await.silences, 0);
    watch.bench().publish(to_topic("ops")).await;
    watch.run().await;
    watch.bench().hand.step(-86_400 * SECOND);
    assert_eq!(
        watch.run().await.next,
        Some(watch.bench().hand.now() + 30 * SECOND),
        "the clock was set back"
    );
}

/// Too short is refused; the same again changes nothing.
pub async fn expectations_have_a_shortest(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    let short = TopicChange { expect_every_s: Some(9), ..TopicChange::default() };
    assert!(matches!(watch.bench().store.change_topic("ops", short).await, Err(Error::Invalid(_))));
    watch.bench().topic(ALERTS, &["ann"]).await;
    let day = TopicChange { expect_every_s: Some(86_400), ..TopicChange::default() };
    let refused = watch.bench().store.change_topic(ALERTS, day).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "nothing it could say would count");
    expect(&watch, 10).await;
    let due = watch.run().await.next;
    watch.bench().hand.step(SECOND);
    expect(&watch, 10).await;
    assert_eq!(watch.run().await.next, due);
}

/// While nobody listened nobody could be heard.
pub async fn a_wake_gives_time_to_speak(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    let woken = async || {
        let order = RunOrder { most: 100, woke: true, words: Some(super::words()) };
        watch.escalations.run_due(order).await.unwrap()
    };
    for (every_s, grace_s) in [(30, 30), (3600, 300)] {
        expect(&watch, every_s).await;
        watch.bench().hand.step(86_400 * SECOND);
        let ran = woken().await;
        let by = watch.bench().hand.now() + grace_s * SECOND;
        assert_eq!((ran.silences, ran.next), (0, Some(by)));
        watch.bench().hand.step(grace_s * SECOND - 1);
        assert_eq!(watch.run().await.silences, 0);
        watch.bench().hand.step(1);
        assert_eq!(watch.run().await.silences, 1);
        watch.bench().publish(to_topic("ops")).await;
        watch.run().await;
    }
    let due = watch.run().await.next;
    assert_eq!(woken().await.next, due, "nothing is put forward");
}

/// However many are told at once.
pub async fn what_speaks_again_is_told_soon(watch: Watch) {
    watch.desk(&["ann"], &[]).await;
    expect(&watch, 30).await;
    watch.bench().hand.step(30 * SECOND);
    assert_eq!(watch.run().await.silences, 1);
    watch.bench().publish(to_topic("ops")).await;
    let none = RunOrder { most: 0, woke: false, words: Some(super::words()) };
    let ran = watch.escalations.run_due(none).await.unwrap();
    assert_eq!((ran.silences, ran.next), (0, Some(watch.bench().hand.now())));
    assert_eq!(watch.run().await.silences, 1);
}

//! A storm of messages for one group, through the production robot.

use tocsin_protocol::{DeliveryState as S, delivery::ChannelKind};
use tocsin_store::{
    NewMessage,
    conformance::{MINUTE, to_topic},
};

use super::{
    desk::{Desk, Plan, marks},
    support::is_legal,
};

const MANY: usize = 5_000;
/// Texts that are slow to render, in every kind: enough for several digests of each.
const NASTY: usize = 900;
const SEND: &str = "webhook/send";
/// What the platform takes of a robot's Markdown.
const MOST_BYTES: usize = 4_096;

/// Publishes, waits for the last, and looks at what the group shows. How many messages of the robot that were.
async fn storm(many: usize, people: usize, message: impl Fn(usize) -> NewMessage) -> (Desk, Vec<String>) {
    let plan = Plan { page: Some("https://push.example"), ..Plan::of(ChannelKind::WecomRobot, people) };
    let desk = Desk::open(plan).await;
    desk.publish_many((0..many).map(message).collect()).await;
    desk.drain().await;
    let (texts, times): (Vec<String>, Vec<i64>) =
        desk.sim.world(|world| world.inbox.shown().map(|item| (item.text.clone(), item.at_ms)).unzip());
    assert_eq!(desk.answered(SEND, 45009), 0, "never over the limit");
    assert_eq!(desk.answered(SEND, 0), texts.len());
    assert_eq!(desk.calls(SEND), texts.len() as u64, "nothing is asked twice");
    assert!(is_legal(&times, 20, MINUTE), "at most twenty in any minute");
    assert!(texts.iter().all(|text| text.len() <= MOST_BYTES));
    let seen = marks(texts.iter().map(String::as_str));
    assert!(seen.len() == many && seen.values().all(|times| *times == 1), "each once: {seen:?}");
    assert!(desk.post.all().await.iter().all(|row| row.state == S::Accepted));
    (desk, texts)
}

#[tokio::test]
async fn five_thousand_arrive_in_digests_at_the_legal_rate_and_none_is_lost() {
    let begin = tocsin_store::conformance::START;
    let (desk, texts) = storm(MANY, 0, |n| NewMessage { title: format!("#{n}#"), ..to_topic("ops") }).await;
    let minutes = (desk.now() - begin) / MINUTE;
    assert!(minutes < 10, "{} messages of the robot in {minutes} minutes", texts.len());
    println!("5000 messages: {} messages of the robot, {minutes} minutes", texts.len());
}

#[tokio::test]
async fn whatever_they_say_and_whoever_is_mentioned() {
    let (desk, texts) = storm(NASTY, 30, |n| {
        let nasty = match n % 6 {
            0 => "\"quoted\" \\ back\\slash <@all> <@everyone>".to_owned(),
            1 => "\u{1}\t\u{7f} <font color=\"warning\">".to_owned(),
            2 => "警".repeat(2_000),
            3 => "👨‍👩‍👧".repeat(300),
            4 => "**bold** [link](https://x/1) `code` ```\nfence".to_owned(),
            _ => "> quote\r\n\r\n\r\n<@u1".to_owned(),
        };
        NewMessage { title: format!("#{n}#"), body: nasty, ..to_topic("ops") }
    })
    .await;
    let mentioned = desk.sim.world(|world| {
        world.inbox.shown().flat_map(|item| item.mentioned.clone()).collect::<std::collections::BTreeSet<_>>()
    });
    assert_eq!(mentioned.len(), 30, "{mentioned:?}");
    assert!(mentioned.iter().all(|who| who.starts_with("id-u")), "nobody that a text names: {mentioned:?}");
    assert!(texts.iter().all(|text| text.contains("<@id-u0>")), "each mentions whom it is for");
    let cut: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.starts_with("> ") && line.contains('…'))
        .collect();
    assert!(cut.len() >= NASTY / 4, "{} lines were cut", cut.len());
    let linked = |line: &&str| line.contains("](https://push.example/#/message/");
    assert!(cut.iter().all(linked), "what is cut leads to its full text");
    let all = desk.post.all().await;
    let digest = all.iter().find(|row| row.message.is_none()).unwrap();
    let id = tocsin_store::outbox::DeliveryId(i64::try_from(digest.id).unwrap());
    let attempts = desk.post.outbox.delivery(id).await.unwrap().attempts;
    assert!(attempts[0].reason.as_ref().is_some_and(|words| words.contains("digest[")), "{attempts:?}");
}

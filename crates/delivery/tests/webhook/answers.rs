//! What is sent, and what each answer means.

use serde_json::json;
use tocsin_delivery::{Class, Outcome, Refusal, line::of_outcome, webhook::Key};
use tocsin_locale::Locale;
use tocsin_protocol::{control::Language, delivery::ChannelKind};
use tokio::net::TcpListener;

use crate::{
    desk::{KEY, PARCEL, hook_of, impatient, send},
    receiver::{Answer, Receiver},
};

async fn refusal(answer: Answer) -> Refusal {
    let receiver = Receiver::start(move |_| answer.clone()).await;
    match send(&receiver.url).await {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_stored_bytes_are_posted_with_id_time_and_signature() {
    let receiver = Receiver::start(|_| Answer::Status(204, "")).await;
    assert_eq!(send(&receiver.url).await, Outcome::Accepted { msgid: None, refused: Vec::new() });
    let request = receiver.requests().remove(0);
    assert_eq!((request.line.as_str(), request.body.as_str()), ("POST /in HTTP/1.1", PARCEL.body));
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("webhook-id"), PARCEL.key);
    let at: i64 = request.header("webhook-timestamp").parse().unwrap();
    let signature = Key::parse(KEY).unwrap().sign(PARCEL.key, at, PARCEL.body);
    assert_eq!(request.header("webhook-signature"), signature);
    assert!(!format!("{request:?}").contains("MfKQ9r8"), "the key itself never travels");
}

#[tokio::test]
async fn each_class_of_answer() {
    for (answer, class, wait) in [
        (Answer::Status(429, "retry-after: 30"), Class::Busy, Some(30_000)),
        (Answer::Status(503, "retry-after: 120"), Class::Busy, Some(120_000)),
        (Answer::Status(503, "x-other: 1"), Class::Trouble, None),
        (Answer::Status(500, ""), Class::Trouble, None),
        (Answer::Status(408, ""), Class::Trouble, None),
        (Answer::Status(410, ""), Class::Config, None),
        (Answer::Status(400, ""), Class::Permanent, None),
        (Answer::Status(401, ""), Class::Permanent, None),
    ] {
        let refusal = refusal(answer.clone()).await;
        assert_eq!((refusal.class, refusal.retry_after_ms), (class, wait), "{answer:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start(|_| Answer::Status(204, "")).await;
    for status in [301, 302, 303, 307, 308] {
        let to = elsewhere.url.clone();
        let head = format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        let refusal = refusal(Answer::Bytes(head)).await;
        assert_eq!((refusal.class, refusal.code), (Class::Config, status.to_string()));
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn an_answer_is_not_read_to_its_end_and_nothing_of_it_is_kept() {
    let endless = "canary ".repeat(1024 * 1024);
    let length = usize::MAX / 4;
    let receiver = Receiver::start(move |number| {
        let status = if number == 0 { 200 } else { 400 };
        Answer::Bytes(format!("HTTP/1.1 {status} canary\r\ncontent-length: {length}\r\n\r\n{endless}"))
    })
    .await;
    assert!(matches!(send(&receiver.url).await, Outcome::Accepted { .. }));
    let refused = send(&receiver.url).await;
    assert!(matches!(refused, Outcome::Refused(_)) && !format!("{refused:?}").contains("canary"));
}

#[tokio::test]
async fn without_an_answer_nobody_knows() {
    let silent = Receiver::start(|_| Answer::Silence).await;
    let impatient = hook_of(&json!({"url": silent.url}), KEY, &impatient()).channel();
    assert!(matches!(impatient.send(PARCEL).await, Outcome::Unknown(_)));
    let broken = Receiver::start(|_| Answer::HangUp).await;
    assert!(matches!(send(&broken.url).await, Outcome::Unknown(_)));
    let garbage = Receiver::start(|_| Answer::Bytes("no HTTP at all\r\n\r\n".into())).await;
    assert!(matches!(send(&garbage.url).await, Outcome::Unknown(_)));
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
    drop(listener);
    let outcome = send(&url).await;
    assert!(matches!(&outcome, Outcome::NotSent(words) if !words.contains("secret-path")), "{outcome:?}");
}

#[tokio::test]
async fn an_administrator_is_told_what_to_do() {
    for (status, remedy) in [
        (301, "webhook_moved"),
        (401, "webhook_secret"),
        (404, "webhook_refused"),
        (410, "webhook_gone"),
        (500, "webhook_failing"),
    ] {
        let outcome = Outcome::Refused(refusal(Answer::Status(status, "")).await);
        let failing = of_outcome(ChannelKind::Webhook, &outcome, "").unwrap();
        assert_eq!((failing.remedy.as_str(), &failing.params["code"]), (remedy, &status.to_string()));
        for language in [Language::En, Language::ZhCn] {
            let words = Locale::new(language, "").remedy(&failing.remedy, &failing.params);
            assert!(!words.starts_with("remedy.") && !words.contains('{'), "{words}");
        }
    }
}

//! What a broken call means: sent, not sent, or nobody knows.

use tocsin_wechat::{BaseUrl, Cause, Endpoint, Outcome, Proxy, errcode::Class};

use crate::{
    setup::{ManualClock, OK, account, group_text, robot, template, token},
    stage::{Play, Stage},
};

/// Tokens are handed out; messages meet this fault.
async fn failing(fault: fn() -> Play) -> Stage {
    Stage::play(move |seen, _| match seen.path.as_str() {
        "/cgi-bin/stable_token" => Play::json(token(1)),
        _ => fault(),
    })
    .await
}

async fn outcome(stage: &Stage) -> Outcome {
    let outcome = account(&stage.impatient(), &ManualClock::new()).send(&template()).await;
    assert_eq!(stage.count("/template/send"), 1, "never repeated by itself");
    outcome
}

#[tokio::test]
async fn what_may_have_been_taken_is_unknown() {
    let half = || Play::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"errcode\":0,".to_vec());
    let cases: [(fn() -> Play, Cause); 10] = [
        (|| Play::Hang, Cause::Timeout),
        (|| Play::Close, Cause::Broken),
        (half, Cause::Broken),
        (|| Play::Status(500, "oops".into()), Cause::Status(500)),
        (|| Play::Status(502, "<html>bad gateway".into()), Cause::Status(502)),
        (|| Play::Status(429, String::new()), Cause::Status(429)),
        (|| Play::json(r#"{"code":403,"message":"a gateway's own words"}"#), Cause::Unreadable),
        (|| Play::json("<html>welcome to the hotel"), Cause::Unreadable),
        (|| Play::json(r#"{"errcode":0,"errm"#), Cause::Unreadable),
        (|| Play::json(format!("{{\"errmsg\":\"{}\"}}", "x".repeat(5_000_000))), Cause::TooLarge),
    ];
    for (fault, cause) in cases {
        let stage = failing(fault).await;
        let outcome = outcome(&stage).await;
        let Outcome::Unknown(unknown) = outcome else { panic!("{cause:?}: {outcome:?}") };
        assert_eq!(unknown.cause, cause);
        assert!(unknown.detail.len() < 2000);
    }
}

#[tokio::test]
async fn what_was_kept_by_something_in_between_was_not_sent() {
    for (fault, class) in [
        ((|| Play::Status(404, "<html>".into())) as fn() -> Play, Class::Config),
        (|| Play::Status(403, "<html>".into()), Class::Config),
        (|| Play::Status(412, String::new()), Class::Config),
        (
            || {
                Play::Bytes(
                    b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/steal\r\nContent-Length: 0\r\n\r\n"
                        .to_vec(),
                )
            },
            Class::Config,
        ),
    ] {
        let stage = failing(fault).await;
        let outcome = outcome(&stage).await;
        assert!(matches!(&outcome, Outcome::NotSent(not_sent) if not_sent.class == class), "{outcome:?}");
    }
}

#[tokio::test]
async fn where_nothing_listens_nothing_was_sent() {
    let gone = Stage::play(|_, _| Play::Close).await.base;
    // A port that was free a moment ago.
    let free =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let base = BaseUrl::parse(&format!("http://{free}")).expect("a base");
    assert_ne!(base, gone);
    let endpoint = Endpoint::at(base).through(Proxy::Direct);
    let outcome = robot(&endpoint).send(&group_text()).await;
    let Outcome::NotSent(not_sent) = outcome else { panic!("{outcome:?}") };
    assert_eq!((not_sent.cause, not_sent.class), (Cause::Unreachable, Class::Busy));
}

#[tokio::test]
async fn a_server_without_tls_is_not_taken_for_one_with_it() {
    let stage = Stage::play(|_, _| Play::json(OK)).await;
    let base = BaseUrl::parse(&format!("https://{}", stage.address)).expect("a base");
    let outcome = robot(&Endpoint::at(base).through(Proxy::Direct)).send(&group_text()).await;
    assert!(matches!(&outcome, Outcome::NotSent(n) if n.class == Class::Busy), "{outcome:?}");
    assert!(stage.all().is_empty());
}

#[tokio::test]
async fn odd_answers_of_an_accepted_message_are_read() {
    for odd in [
        "\u{feff}{\"errcode\":0,\"errmsg\":\"ok\",\"msgid\":1}",
        "{\"errcode\":\"0\",\"errmsg\":\"o\u{8}k\",\"msgid\":\"1\"}",
        "\n\t{\"errmsg\":\"ok\",\"msgid\":1}\r\n",
    ] {
        let stage = Stage::play(move |seen, _| match seen.path.as_str() {
            "/cgi-bin/stable_token" => Play::json(token(1)),
            _ => Play::json(odd),
        })
        .await;
        let outcome = account(&stage.endpoint(), &ManualClock::new()).send(&template()).await;
        assert!(
            matches!(&outcome, Outcome::Accepted(a) if a.msgid.as_deref() == Some("1")),
            "{odd}: {outcome:?}"
        );
    }
}

//! Every fault does what it says, and leaves the message where it says.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::{Bench, PATIENCE, alert, post, text, try_post};
use serde_json::{Value, json};
use tocsin_wechat_sim::{Fault, Kind, World};
use tokio::time::timeout;

const SEND: &str = "message/send";

async fn send(bench: &Bench, token: &str) -> Value {
    bench.wecom_send(token, &text("lisi", "x")).await.json()
}

#[tokio::test]
async fn a_code_so_many_times_then_well_again() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    bench.sim.inject(Fault::errcode(-1).on(SEND).times(2));
    assert_eq!(send(&bench, &token).await["errcode"], -1);
    assert_eq!(send(&bench, &token).await["errcode"], -1);
    assert_eq!(bench.shown(), 0, "it was not taken");
    assert_eq!(send(&bench, &token).await["errcode"], 0);
    bench.sim.inject(Fault::errcode(-1).on(SEND).after().times(1));
    assert_eq!(send(&bench, &token).await["errcode"], -1);
    assert_eq!(bench.shown(), 2, "it was taken, and the answer lies");
}

#[tokio::test]
async fn a_fault_is_narrowed_by_recipient_host_time_and_chance() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    bench.sim.inject(Fault::errcode(81_013).to("WangWu"));
    assert_eq!(send(&bench, &token).await["errcode"], 0);
    assert_eq!(bench.wecom_send(&token, &text("lisi|wangwu", "x")).await.code(), 81_013);
    bench.sim.world(World::heal);
    bench.sim.inject(Fault { host: Some(tocsin_wechat_sim::Host::Oa), ..Fault::errcode(-1) });
    assert_eq!(send(&bench, &token).await["errcode"], 0, "the other host's");
    assert_eq!(bench.stable(false).await["errcode"], -1);
    bench.sim.world(World::heal);
    bench.sim.inject(Fault::errcode(45_009).until_ms(bench.sim.clock().now_ms() + 60_000));
    assert_eq!(send(&bench, &token).await["errcode"], 45_009);
    bench.advance(60);
    assert_eq!(send(&bench, &token).await["errcode"], 0);
    bench.sim.inject(Fault { probability: Some(0.5), ..Fault::errcode(-1).on(SEND) });
    let mut failed = 0;
    for _ in 0..40 {
        failed += i32::from(send(&bench, &token).await["errcode"] == -1);
    }
    assert!((5..35).contains(&failed), "{failed} of 40 at one half");
}

#[tokio::test]
async fn http_errors_come_as_pages_before_or_after() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    for (status, shown) in [(500, 0), (502, 0), (429, 0)] {
        bench.sim.inject(Fault::http(status).on(SEND).times(1));
        let got = bench.wecom_send(&token, &text("lisi", "x")).await;
        assert_eq!((got.status, got.content_type.as_str()), (status, "text/html"));
        assert!(got.text.contains("<html>"));
        assert_eq!(bench.shown(), shown);
    }
    bench.sim.inject(Fault::http(502).on(SEND).after().times(1));
    assert_eq!(bench.wecom_send(&token, &text("lisi", "x")).await.status, 502);
    assert_eq!(bench.shown(), 1);
}

/// Sends, waits until `done`, and hangs up: no answer has come by then.
async fn give_up(bench: &Bench, sending: impl Future<Output = ()>, done: impl Fn(&World) -> bool) {
    let ready = bench.sim.wait_for("the request", PATIENCE, |world| done(world).then_some(()));
    tokio::select! {
        () = sending => panic!("it was answered"),
        ready = ready => ready.unwrap(),
    }
}

#[tokio::test]
async fn accepted_but_never_answered() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    let sending = |id: &str| {
        let (bench, token, body) = (&bench, &token, alert(id));
        async move { drop(bench.template(token, &body).await) }
    };
    bench.sim.inject(Fault::new(Kind::Timeout).on("template/send").times(1));
    give_up(&bench, sending("once"), |world| world.inbox.shown().count() == 1).await;
    assert_eq!(bench.template(&token, &alert("once")).await.code(), 0);
    assert_eq!(bench.shown(), 1, "the key kept the second away");
    bench.sim.inject(Fault::new(Kind::Timeout).on("template/send").before().times(1));
    give_up(&bench, sending("other"), |world| world.journal.calls("template/send") == 3).await;
    assert_eq!(bench.shown(), 1, "this time it was not taken");
}

#[tokio::test]
async fn resets_and_half_bodies_break_the_answer_only() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    let url = bench.wecom_url(SEND, &token);
    bench.sim.inject(Fault::new(Kind::Reset).on(SEND).times(1));
    let error = try_post(&url, &text("lisi", "x")).await.unwrap_err();
    assert!(error.contains("ConnectionReset") || error.contains("IncompleteMessage"), "{error}");
    assert_eq!(bench.shown(), 1);
    bench.sim.inject(Fault::new(Kind::HalfBody).on(SEND).times(1));
    let error = try_post(&url, &text("lisi", "y")).await.unwrap_err();
    assert!(error.contains("IncompleteMessage") || error.contains("Body"), "{error}");
    assert_eq!(bench.shown(), 2);
    assert_eq!(post(&url, &text("lisi", "z")).await.code(), 0);
}

#[tokio::test]
async fn slow_and_dripping_answers_come_in_the_end() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    bench.sim.inject(Fault::new(Kind::Slow).on(SEND).delay_ms(50).times(1));
    assert_eq!(timeout(PATIENCE, send(&bench, &token)).await.unwrap()["errcode"], 0);
    bench.sim.inject(Fault::new(Kind::Drip).on(SEND).delay_ms(1).times(1));
    assert_eq!(timeout(PATIENCE, send(&bench, &token)).await.unwrap()["errcode"], 0);
    // 30 s by default: it is on the phone long before it is answered.
    bench.sim.inject(Fault::new(Kind::Slow).on(SEND).after().times(1));
    let sending = async { drop(send(&bench, &token).await) };
    give_up(&bench, sending, |world| world.inbox.shown().count() == 3).await;
}

#[tokio::test]
async fn answers_that_a_strict_parser_chokes_on() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    let answer = |kind: Kind| {
        bench.sim.inject(Fault::new(kind).on(SEND).times(1));
        let (bench, token) = (&bench, &token);
        async move { bench.wecom_send(token, &text("lisi", "x")).await.text }
    };
    assert!(serde_json::from_str::<Value>(&answer(Kind::Malformed).await).is_err());
    let as_string: Value = serde_json::from_str(&answer(Kind::ErrcodeString).await).unwrap();
    assert_eq!(as_string["errcode"], "0");
    let without: Value = serde_json::from_str(&answer(Kind::NoErrcode).await).unwrap();
    assert!(without.get("errcode").is_none() && without["msgid"].is_string());
    let raw = answer(Kind::ControlChars).await;
    assert!(raw.contains('\u{1}') && serde_json::from_str::<Value>(&raw).is_err(), "{raw}");
    assert!(answer(Kind::HugeBody).await.len() > 16 * 1024 * 1024);
    assert_eq!(answer(Kind::EmptyBody).await, "");
    assert_eq!(bench.shown(), 6, "each was taken");
}

#[tokio::test]
async fn a_token_ends_or_is_stolen_under_the_clients_feet() {
    let bench = Bench::new().await;
    let token = bench.oa_token().await;
    bench.sim.inject(Fault::new(Kind::TokenExpire).on("template/send").times(1));
    assert_eq!(bench.template(&token, &alert("a")).await.code(), 42_001);
    assert_eq!(bench.template(&token, &alert("a")).await.code(), 42_001, "it stays dead");
    let token = bench.oa_token().await;
    bench.sim.inject(Fault::new(Kind::TokenStolen).on("template/send").times(1));
    assert_eq!(bench.template(&token, &alert("b")).await.code(), 40_001);
    let shared = bench.oa_token().await;
    assert_ne!(token, shared);
    assert_eq!(bench.template(&shared, &alert("c")).await.code(), 0, "the thief's is everybody's");
    bench.sim.steal_tokens();
    assert_eq!(bench.template(&shared, &alert("d")).await.code(), 40_001);
    bench.sim.expire_tokens();
    let wecom = bench.wecom_token().await;
    bench.sim.steal_tokens();
    assert_eq!(send(&bench, &wecom).await["errcode"], 40_014);
    assert_eq!(send(&bench, &bench.wecom_token().await).await["errcode"], 0);
}

#[tokio::test]
async fn the_same_token_at_the_margin() {
    let bench = Bench::new().await;
    let first = bench.stable(false).await;
    bench.advance(7_000);
    bench.sim.inject(Fault::new(Kind::SameToken).on("stable_token").times(2));
    for _ in 0..2 {
        let again = bench.stable(false).await;
        assert_eq!(again["access_token"], first["access_token"]);
        assert_eq!(again["expires_in"], 200);
    }
    assert_ne!(bench.stable(false).await["access_token"], first["access_token"]);
}

#[tokio::test]
async fn one_of_several_recipients_fails() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    bench.sim.inject(Fault::new(Kind::InvalidUser).to("LiSi"));
    bench.sim.inject(Fault::new(Kind::UnlicensedUser).to("wangwu"));
    let answer = bench.wecom_send(&token, &text("ZhangSan|lisi|wangwu", "x")).await.json();
    assert_eq!(
        (answer["invaliduser"].as_str(), answer["unlicenseduser"].as_str()),
        (Some("lisi"), Some("wangwu"))
    );
    assert_eq!(bench.shown(), 1);
    assert_eq!(send(&bench, &token).await["errcode"], 81_013);
}

#[tokio::test]
async fn the_journal_counts_and_holds_no_secret() {
    let bench = Bench::new().await;
    let oa = bench.oa_token().await;
    let token = bench.wecom_token().await;
    bench.sim.inject(Fault::new(Kind::Slow).on(SEND).delay_ms(100));
    let sends: Vec<_> = (0..8).map(|_| send(&bench, &token)).collect();
    futures_util::future::join_all(sends).await;
    post(&bench.robot, &json!({"msgtype": "text", "text": {"content": "x"}})).await;
    bench.template(&oa, &alert("a")).await;
    let (tokens, sent, together, journal, secrets) = bench.sim.world(|world| {
        let journal = serde_json::to_string(world.journal.entries()).unwrap();
        (
            world.journal.token_calls(),
            world.journal.calls(SEND),
            world.journal.most_in_flight(SEND),
            journal,
            world.secrets(),
        )
    });
    assert_eq!((tokens, sent, together), (2, 8, 8));
    assert!(secrets.len() >= 8);
    for secret in secrets {
        assert!(!journal.contains(&secret), "a secret is in the journal");
    }
}

#[tokio::test]
async fn a_request_that_was_given_up_is_no_longer_in_flight() {
    let bench = Bench::new().await;
    let token = bench.wecom_token().await;
    bench.sim.inject(Fault::new(Kind::Timeout).on(SEND).times(1));
    let sending = async { drop(send(&bench, &token).await) };
    give_up(&bench, sending, |world| world.journal.in_flight(SEND) == 1 && world.inbox.shown().count() == 1)
        .await;
    let gone = |world: &World| (world.journal.in_flight(SEND) == 0).then_some(());
    bench.sim.wait_for("the request to be given up", PATIENCE, gone).await.unwrap();
}

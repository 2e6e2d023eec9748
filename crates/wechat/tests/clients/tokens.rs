//! Fetching, sharing, refreshing and keeping tokens.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::{FutureExt as _, future::join_all};
use tocsin_wechat::{
    Cause, Failure, FileCache, Outcome, Parts, TokenCache, TokenMode,
    errcode::{Class, Remedy},
    official::OfficialAccount,
};

use crate::{
    setup::{self, ManualClock, OK, STALE, account, app, template, text, token},
    stage::{Play, Stage},
};

const STABLE: &str = "/cgi-bin/stable_token";
const SEND: &str = "/message/template/send";

/// Issues a new token with every request and takes the last one only.
async fn newest_only() -> Stage {
    let issued = Arc::new(AtomicUsize::new(0));
    Stage::play(move |seen, _| {
        if seen.path == STABLE {
            return Play::json(token(issued.fetch_add(1, Ordering::SeqCst) + 1));
        }
        let newest = format!("canary-token-{}", issued.load(Ordering::SeqCst));
        Play::json(if seen.token() == newest { OK } else { STALE })
    })
    .await
}

/// An account that fetches classic tokens, which every other program that does so replaces.
fn classic(stage: &Stage, clock: &Arc<ManualClock>) -> OfficialAccount {
    let credential =
        tocsin_wechat::official::Credential { token_mode: TokenMode::Classic, ..setup::credential() };
    OfficialAccount::new(credential, &stage.endpoint(), &setup::parts(clock)).expect("a client")
}

fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted(_))
}

#[tokio::test]
async fn a_hundred_sends_on_a_cold_token_make_one_request() {
    let stage = newest_only().await;
    let account = account(&stage.endpoint(), &ManualClock::new());
    let message = template();
    let outcomes = join_all((0..100).map(|_| account.send(&message))).await;
    assert!(outcomes.iter().all(is_accepted));
    assert_eq!((stage.count(STABLE), stage.count(SEND)), (1, 100));
}

#[tokio::test]
async fn a_hundred_sends_on_a_token_just_expired_make_one_request_more() {
    let stage = newest_only().await;
    let clock = ManualClock::new();
    let account = account(&stage.endpoint(), &clock);
    let message = template();
    assert!(is_accepted(&account.send(&message).await));
    clock.advance(7200);
    let outcomes = join_all((0..100).map(|_| account.send(&message))).await;
    assert!(outcomes.iter().all(is_accepted));
    assert_eq!(stage.count(STABLE), 2);
}

#[tokio::test]
async fn a_hundred_sends_on_a_token_killed_behind_our_back_make_one_request_more() {
    let killed = Arc::new(AtomicUsize::new(0));
    let (issued, kill) = (AtomicUsize::new(0), killed.clone());
    let stage = Stage::play(move |seen, _| match seen.path.as_str() {
        STABLE => Play::json(token(issued.fetch_add(1, Ordering::SeqCst) + 1)),
        _ if seen.token() == "canary-token-1" && kill.load(Ordering::SeqCst) == 1 => Play::json(STALE),
        _ => Play::json(OK),
    })
    .await;
    let account = account(&stage.endpoint(), &ManualClock::new());
    let message = template();
    assert!(is_accepted(&account.send(&message).await));
    killed.store(1, Ordering::SeqCst);
    let outcomes = join_all((0..100).map(|_| account.send(&message))).await;
    assert!(outcomes.iter().all(is_accepted));
    assert_eq!(stage.count(STABLE), 2);
    assert!(stage.count(SEND) <= 201, "one retry each at most");
}

#[tokio::test]
async fn a_stale_token_is_replaced_once_and_the_message_goes_out_once() {
    for code in [40001, 40014, 42001] {
        let stage = Stage::play(move |seen, before| match (seen.path.as_str(), before) {
            (STABLE, _) => Play::json(token(before + 1)),
            (_, 0) => Play::json(format!(r#"{{"errcode":{code},"errmsg":"x"}}"#)),
            _ => Play::json(OK),
        })
        .await;
        let outcome = account(&stage.endpoint(), &ManualClock::new()).send(&template()).await;
        assert!(is_accepted(&outcome), "{code}: {outcome:?}");
        let tokens: Vec<_> = stage.seen(SEND).iter().map(|seen| seen.token().to_owned()).collect();
        assert_eq!(tokens, ["canary-token-1", "canary-token-2"], "{code}");
        assert_eq!(stage.seen(SEND)[0].body, stage.seen(SEND)[1].body, "byte for byte");
    }
}

#[tokio::test]
async fn tokens_that_are_refused_for_good_cost_few_requests_and_end_with_a_person() {
    let stage = Stage::play(|seen, before| match seen.path.as_str() {
        STABLE => Play::json(token(before + 1)),
        _ => Play::json(STALE),
    })
    .await;
    let clock = ManualClock::new();
    let account = account(&stage.endpoint(), &clock);
    let message = template();
    let mut last = None;
    // A send a second for ten minutes, by the virtual clock.
    for _ in 0..600 {
        last = Some(account.send(&message).await);
        clock.advance(1);
    }
    let Some(Outcome::Refused(refused)) = last else { panic!("{last:?}") };
    assert_eq!((refused.class, refused.remedy), (Class::Config, Remedy::TokenContested));
    assert!(stage.count(STABLE) <= 10, "{} token requests", stage.count(STABLE));
    assert!(stage.count(SEND) <= 12, "{} sends", stage.count(SEND));
}

#[tokio::test]
async fn in_wecom_a_second_wrong_secret_is_for_a_person_at_once() {
    let stage = Stage::play(|seen, before| match seen.path.as_str() {
        "/cgi-bin/gettoken" => Play::json(token(before + 1)),
        _ => Play::json(r#"{"errcode":40001,"errmsg":"invalid credential, hint: [1_2], from ip: 1.2.3.4"}"#),
    })
    .await;
    let outcome = app(&stage.endpoint(), &ManualClock::new()).send(&text()).await;
    let Outcome::Refused(refused) = outcome else { panic!("{outcome:?}") };
    assert_eq!((refused.class, refused.remedy), (Class::Config, Remedy::CheckSecret));
    assert_eq!(stage.count("/gettoken"), 2);
}

#[tokio::test]
async fn a_wrong_secret_is_asked_once_for_all_that_wait_and_not_again_at_once() {
    let stage =
        Stage::play(|_, _| Play::json(r#"{"errcode":40001,"errmsg":"invalid credential rid: a-b-c"}"#)).await;
    let clock = ManualClock::new();
    let app = app(&stage.endpoint(), &clock);
    let message = text();
    for outcome in join_all((0..100).map(|_| app.send(&message))).await {
        let Outcome::Refused(refused) = outcome else { panic!("{outcome:?}") };
        assert_eq!((refused.class, refused.remedy), (Class::Config, Remedy::CheckSecret));
    }
    assert_eq!(stage.count("/gettoken"), 1);
    clock.advance(59);
    app.send(&message).await;
    assert_eq!(stage.count("/gettoken"), 1);
    // A person asks.
    assert!(app.check().await.is_err());
    assert_eq!(stage.count("/gettoken"), 2);
}

#[tokio::test]
async fn a_token_is_refreshed_300_seconds_before_its_end_and_nobody_waits() {
    let stage = newest_but_old_ones_stay_good(7200).await;
    let clock = ManualClock::new();
    let account = account(&stage.endpoint(), &clock);
    let message = template();
    account.send(&message).await;
    clock.advance(7200 - 301);
    assert!(is_accepted(&account.send(&message).await));
    assert_eq!(stage.count(STABLE), 1);
    clock.advance(1);
    assert!(is_accepted(&account.send(&message).await));
    until(|| stage.count(STABLE) == 2).await;
    until_async(|| async {
        account.send(&message).await;
        stage.seen(SEND).last().is_some_and(|seen| seen.token() == "canary-token-2")
    })
    .await;
}

async fn newest_but_old_ones_stay_good(expires_in: i64) -> Stage {
    Stage::play(move |seen, before| match seen.path.as_str() {
        STABLE => Play::json(format!(
            r#"{{"access_token":"canary-token-{}","expires_in":{expires_in}}}"#,
            before + 1
        )),
        _ => Play::json(OK),
    })
    .await
}

/// Counts the requests for a token that have landed: what they brought is stored.
#[derive(Debug, Default)]
struct Landed(AtomicUsize);

impl TokenCache for Landed {
    fn load(&self, _name: &str) -> std::io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn store(&self, _name: &str, _sealed: &[u8]) -> std::io::Result<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn remove(&self, _name: &str) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_same_token_at_the_margin_makes_no_spin() {
    // What a stable token may do: the same one with less and less left, until well after its refresh was due.
    let clock = ManualClock::new();
    let again = Arc::new(AtomicUsize::new(0));
    let (now, handed_out) = (clock.clone(), again.clone());
    let stage = Stage::play(move |seen, before| {
        if seen.path != STABLE {
            return Play::json(OK);
        }
        let left = 7200 - (tocsin_wechat::Clock::now(&*now) - setup::START) / 1000;
        if left <= 285 {
            return Play::json(token(2));
        }
        handed_out.store(before, Ordering::SeqCst);
        Play::json(format!(r#"{{"access_token":"canary-token-1","expires_in":{left}}}"#))
    })
    .await;
    let landed = Arc::new(Landed::default());
    let parts = Parts { cache: landed.clone(), clock: clock.clone() };
    let account = OfficialAccount::new(setup::credential(), &stage.endpoint(), &parts).expect("a client");
    let message = template();
    account.send(&message).await;
    clock.advance(7200 - 310);
    // A send a second through the margin.
    for _ in 0..200 {
        assert!(is_accepted(&account.send(&message).await));
        // Whatever is in flight lands before the clock moves on.
        until(|| landed.0.load(Ordering::SeqCst) == stage.count(STABLE)).await;
        clock.advance(1);
    }
    assert!(again.load(Ordering::SeqCst) >= 1, "the same one was handed out again");
    assert!(stage.count(STABLE) <= 4, "{} token requests", stage.count(STABLE));
    assert_eq!(
        stage.seen(SEND).last().map(|seen| seen.token().to_owned()).as_deref(),
        Some("canary-token-2")
    );
}

/// A classic token ends that of every other program: a test asks for none, and yet asks.
#[tokio::test]
async fn a_check_asks_the_platform_without_taking_a_classic_token() {
    const HARMLESS: &str = "/cgi-bin/get_api_domain_ip";
    let stage = Stage::play(|seen, before| match (seen.path.as_str(), before) {
        ("/cgi-bin/token" | STABLE, _) => Play::json(token(before + 1)),
        (HARMLESS, 1) => Play::json(r#"{"errcode":50002,"errmsg":"user limited"}"#),
        _ => Play::json(OK),
    })
    .await;
    let account = account(&stage.endpoint(), &ManualClock::new());
    for asked in 1..=3 {
        assert_eq!(account.check().await, Ok(()));
        assert_eq!(
            (stage.count(STABLE), stage.count(HARMLESS)),
            (asked, 0),
            "the stable one is handed out again"
        );
    }
    let classic = classic(&stage, &ManualClock::new());
    assert_eq!(classic.check().await, Ok(()));
    let refused = classic.check().await;
    assert!(matches!(&refused, Err(Failure::Refused(refused)) if refused.errcode == 50002), "{refused:?}");
    assert_eq!((stage.count("/cgi-bin/token"), stage.count(HARMLESS)), (1, 2));
}

#[tokio::test]
async fn a_token_that_is_still_good_is_used_while_refreshing_fails() {
    let stage = Stage::play(|seen, before| match (seen.path.as_str(), before) {
        (STABLE, 0) => Play::json(token(1)),
        (STABLE, _) => Play::json(r#"{"errcode":-1,"errmsg":"system error"}"#),
        _ => Play::json(OK),
    })
    .await;
    let clock = ManualClock::new();
    let account = account(&stage.endpoint(), &clock);
    let message = template();
    account.send(&message).await;
    clock.advance(7200 - 300);
    assert!(is_accepted(&account.send(&message).await));
    until(|| stage.count(STABLE) == 2).await;
    for _ in 0..299 {
        assert!(is_accepted(&account.send(&message).await));
        clock.advance(1);
    }
    assert!(stage.count(STABLE) <= 14, "{} token requests in 5 minutes", stage.count(STABLE));
}

#[tokio::test]
async fn a_restart_finds_the_token_and_nobody_else_does() {
    let stage = newest_but_old_ones_stay_good(7200).await;
    let directory = tempfile::tempdir().expect("a directory");
    let clock = ManualClock::new();
    let parts = Parts { cache: Arc::new(FileCache::new(directory.path())), clock: clock.clone() };
    let client = |secret: &str| {
        let credential = tocsin_wechat::official::Credential { secret: secret.into(), ..setup::credential() };
        OfficialAccount::new(credential, &stage.endpoint(), &parts).expect("a client")
    };
    let message = template();
    client("canary-secret").send(&message).await;
    let file = || {
        std::fs::read_dir(directory.path())
            .expect("a directory")
            .flatten()
            .find(|f| f.path().extension().is_some_and(|e| e == "token"))
    };
    until(|| file().is_some()).await;
    let file = file().expect("the cache");
    let bytes = std::fs::read(file.path()).expect("the cache");
    assert!(!bytes.windows(6).any(|bytes| bytes == b"canary"));
    let path = file.path();
    assert!(!path.to_string_lossy().contains("wx1"));

    let restarted = client("canary-secret");
    assert!(is_accepted(&restarted.send(&message).await));
    assert_eq!(stage.count(STABLE), 1, "found after the restart");
    assert!(is_accepted(&client("another-secret").send(&message).await));
    assert_eq!(stage.count(STABLE), 2, "another secret unseals nothing");
    // Stored beside the call.
    until(|| std::fs::read(&path).is_ok_and(|now| now != bytes)).await;
    restarted.forget_token().await;
    assert!(!std::fs::exists(&path).expect("a directory"));
    assert!(is_accepted(&restarted.send(&message).await));
    assert_eq!(stage.count(STABLE), 3, "a deleted credential leaves nothing");
}

#[tokio::test]
async fn a_token_that_expired_while_the_computer_slept_is_not_used() {
    let stage = newest_but_old_ones_stay_good(7200).await;
    let clock = ManualClock::new();
    let account = account(&stage.endpoint(), &clock);
    let message = template();
    account.send(&message).await;
    // No time has passed on any monotonic clock.
    clock.advance(8 * 3600);
    account.send(&message).await;
    assert_eq!(stage.seen(SEND)[1].token(), "canary-token-2");
    // A clock that is set back makes it doubtful.
    clock.advance(-3600);
    account.send(&message).await;
    assert_eq!(stage.seen(SEND)[2].token(), "canary-token-3");
}

#[tokio::test]
async fn the_classic_call_is_used_only_where_the_stable_one_is_unknown() {
    let stage = Stage::play(move |seen, before| match seen.path.as_str() {
        STABLE => Play::json(r#"{"errcode":40066,"errmsg":"invalid url"}"#),
        "/cgi-bin/token" => Play::json(token(before + 1)),
        _ => Play::json(OK),
    })
    .await;
    let clock = ManualClock::new();
    let client = account(&stage.endpoint(), &clock);
    assert!(is_accepted(&client.send(&template()).await));
    clock.advance(7200);
    assert!(is_accepted(&client.send(&template()).await));
    assert_eq!((stage.count(STABLE), stage.count("/cgi-bin/token")), (1, 2), "learnt once");

    let stage =
        Stage::play(|_, _| Play::json(r#"{"errcode":40013,"errmsg":"invalid appid rid: a-b-c"}"#)).await;
    let outcome = account(&stage.endpoint(), &ManualClock::new()).send(&template()).await;
    assert!(matches!(outcome, Outcome::Refused(refused) if refused.remedy == Remedy::CheckAppId));
    assert_eq!((stage.count(STABLE), stage.count("/cgi-bin/token")), (1, 0));
}

#[tokio::test]
async fn classic_requests_have_a_budget_of_their_own() {
    let stage = Stage::play(|seen, before| match seen.path.as_str() {
        "/cgi-bin/token" => Play::json(token(before + 1)),
        _ => Play::json(OK),
    })
    .await;
    let clock = ManualClock::new();
    let account = classic(&stage, &clock);
    let message = template();
    // Somebody sets the clock forth and back: a token is needed every time.
    for _ in 0..60 {
        clock.advance(-3600);
        account.send(&message).await;
        clock.advance(3600 + 7200);
        account.send(&message).await;
        clock.advance(-7200);
    }
    assert_eq!(stage.count("/cgi-bin/token"), 100);
    clock.advance(-3600);
    let outcome = account.send(&message).await;
    assert!(matches!(&outcome, Outcome::NotSent(n) if n.cause == Cause::TokenBudget), "{outcome:?}");
    // The platform's next day.
    clock.advance(24 * 3600);
    assert!(is_accepted(&account.send(&message).await));
}

#[tokio::test]
async fn a_refresh_is_forced_only_when_the_platform_hands_out_a_refused_token_again() {
    // Believes the first token to be good although its own calls refuse it, until it is forced.
    let forced = Arc::new(AtomicUsize::new(0));
    let stage = Stage::play(move |seen, _| {
        if seen.path == STABLE {
            if seen.body.contains(r#""force_refresh":true"#) {
                forced.fetch_add(1, Ordering::SeqCst);
            }
            return Play::json(token(1 + forced.load(Ordering::SeqCst)));
        }
        Play::json(if seen.token() == "canary-token-1" { STALE } else { OK })
    })
    .await;
    let clock = ManualClock::new();
    let account = account(&stage.endpoint(), &clock);
    let message = template();
    let first = account.send(&message).await;
    assert!(matches!(&first, Outcome::Refused(refused) if refused.class == Class::Busy), "{first:?}");
    assert!(stage.seen(STABLE).iter().all(|seen| seen.body.contains(r#""force_refresh":false"#)));
    clock.advance(10);
    assert!(is_accepted(&account.send(&message).await));
    let forced =
        stage.seen(STABLE).iter().filter(|seen| seen.body.contains(r#""force_refresh":true"#)).count();
    assert_eq!(forced, 1);
}

#[tokio::test]
async fn a_token_stolen_again_and_again_makes_no_ping_pong() {
    // Another program fetches classic tokens all the time: whatever we hold has been replaced when we use it.
    let stage = Stage::play(|seen, before| match seen.path.as_str() {
        "/cgi-bin/token" => Play::json(token(before + 1)),
        _ => Play::json(STALE),
    })
    .await;
    let clock = ManualClock::new();
    let account = classic(&stage, &clock);
    let message = template();
    for _ in 0..300 {
        account.send(&message).await;
        clock.advance(1);
    }
    assert!(
        stage.count("/cgi-bin/token") <= 8,
        "{} token requests in 5 minutes",
        stage.count("/cgi-bin/token")
    );
}

#[tokio::test]
async fn a_caller_that_is_cancelled_loses_nobody_the_token() {
    let stage = newest_only().await;
    let account = account(&stage.endpoint(), &ManualClock::new());
    let message = template();
    let mut first = Box::pin(account.send(&message));
    // Polled once: the request for a token is under way.
    assert!((&mut first).now_or_never().is_none());
    drop(first);
    assert!(is_accepted(&account.send(&message).await));
    assert_eq!(stage.count(STABLE), 1);
}

#[tokio::test]
async fn a_token_call_without_an_answer_means_that_nothing_was_sent() {
    let stage = Stage::play(|_, _| Play::Hang).await;
    let outcome = account(&stage.impatient(), &ManualClock::new()).send(&template()).await;
    assert!(matches!(outcome, Outcome::NotSent(not_sent) if not_sent.cause == Cause::Timeout));
    for odd in [
        r#"{"expires_in":7200}"#,
        r#"{"access_token":"t"}"#,
        "<html>",
        r#"{"access_token":"","expires_in":1}"#,
    ] {
        let stage = Stage::play(move |_, _| Play::json(odd)).await;
        let outcome = account(&stage.endpoint(), &ManualClock::new()).send(&template()).await;
        assert!(
            matches!(&outcome, Outcome::NotSent(not_sent) if not_sent.cause == Cause::Unreadable),
            "{odd}: {outcome:?}"
        );
    }
}

/// Waits for a condition, within a deadline.
pub async fn until(condition: impl Fn() -> bool) {
    until_async(|| async { condition() }).await;
}

async fn until_async<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "the condition never came true");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

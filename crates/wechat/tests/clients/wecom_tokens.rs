//! One token for a hundred sends of a WeCom app: cold, just expired, and killed behind our back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::future::join_all;
use tocsin_wechat::{Outcome, wecom::WecomApp};

use crate::{
    setup::{ManualClock, OK, app, text, token},
    stage::{Play, Stage},
};

const TOKEN: &str = "/cgi-bin/gettoken";
const SEND: &str = "/cgi-bin/message/send";

/// Issues a new token with every request; while `killed`, the first one is refused as the platform does.
async fn platform(killed: &Arc<AtomicBool>) -> Stage {
    let killed = Arc::clone(killed);
    Stage::play(move |seen, before| match seen.path.as_str() {
        TOKEN => Play::json(token(before + 1)),
        SEND if seen.token() == "canary-token-1" && killed.load(Ordering::SeqCst) => {
            Play::json(r#"{"errcode":42001,"errmsg":"access_token expired, hint: [1_2], from ip: 1.2.3.4"}"#)
        }
        SEND => Play::json(OK),
        other => panic!("{other}"),
    })
    .await
}

async fn a_hundred(app: &WecomApp) {
    let message = text();
    let outcomes = join_all((0..100).map(|_| app.send(&message))).await;
    let refused = outcomes.iter().find(|outcome| !matches!(outcome, Outcome::Accepted(_)));
    assert!(refused.is_none(), "{refused:?}");
}

#[tokio::test]
async fn a_cold_token_is_asked_for_once() {
    let stage = platform(&Arc::default()).await;
    a_hundred(&app(&stage.endpoint(), &ManualClock::new())).await;
    assert_eq!((stage.count(TOKEN), stage.count(SEND)), (1, 100));
}

#[tokio::test]
async fn a_token_just_expired_is_replaced_once() {
    let (stage, clock) = (platform(&Arc::default()).await, ManualClock::new());
    let app = app(&stage.endpoint(), &clock);
    a_hundred(&app).await;
    clock.advance(7200);
    a_hundred(&app).await;
    assert_eq!((stage.count(TOKEN), stage.count(SEND)), (2, 200), "nothing is sent with what has expired");
}

#[tokio::test]
async fn a_token_killed_by_the_platform_is_replaced_once() {
    let killed = Arc::default();
    let stage = platform(&killed).await;
    let app = app(&stage.endpoint(), &ManualClock::new());
    a_hundred(&app).await;
    killed.store(true, Ordering::SeqCst);
    a_hundred(&app).await;
    assert_eq!(stage.count(TOKEN), 2);
    assert!(stage.count(SEND) <= 300, "one retry each at most: {}", stage.count(SEND));
}

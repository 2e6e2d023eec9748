//! Customer-service messages and card updates through their clients.

use tocsin_wechat::{Accepted, Outcome, official::CustomMessage, wecom::CardUpdate};

use crate::{
    setup::{ManualClock, account, app, token},
    stage::{Play, Stage},
};

#[tokio::test]
async fn a_customer_service_message_outside_its_window_is_refused_for_good() {
    let stage = Stage::play(|seen, _| match seen.path.as_str() {
        "/cgi-bin/stable_token" => Play::json(token(1)),
        _ => Play::json(
            r#"{"errcode":45015,"errmsg":"response out of time limit or subscription is canceled"}"#,
        ),
    })
    .await;
    let message =
        CustomMessage::Text { content: "hi".into(), more: String::new() }.prepare("o1").expect("a message");
    let outcome = account(&stage.endpoint(), &ManualClock::new()).send(&message).await;
    assert!(matches!(outcome, Outcome::Refused(refused) if refused.remedy.name() == "user_writes"));
    assert_eq!(stage.seen("/custom/send")[0].body, message.body);
}

#[tokio::test]
async fn a_cards_buttons_are_replaced_and_whoever_is_unknown_is_named() {
    let stage = Stage::play(|seen, _| match seen.path.as_str() {
        "/cgi-bin/gettoken" => Play::json(token(1)),
        _ => Play::json(r#"{"errcode":0,"errmsg":"ok","invaliduser":["u2"]}"#),
    })
    .await;
    let update = CardUpdate {
        userids: vec!["u1".into(), "u2".into()],
        agent_id: 1_000_002,
        response_code: "RC".into(),
        replace_name: "已确认".into(),
    };
    let outcome =
        app(&stage.endpoint(), &ManualClock::new()).send(&update.prepare().expect("an update")).await;
    let Outcome::Accepted(Accepted { failed, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failed.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["u2"]);
    assert_eq!(stage.count("/cgi-bin/message/update_template_card"), 1);
}

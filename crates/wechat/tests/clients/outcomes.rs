//! What becomes of a message.

use tocsin_wechat::{
    Accepted, Outcome, RecipientFault, RecipientKind,
    errcode::{Binding, Class, Pause, Remedy},
};

use crate::{
    setup::{ManualClock, OK, account, app, group_text, robot, template, text, token},
    stage::{Play, Stage},
};

/// Tokens are handed out; messages get this answer.
async fn answering(answer: &'static str) -> Stage {
    Stage::play(move |seen, _| match seen.path.as_str() {
        "/cgi-bin/stable_token" | "/cgi-bin/gettoken" => Play::json(token(1)),
        _ => Play::json(answer),
    })
    .await
}

#[tokio::test]
async fn a_template_message_is_accepted_with_its_id_as_text() {
    let stage = answering(OK).await;
    let outcome = account(&stage.endpoint(), &ManualClock::new()).send(&template()).await;
    let expected = Accepted { msgid: Some("3717005636572528642".into()), ..Accepted::default() };
    assert_eq!(outcome, Outcome::Accepted(expected));
    let sent = &stage.seen("/template/send")[0];
    assert_eq!(sent.body, template().body);
    assert!(sent.head.to_lowercase().contains("content-length:"));
    assert!(!sent.head.to_lowercase().contains("transfer-encoding"));
}

#[tokio::test]
async fn in_wecom_code_zero_can_be_a_failure_for_some() {
    let stage = answering(
        r#"{"errcode":0,"errmsg":"ok","invaliduser":"u2","unlicenseduser":"u1","msgid":"M1","response_code":"RC"}"#,
    )
    .await;
    let outcome = app(&stage.endpoint(), &ManualClock::new()).send(&text()).await;
    let Outcome::Accepted(accepted) = outcome else { panic!("{outcome:?}") };
    assert_eq!((accepted.msgid.as_deref(), accepted.response_code.as_deref()), (Some("M1"), Some("RC")));
    let failed: Vec<_> = accepted.failed.iter().map(|f| (f.kind, f.id.as_str(), f.reason)).collect();
    assert_eq!(
        failed,
        [
            (RecipientKind::User, "u2", RecipientFault::Invalid),
            (RecipientKind::User, "u1", RecipientFault::Unlicensed),
        ]
    );
    assert_eq!(accepted.failed[1].remedy(), Remedy::AssignLicence);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_class_and_its_remedy_and_not_repeated() {
    let cases: &[(&str, Class, Remedy, Binding)] = &[
        (
            r#"{"errcode":43004,"errmsg":"require subscribe rid: 1-2-3"}"#,
            Class::Permanent,
            Remedy::Follow,
            Binding::Broken,
        ),
        (r#"{"errcode":43101,"errmsg":"user refuse"}"#, Class::Permanent, Remedy::OptIn, Binding::Flagged),
        (r#"{"errcode":48002,"errmsg":"off"}"#, Class::Permanent, Remedy::AllowMessages, Binding::Flagged),
        (r#"{"errcode":"45011","errmsg":"x"}"#, Class::Busy, Remedy::Wait, Binding::Kept),
        (
            r#"{"errcode":40241,"errmsg":"The message is duplicate"}"#,
            Class::Duplicate,
            Remedy::None,
            Binding::Kept,
        ),
        (
            r#"{"errcode":47003,"errmsg":"argument invalid! data.time2.value invalid rid: 1"}"#,
            Class::Permanent,
            Remedy::FixField { field: Some("time2".into()) },
            Binding::Kept,
        ),
        (r#"{"errcode":-1,"errmsg":"system error"}"#, Class::Busy, Remedy::Wait, Binding::Kept),
        (r#"{"errcode":99999,"errmsg":"new"}"#, Class::Bug, Remedy::Report { errcode: 99999 }, Binding::Kept),
    ];
    for (answer, class, remedy, binding) in cases {
        let stage = answering(answer).await;
        let outcome = account(&stage.endpoint(), &ManualClock::new()).send(&template()).await;
        let Outcome::Refused(refused) = outcome else { panic!("{answer}: {outcome:?}") };
        assert_eq!((refused.class, &refused.remedy, refused.binding), (*class, remedy, *binding), "{answer}");
        assert_eq!(stage.count("/template/send"), 1, "{answer}");
    }
}

#[tokio::test]
async fn an_address_that_is_not_trusted_is_named() {
    let stage = Stage::play(|_, _| {
        Play::json(r#"{"errcode":40164,"errmsg":"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 6-6-6"}"#)
    })
    .await;
    let outcome = account(&stage.endpoint(), &ManualClock::new()).send(&template()).await;
    let Outcome::Refused(refused) = outcome else { panic!("{outcome:?}") };
    assert_eq!(refused.remedy, Remedy::TrustIp { ip: Some("203.0.113.7".into()) });
    assert_eq!((refused.class, refused.trace.as_deref()), (Class::Config, Some("6-6-6")));

    let stage = answering(
        r#"{"errcode":60020,"errmsg":"not allow to access from your ip, hint: [17_1], from ip: 203.0.113.8, more info at x"}"#,
    )
    .await;
    let outcome = app(&stage.endpoint(), &ManualClock::new()).send(&text()).await;
    let Outcome::Refused(refused) = outcome else { panic!("{outcome:?}") };
    assert_eq!(refused.remedy, Remedy::TrustIp { ip: Some("203.0.113.8".into()) });
}

#[tokio::test]
async fn a_robot_sends_with_its_key_alone() {
    let stage = answering(r#"{"errcode":0,"errmsg":"ok"}"#).await;
    assert_eq!(robot(&stage.endpoint()).send(&group_text()).await, Outcome::Accepted(Accepted::default()));
    assert_eq!(stage.all().len(), 1, "no token");
    assert_eq!(stage.all()[0].query["key"], "canary-key-0000");

    let stage = answering(r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#).await;
    let outcome = robot(&stage.endpoint()).send(&group_text()).await;
    assert!(matches!(outcome, Outcome::Refused(refused) if refused.pause == Some(Pause::Seconds(60))));
    let stage = answering(r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#).await;
    let outcome = robot(&stage.endpoint()).send(&group_text()).await;
    assert!(matches!(outcome, Outcome::Refused(refused) if refused.remedy == Remedy::NewRobot));
}

#[tokio::test]
async fn a_message_of_another_platform_is_not_sent() {
    let stage = answering(OK).await;
    let clock = ManualClock::new();
    let outcomes = [
        account(&stage.endpoint(), &clock).send(&text()).await,
        app(&stage.endpoint(), &clock).send(&template()).await,
        robot(&stage.endpoint()).send(&template()).await,
    ];
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::NotSent(n) if n.class == Class::Bug)));
    assert!(stage.all().is_empty());
}

//! Followers, codes, templates, quotas, members.

use tocsin_wechat::{
    Failure,
    official::{FieldKind, Scene},
};

use crate::{
    setup::{ManualClock, account, app, token},
    stage::{Play, Stage},
};

#[tokio::test]
async fn followers_are_read_page_by_page_to_the_end() {
    let stage = Stage::play(|seen, _| {
        match (seen.path.as_str(), seen.query.get("next_openid").map(String::as_str)) {
            ("/cgi-bin/stable_token", _) => Play::json(token(1)),
            (_, None) => Play::json(r#"{"total":3,"count":2,"data":{"openid":["a","b"]},"next_openid":"b"}"#),
            (_, Some("b")) => {
                Play::json(r#"{"total":3,"count":1,"data":{"openid":["c"]},"next_openid":"c"}"#)
            }
            _ => Play::json(r#"{"total":3,"count":0,"next_openid":""}"#),
        }
    })
    .await;
    let all = account(&stage.endpoint(), &ManualClock::new()).all_followers().await.expect("followers");
    assert_eq!(all, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_code_a_template_a_quota_and_a_follower_are_read() {
    let stage = Stage::play(|seen, _| match seen.path.as_str() {
        "/cgi-bin/stable_token" => Play::json(token(1)),
        "/cgi-bin/qrcode/create" => Play::json(r#"{"ticket":"gQ==","expire_seconds":600,"url":"http://weixin.qq.com/q/x"}"#),
        "/cgi-bin/template/get_all_private_template" => Play::json(
            r#"{"template_list":[{"template_id":"T1","title":"告警","content":"内容：{{thing1.DATA}}\n时间：{{time2.DATA}}","example":"","primary_industry":"x"}]}"#,
        ),
        "/cgi-bin/openapi/quota/get" => {
            Play::json(r#"{"errcode":0,"errmsg":"ok","quota":{"daily_limit":100000,"used":1,"remain":99999}}"#)
        }
        _ => Play::json(r#"{"subscribe":1,"openid":"o1","remark":"张三","subscribe_time":1641364601,"qr_scene_str":"bind_1"}"#),
    })
    .await;
    let account = account(&stage.endpoint(), &ManualClock::new());
    let scene = Scene::from_random([1; 16]);
    let qr = account.create_qr(&scene, 600).await.expect("a code");
    assert_eq!((qr.url.as_str(), qr.expire_seconds), ("http://weixin.qq.com/q/x", 600));
    assert!(stage.seen("/qrcode/create")[0].body.contains(scene.as_str()));
    let templates = account.templates().await.expect("templates");
    let kinds: Vec<_> = templates[0].fields().into_iter().map(|field| field.kind).collect();
    assert_eq!(kinds, [FieldKind::Thing, FieldKind::Time]);
    assert_eq!(account.template_quota().await.expect("a quota").remain, 99_999);
    let follower = account.follower("o1").await.expect("a follower");
    assert!(follower.follows && follower.remark == "张三" && follower.scene == "bind_1");
}

#[tokio::test]
async fn members_of_every_department_come_once() {
    let stage = Stage::play(|seen, _| match (seen.path.as_str(), seen.query.get("department_id").map(String::as_str)) {
        ("/cgi-bin/gettoken", _) => Play::json(token(1)),
        ("/cgi-bin/department/simplelist", _) => {
            Play::json(r#"{"errcode":0,"errmsg":"ok","department_id":[{"id":1,"parentid":0},{"id":2,"parentid":1}]}"#)
        }
        (_, Some("1")) => Play::json(r#"{"errcode":0,"userlist":[{"userid":"ZhangSan","name":"张三","department":[1]}]}"#),
        _ => Play::json(r#"{"errcode":0,"userlist":[{"userid":"lisi","name":"李四"},{"userid":"zhangsan","name":"张三"}]}"#),
    })
    .await;
    let members = app(&stage.endpoint(), &ManualClock::new()).all_members().await.expect("members");
    assert_eq!(members.iter().map(|m| m.userid.as_str()).collect::<Vec<_>>(), ["ZhangSan", "lisi"]);
}

#[tokio::test]
async fn where_departments_cannot_be_listed_the_first_is_read() {
    let stage = Stage::play(|seen, _| match seen.path.as_str() {
        "/cgi-bin/gettoken" => Play::json(token(1)),
        "/cgi-bin/department/simplelist" => Play::json(r#"{"errcode":48002,"errmsg":"api forbidden"}"#),
        _ => Play::json(r#"{"errcode":0,"userlist":[{"userid":"lisi","name":"李四"}]}"#),
    })
    .await;
    let members = app(&stage.endpoint(), &ManualClock::new()).all_members().await.expect("members");
    assert_eq!(members.len(), 1);
    assert_eq!(stage.seen("/user/simplelist")[0].query["department_id"], "1");
}

#[tokio::test]
async fn a_read_without_an_answer_has_not_happened() {
    let stage = Stage::play(|seen, _| match seen.path.as_str() {
        "/cgi-bin/stable_token" => Play::json(token(1)),
        _ => Play::Close,
    })
    .await;
    let read = account(&stage.endpoint(), &ManualClock::new()).templates().await;
    assert!(matches!(read, Err(Failure::NotSent(_))), "{read:?}");
}

//! Group robots.

mod common;

use common::{Bench, post, post_raw};
use serde_json::{Value, json};

fn text(words: &str) -> Value {
    json!({"msgtype": "text", "text": {"content": words}})
}

#[tokio::test]
async fn twenty_a_minute_in_a_sliding_window() {
    let bench = Bench::new().await;
    for number in 0..20 {
        assert_eq!(post(&bench.robot, &text(&number.to_string())).await.code(), 0);
        bench.advance(1);
    }
    let refused = post(&bench.robot, &text("over")).await;
    assert_eq!((refused.status, refused.code()), (200, 45_009));
    bench.advance(40);
    assert_eq!(post(&bench.robot, &text("the first is a minute old")).await.code(), 0);
    assert_eq!(post(&bench.robot, &text("the second is not")).await.code(), 45_009);
    bench.sim.configure(&json!({"robot_block_s": 60})).unwrap();
    assert_eq!(post(&bench.robot, &text("over")).await.code(), 45_009);
    bench.advance(59);
    assert_eq!(post(&bench.robot, &text("still blocked")).await.code(), 45_009);
    bench.advance(1);
    assert_eq!(post(&bench.robot, &text("free")).await.code(), 0);
    assert_eq!(bench.shown(), 22);
}

#[tokio::test]
async fn too_long_is_refused_and_never_cut() {
    let bench = Bench::new().await;
    let markdown = |kind: &str, bytes: usize| json!({"msgtype": kind, kind: {"content": "x".repeat(bytes)}});
    assert_eq!(post(&bench.robot, &text(&"x".repeat(2_048))).await.code(), 0);
    let refused = post(&bench.robot, &text(&"x".repeat(2_049))).await.json();
    assert_eq!(refused["errcode"], 40_058);
    assert!(
        refused["errmsg"].as_str().unwrap().starts_with("text.content exceed max length 2048"),
        "{refused}"
    );
    for kind in ["markdown", "markdown_v2"] {
        assert_eq!(post(&bench.robot, &markdown(kind, 4_096)).await.code(), 0);
        assert_eq!(post(&bench.robot, &markdown(kind, 4_097)).await.code(), 40_058);
    }
    assert_eq!(bench.shown(), 3);
}

#[tokio::test]
async fn a_wrong_key_or_a_removed_robot() {
    let bench = Bench::new().await;
    let wrong = format!("{}/cgi-bin/webhook/send?key=none", bench.wecom);
    assert_eq!(post(&wrong, &text("x")).await.code(), 93_000);
    bench.sim.world(|world| world.robots.values_mut().for_each(|robot| robot.removed = true));
    assert_eq!(post(&bench.robot, &text("x")).await.code(), 93_000);
}

#[tokio::test]
async fn mentions_are_placed_by_kind() {
    let bench = Bench::new().await;
    let named = json!({"msgtype": "text", "text": {
        "content": "x", "mentioned_list": ["lisi", "@all"], "mentioned_mobile_list": ["13800001111"],
    }});
    post(&bench.robot, &named).await;
    post(&bench.robot, &json!({"msgtype": "markdown", "markdown": {"content": "# t\n<@lisi> <@wangwu>"}}))
        .await;
    post(&bench.robot, &json!({"msgtype": "markdown_v2", "markdown_v2": {"content": "<@lisi>"}})).await;
    let mentioned: Vec<Vec<String>> =
        bench.sim.world(|world| world.inbox.shown().map(|item| item.mentioned.clone()).collect());
    assert_eq!(mentioned[0], ["lisi", "@all", "13800001111"]);
    assert_eq!(mentioned[1], ["lisi", "wangwu"]);
    assert!(mentioned[2].is_empty(), "markdown_v2 knows no mentions");
}

#[tokio::test]
async fn pictures_news_and_cards() {
    let bench = Bench::new().await;
    // base64 and md5 of "hello", checked with coreutils.
    let picture = |md5: &str| json!({"msgtype": "image", "image": {"base64": "aGVsbG8=", "md5": md5}});
    assert_eq!(post(&bench.robot, &picture("5d41402abc4b2a76b9719d911017c592")).await.code(), 0);
    assert_eq!(post(&bench.robot, &picture("00000000000000000000000000000000")).await.code(), 301_019);
    let news = |count: usize| {
        let article = json!({"title": "t", "url": "https://tocsin.example/"});
        json!({"msgtype": "news", "news": {"articles": vec![article; count]}})
    };
    assert_eq!(post(&bench.robot, &news(8)).await.code(), 0);
    assert_eq!(post(&bench.robot, &news(9)).await.code(), 45_008);
    let card = |kind: &str| {
        json!({"msgtype": "template_card", "template_card": {
            "card_type": kind,
            "main_title": {"title": "t"},
            "card_action": {"type": 1, "url": "https://tocsin.example/"},
            "task_id": "t-1",
            "button_list": [{"text": "b", "key": "k"}],
        }})
    };
    assert_eq!(post(&bench.robot, &card("text_notice")).await.code(), 0);
    assert_eq!(
        post(&bench.robot, &card("button_interaction")).await.code(),
        40_058,
        "a robot hears no buttons"
    );
    assert_eq!(post(&bench.robot, &json!({"msgtype": "mystery"})).await.code(), 40_008);
}

#[tokio::test]
async fn a_file_is_uploaded_first_and_lives_three_days() {
    let bench = Bench::new().await;
    let upload = bench.robot.replace("webhook/send", "webhook/upload_media") + "&type=file";
    let body = b"--b\r\nContent-Disposition: form-data; name=\"media\"; filename=\"log.txt\"\r\n\r\nhello world\r\n--b--\r\n";
    let media = post_raw(&upload, "multipart/form-data; boundary=b", body).await.json();
    let file = json!({"msgtype": "file", "file": {"media_id": media["media_id"]}});
    assert_eq!(post(&bench.robot, &file).await.code(), 0);
    bench.advance(3 * 24 * 3_600);
    assert_eq!(post(&bench.robot, &file).await.code(), 40_007);
    assert_eq!(post_raw(&upload, "application/json", b"{}").await.code(), 41_005);
}

#[tokio::test]
async fn a_storm_in_virtual_time_shows_its_rhythm() {
    let bench = Bench::new().await;
    let (mut sent, mut refused) = (0_u32, 0_u32);
    while sent < 200 {
        match post(&bench.robot, &text(&format!("message {sent}"))).await.code() {
            0 => sent += 1,
            45_009 => {
                refused += 1;
                bench.advance(60);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(refused, 9, "twenty in each of ten minutes");
    let stats = common::get(&format!("{}/sim/stats", bench.wecom)).await.json();
    let group = stats["recipients"].as_object().unwrap().values().next().unwrap();
    assert_eq!((group["messages"].as_u64(), group["most_in_a_minute"].as_u64()), (Some(200), Some(20)));
    assert_eq!(stats["paths"]["/cgi-bin/webhook/send"]["errcodes"]["45009"], 9);
}

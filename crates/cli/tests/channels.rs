//! Channels from the command line: the real programs, and the simulator of the platforms.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _};

use support::{Home, files_with, wait_for};
use tocsin_wechat_sim::{Options, Simulator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_is_added_tested_used_and_removed() {
    let sim = Simulator::start(Options::default()).await.unwrap();
    let secret = sim.world(|world| world.app().unwrap().secret.clone());
    tokio::task::block_in_place(|| {
        let home = Home::new();
        let file = home.dir.path().join("secrets.toml");
        let _server = home.serve(&["--channel-secrets", file.to_str().unwrap()]);
        home.run(&["user", "add", "ann"]).ok();
        home.run(&["topic", "add", "ops", "--member", "ann"]).ok();
        let none = home.run(&["channel", "list"]).ok();
        assert!(none.err.contains("tocsin channel add"), "{}", none.err);

        let added = home.add_app(&sim.wecom_url()).ok();
        assert!(added.out.contains("tocsin channel secret"), "{}", added.out);
        let secret_among_settings = ["channel", "add", "app", "--kind", "wecom", "--set", "secret=x"];
        let wrong = home.run(&secret_among_settings).code(2);
        assert!(wrong.err.contains("standard input"), "{}", wrong.err);
        home.run(&["channel", "test", "app"]).code(1);

        home.run_with(&["channel", "secret", "app", "secret"], &format!("{secret}\n")).ok();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let people = home.run(&["channel", "people", "app"]).ok();
        assert!(people.out.contains("ZhangSan") && people.out.contains("张三"), "{}", people.out);
        home.run(&["channel", "bind", "app", "ann"]).code(2);
        let sent = home.run(&["channel", "bind", "app", "ann", "ZhangSan", "--send-code"]).ok();
        assert!(sent.out.contains("tocsin channel bind app ann --code"), "{}", sent.out);
        let text = sim.world(|world| world.inbox.shown().last().unwrap().text.clone());
        let code = text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6).unwrap();
        home.run(&["channel", "bind", "app", "ann", "--code", "000000x"]).code(1);
        home.run(&["channel", "bind", "app", "ann", "--code", code]).ok();
        home.run(&["channel", "route", "app", "--topic", "ops", "--from-priority", "4"]).ok();
        let tested = home.run(&["channel", "test", "app", "--user", "ann"]).ok();
        assert_eq!(tested.out.lines().count(), 2, "{}", tested.out);

        let switches = serde_json::json!({"wecom_allow_list": ["198.51.100.1"], "seen_ip": "203.0.113.7"});
        sim.configure(&switches).unwrap();
        let refused = home.run(&["channel", "test", "app"]).code(1);
        assert!(refused.out.contains("60020") && refused.out.contains("Add 203.0.113.7"), "{}", refused.out);
        sim.configure(&serde_json::json!({"wecom_allow_list": null})).unwrap();

        let sent = home.json(&["send", "ops", "disk full", "--priority", "5"]);
        let shown = || sim.world(|world| world.inbox.shown().any(|item| item.text.contains("disk full")));
        wait_for("the message on the phone", || shown().then_some(()));
        let id = sent["id"].as_str().unwrap();
        wait_for("the way in the receipt", || {
            let receipt = home.json(&["receipt", id]);
            (receipt["people"][0]["ways"][0]["state"] == "accepted").then_some(())
        });

        assert_eq!(files_with(&home.data(), &secret), Vec::<String>::new(), "not in the data, nor the log");
        home.run(&["channel", "remove", "app"]).ok();
        assert!(!fs::read_to_string(&file).unwrap().contains(&secret), "the secret went with its channel");
        assert_eq!(home.json(&["channel", "list"]), serde_json::json!([]));
    });
}

/// Without a file for them secrets come from the environment alone: the variable is named, the secret is not.
#[test]
fn a_secret_without_a_place_for_it_is_refused_by_the_name_of_its_variable() {
    let home = Home::new();
    let _server = home.serve(&[]);
    home.add_app("http://127.0.0.1:9").ok();
    let refused = home.run_with(&["channel", "secret", "app", "secret"], "canary\n").code(1);
    assert!(refused.err.contains("TOCSIN_CHANNEL_APP_SECRET"), "{}", refused.err);
    assert!(!refused.err.contains("canary"), "{}", refused.err);
}

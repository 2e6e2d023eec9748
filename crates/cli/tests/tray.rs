//! The resident as the command line sees it, without a desktop: no tray, no notifications, no keyring.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::{Home, wait_for};
use tocsin_control::{Client, Paths};

struct Tray(Child);

impl Tray {
    fn start(home: &Home) -> Self {
        let mut command: Command = home.command(["tray"]);
        command.env_remove("DBUS_SESSION_BUS_ADDRESS").stdout(Stdio::null()).stderr(Stdio::null());
        let tray = Self(command.spawn().unwrap());
        wait_for("the resident", || (home.run(&["status"]).code == 0).then_some(()));
        tray
    }
}

impl Drop for Tray {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn post(home: &Home, target: &str, body: &Value) {
    ask(home, "POST", target, body);
}

fn ask(home: &Home, method: &str, target: &str, body: &Value) {
    let paths = Paths::from_variables(Some(&home.data()), &|_| None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = serde_json::to_vec(body).unwrap().into();
    let answer = runtime.block_on(Client::resident(&paths).request(method, target, Some(body))).unwrap();
    assert!(answer.is_success(), "{target}: {answer:?}");
}

#[test]
fn status_pause_and_quit() {
    let home = Home::new();
    let mut tray = Tray::start(&home);
    let status = home.json(&["status"]);
    assert_eq!(status["hello"]["kind"], "tray");
    assert!(std::fs::exists(status["log_file"].as_str().unwrap()).unwrap());
    let human = home.run(&["status"]).ok().out;
    assert!(human.contains("dunst") && !human.contains("problem."), "each problem with its remedy: {human}");
    home.run(&["pause", "15m"]).ok();
    assert!(home.json(&["status"])["paused_until"].is_number());
    home.run(&["resume"]).ok();
    assert!(home.json(&["status"])["paused_until"].is_null());
    let second = home.run(&["tray"]).ok();
    assert!(second.err.contains("running already"), "{}", second.err);
    home.run(&["quit"]).ok();
    assert_eq!(wait_for("its end", || tray.0.try_wait().unwrap()).code(), Some(0));
    home.run(&["status"]).code(3);
}

#[test]
fn a_message_waits_in_the_resident_while_the_server_is_away() {
    let server_home = Home::new();
    let server = server_home.serve(&[]);
    let port = server.origin().rsplit(':').next().unwrap().to_owned();
    server_home.run(&["topic", "add", "ops"]).ok();
    let invite = server_home.json(&["invite", "--user", "bo", "--topic", "ops"])["invite"]
        .as_str()
        .unwrap()
        .to_owned();
    let home = Home::new();
    let _tray = Tray::start(&home);
    post(&home, "/native/vault", &json!({ "choice": "this_run_only" }));
    home.run(&["join", &invite]).ok();
    wait_for("the stream", || (home.json(&["status"])["connection"]["state"] == "online").then_some(()));
    assert!(home.run(&["status"]).ok().out.contains("bo"));
    home.run(&["send", "ops", "while it is there"]).ok();

    server.signal(rustix::process::Signal::KILL);
    server.ended();
    let spooled = home
        .run(&["send", "ops", "while it is away", "--retry", "0s", "--idempotency-key", "k7", "--json"])
        .code(3);
    assert_eq!(spooled.json()["spooled"], true, "{}", spooled.out);
    let listen = format!("127.0.0.1:{port}");
    let _server = server_home.serve(&["--listen", &listen]);
    let arrived = wait_for("the spooled message", || {
        let sent = home.run(&[
            "send",
            "ops",
            "while it is away",
            "--retry",
            "0s",
            "--idempotency-key",
            "k7",
            "--json",
        ]);
        (sent.code == 0).then(|| sent.json())
    });
    // The same key, so this is the message that was spooled, or the other way round: there is one.
    let id = arrived["id"].as_str().unwrap();
    wait_for("its receipt", || (server_home.json(&["receipt", id])["counts"]["received"] == 1).then_some(()));
}

#[test]
fn reset_takes_everything_of_ours() {
    let home = Home::new();
    let mut tray = Tray::start(&home);
    home.run(&["reset"]).code(2);
    // As in a home directory: names that Tocsin uses too, though for other things or elsewhere.
    let strangers = ["inbox/cur", "log/diary", "thesis.txt", "tocsin.db.bak", "watch/series/s01"];
    for name in strangers {
        let path = home.data().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "mine").unwrap();
    }
    ask(&home, "PATCH", "/native/settings", &json!({ "autostart": true }));
    let at_login = || std::fs::read_dir(home.dir.path().join(".config/autostart")).unwrap().count();
    assert_eq!(at_login(), 1, "it starts at login");
    let done = home.json(&["reset", "--yes"]);
    assert_eq!((&done["failed"], &done["autostart"]), (&json!([]), &json!(true)), "{done}");
    assert_eq!(at_login(), 0, "{done}");
    wait_for("its end", || tray.0.try_wait().unwrap());
    assert!(strangers.iter().all(|name| home.data().join(name).exists()), "{done}");
    let mut left: Vec<_> =
        std::fs::read_dir(home.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort_unstable();
    assert_eq!(left, ["inbox", "log", "thesis.txt", "tocsin.db.bak", "watch"], "{done}");
    assert_eq!(home.json(&["reset", "--yes"])["keyring_items"], 0, "repeating it is harmless");
}

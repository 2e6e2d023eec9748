//! `tocsin watch` beside a real server.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
};

use serde_json::Value;
use support::{Home, Server, private_file, wait_for};

/// Somebody else's client token, so that several watches do not meet.
struct Anna {
    origin: String,
    token: String,
}

impl Anna {
    fn new(home: &Home, server: &Server) -> Self {
        home.run(&["user", "add", "anna"]).ok();
        home.run(&["topic", "add", "ops", "--member", "anna"]).ok();
        home.run(&["topic", "add", "other", "--member", "anna"]).ok();
        let made = home.json(&["token", "add", "watch", "--user", "anna"]);
        let token = home.dir.path().join("anna.token");
        private_file(&token, made["secret"].as_str().unwrap());
        Self { origin: server.origin(), token: token.to_str().unwrap().to_owned() }
    }

    fn post(&self, path: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Another test of this process may have been first.
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let token = fs::read_to_string(&self.token).unwrap();
        let request = http.post(format!("{}{path}", self.origin)).bearer_auth(token).body("");
        let answer = runtime.block_on(request.send()).unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
    }

    fn watch<'a>(&'a self, flags: &[&'a str]) -> Vec<&'a str> {
        [&["watch", "--server", &self.origin, "--token-file", &self.token], flags].concat()
    }
}

fn start(home: &Home, args: &[&str]) -> Child {
    home.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn lines(child: Child) -> Vec<Value> {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn what_came_meanwhile_comes_first_and_nothing_twice() {
    let home = Home::new();
    let server = home.serve(&[]);
    let anna = Anna::new(&home, &server);
    for text in ["one", "two"] {
        home.run(&["send", "ops", text]).ok();
    }
    let bodies = |lines: &[Value]| {
        lines.iter().map(|line| line["body"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = lines(start(&home, &anna.watch(&["--json", "--count", "2"])));
    assert_eq!(bodies(&first), ["one", "two"]);
    home.run(&["send", "ops", "three"]).ok();
    let second = lines(start(&home, &anna.watch(&["--json", "--count", "1"])));
    assert_eq!(bodies(&second), ["three"], "it goes on where it was");
}

#[test]
fn the_sender_waits_for_the_receipt() {
    let home = Home::new();
    let server = home.serve(&[]);
    let anna = Anna::new(&home, &server);
    let watch = start(&home, &anna.watch(&["--json", "--count", "1"]));
    let sent = home.run(&["send", "ops", "hello", "--wait", "received", "--timeout", "30s"]).ok();
    assert!(sent.out.contains("anna") && sent.out.contains("received"), "{}", sent.out);
    let line = lines(watch).remove(0);
    let id = line["id"].as_str().unwrap();
    let receipt = home.json(&["receipt", id, "--wait", "received", "--any"]);
    assert_eq!(receipt["people"][0]["device"], "watch");
    assert_eq!(receipt["people"][0]["shown"], "shown");
    assert_eq!(receipt["counts"]["missing"], 0);
}

#[test]
fn a_command_gets_the_message_as_data() {
    let home = Home::new();
    let server = home.serve(&[]);
    let anna = Anna::new(&home, &server);
    let (script, out, canary) =
        (home.dir.path().join("run.sh"), home.dir.path().join("out"), home.dir.path().join("canary"));
    let text = format!(
        "#!/bin/sh\nprintf '%s|%s|%s\\n' \"$TOCSIN_TITLE\" \"$TOCSIN_PRIORITY\" \"$TOCSIN_TOPIC\" >> {0}\ncat >> {0}\n",
        out.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let title = format!("\"; touch {} #$(touch {})", canary.display(), canary.display());
    home.run(&["send", "other", "not for the command"]).ok();
    home.run(&["send", "ops", "body", "--title", &title, "--priority", "4"]).ok();
    let args = ["--count", "1", "--topic", "ops", "--exec", script.to_str().unwrap()];
    let done = start(&home, &anna.watch(&args)).wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let out = fs::read_to_string(&out).unwrap();
    let (fields, json) = out.split_once('\n').unwrap();
    assert_eq!(fields, format!("{title}|4|ops"));
    assert_eq!(serde_json::from_str::<Value>(json).unwrap()["body"], "body");
    assert!(!canary.exists(), "the title was run as a command");
}

#[test]
fn a_command_that_fails_is_seen_in_the_receipt() {
    let home = Home::new();
    let server = home.serve(&[]);
    let anna = Anna::new(&home, &server);
    let id = home.run(&["send", "ops", "hello"]).ok().line().to_owned();
    let done = start(&home, &anna.watch(&["--count", "1", "--exec", "false"])).wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains(&id), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(home.json(&["receipt", &id])["people"][0]["shown"], "failed");
}

#[test]
fn beside_the_server_it_needs_no_token_and_leaves_none() {
    let home = Home::new();
    let _server = home.serve(&[]);
    home.run(&["topic", "add", "ops", "--member", "root"]).ok();
    home.run(&["send", "ops", "hello"]).ok();
    let seen = lines(start(&home, &["watch", "--json", "--count", "1"]));
    assert_eq!(seen[0]["body"], "hello");
    assert_eq!(home.json(&["token", "list"]), serde_json::json!([]));
}

#[test]
fn what_a_killed_watch_left_is_revoked_by_the_next() {
    let home = Home::new();
    let _server = home.serve(&[]);
    home.run(&["topic", "add", "ops", "--member", "root"]).ok();
    // A person's own of that name has no end, and stays.
    home.run(&["token", "add", "watch watch"]).ok();
    let mut killed = start(&home, &["watch"]);
    let tokens = || home.json(&["token", "list"]).as_array().unwrap().len();
    wait_for("its token", || (tokens() == 2).then_some(()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    home.run(&["send", "ops", "hello"]).ok();
    lines(start(&home, &["watch", "--json", "--count", "1"]));
    assert_eq!(tokens(), 1);
}

#[test]
fn it_outlives_its_own_token() {
    let home = Home::new();
    let _server = home.serve(&[]);
    home.run(&["topic", "add", "ops", "--member", "root"]).ok();
    let watch = start(&home, &["watch", "--json", "--count", "2"]);
    let own = wait_for("its token", || home.json(&["token", "list"])[0]["id"].as_str().map(str::to_owned));
    home.run(&["send", "ops", "before", "--wait", "received", "--timeout", "30s"]).ok();
    // As when its week is over.
    home.run(&["token", "revoke", &own]).ok();
    home.run(&["send", "ops", "after"]).ok();
    let seen = lines(watch);
    assert_eq!((&seen[0]["body"], &seen[1]["body"]), (&Value::from("before"), &Value::from("after")));
    assert_eq!(home.json(&["token", "list"]), serde_json::json!([]));
}

#[test]
fn a_token_that_a_person_gave_and_revoked_is_the_end() {
    let home = Home::new();
    let server = home.serve(&[]);
    let anna = Anna::new(&home, &server);
    let watch = start(&home, &anna.watch(&[]));
    home.run(&["send", "ops", "before", "--wait", "received", "--timeout", "30s"]).ok();
    let id = home.json(&["token", "list"])[0]["id"].as_str().unwrap().to_owned();
    home.run(&["token", "revoke", &id]).ok();
    let done = watch.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(4), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn after_a_restore_no_program_runs_for_what_was_there_before() {
    let home = Home::new();
    let server = home.serve(&[]);
    let anna = Anna::new(&home, &server);
    let (script, out) = (home.dir.path().join("page-me.sh"), home.dir.path().join("paged"));
    fs::write(&script, format!("#!/bin/sh\nprintf '%s\\n' \"$TOCSIN_BODY\" >> {}\n", out.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let exec = ["--count", "1", "--exec", script.to_str().unwrap()];
    home.run(&["send", "ops", "first"]).ok();
    home.run(&anna.watch(&exec)).ok();
    let read = home.run(&["send", "ops", "read"]).ok().line().to_owned();
    let unread = home.run(&["send", "ops", "unread"]).ok().line().to_owned();
    anna.post(&format!("/v1/messages/{read}/read"));
    let backup = home.dir.path().join("backup.db");
    home.run(&["backup", backup.to_str().unwrap()]).ok();
    home.run(&["quit"]).ok();
    server.ended();
    home.run(&["restore", backup.to_str().unwrap()]).ok();

    let server = home.serve(&[]);
    let anna = Anna { origin: server.origin(), ..anna };
    let told = home.dir.path().join("told");
    let mut command = home.command(anna.watch(&exec));
    let mut watch = command.stderr(fs::File::create(&told).unwrap()).spawn().unwrap();
    wait_for("the note", || {
        fs::read_to_string(&told).unwrap().contains("2 messages of before").then_some(())
    });
    home.run(&["send", "ops", "new"]).ok();
    assert!(wait_for("its end", || watch.try_wait().unwrap()).success());
    assert_eq!(fs::read_to_string(&out).unwrap(), "first\nnew\n");
    for id in [&read, &unread] {
        let shown = &home.json(&["receipt", id])["people"][0]["shown"];
        assert_ne!(shown, "shown", "{id}");
    }
}

#[test]
fn it_outlives_a_restart_of_the_server() {
    let home = Home::new();
    let server = home.serve(&[]);
    let port = server.origin().rsplit(':').next().unwrap().to_owned();
    let anna = Anna::new(&home, &server);
    let watch = start(&home, &anna.watch(&["--json", "--count", "2"]));
    let first = home.run(&["send", "ops", "before", "--wait", "received", "--timeout", "30s"]).ok();
    server.signal(rustix::process::Signal::KILL);
    server.ended();
    let listen = format!("127.0.0.1:{port}");
    let _server = home.serve(&["--listen", &listen]);
    home.run(&["send", "ops", "after"]).ok();
    let seen = lines(watch);
    assert_eq!(seen[0]["id"].as_str().unwrap(), first.out.lines().next().unwrap());
    assert_eq!(seen[1]["body"], "after");
}

#[test]
fn two_watches_of_one_name_do_not_meet() {
    let home = Home::new();
    let server = home.serve(&[]);
    let anna = Anna::new(&home, &server);
    let mut first = start(&home, &anna.watch(&[]));
    wait_for("the first watch to be there", || {
        home.data().join("watch/watch/inbox.db").exists().then_some(())
    });
    let second = home.run(&anna.watch(&["--json"])).code(1);
    assert_eq!(second.json()["error"]["code"], "in_use");
    assert!(second.err.contains("--device"), "{}", second.err);
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn one_transport_alone_can_be_asked_for() {
    let home = Home::new();
    let server = home.serve(&[]);
    let anna = Anna::new(&home, &server);
    for (flag, name) in [("ws", "WebSocket"), ("sse", "SSE"), ("poll", "poll"), ("auto", "WebSocket")] {
        // One for each: a device of somebody who has it already is not owed it.
        home.run(&["send", "ops", "hello"]).ok();
        let device = format!("by-{flag}");
        let done = home.run(&anna.watch(&["--count", "1", "--device", &device, "--transport", flag])).ok();
        assert!(done.out.contains("hello") && done.err.contains(name), "{flag}: {}{}", done.out, done.err);
    }
    home.run(&anna.watch(&["--transport", "pigeon"])).code(2);
}

#[test]
fn lists_that_are_empty_and_things_that_fail_tell_the_next_step() {
    let home = Home::new();
    let _server = home.serve(&[]);
    for (args, next) in [
        (&["topic", "list"][..], "tocsin topic add"),
        (&["token", "list"], "tocsin token add"),
        (&["device"], "tocsin invite"),
    ] {
        let done = home.run(args).ok();
        assert!(done.err.contains(next), "{args:?}: {}", done.err);
    }
    for (args, code, next) in [
        (&["send", "nowhere", "x"][..], 1, "tocsin topic add"),
        (&["user", "remove", "nobody"], 1, "tocsin user list"),
        (&["user", "add", "root"], 1, "tocsin user change"),
        (&["user", "change", "root"], 2, "--role"),
        (&["topic", "change", "ops"], 2, "--description"),
        (&["token", "revoke", "999"], 1, "tocsin token list"),
        (&["receipt", "aaaaaaaaaaaa"], 1, "tocsin send"),
        (&["pause"], 1, "tocsin tray"),
        (&["join", "tocsin:x"], 1, "--save-token"),
        (&["backup", "/nonexistent/x"], 1, "mkdir"),
        (&["restore", "/nonexistent"], 1, "tocsin quit"),
        (&["status", "--server", "https://127.0.0.1:1"], 2, "--token-file"),
        (
            &["status", "--server", "https://127.0.0.1:1", "--token-file", "/nonexistent"],
            2,
            "tocsin token add",
        ),
    ] {
        let done = home.run(args).code(code);
        assert!(done.err.contains(next), "{args:?}: {}", done.err);
        assert!(!done.err.contains("/v1/"), "no routes where there are commands: {}", done.err);
    }
}
